"""HTTP/1.1 connections: h11 on sockets that are opened to vetted addresses and whose every wait ends at the deadline.

h11 is the parser under httpcore and httpx. Their connections are not used, because their time-outs are per operation
(a peer that sends a byte now and then holds a request for as long as it likes), they resolve a name again after any
check, and they read what a server sent beyond its response as the answer to the next request.
"""

from __future__ import annotations

import ipaddress
import queue
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import h11

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.net.targets import Target, unavailable, vet
from fedbridge.ports import OutboundRequest, OutboundResponse

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline

Resolver = Callable[[str, int], Sequence[str]]
"""Host and port → IP addresses; raises OSError."""

MAX_ATTEMPTS = 3
"""Addresses of one host that are tried, each with an equal share of the connect time-out."""

_READ = 64 * 1024
_FRAMING = 128 * 1024
"""Bytes that may come beside a body: heads, chunk sizes, trailers. h11 bounds each head at 16 KiB."""


def system_resolver(host: str, port: int) -> list[str]:
    """Return the addresses that the system knows, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def connect(
    target: Target, *, resolve: Resolver, tls: ssl.SSLContext, timeout: float, deadline: Deadline
) -> Connection:
    """Return a new connection to an address that was vetted, its name verified by TLS.

    `timeout` is in seconds, for TCP and for the handshake each. Raises UpstreamError (`upstream_target_refused`,
    `upstream_unreachable`, `upstream_timeout`, `upstream_tls_failed`) and DeadlineExceeded.
    """
    addresses = vet(_resolve(target, resolve, deadline), target)[:MAX_ATTEMPTS]
    opened = _open(addresses, target.port, timeout, deadline)
    try:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.scheme == "https":
            # The interpreter bounds the handshake as a whole, not each of its reads.
            opened.settimeout(min(timeout, deadline.remaining()))
            opened = tls.wrap_socket(opened, server_hostname=target.host)
    except (OSError, DeadlineExceeded) as error:
        opened.close()
        raise _fault(error) from None
    return Connection(opened)


class Connection:
    """One connection, for one exchange at a time. `reusable` tells whether another may follow."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._http = h11.Connection(h11.CLIENT)
        self.reusable = False

    def exchange(
        self, request: OutboundRequest, target: Target, headers: Iterable[tuple[str, str]], deadline: Deadline
    ) -> OutboundResponse:
        """Send once and return the whole response; the connection must be closed if this raises.

        Raises UpstreamError (`upstream_timeout`, `upstream_unreachable`, `upstream_tls_failed`,
        `upstream_response_invalid`) and DeadlineExceeded.
        """
        delivered = self._send(self._serialize(request, target, headers), deadline)
        wire = _Wire(self._socket, deadline, limit=2 * request.max_bytes + _FRAMING)
        response = self._receive(wire, request.max_bytes)
        self._settle(delivered=delivered)
        return response

    def is_open(self) -> bool:
        """Tell whether the connection is still silent: an idle one that can be read was closed, or is out of step."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return not selector.select(0)

    def close(self) -> None:
        """Close it at once, without a word to the peer."""
        self._socket.close()

    def _serialize(
        self, request: OutboundRequest, target: Target, headers: Iterable[tuple[str, str]]
    ) -> bytes:
        events = [
            h11.Request(method=request.method, target=target.path_and_query, headers=list(headers)),
            *([h11.Data(data=request.body)] if request.body else []),
            h11.EndOfMessage(),
        ]
        return b"".join(self._http.send(event) or b"" for event in events)

    def _send(self, data: bytes, deadline: Deadline) -> bool:
        """Return whether all of it left: a server may refuse a request early, and what it says can still be read."""
        self._socket.settimeout(deadline.remaining())
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise unavailable("upstream_timeout") from None
        except OSError:
            return False
        return True

    def _receive(self, wire: _Wire, max_bytes: int) -> OutboundResponse:
        head: h11.Response | None = None
        body = bytearray()
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:  # from None: it quotes what could not be read
                raise _broken_off(wire, head) from None
            if event is h11.NEED_DATA:
                self._http.receive_data(wire.receive())
            elif isinstance(event, h11.Response):
                head = event
                _check_head(event)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > max_bytes:
                    raise _invalid(head)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return OutboundResponse(
                    status=head.status_code, headers=_joined(head.headers), body=bytes(body)
                )
            elif not isinstance(event, h11.InformationalResponse):
                raise _broken_off(wire, head)

    def _settle(self, *, delivered: bool) -> None:
        """Make ready for another exchange, unless the server said that it closes or sent more than its response."""
        trailing, closed = self._http.trailing_data
        unread = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        self.reusable = bool(delivered and done and not (trailing or closed or unread))
        if self.reusable:
            self._http.start_next_cycle()


class _Wire:
    """What comes in during one exchange, counted: informational responses and chunk sizes have no other end."""

    def __init__(self, connected: socket.socket, deadline: Deadline, limit: int) -> None:
        self._socket = connected
        self._deadline = deadline
        self._limit = limit
        self.received = 0

    def receive(self) -> bytes:
        self._socket.settimeout(self._deadline.remaining())
        try:
            data = self._socket.recv(_READ)
        except OSError as error:
            raise _fault(error) from None
        self.received += len(data)
        if self.received > self._limit:
            raise UpstreamError("upstream_response_invalid")
        return data


def _open(addresses: Sequence[str], port: int, timeout: float, deadline: Deadline) -> socket.socket:
    left = min(timeout, deadline.remaining())
    failure: OSError = OSError()
    for others, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
        began = deadline.monotonic()
        try:
            return socket.create_connection((address, port), timeout=max(left, 0.001) / (others + 1))
        except OSError as error:
            failure = error
            left -= deadline.monotonic() - began
    raise _fault(failure)


def _resolve(target: Target, resolve: Resolver, deadline: Deadline) -> Sequence[str]:
    """Return the addresses of the host. Name resolution knows no time-out: it is left behind when the deadline passes."""
    try:
        return [str(ipaddress.ip_address(target.host))]
    except ValueError:
        answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(resolve(target.host, target.port))
        except Exception as error:  # noqa: BLE001  raised below, in the thread that waits
            answers.put(error)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except queue.Empty:
        raise DeadlineExceeded from None
    if isinstance(answer, OSError):
        raise unavailable("upstream_unreachable") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _check_head(response: h11.Response) -> None:
    """Refuse what is not HTTP/1, and every encoding but identity, which was asked for.

    A compressed body has no size until it is a bomb.
    """
    encodings = [value.strip().lower() for name, value in response.headers if name == b"content-encoding"]
    identity = all(encoding in {b"", b"identity"} for encoding in encodings)
    if not identity or response.http_version not in {b"1.0", b"1.1"}:
        raise _invalid(response)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by name, repeated ones joined with a comma (RFC 9110 §5.3); h11 has lowered the names."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _fault(error: OSError | DeadlineExceeded) -> UpstreamError:
    if isinstance(error, (TimeoutError, DeadlineExceeded)):
        return unavailable("upstream_timeout")
    return unavailable("upstream_tls_failed" if isinstance(error, ssl.SSLError) else "upstream_unreachable")


def _broken_off(wire: _Wire, head: h11.Response | None) -> UpstreamError:
    """A peer that closes without a word was not there; one that said something meant something else."""
    return _invalid(head) if wire.received else unavailable("upstream_unreachable")


def _invalid(head: h11.Response | None) -> UpstreamError:
    return UpstreamError("upstream_response_invalid", upstream_status=head.status_code if head else None)
