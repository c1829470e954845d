"""A whole bridge in this process, on the memory store, with a fake upstream; and a browser that walks through it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fedbridge.flows.begin import begin
from fedbridge.flows.finish import finish
from fedbridge.flows.redeem import redeem
from fedbridge.flows.services import BackChannel, FrontChannel
from fedbridge.flows.userinfo import userinfo
from fedbridge.model.connection import Connection, RelyingParty
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Request, Response
from fedbridge.op.client_authentication import secret_hash
from fedbridge.ports import IdTokenKeys, LogoutTokens, ReplayGuard, SessionStore, TransactionStore
from fedbridge.store.memory import MemoryTransactionStore
from fedbridge.store.sessions_memory import MemoryReplayGuard, MemorySessionStore
from tests.fakes.keys import FakeKeyRing
from tests.fakes.logout_tokens import FakeLogoutTokens
from tests.fakes.registry import FakeRegistry
from tests.fakes.telemetry import RecordingTelemetry
from tests.fakes.upstream import FakeUpstream
from tests.fakes.user_pools import FakeUserPools
from tests.support.canaries import canary, watch_event, watch_result

SECRET = canary("s3" * 21 + "s", "client_secret")
CLIENT = "cognito"
REDIRECT_URI = "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"
STATE = "H4sIAAAA" + "x+/=." * 140 + ".3"
CODE_PARAMETERS = {"response_type": "code", "scope": "openid"}


def connection(name: str = "acme", **overrides: Any) -> Connection:
    """Return a connection with one relying party, `CLIENT` with `SECRET`."""
    party = RelyingParty(
        client_id=overrides.pop("party_client_id", CLIENT),
        secret_hashes=(secret_hash(overrides.pop("secret", SECRET)),),
        redirect_uris=(REDIRECT_URI,),
        restart_url=f"https://app.example/{name}",
        name=overrides.pop("party_name", None),
        require_pkce=overrides.pop("require_pkce", False),
    )
    defaults: dict[str, Any] = {
        "name": name,
        "issuer": f"https://{name}.idp.example",
        "client_id": f"bridge-at-{name}",
        "version": "v1",
        "relying_parties": (party,),
    }
    return Connection(**(defaults | overrides))


class SettableClock:
    """Seconds since the epoch, moved by the test."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Bridge:
    """One environment. `front` and `back` are what the functions get from wiring."""

    environment: str = "test"
    base_url: str = "https://bridge.example"
    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry(connection()))
    store: TransactionStore = field(default_factory=MemoryTransactionStore)
    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    keys: IdTokenKeys = field(default_factory=FakeKeyRing)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    clock: SettableClock = field(default_factory=SettableClock)
    sessions: SessionStore | None = field(default_factory=MemorySessionStore)
    replays: ReplayGuard = field(default_factory=MemoryReplayGuard)
    user_pools: FakeUserPools = field(default_factory=FakeUserPools)
    logout_tokens: LogoutTokens = field(default_factory=FakeLogoutTokens)

    def __post_init__(self) -> None:
        shared: dict[str, Any] = {
            "environment": self.environment,
            "base_url": self.base_url,
            "connections": self.registry,
            "transactions": self.store,
            "telemetry": self.telemetry,
            "clock": self.clock,
            "sessions": self.sessions,
            "user_pools": lambda: self.user_pools,
        }
        self.front = FrontChannel(**shared, upstream=lambda _: self.upstream)
        self.back = BackChannel(
            **shared,
            id_token_keys=self.keys,
            logout_tokens=lambda: self.logout_tokens,
            replays=lambda: self.replays,
        )


_numbers = itertools.count(1)


def request(
    path: str,
    *,
    method: str = "GET",
    name: str = "acme",
    query: dict[str, str] | str = "",
    form: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    cookies: tuple[str, ...] = (),
    seconds: float = 20.0,
) -> Request:
    """Return a request to `/{connection}/path`."""
    route, raw_query = f"/{{connection}}/{path}", query if isinstance(query, str) else urlencode(query)
    body = urlencode(form) if form is not None else ""
    sent = {
        **({"content-type": "application/x-www-form-urlencoded"} if form is not None else {}),
        **(headers or {}),
    }
    watch_event(
        {"routeKey": route, "rawQueryString": raw_query, "body": body, "headers": sent, "cookies": cookies}
    )
    return Request(
        method=method,
        route=route,
        connection=name,
        raw_query=raw_query,
        headers=sent,
        cookies=cookies,
        body=body.encode(),
        correlation_id=f"CORRELATION{next(_numbers):06}",
        deadline=Deadline.after(seconds),
    )


def _seen(response: Response) -> Response:
    """Return the response, looked at for what must not come out."""
    watch_result({"headers": response.headers, "cookies": response.cookies, "body": response.body})
    return response


@dataclass
class Browser:
    """Keeps the bridge's cookie and walks the front channel."""

    bridge: Bridge
    name: str = "acme"
    cookies: tuple[str, ...] = ()

    def authorize(self, **parameters: str | None) -> Response:
        """Send Cognito's authorization request; None leaves a parameter out."""
        query = {
            "client_id": CLIENT,
            "redirect_uri": REDIRECT_URI,
            "state": STATE,
            **CODE_PARAMETERS,
            **parameters,
        }
        sent = {name: value for name, value in query.items() if value is not None}
        response = _seen(
            begin(self.bridge.front, request("authorize", name=self.name, query=sent, cookies=self.cookies))
        )
        for cookie in response.cookies:
            self.cookies = (cookie.partition(";")[0],)
        return response

    def start(self, **parameters: str | None) -> str:
        """Begin a sign-in; returns the upstream state."""
        return location(self.authorize(**parameters))["state"]

    def callback(self, state: str, *, method: str = "GET", **parameters: str) -> Response:
        """Come back from the IdP; without parameters, with a code."""
        sent = {"state": state, **(parameters or {"code": "upstream-code"})}
        where: dict[str, Any] = {"query": sent} if method == "GET" else {"form": sent, "method": "POST"}
        back = request("callback", name=self.name, cookies=self.cookies, **where)
        return _seen(finish(self.bridge.front, back))

    def poll(self, state: str) -> Response:
        """Follow the reloading page, which carries the state alone."""
        sent = request("callback", name=self.name, cookies=self.cookies, query={"state": state})
        return _seen(finish(self.bridge.front, sent))

    def sign_in(self, **parameters: str | None) -> str:
        """Walk to the end; returns the bridge's code for Cognito."""
        return location(self.callback(self.start(**parameters)))["code"]


def location(response: Response) -> dict[str, str]:
    """Return the query of the redirect."""
    return dict(parse_qsl(urlsplit(response.headers["location"]).query, keep_blank_values=True))


def token(bridge: Bridge, code: str, *, name: str = "acme", **overrides: str | None) -> dict[str, Any]:
    """Redeem a code as Cognito does; returns the JSON. Raises what the flow raises."""
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uri": REDIRECT_URI,
        "code": code,
        **overrides,
    }
    sent = {key: value for key, value in form.items() if value is not None}
    response = _seen(redeem(bridge.back, request("token", method="POST", name=name, form=sent)))
    answered: dict[str, Any] = json.loads(response.body)
    return answered


def read_userinfo(bridge: Bridge, access_token: str, *, name: str = "acme") -> dict[str, Any]:
    """Read userinfo as Cognito does."""
    headers = {"authorization": f"Bearer {access_token}"}
    response = _seen(userinfo(bridge.back, request("userinfo", name=name, headers=headers)))
    answered: dict[str, Any] = json.loads(response.body)
    return answered


def id_token_claims(id_token: str) -> dict[str, Any]:
    """Return the payload, unverified: signatures are the conformance suite's business."""
    payload = id_token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def s256(verifier: str) -> str:
    """Return the PKCE challenge, computed apart from the product."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
