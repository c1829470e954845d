"""Loopback servers whose exchanges are recorded: what they answer is up to a function, which may be to ask another."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from demo.kinds import Party
from demo.messages import Answer, Request
from demo.recorder import Recorder, Respond

PATIENCE = 60.0
"""Seconds to wait for the server behind; the bridge's own browser routes take up to 22."""

MOST_BYTES = 1024 * 1024

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


def forward_to(origin: str) -> Respond:
    """Return a function that passes requests on unchanged, the Host header included, and redirects back as they are."""
    parts = urlsplit(origin)

    def forward(request: Request) -> Answer:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("connection", "close")
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            headers = tuple(
                (name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP
            )
            return Answer(status=response.status, headers=headers, body=response.read())
        except (OSError, http.client.HTTPException) as error:
            text = f"{origin} did not answer: {error!r}\n"
            return Answer(status=502, headers=(("content-type", "text/plain"),), body=text.encode())
        finally:
            connection.close()

    return forward


class Site(ThreadingHTTPServer):
    """One party's address on loopback. It listens from the start, and answers once `respond` is set and it is `served`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, party: Party, host: str, recorder: Recorder) -> None:
        super().__init__((host, 0), _Handler)
        self.party = party
        self.recorder = recorder
        self.respond: Respond | None = None
        self.url = f"http://{host}:{self.server_address[1]}"

    @contextmanager
    def served(self) -> Iterator[None]:
        """Answer requests while the context lasts."""
        thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=str(self.party), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def answer(self, request: Request) -> Answer:
        """Answer a request, recorded."""
        if self.respond is None:
            return Answer(status=503)
        return self.recorder.record(self.party, request, self.respond)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless a browser only hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = (
        -1
    )  # head and body in one packet: apart, the second waits 40 ms for the first to be acknowledged

    def handle_any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > MOST_BYTES or "transfer-encoding" in self.headers:
            self._send(Answer(status=413, headers=(("connection", "close"),)))
            return
        request = Request(
            method=self.command,
            target=self.path,
            headers=tuple(self.headers.items()),
            body=self.rfile.read(length),
        )
        self._send(self.server.answer(request))

    do_GET = do_POST = do_HEAD = do_OPTIONS = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815  http.server's names

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        if answer.status not in {204, 304}:
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's signature
        """Say nothing: request lines hold codes and states."""
