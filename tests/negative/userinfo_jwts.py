"""Signed userinfo that is right but for one thing."""

import json

from fedbridge.ports import OutboundResponse
from tests.unit.rp.idp import CLIENT_ID, ISSUER, sign

GOOD = {"sub": "ana", "iss": ISSUER, "aud": CLIENT_ID, "email": "ana@example.com"}


def signed(idp, claims=None, *, key=None, header=None, **members):
    """Return a JWT of userinfo; a member that is None is left out."""
    key = key or idp.key
    protected = {"alg": "ES256", "kid": key.kid, **(header or {})}
    payload = {**(GOOD if claims is None else claims), **members}
    return sign(
        {name: value for name, value in protected.items() if value is not None},
        json.dumps({name: value for name, value in payload.items() if value is not None}).encode(),
        key,
    )


def jwt_answer(token, content_type="application/jwt", status=200):
    body = token.encode() if isinstance(token, str) else token
    return OutboundResponse(status=status, headers={"content-type": content_type}, body=body)
