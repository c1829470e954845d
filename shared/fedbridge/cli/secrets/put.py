"""`fedbridge secrets put`: the new client secret that an IdP gave, tried there first, under the reference of the old one."""

from __future__ import annotations

import contextlib
import functools
import getpass
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.aws import sdk_client
from fedbridge.cli.connections import Quiet, load_one
from fedbridge.cli.dev import loopback_hosts
from fedbridge.cli.secret_store import SecretStore
from fedbridge.errors import ConfigurationError, FedbridgeError, UpstreamError
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import FRESH, CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.rp.calls import Calls
from fedbridge.rp.metadata import MetadataSource

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection
    from fedbridge.ports import Secrets

BUDGET = 30.0
"""Seconds for trying a secret, and for storing it."""

MOST_BYTES = 64 * 1024
"""What Secrets Manager takes."""

_SECRET = re.compile(r"[\x20-\x7e]+")  # RFC 6749 appendix A.2


@dataclass(frozen=True, slots=True)
class _With:
    """`Secrets` in which one reference already means what it will."""

    stored: Secrets
    reference: str
    value: str = field(repr=False)

    def get(self, reference: str, deadline: Deadline, *, refresh: bool = False) -> str:
        if reference == self.reference:
            return self.value
        return self.stored.get(reference, deadline, refresh=refresh)


def put(options: argparse.Namespace) -> int:
    """Read, try and store a secret; 1 where the IdP refuses it, and then nothing is stored."""
    connection = load_one(options)
    reference = connection.client_authentication.secret
    if reference is None:
        raise ConfigurationError(f"{connection.name}: authenticates to its IdP without a client secret")
    clients = functools.cache(sdk_client)
    store = SecretStore(clients, allow_local=options.local)
    store.check(reference)
    value = _read()
    if not options.unchecked and _may_try(options, connection):
        stored = CachedSecrets(clients, allow_local=options.local, telemetry=Quiet())
        refusal = _refusal(options, connection, _With(stored, reference, value))
        if refusal is not None:
            print(f"{connection.name}: {refusal}. Nothing was stored.", file=sys.stderr)
            return 1
    store.write(reference, value, Deadline.after(BUDGET))
    _print_stored(connection, reference)
    return 0


def _read() -> str:
    """Return what is typed without being shown, or what comes through a pipe; never an argument, which others could see."""
    if sys.stdin.isatty():
        value = getpass.getpass("The new client secret: ")
    else:
        value = sys.stdin.read(MOST_BYTES + 1).removesuffix("\n").removesuffix("\r")
    if not _SECRET.fullmatch(value) or value != value.strip() or len(value) > MOST_BYTES:
        raise ConfigurationError(
            "the secret must be printable ASCII in one line, without blanks around it: copy it again"
        )
    return value


def _may_try(options: argparse.Namespace, connection: Connection) -> bool:
    """Return whether the IdP may be asked with a made-up code, which some count as an attack."""
    from fedbridge.cli.check.checking import probes  # noqa: PLC0415  `secrets new` has no use for it

    allowed = probes(connection, options.file.parent)
    if not allowed:
        print("Not tried at this IdP, which minds made-up codes: try a sign-in.", file=sys.stderr)
    return allowed


def _refusal(options: argparse.Namespace, connection: Connection, secrets: _With) -> str | None:
    """Return why the secret is not stored, None where the IdP takes it, or does not say."""
    hosts = [*options.private_host, *(loopback_hosts(connection) if options.local else ())]
    with contextlib.closing(OutboundClient(private_hosts=hosts, ca_bundle=options.ca_bundle)) as http:
        try:
            failure = _attempt(connection, secrets, http)
        except FedbridgeError as error:  # Already the metadata cannot be had.
            failure = error
    match failure:
        case None:
            return "the IdP gave tokens for a made-up code, so it takes any secret"
        case UpstreamError(reason="authorization_code_refused"):
            print("The IdP takes it: it refused the made-up code, and not the client.")
            return None
        case UpstreamError() if _refuses_client(failure):
            return f"the IdP refuses this secret ({failure.upstream_code or failure.upstream_status})"
        case UpstreamError() if failure.upstream_status is not None and failure.upstream_status < 500:
            said = failure.upstream_code or failure.upstream_status
            print(f"The IdP did not say whether it takes it ({said}): try a sign-in.", file=sys.stderr)
            return None
        case _:
            return f"the IdP could not be asked ({failure.reason}); --unchecked stores it all the same"


def _refuses_client(failure: UpstreamError) -> bool:
    return failure.reason == "client_authentication_refused" or failure.upstream_status == 401


def _attempt(connection: Connection, secrets: _With, http: OutboundClient) -> FedbridgeError | None:
    """Redeem a made-up code with the secret; return how that failed. Raises what reading the IdP's metadata does."""
    from fedbridge.cli.check.client import attempt  # noqa: PLC0415  `secrets new` has no use for it
    from fedbridge.cli.check.context import CheckContext  # noqa: PLC0415  likewise

    clients = functools.cache(sdk_client)
    keys = CachedKeys(secrets, clients, trust_stored=False)
    calls = Calls(http, Quiet(), keys=keys, clock=time.time)
    metadata = MetadataSource(calls, Quiet(), time.time).get(connection, Deadline.after(BUDGET))
    context = CheckContext(
        connection=connection,
        base_url=None,
        clients=clients,
        http=http,
        keys=keys,
        secrets=secrets,
        clock=time.time,
    )
    return attempt(context, metadata)


def _print_stored(connection: Connection, reference: str) -> None:
    print(f"{connection.name}: stored as {reference}.")
    print(
        f"Functions read it within {FRESH / 60:.0f} minutes, and at once where the IdP refuses the former one."
    )
    scheme, _, name = reference.partition("#")[0].partition(":")
    if scheme == "secretsmanager":
        print(f"The former one stays as version AWSPREVIOUS of {name}.")
    if connection.client_authentication.secret_expires is not None:
        day = connection.client_authentication.secret_expires
        print(f"connections.yaml says that it expires on {day}: change client_authentication.secret_expires.")
