import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient, tls_context
from fedbridge.net.transport import KEEP_ALIVE, MAX_IDLE, system_resolver
from fedbridge.ports import OutboundRequest
from tests.fakes.certificates import Authority
from tests.fakes.peers import Peer, Visit, answer, answering
from tests.support.outbound import HOST, LONG, Resolving, assert_works, client_for, send


def get(client: OutboundClient, url: str):
    return client.send(OutboundRequest(method="GET", url=url), Deadline.after(LONG))


def head_of(peer: Peer) -> dict[str, str]:
    lines = peer.requests[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    pairs = [line.partition(": ")[::2] for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.lower(): value for name, value in pairs}


# --- what is sent -------------------------------------------------------------------------------------------------


def test_a_get_is_sent_as_it_was_asked_for():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        get(client, peer.url("/userinfo?a=%20b&c=d%2Fe;f"))
        assert peer.requests[-1].startswith(b"GET /userinfo?a=%20b&c=d%2Fe;f HTTP/1.1\r\n")
        assert head_of(peer) == {
            "user-agent": "fedbridge",
            "host": f"127.0.0.1:{peer.port}",
            "accept-encoding": "identity",
        }


def test_a_post_is_sent_with_its_length():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        send(client, peer.url())
        head, _, body = peer.requests[-1].partition(b"\r\n\r\n")
        assert body == b"grant_type=authorization_code&code=canary"
        assert head_of(peer)["content-length"] == str(len(body))
        assert b"transfer-encoding" not in head.lower()


def test_a_post_without_a_body_says_so():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        client.send(OutboundRequest(method="POST", url=peer.url()), Deadline.after(LONG))
        assert head_of(peer)["content-length"] == "0"


def test_the_callers_headers_win_except_where_the_client_must_be_sure():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        headers = {
            "User-Agent": "bridge/1",
            "Accept": "application/json",
            "Host": "evil",
            "Accept-Encoding": "gzip",
        }
        client.send(OutboundRequest(method="GET", url=peer.url(), headers=headers), Deadline.after(LONG))
        assert head_of(peer) == {
            "user-agent": "bridge/1",
            "accept": "application/json",
            "host": f"127.0.0.1:{peer.port}",
            "accept-encoding": "identity",
        }


@pytest.mark.parametrize(
    "name, value",
    [
        ("x", "a\r\nb: c"),
        ("x", "canary\n"),
        ("x", "canary\x00"),
        ("x", "é"),
        ("x", " canary"),
        ("x", "canary "),
        ("a b", "c"),
        ("a:", "c"),
        ("", "c"),
        ("a\r\n", "c"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(name, value):
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        request = OutboundRequest(method="GET", url=peer.url(), headers={name: value})
        with pytest.raises(ValueError, match="cannot be sent") as caught:
            client.send(request, Deadline.after(LONG))
        assert "canary" not in str(caught.value)
        assert peer.visits == 0


def test_a_url_without_a_path_asks_for_the_root():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        get(client, peer.url("?a=b"))
        assert peer.requests[-1].startswith(b"GET /?a=b HTTP/1.1\r\n")


@pytest.mark.parametrize("path", ["/a?b=\"<>[]{}|^`'%zz%2f//../.", "/" + "x" * 70_000])
def test_path_and_query_are_sent_as_they_are(path):
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        get(client, peer.url(path))
        assert peer.requests[-1].startswith(f"GET {path} HTTP/1.1\r\n".encode())


def test_cookies_are_neither_kept_nor_handed_on():
    cookies = b"Set-Cookie: a=b; Path=/\r\nset-cookie: c=d\r\nSet-Cookie2: e=f\r\n"
    with Peer(answering(answer(headers=cookies))) as peer, client_for(peer.port) as client:
        assert "set-cookie" not in get(client, peer.url()).headers
        get(client, peer.url())
        assert "cookie" not in head_of(peer)


def test_repeated_response_headers_are_joined():
    response = answer(headers=b"WWW-Authenticate: Basic\r\nwww-authenticate: DPoP\r\nX-Empty:\r\n")
    with Peer(answering(response)) as peer, client_for(peer.port) as client:
        headers = get(client, peer.url()).headers
        assert headers["www-authenticate"] == "Basic, DPoP"
        assert headers["x-empty"] == ""


def test_a_body_may_end_with_the_connection():
    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(b"HTTP/1.0 200 OK\r\n\r\n{}")

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert get(client, peer.url()).body == b"{}"


def test_informational_responses_are_passed_over():
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    with Peer(answering(early + answer(b"[]"))) as peer, client_for(peer.port) as client:
        assert get(client, peer.url()).body == b"[]"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_response_without_a_body_ends_with_its_head(status):
    with Peer(answering(b"HTTP/1.1 " + status + b"\r\n\r\n")) as peer, client_for(peer.port) as client:
        assert get(client, peer.url()).body == b""
        assert get(client, peer.url()).body == b""
        assert peer.visits == 1


# --- kept connections ---------------------------------------------------------------------------------------------


def test_a_connection_is_used_again():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        for _ in range(5):
            assert_works(client, peer.url())
        assert (peer.visits, len(peer.requests)) == (1, 5)


def test_a_chunked_response_leaves_the_connection_usable():
    response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-trailer: y\r\n\r\n"
    with Peer(answering(response)) as peer, client_for(peer.port) as client:
        assert [get(client, peer.url()).body for _ in range(3)] == [b"{}"] * 3
        assert peer.visits == 1


@pytest.mark.parametrize("version, header", [(b"1.1", b"connection: close\r\n"), (b"1.0", b"")])
def test_a_connection_that_the_server_gives_up_is_not_used_again(version, header):
    response = b"HTTP/%s 200 OK\r\ncontent-length: 2\r\n%s\r\n{}" % (version, header)
    with Peer(answering(response)) as peer, client_for(peer.port) as client:
        assert_works(client, peer.url())
        assert_works(client, peer.url())
        assert peer.visits == 2


def test_a_connection_that_the_server_closed_while_idle_is_replaced():
    closed = threading.Semaphore(0)

    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(answer())
        visit.socket.close()
        closed.release()

    with Peer(behave) as peer, client_for(peer.port) as client:
        for _ in range(3):
            # A POST: had it been sent on the dead connection, it could not have been sent again.
            assert_works(client, peer.url())
            assert closed.acquire(timeout=10)
        assert (peer.visits, len(peer.requests)) == (3, 3)


def test_a_tls_connection_that_the_server_closed_while_idle_is_replaced(tmp_path):
    authority = Authority(tmp_path)
    closed = threading.Semaphore(0)

    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(answer())
        visit.socket.close()
        closed.release()

    with (
        Peer(behave, authority.server(HOST)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        for _ in range(2):
            assert_works(client, peer.url(host=HOST, scheme="https"))
            assert closed.acquire(timeout=10)
        assert peer.visits == 2


@pytest.mark.parametrize("idle, visits", [(KEEP_ALIVE - 1, 1), (KEEP_ALIVE + 1, 2), (-1.0, 2)])
def test_idle_time_is_measured_by_the_wall_clock(idle, visits):
    with (
        Peer(answering(answer())) as peer,
        client_for(peer.port) as client,
        time_machine.travel(1_800_000_000, tick=False) as wall_clock,
    ):
        assert_works(client, peer.url())
        wall_clock.shift(idle)  # as after a freeze, during which the monotonic clock may have stood still
        assert_works(client, peer.url())
        assert peer.visits == visits


def test_the_oldest_idle_connections_are_closed():
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(answering(answer()))) for _ in range(MAX_IDLE + 1)]
        client = OutboundClient(private_hosts=[f"127.0.0.1:{peer.port}" for peer in peers])
        stack.callback(client.close)
        for peer in peers:
            assert_works(client, peer.url())
        assert_works(client, peers[-1].url())
        assert peers[-1].visits == 1
        assert_works(client, peers[0].url())
        assert peers[0].visits == 2


def test_connections_of_one_host_and_port_are_not_shared_between_http_and_https(tmp_path):
    authority = Authority(tmp_path)
    with (
        Peer(answering(answer()), authority.server("127.0.0.1")) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        assert_works(client, peer.url(scheme="https"))
        with pytest.raises(UpstreamError):
            send(client, peer.url(scheme="http"))
        assert len(peer.requests) == 1


def test_a_closed_client_connects_anew():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        assert_works(client, peer.url())
        client.close()
        assert_works(client, peer.url())
        assert peer.visits == 2


def test_threads_get_their_own_answers():
    def behave(visit: Visit) -> None:
        while request := visit.read_request():
            visit.send(answer(request.split(b" ")[1]))

    with Peer(behave) as peer, client_for(peer.port) as client, ThreadPoolExecutor(16) as pool:
        paths = [f"/{number}" for number in range(300)]
        bodies = list(pool.map(lambda path: get(client, peer.url(path)).body.decode(), paths))
        assert bodies == paths
        assert peer.visits <= 16


# --- names --------------------------------------------------------------------------------------------------------


def test_the_system_is_asked_for_addresses():
    found = system_resolver("localhost", 443)
    assert found
    assert set(found) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["xn--a.example", "xn--99zz.b.example", "a_b.example", "0x7f.example"])
def test_a_name_is_looked_up_as_it_is(host):
    client = OutboundClient(resolve=Resolving(OSError()))
    with pytest.raises(UpstreamError, match="upstream_unreachable"):
        get(client, f"https://{host}/")


def test_a_resolver_that_is_broken_is_no_outage():
    client = OutboundClient(resolve=Resolving(RuntimeError("broken")))
    with pytest.raises(RuntimeError, match="broken"):
        get(client, "https://idp.example/")


# --- configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        "",
        "localhost",
        ":9000",
        "localhost:",
        "localhost:0",
        "localhost:70000",
        "localhost:9000/",
        "http://localhost:9000",
        "local host:9000",
        "127.1:9000",
        "2130706433:80",
        "[::1:9000",
        "user@localhost:9000",
        "localhost:+9",
        "*:9000",
    ],
)
def test_a_malformed_allow_list_is_a_configuration_error_that_names_the_item(item):
    with pytest.raises(ConfigurationError, match="FEDBRIDGE_PRIVATE_HOSTS") as caught:
        OutboundClient(private_hosts=["127.0.0.1:9000", item])
    assert repr(item) in str(caught.value)


def test_the_allow_list_knows_no_letter_case():
    with Peer(answering(answer())) as peer:
        client = OutboundClient(private_hosts=[f"LocalHost:{peer.port}"], resolve=Resolving(["127.0.0.1"]))
        with contextlib.closing(client):
            assert_works(client, f"http://LOCALHOST:{peer.port}/")


@pytest.mark.parametrize(
    "content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_bundle_that_holds_no_certificate_is_a_configuration_error(content, tmp_path):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(ConfigurationError, match="FEDBRIDGE_CA_BUNDLE"):
        OutboundClient(ca_bundle=str(bundle))


def test_a_bundle_adds_to_the_public_authorities(tmp_path):
    bundle = Authority(tmp_path).bundle
    assert len(tls_context(bundle).get_ca_certs()) == len(tls_context().get_ca_certs()) + 1
    assert len(tls_context().get_ca_certs()) > 50
