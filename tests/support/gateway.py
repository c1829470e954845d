"""The two functions over a bridge of fakes, invoked with HTTP API events; and what a refusal must look like.

The routes are those of functions/*/app.py, which tests/functional/test_entry_points.py compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import unescape
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from fedbridge.flows.begin import begin
from fedbridge.flows.documents import client_jwks, discovery, jwks
from fedbridge.flows.failure import refuse_browser
from fedbridge.flows.finish import finish
from fedbridge.flows.redeem import redeem
from fedbridge.flows.sign_out import backchannel_logout, frontchannel_logout, logged_out, logout
from fedbridge.flows.userinfo import userinfo
from fedbridge.model.connection import ClientAuthentication, IdTokenPolicy
from fedbridge.model.deadline import BACK_CHANNEL_BUDGET, BROWSER_BUDGET
from fedbridge.net.edge import Routes, serve
from fedbridge.op import cookie
from fedbridge.op.errors import back_channel_error
from tests.fakes.events import LambdaContext, Pairs, http_event
from tests.support import canaries
from tests.support.bridge import CLIENT, CODE_PARAMETERS, REDIRECT_URI, SECRET, STATE, Bridge, connection
from tests.unit.rp.idp import CLIENT_ID, SECRET_REFERENCE, FakeIdp

FORM = ("content-type", "application/x-www-form-urlencoded")
AUTHORIZE, CALLBACK, TOKEN, USERINFO = "authorize", "callback", "token", "userinfo"
DISCOVERY, JWKS, CLIENT_JWKS = (
    ".well-known/openid-configuration", ".well-known/jwks.json", "client-jwks.json",
)  # fmt: skip
LOGOUT, LOGOUT_CALLBACK, FRONTCHANNEL_LOGOUT = "logout", "logout/callback", "frontchannel-logout"
BACKCHANNEL_LOGOUT = "backchannel-logout"
FRONT_CHANNEL = (AUTHORIZE, CALLBACK, LOGOUT, LOGOUT_CALLBACK, FRONTCHANNEL_LOGOUT)

FAILURES = frozenset({
    "request_refused", "token_refused", "sign_in_failed", "request_failed", "internal_error", "configuration_error",
    "sign_out_failed", "logout_ignored",
})  # fmt: skip
"""Events that say why something was refused."""

SUCCESSES = frozenset({
    "sign_in_authorized", "sign_in_redeemed", "userinfo_read", "sign_out_started", "sessions_ended",
})  # fmt: skip

_PROGRAM_TEXT = re.compile(r"Traceback|File \"|\.py\b|\bline \d+|Error\(|Exception|0x[0-9a-f]{6}")
_OWN_WORDS = frozenset({"authorization_code", "application/json", STATE, REDIRECT_URI})
"""Values that a request holds and that an answer may hold too, because they are the protocol's or proven."""

_SHORTEST_ECHO = 8
"""Characters: shorter values stand in any text by chance."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One result, the decoded values that the request held, and the telemetry of the invocation."""

    status: int
    headers: Mapping[str, str]
    cookies: Sequence[str]
    body: str
    sent: Sequence[str]
    events: Sequence[tuple[str, Mapping[str, Any]]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> dict[str, str]:
        """The query of the redirect."""
        pairs = parse_qsl(
            urlsplit(self.headers["location"]).query, keep_blank_values=True, strict_parsing=True
        )
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    @property
    def reasons(self) -> list[Any]:
        told = [(name, fields.get("reason")) for name, fields in self.events]
        return [
            reason for name, reason in told if name in FAILURES or (name == "callback_repeated" and reason)
        ]

    def without_correlation_id(self) -> str:
        """The body, comparable with another one of its kind."""
        return re.sub(r"[0-9A-HJKMNP-TV-Z]{16}", "#", self.body)


class Gateway:
    """Sends events to the functions of a bridge.

    `mend` undoes the fault of a test, so that the next good sign-in can be made on the same process. `watched` says
    whether requests and answers are looked at for canaries, which takes longer than the answers do.
    """

    def __init__(self, bridge: Bridge | None = None, *, watched: bool = True) -> None:
        self.bridge = bridge or Bridge()
        self.watched = watched
        self.idp: FakeIdp | None = None
        self.signed_responses = False
        self.mend: Callable[[], object] = lambda: None

    def connect(self, idp: FakeIdp, **fields: Any) -> None:
        """Put the real OpenID Connect side and this IdP behind every connection; `fields` are those of `acme`."""
        self.idp = idp
        self.bridge.front = replace(self.bridge.front, upstream=lambda _: idp.upstream)
        at = connection(**(idp_fields(idp) | fields))
        self.signed_responses = at.authorization.signed_response
        self.bridge.registry.put(at)

    def serve_with(self, **services: Any) -> None:
        """Replace services that both functions share: `connections`, `transactions`, `telemetry` …"""
        self.bridge.front = replace(self.bridge.front, **services)
        self.bridge.back = replace(self.bridge.back, **services)

    def front_routes(self) -> Routes:
        front = self.bridge.front
        return {
            "/{connection}/authorize": {"GET": partial(begin, front)},
            "/{connection}/callback": {"GET": partial(finish, front), "POST": partial(finish, front)},
            "/{connection}/logout": {"GET": partial(logout, front), "POST": partial(logout, front)},
            "/{connection}/logout/callback": {"GET": partial(logged_out, front)},
            "/{connection}/frontchannel-logout": {"GET": partial(frontchannel_logout, front)},
        }

    def back_routes(self) -> Routes:
        back = self.bridge.back
        return {
            "/{connection}/token": {"POST": partial(redeem, back)},
            "/{connection}/userinfo": {"GET": partial(userinfo, back), "POST": partial(userinfo, back)},
            "/{connection}/.well-known/openid-configuration": {"GET": partial(discovery, back)},
            "/{connection}/.well-known/jwks.json": {"GET": partial(jwks, back)},
            "/{connection}/client-jwks.json": {"GET": partial(client_jwks, back)},
            "/{connection}/backchannel-logout": {"POST": partial(backchannel_logout, back)},
        }

    def invoke(self, event: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what the function that owns `path` answers to the event."""
        telemetry = self.bridge.telemetry
        if path in FRONT_CHANNEL:
            return serve(
                event,
                LambdaContext(),
                routes=self.front_routes(),
                telemetry=telemetry,
                budget=BROWSER_BUDGET,
                on_error=partial(refuse_browser, self.bridge.front),
            )
        return serve(
            event,
            LambdaContext(),
            routes=self.back_routes(),
            telemetry=telemetry,
            budget=BACK_CHANNEL_BUDGET,
            on_error=back_channel_error,
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        name: str = "acme",
        query: Mapping[str, str] | str = "",
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Pairs = (),
        cookies: Sequence[str] = (),
        members: Mapping[str, Any] = MappingProxyType({}),
    ) -> Answer:
        """Send one request; `form` is encoded, `body` goes as it is, `members` replace those of the event."""
        if form is not None:
            body, headers = urlencode(form).encode(), [FORM, *headers]
        raw_query = query if isinstance(query, str) else urlencode(query)
        event = http_event(
            method,
            f"/{{connection}}/{path}",
            name,
            query=raw_query,
            headers=headers,
            cookies=cookies,
            body=body,
        ) | dict(members)
        before = len(self.bridge.telemetry.events)
        result = json.loads(json.dumps(self.invoke(json.loads(json.dumps(event)), path)))
        if self.watched:
            canaries.watch_event(event)
            canaries.watch_result(result)
        return Answer(
            status=result["statusCode"],
            headers=result["headers"],
            cookies=result["cookies"],
            body=result["body"],
            sent=[name, *_values(raw_query), *_values(_text(body)), _text(body), *_header_values(headers)]
            + [piece.partition("=")[2] for piece in cookies],
            events=self.bridge.telemetry.events[before:],
        )

    def redeem(
        self, code: str | None, *, name: str = "acme", headers: Pairs = (), **overrides: str | None
    ) -> Answer:
        """Redeem a code as Cognito does; None leaves a parameter out."""
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uri": REDIRECT_URI,
            "code": code,
            **overrides,
        }
        sent = {key: value for key, value in form.items() if value is not None}
        return self.send("POST", TOKEN, name=name, form=sent, headers=headers)

    def read_userinfo(self, access_token: str, *, name: str = "acme") -> Answer:
        return self.send("GET", USERINFO, name=name, headers=[("authorization", f"Bearer {access_token}")])


def idp_fields(idp: FakeIdp) -> dict[str, Any]:
    """Return what a connection to this IdP needs."""
    return {
        "version": "idp",
        "issuer": idp.issuer,
        "client_id": CLIENT_ID,
        "client_authentication": ClientAuthentication(secret=SECRET_REFERENCE),
        "id_token": IdTokenPolicy(algorithms=("ES256",)),
    }


@dataclass
class Visitor:
    """A browser at the gateway: it keeps the bridge's cookie."""

    gateway: Gateway
    name: str = "acme"
    cookies: tuple[str, ...] = ()

    def authorize(self, **parameters: str | None) -> Answer:
        """Send Cognito's authorization request; None leaves a parameter out."""
        query = {
            "client_id": CLIENT,
            "redirect_uri": REDIRECT_URI,
            "state": STATE,
            **CODE_PARAMETERS,
            **parameters,
        }
        return self.authorize_raw(
            urlencode({key: value for key, value in query.items() if value is not None})
        )

    def authorize_raw(self, query: str) -> Answer:
        answer = self.gateway.send("GET", AUTHORIZE, name=self.name, query=query, cookies=self.cookies)
        if self.gateway.idp is not None and "nonce" in answer.headers.get("location", ""):
            self.gateway.idp.nonce = answer.location["nonce"]
        self.keep(answer)
        return answer

    def keep(self, answer: Answer) -> None:
        """Do with cookies as a browser does: take them, replace them, forget them."""
        kept = dict(piece.partition("=")[::2] for piece in self.cookies)
        for line in answer.cookies:
            name, _, value = line.partition(";")[0].partition("=")
            assert name.startswith(cookie.NAME)
            kept[name] = value
            if "Max-Age=0" in line:
                del kept[name]
        self.cookies = tuple(f"{name}={value}" for name, value in kept.items())

    def start(self, **parameters: str | None) -> str:
        """Begin a sign-in; returns the upstream state."""
        answer = self.authorize(**parameters)
        assert answer.status == 302, answer
        pushed = self.gateway.idp.state if self.gateway.idp is not None else ""
        return answer.location.get("state", pushed)

    def callback(self, state: str | None, *, method: str = "GET", **parameters: str) -> Answer:
        """Come back from the IdP; without parameters, with a code, signed if that was asked for."""
        if self.gateway.signed_responses and self.gateway.idp is not None and not parameters:
            return self.callback_raw(f"response={self.gateway.idp.response_jwt(state=state)}", method=method)
        sent = {"state": state, **(parameters or {"code": "upstream-code"})}
        pairs = {key: value for key, value in sent.items() if value is not None}
        return self.callback_raw(urlencode(pairs), method=method)

    def callback_raw(self, parameters: str, *, method: str = "GET") -> Answer:
        if method == "POST":
            return self.gateway.send(
                "POST",
                CALLBACK,
                name=self.name,
                body=parameters.encode(),
                headers=[FORM],
                cookies=self.cookies,
            )
        return self.gateway.send(method, CALLBACK, name=self.name, query=parameters, cookies=self.cookies)

    def logout(self, *, headers: Pairs = (), **parameters: str) -> Answer:
        """Come to sign out, as Cognito's logout_uri brings browsers here."""
        answer = self.gateway.send(
            "GET", LOGOUT, name=self.name, query=parameters, headers=headers, cookies=self.cookies
        )
        self.keep(answer)
        return answer

    def logged_out(self, query: Mapping[str, str] | str) -> Answer:
        """Come back from the IdP."""
        answer = self.gateway.send("GET", LOGOUT_CALLBACK, name=self.name, query=query, cookies=self.cookies)
        self.keep(answer)
        return answer

    def sign_in(self, **parameters: str | None) -> str:
        """Walk to the bridge's code for Cognito."""
        answer = self.callback(self.start(**parameters))
        self.keep(answer)
        assert "code" in answer.location, answer
        return answer.location["code"]


def signs_in(gateway: Gateway, name: str = "acme") -> dict[str, Any]:
    """Walk a whole good sign-in in a new browser; returns userinfo."""
    gateway.mend()
    tokens = gateway.redeem(Visitor(gateway, name).sign_in(), name=name)
    assert tokens.status == 200, tokens
    claims = gateway.read_userinfo(tokens.json["access_token"], name=name)
    assert claims.status == 200, claims
    found: dict[str, Any] = claims.json
    assert found["sub"]
    return found


def assert_refused(answer: Answer, reason: str) -> None:
    """What holds for every refusal: nothing issued, nothing of the request or the program shown, one reason told."""
    assert answer.reasons == [reason]
    assert not SUCCESSES & {name for name, _ in answer.events}
    assert not answer.cookies
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    shown = "\n".join([answer.body, *(f"{name}: {value}" for name, value in answer.headers.items())])
    if "location" in answer.headers:
        # Where it leads, and that it holds the registered error and the state as it must, assert_sent_back has seen.
        shown = shown.replace(answer.headers["location"], answer.location["error_description"])
    assert not _PROGRAM_TEXT.search(shown), shown
    assert SECRET not in shown
    plain = unescape(unquote_plus(shown))
    for value in answer.sent:
        if len(value) >= _SHORTEST_ECHO and value.strip() not in _OWN_WORDS:
            assert value not in shown, value
            assert value not in plain, value


def assert_page(gateway: Gateway, answer: Answer, reason: str, *, status: int = 400) -> None:
    """PAGE400 of the checklist: a page where the browser stands, and no way out of it but the registered one."""
    assert answer.status == status
    assert "location" not in answer.headers
    assert "refresh" not in answer.headers
    assert 'http-equiv="refresh"' not in answer.body
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    links = re.findall(r'href="([^"]*)"', answer.body)
    assert all(re.fullmatch(r"https://app\.example/[a-z0-9-]+", link) for link in links), links
    assert_refused(answer, reason)
    signs_in(gateway)


def assert_sent_back(
    gateway: Gateway, answer: Answer, error: str, reason: str, *, status: int = 302, state: str | None = STATE
) -> None:
    """BACK(e) of the checklist: to the registered redirect URI with the error and the original state, nothing else."""
    assert answer.status == status
    assert answer.headers["location"].partition("?")[0] == REDIRECT_URI
    told = answer.location
    assert told.pop("state", None) == state
    assert set(told) == {"error", "error_description"}
    assert told["error"] == error
    assert re.fullmatch(
        r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,200} \(ref [0-9A-Z]{16}\)", told["error_description"]
    )
    assert answer.body == ""
    assert_refused(answer, reason)
    signs_in(gateway)


def assert_json_error(
    gateway: Gateway, answer: Answer, error: str, reason: str, *, status: int = 400
) -> None:
    """T400(e), T401(e) and U401(e) of the checklist: an OAuth error and its challenge."""
    assert answer.status == status
    assert "location" not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert set(answer.json) == {"error", "error_description"}
    assert answer.json["error"] == error
    assert answer.json["error_description"].isascii()
    assert len(answer.json["error_description"]) <= 200 + len(" (ref )") + 16
    if status == 401:
        assert answer.headers["www-authenticate"]
    assert_refused(answer, reason)
    signs_in(gateway)


def _values(encoded: str) -> Iterator[str]:
    for piece in encoded.split("&"):
        name, _, value = piece.partition("=")
        # A well-formed name may be the protocol's own, and errors name parameters.
        names = () if re.fullmatch("[a-z_]*", name) else (name, unquote_plus(name))
        yield from (*names, value, unquote_plus(value))


def _header_values(headers: Pairs) -> Iterator[str]:
    for _, value in headers:
        yield value
        yield value.partition(" ")[2]


def _text(body: bytes | None) -> str:
    return (body or b"").decode("utf-8", "replace")
