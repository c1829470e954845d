"""A social network that speaks OAuth 2.0 and no OpenID Connect, as strict and as odd as GitHub.

    with SocialNetwork() as network:
        network.set_clients(Client(client_id="bridge", client_secret="…", redirect_uris=[…]))

What is odd: errors of the token endpoint come with HTTP 200, in words of its own; token answers are form-encoded for
whoever does not ask for JSON; the API answers 403 without a User-Agent, 404 without the scope; addresses are a list.
What is strict: redirect URI and scopes are compared, PKCE is demanded and checked, a code works once, a nonce or the
scope `openid` is refused. Sources: GitHub's pages on authorizing OAuth apps, on access token request errors, on user
agents, and on listing e-mail addresses.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from tests.counterparts.loopback import LoopbackServer, Reply, json_reply
from tests.counterparts.oidc_provider import Client, Received

SCOPES = {"read:user", "user:email"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody with an account. `id` stays, `login` may change hands; `email` is what the profile shows."""

    id: int
    login: str
    name: str | None = None
    email: str | None = None
    emails: Sequence[Mapping[str, Any]] = ()

    def profile(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "login": self.login,
            "name": self.name,
            "email": self.email,
            "site_admin": False,
        }


OCTOCAT = Member(
    id=9007199254740993,
    login="octocat",
    name="Octo Cat",
    emails=[
        {"email": "old@example.com", "primary": False, "verified": True, "visibility": None},
        {"email": "octo@example.com", "primary": True, "verified": True, "visibility": "private"},
    ],
)
"""Its id is one that floats do not have."""
HUBOT = Member(
    id=480938,
    login="hubot",
    emails=[{"email": "hubot@example.com", "primary": True, "verified": False, "visibility": None}],
)
ALICE = Member(
    id=1, login="alice", emails=[{"email": "alice@example.com", "primary": True, "verified": True}]
)


@dataclass(slots=True)
class SocialNetwork:
    """Entering starts it. `members` by login. Its interface is that of `OidcProvider`, as far as a bridge needs one."""

    members: Sequence[Member] = (OCTOCAT, HUBOT, ALICE)
    clients: Sequence[Client] = ()
    tls: None = None
    issuer: str = field(init=False, default="")
    origin: str = field(init=False, default="")
    _codes: dict[str, dict[str, str]] = field(init=False, default_factory=dict)
    _tokens: dict[str, dict[str, str]] = field(init=False, default_factory=dict)
    _server: LoopbackServer = field(init=False, repr=False)

    def __enter__(self) -> Self:
        self._server = LoopbackServer(self._answer)
        self._server.__enter__()
        self.issuer = self.origin = self._server.origin
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def set_clients(self, *clients: Client) -> None:
        """Register these clients and no others."""
        self.clients = clients

    def journal(self, route: str | None = None) -> list[Received]:
        return self._server.journal(route)

    def clear_journal(self) -> None:
        self._server.clear_journal()

    def _answer(self, received: Received) -> Reply:
        answers = {
            ("GET", "/login/oauth/authorize"): self._authorize,
            ("POST", "/login/oauth/decision"): self._decide,
            ("POST", "/login/oauth/access_token"): self._token,
            ("GET", "/api/user"): self._user,
            ("GET", "/api/user/emails"): self._emails,
        }
        answer = answers.get((received.method, received.path))
        return answer(received) if answer else Reply(status=404, body="not found")

    def _client(self, client_id: str | None) -> Client | None:
        return next((client for client in self.clients if client.client_id == client_id), None)

    def _authorize(self, received: Received) -> Reply:
        asked = received.query
        client = self._client(asked.get("client_id"))
        if client is None or asked.get("redirect_uri") not in client.redirect_uris:
            return Reply(status=404, body="no such application", route="authorization")
        wrong = (
            asked.get("response_type") != "code"
            or not asked.get("state")
            or asked.get("code_challenge_method") != "S256"
            or not set(asked.get("scope", "").split()) <= SCOPES
            or "nonce" in asked
            or len(asked) != len(received.query_pairs)
        )
        if wrong:
            return _back(asked, {"error": "invalid_request"}, route="authorization")
        kept = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
        )
        page = (
            f'<form method="post" action="/login/oauth/decision">{kept}<input type="hidden" name="prompt" value="login">'
            '<input name="login"><input name="password" type="password"></form>'
        )
        return Reply(body=page, route="authorization")

    def _decide(self, received: Received) -> Reply:
        asked = received.form
        if asked["login"] == "nobody":
            return _back(asked, {"error": "access_denied", "error_description": "The user has denied"})
        code = secrets.token_hex(10)
        self._codes[code] = asked
        return _back(asked, {"code": code})

    def _token(self, received: Received) -> Reply:
        answer = self._redeemed(received)
        if "application/json" in received.headers.get("accept", ""):
            return json_reply(answer, route="token")
        return Reply(body=urlencode(answer), content_type="application/x-www-form-urlencoded", route="token")

    def _redeemed(self, received: Received) -> dict[str, str]:
        form = received.form
        client = self._client(form.get("client_id"))
        if client is None or not client.client_secret or form.get("client_secret") != client.client_secret:
            return {"error": "incorrect_client_credentials"}
        granted = self._codes.pop(form.get("code", ""), None)
        if granted is None or granted["client_id"] != client.client_id:
            return {
                "error": "bad_verification_code",
                "error_description": "The code passed is incorrect or expired.",
            }
        if form.get("redirect_uri") != granted["redirect_uri"]:
            return {"error": "redirect_uri_mismatch"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != granted["code_challenge"]:
            return {"error": "bad_verification_code"}
        token = f"network-token-{secrets.token_hex(16)}"
        self._tokens[token] = granted
        return {"access_token": token, "scope": granted["scope"].replace(" ", ","), "token_type": "bearer"}

    def _user(self, received: Received) -> Reply:
        granted, refusal = self._granted(received)
        return refusal or json_reply(self._member(granted).profile(), route="document")

    def _emails(self, received: Received) -> Reply:
        granted, refusal = self._granted(received)
        if refusal is None and "user:email" not in granted["scope"].split():
            refusal = json_reply({"message": "Not Found"}, status=404, route="document")
        return refusal or json_reply(list(self._member(granted).emails), route="document")

    def _granted(self, received: Received) -> tuple[dict[str, str], Reply | None]:
        if not received.headers.get("user-agent"):
            return {}, Reply(status=403, body="Request forbidden by administrative rules", route="document")
        scheme, _, token = received.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens or received.query_pairs:
            return {}, json_reply({"message": "Bad credentials"}, status=401, route="document")
        return self._tokens[token], None

    def _member(self, granted: Mapping[str, str]) -> Member:
        return next(member for member in self.members if member.login == granted["login"])


def _back(asked: Mapping[str, str], answer: Mapping[str, str], *, route: str | None = None) -> Reply:
    location = f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked.get('state', '')})}"
    return Reply(status=302, headers={"location": location}, route=route)
