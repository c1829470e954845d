"""Group M: upstream network faults, at the outbound client. The numbers are those of the negative checklist.

116 is in test_m_network_tls.py, 124 to 126 are in test_m_network_targets.py; 121, 123, 127 and 128 are about what the
caller makes of an answer, and are tested with the upstream side.
"""

import contextlib
import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterator

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.ports import OutboundRequest
from tests.fakes.certificates import Authority
from tests.fakes.peers import Behaviour, Peer, Visit, answer, answering, saying
from tests.support.outbound import HOST, LONG, SHORT, Resolving, assert_works, client_for, failure, send


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# --- 115: the peer cannot be reached ------------------------------------------------------------------------------


def test_115_refused():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    with client_for(port) as client:
        assert failure(client, f"http://127.0.0.1:{port}/").reason == "upstream_unreachable"


@pytest.mark.parametrize("read_first", [True, False], ids=["after the request", "at once"])
def test_115_reset(read_first):
    def behave(visit: Visit) -> None:
        if read_first:
            visit.read_request()
        visit.reset()

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url()).reason == "upstream_unreachable"
        assert peer.visits == 1


def test_115_reset_within_the_body():
    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        time.sleep(0.1)
        visit.reset()

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url()).reason == "upstream_unreachable"


def test_115_closed_without_a_word():
    with Peer(Visit.leave) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url()).reason == "upstream_unreachable"


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "NXDOMAIN"),
        socket.gaierror(socket.EAI_AGAIN, "SERVFAIL"),
        OSError("no network"),
    ],
    ids=["NXDOMAIN", "SERVFAIL", "no network"],
)
def test_115_the_name_cannot_be_resolved(error):
    with contextlib.closing(OutboundClient(resolve=Resolving(error))) as client:
        assert failure(client, "https://idp.example/token").reason == "upstream_unreachable"


def test_115_the_name_has_no_address():
    with contextlib.closing(OutboundClient(resolve=Resolving([]))) as client:
        assert failure(client, "https://idp.example/token").reason == "upstream_unreachable"


def test_115_a_resolver_that_hangs_is_left_behind():
    over = threading.Event()

    def resolve(host, port):
        over.wait(30)
        return ["93.184.216.34"]

    with contextlib.closing(OutboundClient(resolve=resolve)) as client:
        assert failure(client, "https://idp.example/token", seconds=SHORT).reason == "upstream_timeout"
        over.set()


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that drops SYNs, because nobody accepts and its queue is full."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_115_connect_timeout_comes_before_the_deadline(black_hole):
    with client_for(black_hole, connect_timeout=0.2) as client:
        deadline = Deadline.after(30.0)
        with pytest.raises(UpstreamError) as caught:
            client.send(OutboundRequest(method="GET", url=f"http://127.0.0.1:{black_hole}/"), deadline)
        assert caught.value.reason == "upstream_timeout"
        assert deadline.remaining() > 15


def test_115_the_deadline_comes_before_the_connect_timeout(black_hole):
    with client_for(black_hole, connect_timeout=30.0) as client:
        assert failure(client, f"http://127.0.0.1:{black_hole}/", seconds=SHORT).reason == "upstream_timeout"


def test_115_the_next_address_is_tried(authority):
    # The peer listens on 127.0.0.1 alone; 127.0.0.2 refuses.
    resolve = Resolving(["127.0.0.2", "127.0.0.1"])
    with (
        Peer(answering(answer()), authority.server(HOST)) as peer,
        client_for(peer.port, resolve=resolve, ca_bundle=authority.bundle) as client,
    ):
        assert_works(client, peer.url(host=HOST, scheme="https"))
        assert peer.visits == 1


def test_115_addresses_share_the_connect_timeout(black_hole):
    resolve = Resolving(["127.0.0.1"] * 100)
    with client_for(black_hole, resolve=resolve, connect_timeout=0.3) as client:
        deadline = Deadline.after(30.0)
        with pytest.raises(UpstreamError) as caught:
            client.send(OutboundRequest(method="GET", url=f"https://{HOST}:{black_hole}/"), deadline)
        assert caught.value.reason == "upstream_timeout"
        assert deadline.remaining() > 15


# --- 117: slow peers ----------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

SLOW = {
    "nothing": lambda visit: visit.stall(),
    "a byte of the head now and then": lambda visit: visit.drip(HEAD * 100),
    "stall within the head": lambda visit: (visit.send(HEAD), visit.stall()),
    "stall after the head": lambda visit: (visit.send(HEAD + b"content-length: 5\r\n\r\n"), visit.stall()),
    "a byte of the body now and then": lambda visit: (
        visit.send(HEAD + b"content-length: 10000\r\n\r\n"),
        visit.drip(b"x" * 10000),
    ),
    "a byte of a body without length": lambda visit: (visit.send(HEAD + b"\r\n"), visit.drip(b"x" * 10000)),
    "a chunk now and then": lambda visit: (
        visit.send(HEAD + b"transfer-encoding: chunked\r\n\r\n"),
        visit.drip(b"1\r\nx\r\n" * 10000),
    ),
    "stall within a chunk": lambda visit: (
        visit.send(HEAD + b"transfer-encoding: chunked\r\n\r\nff\r\nx"),
        visit.stall(),
    ),
    "only informational responses": lambda visit: visit.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


@pytest.mark.parametrize("kind", SLOW)
def test_117_a_slow_peer_is_left_at_the_deadline(kind):
    def behave(visit: Visit) -> None:
        if visit.read_request() and visit.peer.visits == 1:
            SLOW[kind](visit)
        else:
            visit.send(answer())

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url(), seconds=SHORT).reason == "upstream_timeout"
        assert_works(client, peer.url())
        assert peer.visits == 2


def test_117_a_kept_connection_knows_the_deadline_of_each_request():
    def behave(visit: Visit) -> None:
        while b"slow" not in visit.read_request():
            visit.send(answer())
        visit.stall()

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert_works(client, peer.url())
        assert_works(client, peer.url())
        assert failure(client, peer.url("/slow"), seconds=SHORT).reason == "upstream_timeout"
        assert peer.visits == 1


def test_117_a_peer_that_does_not_read_is_left_at_the_deadline():
    with Peer(Visit.stall) as peer, client_for(peer.port) as client:
        request = OutboundRequest(method="POST", url=peer.url(), body=b"x" * 50_000_000)
        deadline = Deadline.after(SHORT)
        with pytest.raises(UpstreamError) as caught:
            client.send(request, deadline)
        assert caught.value.reason == "upstream_timeout"
        assert deadline.monotonic() < deadline.at + 5  # The peer gives up after 30 s.


# --- 118: framing -------------------------------------------------------------------------------------------------

CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

ENDLESS = {
    "body of a length": (HEAD + b"content-length: 10000000000\r\n\r\n", b"x" * 65536),
    "body without a length": (HEAD + b"\r\n", b"x" * 65536),
    "chunks": (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "tiny chunks": (CHUNKED, b"1\r\nx\r\n" * 10000),
    "one chunk": (CHUNKED + b"ffffffffffff\r\n", b"x" * 65536),
    "chunk extension": (CHUNKED + b"1;", b"x" * 65536),
    "trailers": (CHUNKED + b"0\r\n", b"x-trailer: y\r\n" * 4096),
    "headers": (HEAD, b"x-header: y\r\n" * 4096),
    "header": (HEAD + b"x-header: ", b"y" * 65536),
    "status line": (b"HTTP/1.1 200 ", b"y" * 65536),
    "informational responses": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" * 1000),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_118_an_endless_response_is_stopped_at_the_cap(kind):
    start, more = ENDLESS[kind]

    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(start)
        while not visit.peer.over.is_set():
            visit.send(more)

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url()).reason == "upstream_response_invalid"
        # What the kernel buffers of a loopback connection comes on top of what was read.
        assert peer.sent < 32 * 1024 * 1024


LIES = {
    "length too long": HEAD + b"content-length: 100\r\n\r\n{}",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "negative length": HEAD + b"content-length: -2\r\n\r\n{}",
    "length in words": HEAD + b"content-length: two\r\n\r\n{}",
    "chunks that end early": CHUNKED + b"2\r\n{}\r\n",
    "chunk size in words": CHUNKED + b"two\r\n{}\r\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "another transfer coding": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "head cut off": HEAD,
    "space in a header name": HEAD + b"x header: y\r\ncontent-length: 2\r\n\r\n{}",
    "NUL in a header": HEAD + b"x-header: \x00\r\ncontent-length: 2\r\n\r\n{}",
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n",
    "HTTP/0.9": b"{}",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "an HTTP/2 frame": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    "a protocol switch": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("kind", LIES)
def test_118_a_response_that_lies_about_itself_is_refused_whole(kind):
    with Peer(saying(LIES[kind])) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url()).reason == "upstream_response_invalid"
        assert peer.visits == 1


WHOLE = {
    "length": answer(b"{}"),
    "length, of several lines": answer(b"{\n\n}\n"),
    "length 0": answer(b""),
    "chunks": CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
    "chunks of several lines": CHUNKED + b"5\r\n{\n\n}\n\r\n0\r\nx-trailer: y\r\n\r\n",
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "no body in spite of a length": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n",
    "informational first": b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"{}"),
    "bare line feeds": answer(b"{}").replace(b"\r\n", b"\n"),
    "the same length twice": HEAD + b"content-length: 2\r\ncontent-length: 2, 2\r\n\r\n{}",
}


STOLEN = answer(b'{"sub":"mallory"}')


def saying_more(kind: str, more: bytes) -> Behaviour:
    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(WHOLE[kind] + more)
        if visit.read_request():
            visit.send(answer(b"[]"))

    return behave


@pytest.mark.parametrize("more", [b"\n", b"x", STOLEN], ids=["line", "byte", "response"])
@pytest.mark.parametrize("kind", WHOLE)
def test_118_what_follows_a_response_is_not_the_next_one(kind, more):
    """A length that is too short, say: the rest would be read as the answer to somebody else's request."""
    with Peer(saying_more(kind, more)) as peer, client_for(peer.port) as client:
        assert send(client, peer.url()) == send(client, peer.url())
        assert peer.visits == 2


@pytest.mark.parametrize(
    "inside", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\n\n{}"]
)
def test_118_a_chunk_that_arrives_by_itself_and_looks_like_a_head_is_none(inside):
    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(CHUNKED + b"%x\r\n" % len(inside))
        visit.peer.over.wait(0.05)
        visit.send(inside + b"\r\n0\r\n\r\n" + STOLEN)
        if visit.read_request():
            visit.send(answer(b"[]"))

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert send(client, peer.url()).body == inside
        assert send(client, peer.url()).body == inside
        assert peer.visits == 2


@pytest.mark.parametrize("kind", WHOLE)
def test_118_a_response_that_nothing_follows_leaves_the_connection_usable(kind):
    with Peer(saying_more(kind, b"")) as peer, client_for(peer.port) as client:
        send(client, peer.url())
        assert send(client, peer.url()).body == b"[]"
        assert peer.visits == 1


@pytest.mark.parametrize("more, visits", [(b"", 1), (STOLEN, 2)], ids=["nothing", "response"])
def test_118_what_follows_a_response_is_not_the_next_one_over_tls(more, visits, authority):
    with (
        Peer(saying_more("length", more), authority.server(HOST)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        url = peer.url(host=HOST, scheme="https")
        assert send(client, url).body == b"{}"
        assert send(client, url).body == (b"{}" if more else b"[]")
        assert peer.visits == visits


def test_118_what_follows_a_response_later_is_not_the_next_one_either():
    told = threading.Event()

    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(answer(b"{}") if visit.peer.visits == 1 else answer(b"[]"))
        if visit.peer.visits == 1:
            visit.send(answer(b'{"sub":"mallory"}'))
            told.set()
        visit.stall()

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert send(client, peer.url()).body == b"{}"
        assert told.wait(10)
        assert send(client, peer.url()).body == b"[]"


def test_118_the_cap_leaves_room_for_large_heads_and_chunked_bodies():
    head = HEAD + b"".join(b"x-%d: %s\r\n" % (number, b"y" * 100) for number in range(100))
    chunks = b"".join(b"%x\r\n%s\r\n" % (100, b"z" * 100) for _ in range(600)) + b"0\r\nx-trailer: y\r\n\r\n"
    with (
        Peer(saying(head + b"transfer-encoding: chunked\r\n\r\n" + chunks)) as peer,
        client_for(peer.port) as client,
    ):
        assert send(client, peer.url(), max_bytes=60_000).body == b"z" * 60_000


# --- 119: content encodings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding, body",
    [
        (b"gzip", gzip.compress(bytes(50_000_000))),
        (b"deflate", zlib.compress(bytes(50_000_000))),
        (b"br", b"\xff" * 100),
        (b"zstd", b"\x28\xb5\x2f\xfd" + bytes(100)),
        (b"gzip, gzip", gzip.compress(gzip.compress(bytes(50_000_000)))),
        (b"identity, gzip", b"{}"),
        (b"GZIP", b"{}"),
        (b"x-unknown", b"{}"),
        (b"identity\r\ncontent-encoding: gzip", b"{}"),
    ],
    ids=[
        "gzip",
        "deflate",
        "br",
        "zstd",
        "twice",
        "after identity",
        "capital letters",
        "unknown",
        "second header",
    ],
)
def test_119_an_encoded_body_is_refused_unread(encoding, body):
    with (
        Peer(saying(answer(body, headers=b"content-encoding: %s\r\n" % encoding))) as peer,
        client_for(peer.port) as client,
    ):
        error = failure(client, peer.url(), max_bytes=10_000_000)
        assert (error.reason, error.upstream_status) == ("upstream_response_invalid", 200)


@pytest.mark.parametrize(
    "headers",
    [b"", b"content-encoding: identity\r\n", b"content-encoding: Identity\r\n", b"content-encoding:\r\n"],
)
def test_119_identity_is_asked_for_and_taken(headers):
    with Peer(answering(answer(headers=headers))) as peer, client_for(peer.port) as client:
        assert_works(client, peer.url())
        assert b"accept-encoding: identity\r\n" in peer.requests[0].lower()


# --- 120: redirects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("scheme", ["http", "https", "//", "file", "itself"])
def test_120_a_redirect_is_returned_and_not_followed(status, scheme):
    with Peer(answering(answer())) as elsewhere:
        location = {
            "http": elsewhere.url(),
            "https": elsewhere.url(scheme="https"),
            "//": f"//127.0.0.1:{elsewhere.port}/",
            "file": "file:///etc/passwd",
            "itself": "/token",
        }[scheme]
        redirect = answer(status=b"%d Elsewhere" % status, headers=f"location: {location}\r\n".encode())
        with Peer(answering(redirect)) as peer:
            client = OutboundClient(private_hosts=[f"127.0.0.1:{peer.port}", f"127.0.0.1:{elsewhere.port}"])
            response = send(client, peer.url())
            client.close()
            assert (response.status, response.headers["location"]) == (status, location)
            assert len(peer.requests) == 1
        assert elsewhere.visits == 0


@pytest.mark.parametrize(
    "location",
    [
        b"",
        b"mailto:x",
        b"//xn--a./",
        b"http://[",
        b":file://[*\xad",
        b"\xff\xfe",
        b"https://:0",
        b"/" + b"x" * 80_000,
    ],
)
def test_120_a_redirect_that_leads_nowhere_is_returned_too(location):
    redirect = answer(status=b"302 Found", headers=b"location: " + location + b"\r\n")
    with Peer(answering(redirect)) as peer, client_for(peer.port) as client:
        response = send(client, peer.url())
        assert (response.status, len(response.headers["location"])) == (302, len(location))


# --- 122: nothing is sent twice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("kind", ["closed", "reset", "closed within the head", "reset within the body"])
def test_122_a_connection_lost_after_the_request_is_not_retried(method, kind):
    def behave(visit: Visit) -> None:
        visit.read_request()
        if "head" in kind:
            visit.send(HEAD)
        if "body" in kind:
            visit.send(HEAD + b"content-length: 10\r\n\r\n{")
        if "reset" in kind:
            visit.reset()

    with Peer(behave) as peer, client_for(peer.port) as client:
        with pytest.raises(UpstreamError):
            client.send(OutboundRequest(method=method, url=peer.url()), Deadline.after(LONG))
        assert (peer.visits, len(peer.requests)) == (1, 1)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_122_a_kept_connection_lost_after_the_request_is_not_retried(method):
    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(answer())
        visit.read_request()

    with Peer(behave) as peer, client_for(peer.port) as client:
        assert_works(client, peer.url())
        with pytest.raises(UpstreamError) as caught:
            client.send(OutboundRequest(method=method, url=peer.url()), Deadline.after(LONG))
        assert caught.value.reason == "upstream_unreachable"
        assert (peer.visits, len(peer.requests)) == (1, 2)


def test_122_a_refusal_that_comes_before_the_whole_request_was_sent_is_read():
    def behave(visit: Visit) -> None:
        visit.socket.recv(1000)
        visit.send(answer(status=b"413 Too Large"))
        if visit.peer.visits > 1:
            visit.stall()

    with Peer(behave) as peer, client_for(peer.port) as client:
        request = OutboundRequest(method="POST", url=peer.url(), body=b"x" * 20_000_000)
        assert client.send(request, Deadline.after(LONG)).status == 413
        # What did not leave would be taken for the beginning of the next request.
        assert send(client, peer.url()).status == 413
        assert peer.visits == 2
