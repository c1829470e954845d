"""A server on loopback for one operator's browser: guarded, without scripts, and silent about what it is asked."""

from __future__ import annotations

import re
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from fedbridge.cli.console.guard import Guard
from fedbridge.cli.console.pages import HEADERS, introduced, refused, route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.cli.console.desk import Desk
    from fedbridge.cli.console.html import Page

MOST_BYTES = 16 * 1024
"""Of a form."""

_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)


class Console(ThreadingHTTPServer):
    """The console at a port of 127.0.0.1; 0 takes a free one. `guard.address` is where to begin."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_port = False

    def __init__(self, desk: Desk, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.desk = desk
        self.guard = Guard(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless a browser only hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Console
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        """Let the guard look at the head alone: a stranger's body is not even read."""
        guard, headers = self.server.guard, {name.lower(): value for name, value in self.headers.items()}
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            self.close_connection = True  # What nobody reads of a body is no next request.
        problem = guard.refuses(self.command, self.path, headers)
        if problem is not None:
            self._send(refused(problem, 403))
            return
        if self.command == "GET" and guard.introduces(self.path):
            self._send(introduced(), onward=urlsplit(self.path).path)
            return
        if not guard.knows(headers):
            self._send(refused("Open the address that fedbridge console printed: it holds a token.", 403))
            return
        form = self._form(headers)
        if form is None:
            self._send(refused("The form is too large, or of no length that can be read.", 413))
            return
        parts = urlsplit(self.path)
        self._send(self._routed(parts.path, dict(parse_qsl(parts.query)), form))

    def _form(self, headers: Mapping[str, str]) -> dict[str, str] | None:
        """Return what the body holds, None for one that is not read."""
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not _LENGTH.fullmatch(length) or int(length) > MOST_BYTES:
            return None
        return dict(parse_qsl(self.rfile.read(int(length)).decode("utf-8", "replace")))

    def _routed(self, path: str, query: dict[str, str], form: dict[str, str]) -> Page:
        try:
            return route(self.server.desk, self.command, path, query, form)
        except Exception:  # noqa: BLE001  one page fails, the console goes on
            traceback.print_exc()
            return refused("The console failed at this; its terminal says where.", 500)

    def _send(self, page: Page, *, onward: str | None = None) -> None:
        """Answer; `onward` is where a browser goes that has just been let in, with its cookie and without the token.

        By a page in between, not by a redirect: who comes from another site would take the strict cookie to neither.
        """
        self.send_response_only(page.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if onward is not None:
            self.send_header("set-cookie", self.server.guard.cookie)
            # Browsers take a backslash for a slash, and two slashes for another host.
            self.send_header("refresh", f"0; url=/{quote(onward.lstrip('/'), safe='/%')}")
        body = page.html.encode("utf-8")
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's signature
        """Say nothing: the first address holds the token."""
