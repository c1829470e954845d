"""Who takes part in a sign-in that the IdP begins: two IdPs, an app, the pages of a pool, and people with browsers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from tests.counterparts.browser import Trip, travel
from tests.counterparts.cognito import FederatedUser, UserPool
from tests.counterparts.pysaml2_idp import Pysaml2Idp
from tests.counterparts.samlify_idp import IdpSettings, SamlifyIdp, SamlUser
from tests.interop.saml_bridge import SSO, SamlBridge, encoded

APP = "https://app.example"
CALLBACK = f"{APP}/callback"
DASHBOARD = f"{APP}/dashboard?tab=1&of=2"
POOL = "https://acme.auth.eu-west-1.amazoncognito.com"
AUTHORIZE = f"{POOL}/oauth2/authorize"
NAME_ID = "ana-at-the-idp"
WHO: dict[str, Any] = {"name_id": NAME_ID, "attributes": {"mail": ["ana@example.com"]}}
STRAIGHT = {
    "client_id": "app",
    "response_type": "code",
    "redirect_uri": CALLBACK,
    "identity_provider": "Bank",
}


class Neighbours(ThreadingHTTPServer):
    """The app and the pool's domain on loopback; the browser knows both by their public names.

    The app takes a code for a state alone that it drew for this browser, unless `compares` is off. `flows` are those that it
    has begun: state → where the person is to end.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.pool: UserPool | None = None
        self.issuer = ""
        self.compares = True
        self.passes_hint = True
        self.flows: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, query: Mapping[str, str], cookie: str | None) -> tuple[int, dict[str, str]]:
        pages: dict[str, Callable[[], tuple[int, dict[str, str]]]] = {
            "/sso": lambda: self._begin(query),
            "/callback": lambda: self._callback(query, cookie),
            "/oauth2/authorize": lambda: self._authorize(query),
            "/oauth2/idpresponse": lambda: self._idpresponse(query),
        }
        return pages[path]()

    def _begin(self, query: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """The app's initiate_login_uri (OpenID Connect Core §4)."""
        if query["iss"] != self.issuer or query["tenant"] != "1":
            return 400, {}
        state = secrets.token_urlsafe()
        self.flows[state] = query["target_link_uri"]
        hint = {"login_hint": query["login_hint"]} if self.passes_hint and "login_hint" in query else {}
        url = f"{AUTHORIZE}?{urlencode({**STRAIGHT, 'state': state, **hint})}"
        return 302, {"location": url, "set-cookie": f"flow={state}; Path=/; HttpOnly; SameSite=Lax"}

    def _authorize(self, query: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        assert self.pool is not None
        assert query.items() >= STRAIGHT.items()
        url = self.pool.authorize(
            query["identity_provider"],
            redirect_uri=query["redirect_uri"],
            state=query.get("state"),
            login_hint=query.get("login_hint"),
        )
        return 302, {"location": url}

    def _idpresponse(self, query: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        assert self.pool is not None
        return 302, {"location": self.pool.idpresponse(f"{self.pool.redirect_uri}?{urlencode(query)}").url}

    def _callback(self, query: Mapping[str, str], cookie: str | None) -> tuple[int, dict[str, str]]:
        """Where the app redeems; it answers with whom it signed in."""
        assert self.pool is not None
        if self.compares and (cookie is None or query.get("state") != cookie):
            return 403, {}
        target = self.flows.pop(query.get("state", ""), APP)
        return 302, {"location": target, "x-user": self.pool.redeem(query["code"]).username}


class _Pages(BaseHTTPRequestHandler):
    server: Neighbours

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        cookie = SimpleCookie(self.headers.get("cookie", "")).get("flow")
        query = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=True))
        status, headers = self.server.answer(url.path, query, cookie.value if cookie else None)
        self.send_response(status)
        for name, value in {**headers, "content-length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Say nothing."""


class Idp(Protocol):
    """Makes SAMLResponse values, base64."""

    def initiate(self, *, both: bool = False) -> str:
        """Make one that nobody asked for; with `both` the message is signed beside the assertion."""

    def respond(self, query: str) -> str:
        """Answer the AuthnRequest of a raw query."""


@dataclass(frozen=True, kw_only=True)
class Samlify:
    program: SamlifyIdp
    settings: IdpSettings
    bridge: SamlBridge

    user = SamlUser(name_id=NAME_ID, mail="ana@example.com")

    def initiate(self, *, both: bool = False) -> str:
        return self.program.initiate(self.settings, self.bridge.metadata(), self.user, message_signed=both)

    def respond(self, query: str) -> str:
        response, _ = self.program.respond(self.settings, self.bridge.metadata(), self.user, query=query)
        return response


@dataclass(frozen=True, kw_only=True)
class Pysaml2:
    idp: Pysaml2Idp
    bridge: SamlBridge

    def initiate(self, *, both: bool = False) -> str:
        acs = f"{self.bridge.url}/saml-idp/saml/acs"
        return encoded(
            self.idp.initiate(self.bridge.sp_entity_id, acs, **WHO, sign_assertion=True, sign_response=both)
        )

    def respond(self, query: str) -> str:
        return encoded(self.idp.respond(query=dict(parse_qsl(query)), **WHO, sign_assertion=True))


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a browser."""

    bridge: SamlBridge
    pool: UserPool
    browser: httpx.Client

    def bring(self, response: str, relay_state: str = "dashboard") -> httpx.Response:
        """Let the IdP's page post a Response to the ACS."""
        form = {"SAMLResponse": response, "RelayState": relay_state}
        return self.browser.post(f"{self.bridge.url}/saml-idp/saml/acs", data=form)

    def go(self, start: str) -> Trip:
        """Follow redirects to the app's callback or to the IdP, whichever comes first."""
        return travel(
            self.browser,
            start,
            until=lambda request: str(request.url).startswith((f"{CALLBACK}?", f"{SSO}?")),
        )

    def arrive(self, response: str, relay_state: str = "dashboard") -> Trip:
        """Bring it and go on from there."""
        answer = self.bring(response, relay_state)
        assert answer.status_code == 303, answer.text
        return self.go(answer.headers["location"])

    def sign_in_at(self, trip: Trip, *, target: str = DASHBOARD) -> FederatedUser:
        """Enter the app by the callback that a trip has led to; return whom the app signs in."""
        assert trip.url.startswith(f"{CALLBACK}?"), trip.url
        answer = self.browser.send(trip.next_request)
        assert (answer.status_code, answer.headers.get("location")) == (302, target)
        return self.pool.users[answer.headers["x-user"]]


def to_idp(trip: Trip) -> str:
    """Return the query that a trip brings to the IdP."""
    assert trip.url.startswith(f"{SSO}?"), trip.url
    return urlsplit(trip.url).query


def stations(trip: Trip) -> list[str]:
    return [f"{each.url.host} {each.url.path}" for each in trip.responses]
