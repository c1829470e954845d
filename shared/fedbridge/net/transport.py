"""httpx's transport to identity providers: httpcore's pool and parser, over connections that are opened and used here.

httpcore leaves sockets to a network backend. This one connects to the addresses that it vetted, and ends every wait at
the deadline of the request that it works for: httpcore's own time-outs are per operation, so that a peer that sends a
byte now and then would hold a request for as long as it likes.
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from fedbridge.errors import DeadlineExceeded
from fedbridge.model.deadline import Deadline
from fedbridge.net.targets import Target, vet

KEEP_ALIVE = 60.0
"""Seconds that an idle connection is kept."""

MAX_IDLE = 20
"""Connections that are kept; identity providers are many, file descriptors are not."""

MAX_ATTEMPTS = 3
"""Addresses of one host that are tried, all within the connect time-out."""

_TLS_RECORD = 16 * 1024
_HEAD = re.compile(rb"HTTP/.*?\n\r?\n", re.DOTALL)

Resolver = Callable[[str, int], Sequence[str]]
"""Host and port → IP addresses; raises OSError."""


def system_resolver(host: str, port: int) -> list[str]:
    """Return the addresses that the system knows, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request: where it goes, and what it may use. `connect_timeout` is in seconds, `limit` in bytes received.

    It takes the place of the request's time-outs: httpcore hands those, as they are, to each call of the backend and of
    a stream, and so each knows what it works for, whichever connection was picked.
    """

    target: Target = field(repr=False)
    deadline: Deadline
    connect_timeout: float
    limit: int
    received: int = 0

    @property
    def extensions(self) -> dict[str, Any]:
        """What goes with the request; `target` is sent as it is, where httpx would normalize the URL's."""
        timeouts = dict.fromkeys(("connect", "read", "write"), self)
        return {"timeout": timeouts, "target": self.target.path_and_query.encode("ascii")}

    def connecting(self) -> Deadline:
        """Return the deadline of a connect or a handshake that begins now; raises DeadlineExceeded."""
        return Deadline.after(min(self.connect_timeout, self.deadline.remaining()))

    def receive(self, data: bytes) -> bytes:
        """Count what came in: informational responses, chunk extensions and trailers have no other end.

        A server that closes without a word was not there (ReadError); one that said something meant something else.
        """
        self.received += len(data)
        if self.received > self.limit:
            raise httpcore.RemoteProtocolError
        if not self.received:
            raise httpcore.ReadError
        return data


class Transport(httpx.BaseTransport):
    """Sends the requests of an `Exchange`, each once, over HTTP/1.1; safe under threads.

    Raises httpcore's exceptions, DeadlineExceeded and UpstreamError (`upstream_target_refused`).
    """

    def __init__(self, tls: ssl.SSLContext, resolve: Resolver) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=MAX_IDLE,
            network_backend=_Backend(resolve),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response with its body still to be read; cookies are dropped, because httpx would keep them."""
        received = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=b"/",
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        response = _Response(
            received.status,
            headers=[(name, value) for name, value in received.headers if name.lower() != b"set-cookie"],
            stream=_Body(received),
            extensions=received.extensions,
        )
        if "content-length" in response.headers and "transfer-encoding" not in response.headers:
            received.extensions["network_stream"].body_length = int(response.headers["content-length"])
        return response

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.close()


class _Response(httpx.Response):
    @property
    def has_redirect_location(self) -> bool:
        """Say no: httpx parses the Location of a redirect even where it does not follow, and raises what it likes."""
        return False


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, resolve: Resolver) -> None:
        self._resolve = resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Connect to an address of the host, if all of them may be connected to; `timeout` is an Exchange."""
        exchange: Exchange = timeout
        found = _addresses(host, port, self._resolve, exchange.deadline)
        addresses = vet(found, exchange.target)[:MAX_ATTEMPTS]
        connecting = exchange.connecting()
        while True:
            share = connecting.remaining() / len(addresses)
            address, *addresses = addresses
            try:
                return _Stream(self._sockets.connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise


class _Stream(httpcore.NetworkStream):
    """One connection; every `timeout` is an Exchange, and `body_length` the Content-Length once the head is known.

    A server may send more than its response, and httpcore would take that for the answer to the next request. So it is
    given piece by piece, and no piece reaches beyond the response: its head and its chunks end with a line, any other
    body with its length. A connection on which something is left over is not used again.
    """

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self.body_length: int | None = None
        self._inner = inner
        self._used_at = time.time()
        self._unread = io.BytesIO()

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        exchange: Exchange = timeout
        piece = self._piece()
        if not piece:
            received = self._inner.read(max_bytes, exchange.deadline.remaining())
            self._unread = io.BytesIO(exchange.receive(received))
            self._used_at = time.time()
            piece = self._piece()
        return piece

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        exchange: Exchange = timeout
        self.body_length = None
        # What fits a TLS record leaves whole: a peer that reads now and then wins no time.
        for start in range(0, len(buffer), _TLS_RECORD):
            self._inner.write(buffer[start : start + _TLS_RECORD], exchange.deadline.remaining())

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None
    ) -> httpcore.NetworkStream:
        exchange: Exchange = timeout
        try:
            # The interpreter bounds the handshake as a whole, not each of its reads.
            left = exchange.connecting().remaining()
        except DeadlineExceeded:
            self.close()
            raise
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """Tell the pool whether this idle connection `is_readable`: if so, its server closed it or is out of step.

        The pool then closes it, as it should one that rested too long, or on which something is left over. Idle time is
        measured by the wall clock, because in a frozen sandbox others may stand still. Nothing else is told: the pool
        would look for HTTP/2.
        """
        if info != "is_readable":
            return None
        left_over = self._unread.tell() < self._unread.getbuffer().nbytes
        rested = time.time() - self._used_at
        return left_over or not 0 <= rested <= KEEP_ALIVE or self._inner.get_extra_info(info)

    def _piece(self) -> bytes:
        if self.body_length is None:
            # What begins here ends with the first blank line at the earliest, be it a head or the last chunk; and a head
            # in one piece costs a fraction of its lines.
            head = None if self._unread.tell() else _HEAD.match(self._unread.getbuffer())
            return self._unread.read(head.end()) if head else self._unread.readline()
        piece = self._unread.read(self.body_length)
        self.body_length -= len(piece)
        return piece


def _addresses(host: str, port: int, resolve: Resolver, deadline: Deadline) -> Sequence[str]:
    """Return the addresses of the host. Name resolution knows no time-out: it is left behind when the deadline passes."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        found: Future[Sequence[str]] = Future()

    def run() -> None:
        try:
            found.set_result(resolve(host, port))
        except Exception as error:  # noqa: BLE001  raised below, in the thread that waits
            found.set_exception(error)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    try:
        return found.result(deadline.remaining())
    except TimeoutError:
        raise DeadlineExceeded from None
    except OSError:
        raise httpcore.ConnectError from None
