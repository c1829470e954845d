"""One sign-in, hop by hop, as browser and Cognito make it: HTTP API events in, answers checked."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from bench.world import BASE_URL, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI
from tests.counterparts.api_gateway_events import HttpRequest, http_api_event, match_route

Event = dict[str, Any]
Function = Callable[[Event], Any]
"""An event's way through a function and back."""

FRONT, BACK = ("authorize", "callback"), ("token", "jwks", "userinfo")
HOPS = (*FRONT, *BACK)
"""What Cognito and the browser ask for in a sign-in, in this order: Cognito fetches the keys every time."""

SAML = ("login", "acs")
"""What the browser asks for in place of `FRONT` where the connection speaks SAML."""

PATHS = {"jwks": ".well-known/jwks.json", "login": "saml/login", "acs": "saml/acs"}
_ROUTES = [f"ANY /{{connection}}/{PATHS.get(hop, hop)}" for hop in (*HOPS, *SAML)]
_FORM = ("content-type", "application/x-www-form-urlencoded")
_BROWSER = (
    "user-agent",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
)


def new_state() -> str:
    """Return a state as long as Cognito's longest that were seen: 1,250 characters."""
    return f"H4sIAAAA{secrets.token_urlsafe(930)}.3"


class WrongAnswer(Exception):
    """A hop did not answer as a sign-in must: nothing that was measured counts."""


@dataclass
class Trip:
    """A sign-in under way: `event(hop)` is what comes next, `took(hop, answer)` reads what it brought."""

    hops: ClassVar[tuple[str, ...]] = HOPS
    connection: str
    state: str = ""
    upstream_code: str = ""
    upstream_state: str = ""
    cookie: str = ""
    code: str = ""
    access_token: str = ""

    def event(self, hop: str) -> Event:
        """Return the hop's event; those before it must be over."""
        match hop:
            case "authorize":
                return self._event(hop, query=self._begin())
            case "callback":
                return self._event(
                    hop,
                    query={"code": self.upstream_code, "state": self.upstream_state},
                    headers=(("cookie", self.cookie),),
                )
            case "token":
                form = {
                    "grant_type": "authorization_code",
                    "client_id": CLIENT_ID,
                    "client_secret": CLIENT_SECRET,
                    "redirect_uri": REDIRECT_URI,
                    "code": self.code,
                }
                return self._event(hop, form=form)
            case "userinfo":
                return self._event(hop, headers=(("authorization", f"Bearer {self.access_token}"),))
        return self._event(hop)

    def took(self, hop: str, answer: Any) -> None:
        """Read the answer; raises WrongAnswer."""
        self._check(hop, answer, 302 if hop in FRONT else 200)
        match hop:
            case "authorize":
                query = location(answer)
                # What was pushed stands in the reference to it: the canned provider stores nothing.
                pushed = dict(parse_qsl(query.get("request_uri", "").partition("?")[2]))
                self.upstream_state, self.upstream_code = (
                    (query | pushed)[name] for name in ("state", "nonce")
                )
                self._keep_cookie(answer)
            case "callback":
                self._take_code(hop, answer)
            case "token":
                self.access_token = json.loads(answer["body"])["access_token"]
            case "userinfo":
                if "email" not in json.loads(answer["body"]):
                    raise WrongAnswer(f"{hop}: {answer}")

    def walk(self, front: Function, back: Function, *, hops: tuple[str, ...] = HOPS) -> None:
        """Make these hops, one after the other."""
        for hop in hops:
            self.took(hop, (front if hop in FRONT else back)(self.event(hop)))

    def _begin(self) -> dict[str, str]:
        """Return what Cognito sends the browser with."""
        self.state = new_state()
        return {
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "response_type": "code",
            "scope": "openid profile email phone",
            "state": self.state,
        }

    def _check(self, hop: str, answer: Any, expected: int) -> None:
        if answer["statusCode"] != expected:
            raise WrongAnswer(f"{hop}: {answer}")

    def _keep_cookie(self, answer: Any) -> None:
        self.cookie = answer["cookies"][0].partition(";")[0]

    def _take_code(self, hop: str, answer: Any) -> None:
        query = location(answer)
        if query.get("state") != self.state or "code" not in query:
            raise WrongAnswer(f"{hop}: {query}")
        self.code = query["code"]

    def _event(
        self,
        hop: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Event:
        path = f"/{self.connection}/{PATHS.get(hop, hop)}"
        method = "GET" if form is None else "POST"
        match = match_route(_ROUTES, method, path)
        assert match is not None  # noqa: S101  _ROUTES has every hop
        return http_api_event(
            HttpRequest(
                method=method,
                target=f"{path}?{urlencode(query)}" if query else path,
                headers=[
                    ("host", urlsplit(BASE_URL).netloc),
                    _BROWSER if hop in (*FRONT, *SAML) else ("user-agent", "Amazon Cognito"),
                    *([] if form is None else [_FORM]),
                    *headers,
                ],
                body=b"" if form is None else urlencode(form).encode(),
            ),
            match,
        )


def location(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of a redirect."""
    return dict(parse_qsl(urlsplit(headers_of(answer)["location"]).query))


def headers_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return an answer's headers by names in small letters."""
    return {name.lower(): value for name, value in answer["headers"].items()}
