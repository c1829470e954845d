"""Group M, 116: TLS faults. No byte of a request is sent, and there is no way around verification."""

import datetime as dt
import ssl
import threading

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.ports import OutboundRequest
from tests.fakes.certificates import Authority
from tests.fakes.peers import Peer, Visit, answer, answering
from tests.support.outbound import HOST, SHORT, assert_works, client_for, failure


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def bad_server(kind: str, authority: Authority, folder) -> ssl.SSLContext:
    folder.mkdir(exist_ok=True)
    match kind:
        case "expired":
            return authority.server(HOST, not_before=NOW - 2 * DAY, not_after=NOW - DAY)
        case "not yet valid":
            return authority.server(HOST, not_before=NOW + DAY, not_after=NOW + 2 * DAY)
        case "wrong host":
            return authority.server("other.test")
        case "wildcard of another level":
            return authority.server("*.idp.test")
        case "address instead of name":
            return authority.server("127.0.0.1")
        case "unknown authority":
            return Authority(folder).server(HOST)
        case "missing intermediate":
            return authority.server_without_intermediate(HOST)
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "expired",
        "not yet valid",
        "wrong host",
        "wildcard of another level",
        "address instead of name",
        "unknown authority",
        "missing intermediate",
    ],
)
def test_116_a_certificate_that_does_not_hold(kind, authority, tmp_path):
    tls = bad_server(kind, authority, tmp_path / "other")
    with Peer(answering(answer()), tls) as peer, client_for(peer.port, ca_bundle=authority.bundle) as client:
        assert failure(client, peer.url(host=HOST, scheme="https")).reason == "upstream_tls_failed"
        assert peer.requests == []


def test_116_a_good_certificate_passes(authority):
    with (
        Peer(answering(answer()), authority.server(HOST)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        assert_works(client, peer.url(host=HOST, scheme="https"))


def test_116_an_authority_that_was_not_configured_is_not_trusted(authority):
    with Peer(answering(answer()), authority.server(HOST)) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url(host=HOST, scheme="https")).reason == "upstream_tls_failed"
        assert peer.requests == []


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_116_an_old_protocol(version, authority):
    tls = authority.server(HOST)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        tls.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        tls.maximum_version = ssl.TLSVersion[version]
    with Peer(answering(answer()), tls) as peer, client_for(peer.port, ca_bundle=authority.bundle) as client:
        assert failure(client, peer.url(host=HOST, scheme="https")).reason == "upstream_tls_failed"
        assert peer.requests == []


def test_116_tls_1_2_is_enough(authority):
    tls = authority.server(HOST)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with Peer(answering(answer()), tls) as peer, client_for(peer.port, ca_bundle=authority.bundle) as client:
        assert_works(client, peer.url(host=HOST, scheme="https"))


def test_116_a_handshake_that_stalls():
    with Peer(Visit.stall) as peer, client_for(peer.port) as client:
        assert (
            failure(client, peer.url(host=HOST, scheme="https"), seconds=SHORT).reason == "upstream_timeout"
        )


def test_116_a_handshake_that_drips():
    # A handshake record of 16 KiB is announced, and comes a byte at a time.
    record = b"\x16\x03\x03\x40\x00" + bytes(16384)
    with Peer(lambda visit: visit.drip(record)) as peer, client_for(peer.port) as client:
        assert (
            failure(client, peer.url(host=HOST, scheme="https"), seconds=SHORT).reason == "upstream_timeout"
        )


def test_116_a_handshake_that_stalls_ends_with_the_connect_timeout():
    with Peer(Visit.stall) as peer, client_for(peer.port, connect_timeout=0.2) as client:
        deadline = Deadline.after(30.0)
        with pytest.raises(UpstreamError) as caught:
            client.send(OutboundRequest(method="GET", url=peer.url(host=HOST, scheme="https")), deadline)
        assert caught.value.reason == "upstream_timeout"
        assert deadline.remaining() > 15


def test_116_no_handshake_begins_after_the_deadline():
    closed = threading.Event()

    def behave(visit: Visit) -> None:
        assert visit.socket.recv(1) == b""
        closed.set()

    # The name is resolved and the connection opened at 0 s, the deadline at 1 s.
    now = iter([0.0, 0.0, 2.0])
    with Peer(behave) as peer, client_for(peer.port) as client:
        request = OutboundRequest(method="GET", url=peer.url(host=HOST, scheme="https"))
        with pytest.raises(UpstreamError, match="upstream_timeout"):
            client.send(request, Deadline(1.0, lambda: next(now)))
        assert closed.wait(10)


@pytest.mark.parametrize("behave", [Visit.leave, Visit.reset], ids=["closed", "reset"])
def test_116_a_handshake_that_is_broken_off(behave):
    with Peer(behave) as peer, client_for(peer.port) as client:
        reason = failure(client, peer.url(host=HOST, scheme="https")).reason
        assert reason in {"upstream_tls_failed", "upstream_unreachable"}
        assert peer.visits == 1


def test_116_a_server_that_speaks_no_tls_never_sees_the_request():
    seen = []

    def behave(visit: Visit) -> None:
        seen.append(visit.socket.recv(65536))
        visit.send(answer())
        visit.stall()

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url(host=HOST, scheme="https")).reason == "upstream_tls_failed"
        assert seen[0][0] == 0x16  # a handshake record
        assert b"canary" not in seen[0]
        assert peer.visits == 1  # no second attempt without TLS


def test_116_http_is_not_what_https_falls_back_to_or_is_upgraded_from():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url(host=HOST, scheme="http")).reason == "upstream_target_refused"
        assert peer.visits == 0
