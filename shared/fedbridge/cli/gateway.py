"""A loopback HTTP server that calls Lambda handlers as an HTTP API does (payload format 2.0)."""

from __future__ import annotations

import base64
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    import ssl

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

FUNCTION_TIMEOUT_MS = 29_000
MAX_BODY = 10 * 1024 * 1024
"""Bytes; API Gateway's own payload limit."""


@dataclass(frozen=True, slots=True)
class Context:
    """The part of Lambda's context object that handlers use."""

    started: float
    aws_request_id: str
    function_name: str = "fedbridge-dev"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:local:000000000000:function:fedbridge-dev"

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left of the function's time-out, in milliseconds."""
        return int(FUNCTION_TIMEOUT_MS - (time.monotonic() - self.started) * 1000)


class Gateway(ThreadingHTTPServer):
    """Serves handlers by route. `routes` maps a path template such as `/{connection}/token` to a handler."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], routes: Mapping[str, Handler], tls: ssl.SSLContext | None = None
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _RequestHandler)
        self.routes = routes
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def match(self, raw_path: str) -> tuple[str, dict[str, str]] | None:
        """Return the path template and its parameters, decoded once as API Gateway does; None for no route."""
        segments = raw_path.split("/")
        for template in self.routes:
            parts = template.split("/")
            if len(parts) == len(segments) and all(
                part == segment or (part.startswith("{") and segment)
                for part, segment in zip(parts, segments, strict=True)
            ):
                pairs = zip(parts, segments, strict=True)
                return template, {
                    part[1:-1]: unquote(segment) for part, segment in pairs if part.startswith("{")
                }
        return None


class _RequestHandler(BaseHTTPRequestHandler):
    server: Gateway
    protocol_version = "HTTP/1.1"
    server_version = "fedbridge-dev"
    sys_version = ""
    timeout = 60
    disable_nagle_algorithm = True  # or a body waits 40 ms until its head has been acknowledged

    def handle_any(self) -> None:
        raw_path, _, raw_query = self.path.partition("?")
        matched = self.server.match(raw_path)
        length = int(self.headers.get("content-length") or 0)
        if matched is None or length > MAX_BODY:
            self._answer({"statusCode": 404 if matched is None else 413, "body": '{"message":"Not Found"}'})
            return
        template, parameters = matched
        event = self._event(template, parameters, raw_path, raw_query, self.rfile.read(length))
        context = Context(started=time.monotonic(), aws_request_id=event["requestContext"]["requestId"])
        self._answer(self.server.routes[template](event, context))

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = handle_any  # noqa: N815  http.server's names

    def _event(
        self, template: str, parameters: dict[str, str], raw_path: str, raw_query: str, body: bytes
    ) -> dict[str, Any]:
        headers: dict[str, str] = {}
        for name in {name.lower() for name in self.headers if name.lower() != "cookie"}:
            headers[name] = ",".join(self.headers.get_all(name, []))
        cookies = [piece.strip() for line in self.headers.get_all("cookie", []) for piece in line.split(";")]
        query: dict[str, str] = {}
        for name, value in parse_qsl(raw_query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        event = {
            "version": "2.0",
            "routeKey": f"ANY {template}",
            "rawPath": unquote(raw_path),
            "rawQueryString": raw_query,
            "headers": headers,
            "pathParameters": parameters,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "local",
                "domainName": headers.get("host", ""),
                "http": {
                    "method": self.command,
                    "path": unquote(raw_path),
                    "protocol": self.request_version,
                    "sourceIp": self.client_address[0],
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": secrets.token_hex(8),
                "routeKey": f"ANY {template}",
                "stage": "$default",
                "timeEpoch": int(time.time() * 1000),
            },
            "isBase64Encoded": False,
        }
        if cookies:
            event["cookies"] = cookies
        if query:
            event["queryStringParameters"] = query
        if body:
            event |= {"body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}
        return event

    def _answer(self, result: dict[str, Any]) -> None:
        body = result.get("body") or ""
        data = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode("utf-8")
        self.send_response(result["statusCode"])
        for name, value in (result.get("headers") or {}).items():
            self.send_header(name, str(value))
        for value in result.get("cookies") or []:
            self.send_header("set-cookie", value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's signature
        """Say nothing: request lines hold codes and states, and the handlers log by their allow-list."""
