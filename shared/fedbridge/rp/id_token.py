"""The upstream ID token: signature first, then every claim (OpenID Connect Core §3.1.3.7)."""

from __future__ import annotations

import base64
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedbridge.claims.subject import is_subject
from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url, left_half
from fedbridge.model.connection import Connection, IdTokenPolicy
from fedbridge.rp.assurance import check_assurance
from fedbridge.rp.context import Context
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.jwt import Accepted, VerifiedJwt, keys_for, verify_jwt
from fedbridge.rp.tenants import token_issuer

MAX_LIFETIME = 24 * 3600
MAX_AGE = 3600
"""Seconds: a token is redeemed at once, so an `iat` further back is a token that was kept."""

RELAYED_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"})
"""What Cognito verifies; PS* is not among it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What this sign-in expects of its ID token: what `begin` remembered, and what travelled beside the token."""

    remembered: Mapping[str, str] = field(repr=False)
    access_token: str = field(repr=False)
    code: str = field(repr=False)
    state: str | None = field(repr=False)


def verify_id_token(context: Context, jwks: JwksSource, token: str, expected: Expected) -> VerifiedJwt:
    """Verify signature and claims.

    Raises UpstreamError (`id_token_…`, one reason a rule), what `verify_jwt` and `JwksSource.key` raise, and
    ConfigurationError for a connection without a usable list of algorithms.
    """
    policy = context.connection.id_token
    accepted = Accepted(
        kind="id_token",
        algorithms=policy.algorithms,
        encryption=policy.encryption,
        symmetric=policy.symmetric,
    )
    verified = verify_jwt(context, token, accepted, keys_for(context, jwks, accepted))
    claims, now = verified.claims, context.clock()
    issuer = token_issuer(context.connection, claims, key_issuer=verified.key_issuer)
    if claims.get("iss") != issuer:
        raise UpstreamError("id_token_issuer_mismatch")
    _check_audience(context.connection, claims)
    _check_times(claims, now, policy.clock_skew)
    _check_nonce(claims, expected.remembered["nonce"])
    _check_subject(claims)
    _check_hashes(policy, verified.header["alg"], claims, expected)
    check_assurance(
        context.connection.assurance, expected.remembered, claims, now=now, clock_skew=policy.clock_skew
    )
    if context.connection.tokens == "relay":
        _check_relayable(verified.header)
    return verified


def _check_audience(connection: Connection, claims: Mapping[str, Any]) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(item, str) for item in audiences) or connection.client_id not in audiences:
        raise UpstreamError("id_token_audience_mismatch")
    others = set(audiences) - {connection.client_id}
    if others - set(connection.id_token.trusted_audiences):
        raise UpstreamError("id_token_audience_untrusted")
    if (others or "azp" in claims) and claims.get("azp") != connection.client_id:
        raise UpstreamError("id_token_azp_mismatch")


def _check_times(claims: Mapping[str, Any], now: float, skew: int) -> None:
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    if expires_at <= now - skew:
        raise UpstreamError("id_token_expired")
    if issued_at > now + skew:
        raise UpstreamError("id_token_from_the_future")
    if issued_at < now - MAX_AGE - skew:
        raise UpstreamError("id_token_too_old")
    if not 0 < expires_at - issued_at <= MAX_LIFETIME:
        raise UpstreamError("id_token_lifetime_refused")
    if "nbf" in claims and _time(claims, "nbf") > now + skew:
        raise UpstreamError("id_token_not_yet_valid")


def _time(claims: Mapping[str, Any], name: str) -> float:
    """Return a NumericDate (RFC 7519 §2)."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UpstreamError(f"id_token_{name}_malformed")
    return value


def _check_nonce(claims: Mapping[str, Any], nonce: str) -> None:
    received = claims.get("nonce")
    if not isinstance(received, str) or not hmac.compare_digest(received.encode(), nonce.encode()):
        raise UpstreamError("id_token_nonce_mismatch")


def _check_subject(claims: Mapping[str, Any]) -> None:
    if not is_subject(claims.get("sub")):
        raise UpstreamError("id_token_subject_malformed")


def _check_hashes(
    policy: IdTokenPolicy, algorithm: str, claims: Mapping[str, Any], expected: Expected
) -> None:
    """Check `at_hash`, `c_hash` (Core §3.1.3.6, §3.3.2.11) and `s_hash` (FAPI) where they are; the code flow demands none.

    TARA writes `at_hash`, and it alone, in plain Base64 with its padding (RFC 4648 §4).
    """
    for name, value, plain in (
        ("at_hash", expected.access_token, policy.at_hash_encoding == "base64"),
        ("c_hash", expected.code, False),
        ("s_hash", expected.state or "", False),
    ):
        if name in claims and claims[name] != left_half_hash(algorithm, value, plain=plain):
            raise UpstreamError(f"id_token_{name}_mismatch")


def left_half_hash(algorithm: str, value: str, *, plain: bool = False) -> str:
    """Return the left half of the hash that belongs to the JWS algorithm (Core §3.1.3.6), in base64url or `plain` Base64."""
    half = left_half(algorithm, value)
    return base64.b64encode(half).decode("ascii") if plain else b64url(half)


def _check_relayable(header: Mapping[str, Any]) -> None:
    """Refuse what Cognito could not verify when it gets the token itself: it needs a `kid`, and RSA or ECDSA."""
    if "kid" not in header:
        raise UpstreamError("id_token_relay_without_kid")
    if header["alg"] not in RELAYED_ALGORITHMS:
        raise UpstreamError("id_token_relay_algorithm")
