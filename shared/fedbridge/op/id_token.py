"""The ID token that fedbridge signs for Cognito (OpenID Connect Core §2, §3.1.3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.jws import b64url, left_half, sign_compact
from fedbridge.model.connection import ID_TOKEN_LIFETIME

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.identity import Identity
    from fedbridge.ports import Signer


def issue(
    identity: Identity,
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    access_token: str,
    now: int,
    signer: Signer,
    deadline: Deadline,
    lifetime: int = ID_TOKEN_LIFETIME,
) -> str:
    """Return the compact JWS, good for `lifetime` seconds; `kid` is always there, because Cognito refuses a token without it.

    Raises KeyUnavailable, DeadlineExceeded.
    """
    protocol: dict[str, Any] = {
        "iss": issuer,
        "sub": identity.subject,
        "aud": client_id,
        "iat": now,
        "exp": now + lifetime,
        "nonce": nonce,
        "auth_time": identity.auth_time,
        "acr": identity.acr,
        "amr": list(identity.amr) or None,
        "at_hash": at_hash(access_token, signer.algorithm),
    }
    claims = {**identity.claims, **{name: value for name, value in protocol.items() if value is not None}}
    return sign_compact(signer, {"kid": signer.kid, "typ": "JWT"}, claims, deadline)


def at_hash(access_token: str, algorithm: str) -> str:
    """Return the left half of the access token's hash (OpenID Connect Core §3.1.3.6)."""
    return b64url(left_half(algorithm, access_token))
