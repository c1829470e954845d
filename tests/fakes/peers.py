"""Servers on loopback that do what no server should: the peers of the outbound client's tests."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Behaviour = Callable[["Visit"], None]


class Visit:
    """One connection that a peer accepted, from the peer's side."""

    def __init__(self, peer: "Peer", connected: socket.socket) -> None:
        self.peer = peer
        self.socket = connected

    def read_request(self) -> bytes:
        """Return the next request, head and body, or b"" when the client has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(65536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        while len(body) < length:
            body += self.socket.recv(65536)
        request = head + b"\r\n\r\n" + body
        self.peer.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.peer.sent += len(data)

    def stall(self) -> None:
        """Say nothing until the test is over or the client has gone."""
        self.peer.over.wait(30)

    def drip(self, data: bytes, pause: float = 0.05) -> None:
        """Send a byte at a time, for as long as the client listens."""
        for byte in data:
            self.send(bytes([byte]))
            if self.peer.over.wait(pause):
                return

    def leave(self) -> None:
        """Close without a word."""

    def reset(self) -> None:
        """Close with RST in place of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Peer:
    """Accepts connections on 127.0.0.1 and runs `behaviour` on each, in a thread of its own.

    `requests` are the requests read, `visits` counts the connections, `sent` the bytes. With `tls` every connection
    begins with a handshake; those that fail are in `failed_handshakes`.
    """

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.visits = 0
        self.sent = 0
        self.failed_handshakes = 0
        self.over = threading.Event()
        self._behaviour = behaviour
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def url(self, path: str = "/token", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connected in self._open:
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed before
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a peer did not end"

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return  # the test is over
            self.visits += 1
            self._open.append(connected)
            self._start(lambda connected=connected: self._visit(connected))  # type: ignore[misc]

    def _visit(self, connected: socket.socket) -> None:
        try:
            if self._tls is not None:
                try:
                    connected = self._tls.wrap_socket(connected, server_side=True)
                except OSError:
                    self.failed_handshakes += 1
                    return
                self._open.append(connected)
            self._behaviour(Visit(self, connected))
        except OSError:
            return  # the client has had enough
        finally:
            connected.close()


def answer(body: bytes = b"{}", status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    """Return a whole response with its Content-Length."""
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


def answering(response: bytes) -> Behaviour:
    """Answer every request of a connection with the same bytes."""

    def behave(visit: Visit) -> None:
        while visit.read_request():
            visit.send(response)

    return behave


def saying(response: bytes) -> Behaviour:
    """Answer the first request with these bytes and close."""

    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(response)

    return behave
