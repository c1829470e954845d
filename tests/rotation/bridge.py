"""The bridge as it is deployed, in this process: several sandboxes of each function, each with caches of its own."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from fedbridge.configuration.document import decode
from fedbridge.flows.begin import begin
from fedbridge.flows.documents import client_jwks, discovery, jwks
from fedbridge.flows.failure import refuse_browser
from fedbridge.flows.finish import finish
from fedbridge.flows.redeem import redeem
from fedbridge.flows.saml_metadata import saml_metadata
from fedbridge.flows.services import BackChannel, FrontChannel
from fedbridge.flows.userinfo import userinfo
from fedbridge.keys.id_token_ring import CachedRing
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring import IdTokenKeyRing
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.http import MAX_FORM
from fedbridge.net.edge import Routes, serve
from fedbridge.op.errors import back_channel_error
from fedbridge.ports import HttpClient
from fedbridge.rp.oidc import OidcUpstream
from fedbridge.saml_routes import saml_routes
from fedbridge.store.connections_dynamodb import DynamoDBConnections
from fedbridge.store.memory import MemoryTransactionStore
from fedbridge.store.registry import CachingConnectionRegistry
from fedbridge.store.sessions_memory import MemoryReplayGuard
from fedbridge.telemetry.events import Value
from fedbridge.wiring import key_rings
from tests.counterparts.api_gateway import LambdaContext
from tests.counterparts.api_gateway_events import (
    HttpRequest,
    HttpResponse,
    http_api_event,
    http_api_response,
    match_route,
)
from tests.fakes.logout_tokens import FakeLogoutTokens
from tests.fakes.user_pools import FakeUserPools

BASE_URL = "https://bridge.example"
ENVIRONMENT = "test"
TABLE = "connections"


READ = functools.lru_cache(maxsize=64)(decode)
"""A document always means the same, and is read thousands of times while the clock leaps."""


@dataclass
class Told:
    """`Telemetry` that counts, and keeps what failed."""

    counted: Counter[str] = field(default_factory=Counter)
    failed: list[dict[str, Value]] = field(default_factory=list)

    def event(self, name: str, **fields: Value) -> None:
        self.counted[name] += 1
        if "reason" in fields:
            self.failed.append({"event": name, **fields})


@dataclass
class Bridge:
    """A deployment. Requests go to its sandboxes in turn, so that one sign-in meets several of them.

    `clients` makes SDK clients by service, `http` is the way to the IdP. `id_token_keys` are references; `id_token_ring`
    names a ring that signs once it has an active key.
    """

    clock: Callable[[], float]
    clients: Callable[[str], Any]
    http: HttpClient
    id_token_keys: tuple[str, ...]
    id_token_ring: str | None = None
    sandboxes: int = 3
    telemetry: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self._transactions, self._replays = MemoryTransactionStore(), MemoryReplayGuard()
        made = [self.sandbox() for _ in range(self.sandboxes)]
        self._routes = list(made[0])
        self._turns: Iterator[dict[str, Callable[[Any], Any]]] = itertools.cycle(made)

    def get(self, path: str, *, cookie: str = "") -> HttpResponse:
        """Answer a GET of anybody's."""
        headers = [("host", "bridge.example"), *([("cookie", cookie)] if cookie else [])]
        return self.handle(HttpRequest(method="GET", target=path, headers=headers))

    def post(self, path: str, body: bytes, *headers: tuple[str, str]) -> HttpResponse:
        """Answer a form that is posted."""
        content = ("content-type", "application/x-www-form-urlencoded")
        return self.handle(
            HttpRequest(
                method="POST", target=path, headers=[("host", "bridge.example"), content, *headers], body=body
            )
        )

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, by the next sandbox."""
        match = match_route(self._routes, request.method, request.path)
        assert match is not None, f"there is no route for {request.method} {request.path}"
        return http_api_response(next(self._turns)[match.key](http_api_event(request, match)))

    def transport(self) -> httpx.MockTransport:
        """Return the way here for an httpx client."""

        def handle(request: httpx.Request) -> httpx.Response:
            target = request.url.raw_path.decode("ascii")
            headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
            answer = self.handle(
                HttpRequest(method=request.method, target=target, headers=headers, body=request.read())
            )
            return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body)

        return httpx.MockTransport(handle)

    def sandbox(self) -> dict[str, Callable[[Any], Any]]:
        """Return what answers each route, in a sandbox that shares the stores with the others and nothing else."""
        front, saml, back = self._channels()
        channels: list[tuple[Any, Any, Routes]] = [
            (front, partial(refuse_browser, front), {
                "/{connection}/authorize": {"GET": partial(begin, front)},
                "/{connection}/callback": {"GET": partial(finish, front)},
            }),
            (saml, partial(refuse_browser, saml), {
                "/{connection}/saml/login": {"GET": partial(begin, saml)},
                "/{connection}/saml/acs": {"POST": partial(finish, saml)},
                "/{connection}/saml/metadata": {"GET": partial(saml_metadata, saml)},
            }),
            (back, back_channel_error, {
                "/{connection}/token": {"POST": partial(redeem, back)},
                "/{connection}/userinfo": {"GET": partial(userinfo, back)},
                "/{connection}/.well-known/openid-configuration": {"GET": partial(discovery, back)},
                "/{connection}/.well-known/jwks.json": {"GET": partial(jwks, back)},
                "/{connection}/client-jwks.json": {"GET": partial(client_jwks, back)},
            }),
        ]  # fmt: skip
        answering: dict[str, Callable[[Any], Any]] = {}
        for services, on_error, routes in channels:
            answer = partial(_answer, services, on_error, routes)
            answering |= dict.fromkeys((f"ANY {route}" for route in routes), answer)
        return answering

    def _channels(self) -> tuple[FrontChannel, FrontChannel, BackChannel]:
        """Return the three functions, which share no cache either."""
        shared, keys, secrets = self._services()
        telemetry, clock = self.telemetry, self.clock
        oidc = OidcUpstream(http=self.http, keys=keys, secrets=secrets, telemetry=telemetry, clock=clock)
        front = FrontChannel(**shared, upstream=lambda _: oidc)
        shared, keys, secrets = self._services()
        saml = saml_routes(shared, http=self.http, keys=keys, secrets=secrets, replays=lambda: self._replays)
        shared, keys, secrets = self._services()
        back = BackChannel(
            **shared,
            id_token_keys=IdTokenKeyRing(
                self.id_token_keys, keys, telemetry=telemetry, clock=clock, ring=self._ring()
            ),
            logout_tokens=FakeLogoutTokens,
            replays=lambda: self._replays,
        )
        return front, saml, back

    def _ring(self) -> CachedRing | None:
        name, rings = self.id_token_ring, key_rings(TABLE, self.clients)
        if name is None:
            return None
        return CachedRing(
            lambda deadline: rings.get(name, deadline), telemetry=self.telemetry, clock=self.clock
        )

    def _services(self) -> tuple[dict[str, Any], CachedKeys, CachedSecrets]:
        """Return what one function's sandbox has, as wiring makes it, with the clock of the simulation."""
        secrets = CachedSecrets(
            self.clients, allow_local=False, telemetry=self.telemetry, clock=self.clock, environ={}
        )
        source = DynamoDBConnections(self.clients("dynamodb"), TABLE, READ)
        shared: dict[str, Any] = {
            "environment": ENVIRONMENT,
            "base_url": BASE_URL,
            "connections": CachingConnectionRegistry(source, clock=self.clock, telemetry=self.telemetry),
            "transactions": self._transactions,
            "telemetry": self.telemetry,
            "clock": self.clock,
            "user_pools": FakeUserPools,
        }
        return shared, CachedKeys(secrets, self.clients, clock=self.clock), secrets


def _answer(services: Any, on_error: Any, routes: Routes, event: Any) -> Any:
    return serve(
        event,
        LambdaContext(),
        routes=routes,
        telemetry=services.telemetry,
        budget=22.0,
        on_error=on_error,
        max_body=getattr(services, "max_form", MAX_FORM),
    )
