"""Logout tokens that are right unless a test says what is wrong."""

import json
from typing import Any

from fedbridge.rp.logout_token import EVENT, LogoutTokenVerifier
from tests.unit.rp.idp import CLIENT_ID, FakeIdp, sign

SID = "session-of-ana-0001"


def verifier_of(idp: FakeIdp) -> LogoutTokenVerifier:
    """Return what the back channel verifies with, its caches empty."""
    return LogoutTokenVerifier(
        http=idp.http, keys=idp.keys, secrets=idp.secrets, telemetry=idp.telemetry, clock=idp.clock
    )


def claims_of(idp: FakeIdp, **claims: Any) -> dict[str, Any]:
    """Return the claims (Back-Channel Logout 1.0 §2.4); None removes a member."""
    now = int(idp.clock())
    good = {
        "iss": idp.issuer,
        "sub": "ana",
        "sid": SID,
        "aud": CLIENT_ID,
        "iat": now,
        "exp": now + 120,
        "jti": "logout-1",
        "events": {EVENT: {}},
    }
    return {name: value for name, value in {**good, **claims}.items() if value is not None}


def logout_token(idp: FakeIdp, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return the compact JWS; None removes a member of either."""
    members = {"alg": idp.algorithm, "kid": idp.key.kid, "typ": "logout+jwt", **(header or {})}
    members = {name: value for name, value in members.items() if value is not None}
    return sign(members, json.dumps(claims_of(idp, **claims)).encode(), idp.key)
