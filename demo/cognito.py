"""The demo's user pool: ministack's, with a server in front that adds what Cognito checks and ministack does not.

ministack verifies no signature, never calls userinfo, and ends a failed sign-in with JSON where Cognito tells the app.
The server in front does all three in its place, as the developer guide describes them; the page marks these hops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from demo.kinds import Party
from demo.messages import Answer, Request, redirect
from demo.recorder import TRIP_HEADER, Recorder, Respond, Trip
from tests.counterparts.browser import loopback_transport
from tests.counterparts.cognito import BACK_CHANNEL_SECONDS, SignInError
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.cognito_rules import AttributeRefusedError, mapped, username
from tests.counterparts.federated_pool import FederatedPool
from tests.counterparts.id_token import IdTokenError, verify_id_token

PROVIDER = "Nordbank"
ATTRIBUTES = {"email": "email", "email_verified": "email_verified", "name": "name"}

STAND_IN = "Amazon/Cognito (the demo in its place)"
"""The User-Agent of what the demo does for the emulator."""

STAND_IN_HEADER = "x-demo-in-place-of-cognito"
"""Marks an answer that the demo gives for the emulator."""

VERIFIED = (
    "the signature of the ID token, with the key that its kid names",
    "iss, aud and exp of the ID token",
    "userinfo, whose sub is the ID token's",
    "the user name and attributes, within Cognito's limits",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cognito:
    """The pool as the app sees it, and what answers at its address. `simulated_because` says why it is not ministack's."""

    pool: FederatedPool
    respond: Respond
    simulated_because: str | None = None


def identity_provider(*, client_id: str, client_secret: str, issuer: str) -> OidcIdentityProvider:
    """Return what is typed into the Cognito console for the bridge: an easy provider, and nothing about the bank."""
    return OidcIdentityProvider(
        name=PROVIDER,
        client_id=client_id,
        client_secret=client_secret,
        oidc_issuer=issuer,
        attribute_mapping=ATTRIBUTES,
    )


class StrictFront:
    """Answers as the emulator does, except where a sign-in ends: there it checks, and tells the app of failures.

    `metadata` is the provider's discovery document, read when the pool was made.
    """

    def __init__(
        self, *, emulator: Respond, pool: FederatedPool, metadata: Mapping[str, Any], recorder: Recorder
    ) -> None:
        self._emulator = emulator
        self._pool = pool
        self._metadata = metadata
        self._recorder = recorder
        self._http = httpx.Client(
            transport=loopback_transport(),
            trust_env=False,
            timeout=BACK_CHANNEL_SECONDS,
            headers={"user-agent": STAND_IN},
        )

    def close(self) -> None:
        """Close the connections of the back channel."""
        self._http.close()

    def __call__(self, request: Request) -> Answer:
        """Answer a request to the pool."""
        answer = self._emulator(request)
        trip = self._recorder.trip_of(request.parameters.get("state"))
        if request.path != "/oauth2/idpresponse" or trip is None or trip.result is not None:
            return answer
        problem = None
        if not (answer.location or "").startswith(self._pool.app_callback):
            problem = self._what_went_wrong(request, trip)
        else:
            try:
                self._verify(trip)
            except (IdTokenError, AttributeRefusedError) as refused:
                problem = str(refused)
        if problem is None:
            return answer
        told = SignInError(problem, redirect_uri=self._pool.app_callback, state=trip.state)
        answer = redirect(told.app_url)
        return replace(answer, headers=(*answer.headers, (STAND_IN_HEADER, "yes")))

    def _verify(self, trip: Trip) -> None:
        """Do what Cognito does with the token response; raises IdTokenError, AttributeRefusedError."""
        provider = self._pool.provider
        tokens = self._answer(trip, "bridge.token").json or {}
        claims = verify_id_token(
            tokens.get("id_token"),
            issuer=provider.oidc_issuer,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            jwks=lambda: self._get("jwks_uri", trip),
        )
        userinfo = self._get("userinfo_endpoint", trip, bearer=str(tokens.get("access_token")))
        if userinfo.get("sub") != claims["sub"]:
            raise IdTokenError("sub of userinfo is not that of the id_token")
        username(provider.name, claims["sub"], case_sensitive=False)
        mapped({**userinfo, **claims}, provider.attribute_mapping)
        trip.verified = VERIFIED

    def _get(self, endpoint: str, trip: Trip, *, bearer: str | None = None) -> dict[str, Any]:
        url, headers = self._metadata[endpoint], {TRIP_HEADER: trip.state}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        try:
            answer = self._http.get(url, headers=headers)
            value = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise IdTokenError(f"{PROVIDER} Error - {url} cannot be read") from error
        if answer.status_code != 200 or not isinstance(value, dict):
            raise IdTokenError(f"{PROVIDER} Error - {answer.status_code} of {url}")
        return value

    def _answer(self, trip: Trip, kind: str) -> Answer:
        """Return the latest answer that the emulator got on this trip."""
        exchanges = self._recorder.exchanges(trip)
        answers = [each.answer for each in exchanges if each.kind.name == kind and each.answer is not None]
        return answers[-1] if answers else Answer(status=0)

    def _what_went_wrong(self, request: Request, trip: Trip) -> str:
        """Return the text that Cognito gives the app: an OAuth error is relayed, anything else is not."""
        told = request.parameters
        if "error" in told:
            return f"{PROVIDER} Error - {told['error']} {told.get('error_description', '')}".strip()
        answer = self._answer(trip, "bridge.token")
        body = answer.json or {}
        if "error" in body:
            return f"{PROVIDER} Error - {answer.status} {body['error']} {body.get('error_description', '')}".strip()
        return f"{PROVIDER} Error - {answer.status} error getting token"


def is_stand_in(sender: Party, request: Request, answer: Answer) -> bool:
    """Return whether the demo made this request, or gave this answer, in Cognito's place."""
    asked = sender is Party.COGNITO and request.header("user-agent") == STAND_IN
    return asked or answer.header(STAND_IN_HEADER) is not None
