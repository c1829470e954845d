"""Calls of the outbound client against loopback peers, and what is said of every failure."""

import contextlib
import time
from collections.abc import Iterator, Sequence

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.net.transport import Resolver
from fedbridge.ports import OutboundRequest, OutboundResponse

HOST = "idp.test"
"""The name of a peer that has a certificate."""

SHORT = 0.3
"""Seconds: the deadline of a call that a fault is to hold up."""

LONG = 10.0
"""Seconds: the deadline of a call that must fail by itself."""

_OUTAGES = {"upstream_timeout", "upstream_unreachable", "upstream_tls_failed"}


class Resolving:
    """A resolver with an answer for every call, the last for good; `asked` counts the calls."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found


@contextlib.contextmanager
def client_for(
    port: int, *, resolve: Resolver | None = None, ca_bundle: str | None = None, connect_timeout: float = 3.0
) -> Iterator[OutboundClient]:
    """Yield a client that may talk to this port of 127.0.0.1, by address and as `HOST`."""
    client = OutboundClient(
        private_hosts=[f"127.0.0.1:{port}", f"{HOST}:{port}"],
        resolve=resolve or Resolving(["127.0.0.1"]),
        ca_bundle=ca_bundle,
        connect_timeout=connect_timeout,
    )
    try:
        yield client
    finally:
        client.close()


def send(
    client: OutboundClient, url: str, *, seconds: float = LONG, max_bytes: int = 64 * 1024
) -> OutboundResponse:
    """Send what must not be repeated or logged: a code and a credential."""
    request = OutboundRequest(
        method="POST",
        url=url,
        headers={"authorization": "Basic Y2FuYXJ5OmNhbmFyeQ=="},
        body=b"grant_type=authorization_code&code=canary",
        max_bytes=max_bytes,
    )
    return client.send(request, Deadline.after(seconds))


def failure(
    client: OutboundClient, url: str, *, seconds: float = LONG, max_bytes: int = 64 * 1024
) -> UpstreamError:
    """Return the error of a call, which says nothing of what was sent or received, and ended with its deadline."""
    began = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        send(client, url, seconds=seconds, max_bytes=max_bytes)
    assert time.monotonic() - began < seconds + 5  # Generous: without a deadline these calls never end.
    error = caught.value
    assert str(error) == error.reason
    assert "canary" not in repr(error) + str(error.__dict__)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert error.error == ("temporarily_unavailable" if error.reason in _OUTAGES else "server_error")
    return error


def assert_works(client: OutboundClient, url: str) -> None:
    """Assert what must hold after every fault: the next good call succeeds on the same client."""
    assert send(client, url).status == 200
