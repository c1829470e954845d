"""What every `HttpClient` does, the one that sends and the fake that tests of flows rely on."""

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.ports import OutboundRequest, OutboundResponse
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.peers import Peer, Visit, answer


class Real:
    """A client and the server that it is to talk to."""

    def __init__(self) -> None:
        self._response = b""
        self._peer = Peer(self._behave)
        self._peer.__enter__()
        self.client: OutboundClient = OutboundClient(private_hosts=[f"127.0.0.1:{self._peer.port}"])
        self.url = self._peer.url()

    def _behave(self, visit: Visit) -> None:
        while visit.read_request():
            visit.send(self._response)

    def prepare(self, method: str, response: OutboundResponse) -> None:
        headers = b"".join(f"{name}: {value}\r\n".encode() for name, value in response.headers.items())
        self._response = answer(response.body, status=b"%d Whatever" % response.status, headers=headers)

    def sent(self) -> int:
        return len(self._peer.requests)

    def close(self) -> None:
        self.client.close()
        self._peer.__exit__(None, None, None)


class Fake:
    url = "https://idp.example/token"

    def __init__(self) -> None:
        self.client = FakeHttpClient()

    def prepare(self, method: str, response: OutboundResponse) -> None:
        self.client.answer(method, self.url, response)

    def sent(self) -> int:
        return len(self.client.sent)

    def close(self) -> None:
        pass


@pytest.fixture(params=[Real, Fake], ids=["outbound", "fake"])
def subject(request):
    made = request.param()
    yield made
    made.close()


def soon() -> Deadline:
    return Deadline.after(5.0)


@pytest.mark.parametrize("status", [200, 301, 302, 307, 308, 400, 401, 403, 404, 429, 500, 503])
def test_whatever_was_answered_is_returned(subject, status):
    subject.prepare(
        "POST", json_answer({"a": 1}, status=status, headers={"location": "https://elsewhere.example/"})
    )
    response = subject.client.send(OutboundRequest(method="POST", url=subject.url, body=b"x=1"), soon())
    assert response.status == status
    assert response.body == b'{"a": 1}'
    assert response.headers["location"] == "https://elsewhere.example/"
    assert subject.sent() == 1


def test_header_names_are_lower_case(subject):
    subject.prepare(
        "GET", OutboundResponse(status=200, headers={"Content-Type": "Application/JSON"}, body=b"")
    )
    response = subject.client.send(OutboundRequest(method="GET", url=subject.url), soon())
    assert response.headers["content-type"] == "Application/JSON"
    assert not any(name != name.lower() for name in response.headers)


def test_a_body_of_exactly_the_cap_is_returned(subject):
    subject.prepare("GET", OutboundResponse(status=200, headers={}, body=b"x" * 100))
    response = subject.client.send(OutboundRequest(method="GET", url=subject.url, max_bytes=100), soon())
    assert response.body == b"x" * 100


def test_a_body_above_the_cap_is_refused(subject):
    subject.prepare("GET", OutboundResponse(status=200, headers={}, body=b"x" * 101))
    with pytest.raises(UpstreamError) as caught:
        subject.client.send(OutboundRequest(method="GET", url=subject.url, max_bytes=100), soon())
    assert (caught.value.reason, caught.value.error) == ("upstream_response_invalid", "server_error")
    assert caught.value.upstream_status == 200


def test_nothing_is_sent_after_the_deadline(subject):
    subject.prepare("GET", OutboundResponse(status=200, headers={}, body=b""))
    with pytest.raises(UpstreamError) as caught:
        subject.client.send(OutboundRequest(method="GET", url=subject.url), Deadline.after(-1.0))
    assert (caught.value.reason, caught.value.error) == ("upstream_timeout", "temporarily_unavailable")
    assert subject.sent() == 0


def test_requests_follow_one_another(subject):
    for body in (b"1", b"22", b""):
        subject.prepare("POST", OutboundResponse(status=200, headers={}, body=body))
        request = OutboundRequest(method="POST", url=subject.url, body=b"x=1")
        assert subject.client.send(request, soon()).body == body
    assert subject.sent() == 3
