"""A strict relying party in Cognito's place that nobody here wrote: npm openid-client (certified).

It verifies the ID token's signature against `jwks_uri` and the subject of userinfo; both would be optional by its
defaults or by OpenID Connect.

    with OpenidClient() as client:
        request = client.authorization_url(rp)
        ...
        signed_in = client.callback(rp, request, callback_url)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from tests.counterparts.node import as_json, node_or_skip_reason
from tests.counterparts.process import Program, require

ANSWER_SECONDS = 60.0
"""How long one command may take: longer than any upstream that a test slows down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """What openid-client is configured with: by discovery of `issuer`, or by `server_metadata` (RFC 8414 names).

    `state` fixes the state, which is drawn otherwise. With `private_key_jwt`, `client_jwk` is the private key with
    `alg` and `kid`, and `assertion` replaces claims of the assertion.
    """

    client_id: str
    redirect_uri: str
    client_secret: str | None = None
    method: Literal["client_secret_post", "client_secret_basic", "client_secret_jwt", "private_key_jwt"] = (
        "client_secret_post"
    )
    issuer: str | None = None
    server_metadata: Mapping[str, Any] | None = None
    scope: str = "openid email"
    pkce: bool = False
    nonce: bool = False
    state: str | None = None
    id_token_signed_response_alg: str = "RS256"
    client_jwk: Mapping[str, Any] | None = None
    assertion: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """Where to send the browser, and what the relying party keeps in the session meanwhile."""

    url: str
    state: str
    nonce: str | None
    code_verifier: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    tokens: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any]
    userinfo: Mapping[str, Any]


@dataclass(eq=False)
class OpenidClientError(Exception):
    """openid-client refused. `error` and `error_description` are the server's, if it sent an OAuth error."""

    name: str
    message: str
    code: str | None
    error: str | None
    error_description: str | None
    status: int | None
    cause: str | None

    def __str__(self) -> str:
        return "; ".join(f"{name}: {value}" for name, value in vars(self).items() if value is not None)


class OpenidClient:
    """The running program. One command at a time; it keeps nothing between two commands."""

    def __enter__(self) -> Self:
        self._program: Program = require(node_or_skip_reason()).start("relying_party.mjs")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.stop()

    def _command(self, command: str, rp: RelyingParty, **arguments: object) -> Any:
        self._program.write_line(json.dumps({"command": command, "rp": as_json(rp), **arguments}))
        answer = json.loads(self._program.read_line(ANSWER_SECONDS))
        if "failure" in answer:
            raise OpenidClientError(**answer["failure"])
        return answer["result"]

    def authorization_url(self, rp: RelyingParty, **parameters: str) -> AuthorizationRequest:
        """Begin a sign-in. `parameters` are added to the authorization request. Raises `OpenidClientError`."""
        result = self._command("authorization_url", rp, parameters=parameters)
        checks = result["checks"]
        return AuthorizationRequest(
            url=result["url"],
            state=checks["state"],
            nonce=checks.get("nonce"),
            code_verifier=checks.get("code_verifier"),
        )

    def callback(
        self, rp: RelyingParty, request: AuthorizationRequest, callback: str | httpx.Request
    ) -> SignedIn:
        """Finish a sign-in with what the browser brought to the redirect URI. Raises `OpenidClientError`."""
        form = None
        if isinstance(callback, httpx.Request):
            form = callback.read().decode() if callback.method == "POST" else None
            callback = str(callback.url)
        checks = {"state": request.state, "nonce": request.nonce, "code_verifier": request.code_verifier}
        result = self._command("callback", rp, checks=checks, callback_url=callback, form=form)
        return SignedIn(**result)

    def log(self) -> str:
        return self._program.log()
