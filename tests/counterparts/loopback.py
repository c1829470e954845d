"""A small HTTP server on loopback for counterparts written in Python: one function from request to answer, and a journal."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.counterparts.oidc_provider import Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered. `route` is the name under which the journal has it."""

    status: int = 200
    body: str = ""
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    route: str | None = None


def json_reply(document: object, *, status: int = 200, route: str | None = None) -> Reply:
    return Reply(
        status=status,
        body=json.dumps(document),
        content_type="application/json; charset=utf-8",
        route=route,
    )


class LoopbackServer:
    """Serves on 127.0.0.1 from entering to leaving; `answer` is called for every request, from several threads."""

    def __init__(self, answer: Callable[[Received], Reply]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._journal: list[Received] = []

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def exchange(self, received: Received) -> Reply:
        """Answer a request and write it down."""
        reply = self._answer(received)
        answered: dict[str, Any] = {
            "status": reply.status,
            "answer_headers": {"content-type": reply.content_type, **reply.headers},
            "answer": reply.body,
        }
        with self._lock:
            number = len(self._journal)
            self._journal.append(replace(received, number=number, route=reply.route, **answered))  # type: ignore[arg-type]  # routes of its own
        return reply

    def journal(self, route: str | None = None) -> list[Received]:
        """Every request since the start or the last `clear_journal`, oldest first; of one route if named."""
        with self._lock:
            return [entry for entry in self._journal if route in (None, entry.route)]

    def clear_journal(self) -> None:
        with self._lock:
            self._journal.clear()


def _handler(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            url = urlsplit(self.path)
            received = Received(
                number=0,
                time=time.time(),
                method=self.command,
                path=url.path,
                route=None,
                headers={name.lower(): value for name, value in self.headers.items()},
                query_pairs=parse_qsl(url.query, keep_blank_values=True),
                form_pairs=parse_qsl(body, keep_blank_values=True),
                assertion=None,
                request_object=None,
                dpop=None,
                status=None,
                answer_headers={},
                answer=None,
            )
            reply = server.exchange(received)
            octets = reply.body.encode()
            self.send_response(reply.status)
            for name, value in {
                "content-type": reply.content_type,
                "content-length": str(len(octets)),
                **reply.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(octets)

        do_POST = do_GET  # noqa: N815  the library looks it up by this name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
            """The journal has it."""

    return Handler
