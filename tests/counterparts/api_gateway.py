"""API Gateway's side of a function: real HTTP on loopback, mapped to Lambda events and back.

with ApiGateway({"ANY /{connection}/token": in_process(handler)}) as gateway:
    httpx.post(f"{gateway.url}/bank/token", data=...)
"""

from __future__ import annotations

import json
import ssl
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.counterparts.api_gateway_events import (
    Event,
    HttpRequest,
    HttpResponse,
    http_api_event,
    http_api_response,
    match_route,
    rest_api_event,
    rest_api_response,
)

Target = Callable[[Event], Any]
PayloadFormat = Literal["2.0", "1.0"]

MOST_HEADER_BYTES = 10_240
"""Request line and headers together; a longer request never reaches the function."""


@dataclass(slots=True)
class LambdaContext:
    """What a handler finds in its context when it runs in this process."""

    timeout: float = 29.0
    function_name: str = "in-process"
    function_version: str = "$LATEST"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:in-process"
    memory_limit_in_mb: str = "512"
    log_group_name: str = "/aws/lambda/in-process"
    log_stream_name: str = "in-process"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.timeout - (time.monotonic() - self._started)) * 1000))


def in_process(handler: Callable[[Event, Any], Any], *, timeout: float = 29.0) -> Target:
    """A target that calls a Lambda handler in this process, with JSON between the two, as Lambda has."""

    def target(event: Event) -> Any:
        return json.loads(json.dumps(handler(json.loads(json.dumps(event)), LambdaContext(timeout=timeout))))

    return target


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # tests race 50 at once
    gateway: ApiGateway

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class ApiGateway:
    """A deployed API on loopback. `routes` maps route keys to targets; a `LambdaSandbox` is one too.

    `url` is where its stage is served, without a trailing slash; the stage `$default` is served at the root, as a custom
    domain serves that of a REST API, whose `binary_media_types` arrive in base64. Errors of targets are answered as API Gateway does
    and printed to standard error.
    """

    def __init__(
        self,
        routes: Mapping[str, Target],
        *,
        payload: PayloadFormat = "2.0",
        stage: str | None = None,
        host: str = "localhost",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        binary_media_types: Sequence[str] = (),
    ) -> None:
        self.routes = dict(routes)
        self.payload = payload
        self.binary_media_types = binary_media_types
        self.stage = stage or ("$default" if payload == "2.0" else "prod")
        self.host = host
        self._server = _Server(("127.0.0.1", port), _RequestHandler)
        self._server.gateway = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        prefix = "" if self.stage == "$default" else f"/{self.stage}"
        self.url = f"{'https' if tls else 'http'}://{host}:{self._server.server_port}{prefix}"
        self.prefix = prefix

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def handle(self, request: HttpRequest) -> HttpResponse:
        """One request, from HTTP to HTTP."""
        rest = self.payload == "1.0"
        size = len(request.method) + len(request.target) + len(" HTTP/1.1\r\n ")
        if size + sum(len(name) + len(value) + 4 for name, value in request.headers) > MOST_HEADER_BYTES:
            return _message(431, "Request Header Fields Too Large")
        match = match_route(list(self.routes), request.method, request.path)
        if match is None:
            return _message(403, "Missing Authentication Token") if rest else _message(404, "Not Found")
        event = (
            rest_api_event(request, match, stage=self.stage, binary_media_types=self.binary_media_types)
            if rest
            else http_api_event(request, match, stage=self.stage)
        )
        try:
            answer = self.routes[match.key](event)
            return (rest_api_response if rest else http_api_response)(answer)
        except Exception:  # noqa: BLE001 - whatever a function does, API Gateway answers
            traceback.print_exc(file=sys.stderr)
            return _message(502, "Internal server error") if rest else _message(500, "Internal Server Error")


def _message(status: int, text: str) -> HttpResponse:
    body = json.dumps({"message": text}).encode()
    return HttpResponse(status=status, headers=[("content-type", "application/json")], body=body)


class _RequestHandler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        gateway = self.server.gateway
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self.path.startswith(f"{gateway.prefix}/"):
            response = _message(403, "Forbidden")
        else:
            response = gateway.handle(
                HttpRequest(
                    method=self.command,
                    target=self.path.removeprefix(gateway.prefix),
                    headers=self.headers.items(),
                    body=body,
                    source_ip=self.client_address[0],
                )
            )
        self.send_response_only(response.status)
        self.send_header("date", self.date_time_string())
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815

    def log_message(self, *_: object) -> None:
        """API Gateway's access log is the template's business."""
