"""A user pool where ministack cannot be had: the tests' own simulator of Cognito, which checks all that Cognito checks.

It has no tokens of its own for the app, so they are signed here.
"""

from __future__ import annotations

import base64
import secrets
import time
import uuid
from typing import Any

from joserfc import jwk, jwt

from demo.cognito import VERIFIED
from demo.messages import Answer, Request, json_answer, redirect
from demo.recorder import Recorder
from tests.counterparts.cognito import CognitoPageError, FederatedUser, SignInError, UserPool
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.federated_pool import FederatedPool

POOL_ID = "eu-west-1_SIMULATED"
LIFETIME = 3600
"""Seconds, as a pool's ID token lives by default."""


class SimulatedPool:
    """Answers as a user pool's domain does. `pool` is its description for the app."""

    def __init__(
        self, *, url: str, provider: OidcIdentityProvider, app_callback: str, recorder: Recorder
    ) -> None:
        self.pool = FederatedPool(
            pool_id=POOL_ID,
            provider=provider,
            app_client_id=secrets.token_hex(13),
            app_client_secret=secrets.token_urlsafe(32),
            app_callback=app_callback,
            base_url=url,
            local_url=url,
            issuer=f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL_ID}",
        )
        self._users = UserPool(domain=url)
        self._users.create_identity_provider(provider)
        self._recorder = recorder
        self._nonces: dict[str, str] = {}
        self._key = jwk.RSAKey.generate_key(2048, {"kid": "pool", "use": "sig", "alg": "RS256"})

    def close(self) -> None:
        """Close the connections of the back channel."""
        self._users.close()

    def __call__(self, request: Request) -> Answer:
        """Answer a request to the pool."""
        if request.path == "/oauth2/authorize":
            return self._authorize(request)
        if request.path == "/oauth2/idpresponse":
            return self._idpresponse(request)
        if request.path == "/oauth2/token" and request.method == "POST":
            return self._token(request)
        if request.path == f"/{POOL_ID}/.well-known/jwks.json":
            return json_answer({"keys": [self._key.as_dict(private=False)]})
        return json_answer({"error": "not_found"}, 404)

    def _authorize(self, request: Request) -> Answer:
        asked = request.parameters
        if (asked.get("client_id"), asked.get("redirect_uri")) != (
            self.pool.app_client_id,
            self.pool.app_callback,
        ):
            return json_answer({"error": "invalid_request"}, 400)
        state = asked.get("state", "")
        self._nonces[state] = asked.get("nonce", "")
        url = self._users.authorize(self.pool.provider.name, redirect_uri=self.pool.app_callback, state=state)
        return redirect(url)

    def _idpresponse(self, request: Request) -> Answer:
        trip = self._recorder.trip_of(request.parameters.get("state"))
        try:
            back = self._users.idpresponse(f"{self.pool.base_url}{request.target}")
        except SignInError as error:
            return redirect(error.app_url)
        except CognitoPageError as error:
            return Answer(status=400, headers=(("content-type", "text/plain"),), body=str(error).encode())
        if trip is not None:
            trip.verified = VERIFIED
            self._nonces[back.code] = self._nonces.pop(trip.state, "")
        return redirect(back.url)

    def _token(self, request: Request) -> Answer:
        credentials = f"{self.pool.app_client_id}:{self.pool.app_client_secret}".encode()
        if request.header("authorization") != f"Basic {base64.b64encode(credentials).decode()}":
            return json_answer({"error": "invalid_client"}, 401)
        code = request.parameters.get("code", "")
        try:
            user = self._users.redeem(code)
        except KeyError:
            return json_answer({"error": "invalid_grant"}, 400)
        claims = self._claims(user, self._nonces.pop(code, ""))
        id_token = jwt.encode({"alg": "RS256", "kid": "pool"}, claims, self._key)
        access_token = jwt.encode(
            {"alg": "RS256", "kid": "pool"}, {**claims, "token_use": "access"}, self._key
        )
        return json_answer(
            {
                "id_token": id_token,
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": LIFETIME,
            }
        )

    def _claims(self, user: FederatedUser, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.pool.issuer,
            "aud": self.pool.app_client_id,
            "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.pool.issuer}#{user.username}")),
            "token_use": "id",
            "cognito:username": user.username,
            "identities": [{"providerName": self.pool.provider.name, "providerType": "OIDC", "issuer": None}],
            "nonce": nonce,
            "auth_time": now,
            "iat": now,
            "exp": now + LIFETIME,
            **user.attributes,
        }
