"""An IdP on loopback that registers clients as it is told to: for what no sound one does."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.canaries import watch

Answer = tuple[int, Any]
Prepared = Answer | Callable[[], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request: `token` is the bearer token, `body` its JSON."""

    method: str
    path: str
    token: str | None
    body: Any


@dataclass(slots=True)
class RegistrarServer:
    """Answers discovery, and each method at `/register` and below with what `answers` holds: status and JSON (or
    text), or a function that makes them.

    Without an answer of the test's it echoes what is registered with `issued` over it. `received` is the journal, but
    for discovery. `metadata` go over the discovery document.
    """

    answers: dict[str, list[Prepared]] = field(default_factory=dict)
    issued: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    registered: dict[str, Any] = field(default_factory=dict)
    _server: ThreadingHTTPServer = field(init=False, repr=False)
    _thread: threading.Thread = field(init=False, repr=False)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def client_uri(self) -> str:
        return f"{self.issuer}/register/the-client"

    def answer(self, method: str, path: str, token: str | None, body: Any) -> Answer:
        if path == "/.well-known/openid-configuration":
            return 200, self._discovery()
        self.received.append(Received(method=method, path=path, token=token, body=body))
        prepared = self.answers.get(method)
        if prepared:
            answer = prepared.pop(0) if len(prepared) > 1 else prepared[0]
            return answer() if callable(answer) else answer
        if method == "DELETE":
            return 204, ""
        if body is not None:
            self.registered = dict(body)
        return 201 if method == "POST" else 200, self.information()

    def information(self, **members: Any) -> dict[str, Any]:
        """What the answer to a registration holds."""
        information = {
            **self.registered,
            "client_id": "the-client",
            "registration_client_uri": self.client_uri,
            **self.issued,
            **members,
        }
        for name in ("client_secret", "registration_access_token"):
            watch(information.get(name), name)
        return information

    def _discovery(self) -> dict[str, Any]:
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks",
                 "registration_endpoint": "register"}  # fmt: skip
        document = {name: f"{self.issuer}/{path}" for name, path in paths.items()}
        return {"issuer": self.issuer, **document, **self.metadata}


def _handler_of(registrar: RegistrarServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            authorization = self.headers.get("authorization")
            token = authorization.removeprefix("Bearer ") if authorization else None
            status, answer = registrar.answer(
                self.command, self.path, token, json.loads(body) if body else None
            )
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
