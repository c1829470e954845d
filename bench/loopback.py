"""A small HTTP/1.1 server on loopback, with keep-alive: what the canned endpoints answer through.

On asyncio, without a framework, because its own time is part of every wall time that is measured against it.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `headers` come beside type, length and date, because clients pay for reading each."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = MappingProxyType({})

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        headers = {
            "date": formatdate(usegmt=True),
            "content-type": self.content_type,
            "content-length": str(len(self.body)),
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} Canned", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + self.body


Handler = Callable[[Request], Response]


class _Connection(asyncio.Protocol):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101  TCP and TLS are
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := _take(self._buffer)) is not None:
            self._transport.write(self._handler(request).encode())


def _take(buffer: bytearray) -> Request | None:
    """Remove the first request from the buffer and return it, None while it is not whole."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    whole = end + 4 + int(headers.get("content-length", 0))
    if len(buffer) < whole:
        return None
    body = bytes(buffer[end + 4 : whole])
    del buffer[:whole]
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)


def serve(make: Callable[[int], Handler], *, tls: ssl.SSLContext | None = None) -> None:
    """Serve until standard input ends, on a free port of 127.0.0.1 that is printed first.

    `make` returns the handler once the port is known, because a provider's answers name it.
    """
    asyncio.run(_serve(make, tls))


async def _serve(make: Callable[[int], Handler], tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    handlers: list[Handler] = []
    server = await loop.create_server(lambda: _Connection(handlers[0]), "127.0.0.1", 0, ssl=tls)
    port: int = server.sockets[0].getsockname()[1]
    handlers.append(make(port))
    print(port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # whoever started this holds the other end
    server.close()
