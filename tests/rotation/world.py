"""A world in which people sign in while keys and secrets rotate: IdP, bridge, Cognito, another relying party, one clock."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.counterparts.api_gateway_events import HttpResponse
from tests.counterparts.cognito import CognitoPageError, SignInError, UserPool
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.id_token import IdTokenError, verify_id_token
from tests.rotation.bridge import BASE_URL, Bridge
from tests.rotation.timeline import Kept, Timeline

NAME = "acme"
PROVIDER = "Bank"
COGNITO = "cognito"
OTHER = "load-balancer"
OTHER_REDIRECT_URI = "https://app.example/oauth2/idpresponse"


class SignInFailed(Exception):
    """Somebody could not sign in, and why, as far as they could see."""


class Upstream(Protocol):
    """The IdP's page: takes the browser and sends it back to the bridge."""

    def visit(self, answer: HttpResponse) -> Callable[[Bridge, str], HttpResponse]:
        """Take the browser, with what the bridge sent it with; return how it goes back, with the bridge's cookie."""


@dataclass
class CognitoPool:
    """A strict user pool, which reads discovery and keys anew at every sign-in."""

    bridge: Bridge
    clock: Callable[[], float]
    secret: Callable[[], str]

    def __post_init__(self) -> None:
        self.pool = UserPool(transport=self.bridge.transport(), clock=self.clock)
        self.provider = OidcIdentityProvider(
            name=PROVIDER, client_id=COGNITO, client_secret="x" * 43, oidc_issuer=f"{BASE_URL}/{NAME}"
        )

    def start(self) -> str:
        """Return where the browser is sent."""
        if PROVIDER not in self.pool.providers:
            self.pool.create_identity_provider(self.provider)
        return self.pool.authorize(PROVIDER)

    def end(self, url: str) -> None:
        """Take the browser back, with the secret that this part of Cognito has by now."""
        # A trip keeps what its pool knew when it began; in AWS the secret is looked up when it is needed.
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        trip = self.pool._trips[state]
        self.pool._trips[state] = replace(trip, provider=replace(trip.provider, client_secret=self.secret()))
        try:
            self.pool.redeem(self.pool.idpresponse(url).code)
        except (SignInError, CognitoPageError) as failure:
            raise SignInFailed(f"Cognito: {failure}") from failure


@dataclass
class CachingRelyingParty:
    """A relying party that keeps its copy of the bridge's ID-token keys."""

    bridge: Bridge
    clock: Callable[[], float]
    secret: str
    kids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = Kept(self._fetch)

    def start(self) -> str:
        query = {
            "client_id": OTHER,
            "redirect_uri": OTHER_REDIRECT_URI,
            "response_type": "code",
            "scope": "openid",
            "state": secrets.token_urlsafe(12),
            "nonce": secrets.token_urlsafe(12),
        }
        return f"{BASE_URL}/{NAME}/{self._start_path()}?{urlencode(query)}"

    def end(self, url: str) -> None:
        query = dict(parse_qsl(urlsplit(url).query))
        if "code" not in query:
            raise SignInFailed(f"the other relying party: {query}")
        form = {
            "grant_type": "authorization_code",
            "redirect_uri": OTHER_REDIRECT_URI,
            "code": query["code"],
        }
        credentials = base64.b64encode(f"{OTHER}:{self.secret}".encode()).decode()
        answer = self.bridge.post(
            f"/{NAME}/token", urlencode(form).encode(), ("authorization", f"Basic {credentials}")
        )
        if answer.status != 200:
            raise SignInFailed(f"the other relying party: {answer.body.decode()}")
        id_token = json.loads(answer.body)["id_token"]
        header = id_token.partition(".")[0]
        self.kids.append(json.loads(base64.urlsafe_b64decode(header + "=="))["kid"])
        try:
            verify_id_token(
                id_token,
                issuer=f"{BASE_URL}/{NAME}",
                client_id=OTHER,
                client_secret=self.secret,
                jwks=self.keys.get,
                now=self.clock,
            )
        except IdTokenError as failure:
            raise SignInFailed(f"the other relying party: {failure}") from failure

    def _start_path(self) -> str:
        metadata = json.loads(self.bridge.get(f"/{NAME}/.well-known/openid-configuration").body)
        return str(urlsplit(metadata["authorization_endpoint"]).path.removeprefix(f"/{NAME}/"))

    def _fetch(self) -> dict[str, Any]:
        keys: dict[str, Any] = json.loads(self.bridge.get(f"/{NAME}/.well-known/jwks.json").body)
        return keys


@dataclass
class World:
    """Who takes part; `failures` are the sign-ins that failed, each with when it began and why."""

    timeline: Timeline
    bridge: Bridge
    upstream: Upstream
    parties: list[CognitoPool | CachingRelyingParty]
    begun: int = 0
    ended: int = 0
    failures: list[str] = field(default_factory=list)

    def sign_in(self, at: float, seconds: float) -> None:
        """Plan a sign-in that begins then, and whose person takes so many seconds at the IdP."""
        number, self.begun = self.begun, self.begun + 1
        party = self.parties[number % len(self.parties)]

        def begin() -> None:
            url = party.start()
            answer = self.bridge.get(url.removeprefix(BASE_URL))
            if answer.status not in {200, 302}:
                self._failed(at, f"begin: {answer.status}")
                return
            cookie = _cookie(answer)
            self.timeline.at(at + seconds, lambda: end(answer, cookie))

        def end(answer: HttpResponse, cookie: str) -> None:
            try:
                party.end(_location(self.upstream.visit(answer)(self.bridge, cookie)))
            except SignInFailed as failure:
                self._failed(at, str(failure))
            else:
                self.ended += 1

        self.timeline.at(at, begin)

    def _failed(self, at: float, why: str) -> None:
        self.failures.append(f"begun at {at:.0f}, ended at {self.timeline.now:.0f}: {why}")


def _cookie(answer: HttpResponse) -> str:
    (cookie,) = [value for name, value in answer.headers if name == "set-cookie"]
    return cookie.partition(";")[0]


def _location(answer: HttpResponse) -> str:
    """Return where the browser is sent; raises SignInFailed for an answer that is a page."""
    where = dict(answer.headers).get("location")
    if where is None:
        raise SignInFailed(f"the bridge answered {answer.status}")
    return where
