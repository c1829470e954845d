"""A user pool in the emulator, and the whole sign-in through it: app, pool, bridge, IdP and back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from joserfc import jwk, jwt

from tests.counterparts.browser import Trip, loopback_transport, travel
from tests.counterparts.cognito_configuration import OidcIdentityProvider


class PoolError(Exception):
    """The pool, or the app's side of the sign-in, ended in an error. The text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSignIn:
    """A finished sign-in: the hops of the browser, and the pool's tokens with the verified claims of its ID token."""

    trip: Trip
    tokens: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedPool:
    """A user pool with one OIDC identity provider and one app client. `base_url` is the pool's domain."""

    pool_id: str
    provider: OidcIdentityProvider
    app_client_id: str
    app_client_secret: str = field(repr=False)
    app_callback: str
    base_url: str
    local_url: str
    issuer: str

    @property
    def redirect_uri(self) -> str:
        """What to register at the identity provider."""
        return f"{self.base_url}/oauth2/idpresponse"

    @property
    def origins(self) -> Mapping[str, str]:
        """For `new_browser`: where the pool's public domain is served here."""
        return {} if self.base_url == self.local_url else {self.base_url: self.local_url}

    def sign_in_url(
        self, *, state: str = "app-state", nonce: str | None = None, scope: str = "openid email"
    ) -> str:
        """Where the app sends the browser."""
        query = {
            "identity_provider": self.provider.name,
            "client_id": self.app_client_id,
            "response_type": "code",
            "scope": scope,
            "redirect_uri": self.app_callback,
            "state": state,
        }
        return f"{self.base_url}/oauth2/authorize?{urlencode(query | ({'nonce': nonce} if nonce else {}))}"

    def sign_in(self, browser: httpx.Client, user: str = "alice", *, password: str = "x") -> PoolSignIn:
        """App → pool → bridge → IdP → bridge → pool → app, by redirects and the IdP's forms, then the app's exchange.

        Raises `browser.TripError` where the trip ends on a page, `PoolError` where the app gets an error.
        """
        state, nonce = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        trip = travel(
            browser,
            self.sign_in_url(state=state, nonce=nonce),
            until=lambda request: str(request.url).startswith(self.app_callback),
            user=user,
            password=password,
        )
        query = dict(parse_qsl(urlsplit(trip.url).query))
        if query.get("state") != state or "code" not in query:
            raise PoolError(f"the app got {query}")
        tokens = self.redeem(query["code"])
        claims = self.verify(tokens["id_token"])
        if claims.get("nonce") != nonce:
            raise PoolError(f"the pool's ID token has nonce {claims.get('nonce')}")
        return PoolSignIn(trip=trip, tokens=tokens, claims=claims)

    def redeem(self, code: str) -> dict[str, Any]:
        """The app's token request. Raises `PoolError`."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.app_callback}
        with httpx.Client(transport=loopback_transport(), trust_env=False) as app:
            answer = app.post(
                f"{self.local_url}/oauth2/token", data=form, auth=(self.app_client_id, self.app_client_secret)
            )
        if answer.status_code != 200:
            raise PoolError(f"the pool's token endpoint answered {answer.status_code}: {answer.text}")
        tokens: dict[str, Any] = answer.json()
        return tokens

    def verify(self, id_token: str) -> dict[str, Any]:
        """The claims of one of the pool's own ID tokens. Raises `PoolError` or `JoseError`."""
        with httpx.Client(transport=loopback_transport(), trust_env=False) as app:
            keys = app.get(f"{self.local_url}/{self.pool_id}/.well-known/jwks.json").json()
        claims = jwt.decode(id_token, jwk.KeySet.import_key_set(keys), algorithms=["RS256"]).claims
        if (claims.get("iss"), claims.get("aud")) != (self.issuer, self.app_client_id):
            raise PoolError(f"the pool's ID token is {claims.get('iss')}'s for {claims.get('aud')}")
        return claims
