"""The ID token checks of a Cognito user pool, as the developer guide lists them ("OIDC user pool IdP
authentication flow"): algorithm family, kid in the key set, signature, iss, aud, exp. Nothing is forgiven beyond that.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
SYMMETRIC = ("HS256", "HS384", "HS512")


class IdTokenError(Exception):
    """Why the ID token is refused, in the words that the app is told where they are known."""


def _header(id_token: object) -> dict[str, Any]:
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        raise IdTokenError("id_token is not a signed JWT")  # a JWE has five parts
    encoded = id_token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError) as error:
        raise IdTokenError("id_token is not a signed JWT") from error
    if not isinstance(header, dict):
        raise IdTokenError("id_token is not a signed JWT")
    return header


def _key(header: Mapping[str, Any], client_secret: str, jwks: Callable[[], Mapping[str, Any]]) -> jwk.Key:
    algorithm = header.get("alg")
    if algorithm in SYMMETRIC:
        return jwk.OctKey.import_key(client_secret)
    if algorithm not in ASYMMETRIC:
        raise IdTokenError(f"unsupported algorithm {algorithm!r}")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise IdTokenError("kid is missing")
    found = [key for key in jwks().get("keys", ()) if key.get("kid") == kid]
    if len(found) != 1:
        raise IdTokenError(f"{len(found)} keys with kid {kid!r} in the key set")
    if {"d", "p", "k"} & set(found[0]):
        raise IdTokenError("the key set publishes a private key")
    return jwk.import_key(found[0])


def verify_id_token(
    id_token: object,
    *,
    issuer: str,
    client_id: str,
    client_secret: str,
    jwks: Callable[[], Mapping[str, Any]],
    now: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """The claims of a verified ID token. `jwks` is called for each asymmetric one. Raises `IdTokenError`."""
    header = _header(id_token)
    key = _key(header, client_secret, jwks)
    try:
        claims = jwt.decode(str(id_token), key, algorithms=[header["alg"]]).claims
    except (JoseError, ValueError) as error:
        kind = "Symmetric MAC" if header["alg"] in SYMMETRIC else "signature"
        raise IdTokenError(f"invalid_token_signature: Error when verifying {kind}") from error
    if claims.get("iss") != issuer:
        raise IdTokenError(f"Bad id_token issuer {claims.get('iss')}")
    audience = claims.get("aud")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise IdTokenError(f"Bad id_token audience {audience}")
    expires = claims.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float) or expires <= now():
        raise IdTokenError("id_token has expired")
    return claims
