"""JWT-secured authorization requests (RFC 9101): the parameters as claims of a JWT, signed and perhaps encrypted.

Made anew for every request. There is no `sub`: with one, and our client id in it, the request object would do as a client
assertion (RFC 9101 §10.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedbridge.errors import ConfigurationError
from fedbridge.jws import sign_compact
from fedbridge.model.connection import SIGNATURE_ALGORITHMS
from fedbridge.model.policies import RequestObject
from fedbridge.rp.client_assertion import key_header
from fedbridge.rp.context import Context
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.random_values import random_value
from fedbridge.strict_json import InvalidJson, decode

JSON_PARAMETERS = frozenset({"claims", "vtr", "authorization_details"})
"""Parameters whose value is JSON, and stands as such in the JWT (OpenID Connect Core §6.1, RFC 8485 §4, RFC 9396 §3)."""

NUMBERS = frozenset({"max_age"})
"""RFC 9101 §4: "Numerical values MUST be included as JSON numbers"."""


def make_request_object(
    context: Context, jwks: JwksSource, policy: RequestObject, request: Mapping[str, str]
) -> str:
    """Return the request object, a JWS or a JWE around one, of the parameters.

    Calls the IdP only for keys to encrypt to that are not cached. Raises ConfigurationError (no key; key and algorithm
    disagree), UpstreamError (`request_encryption_key_missing`, `jwks_…`, `upstream_…`), KeyUnavailable,
    DeadlineExceeded.
    """
    signed = _sign(context, policy, request)
    if policy.encryption_algorithm is None:
        return signed
    from fedbridge.rp.request_encryption import encrypt_request_object  # noqa: PLC0415  few IdPs take it encrypted

    return encrypt_request_object(
        context, jwks, signed, policy.encryption_algorithm, policy.content_encryption
    )


def _sign(context: Context, policy: RequestObject, request: Mapping[str, str]) -> str:
    authentication = context.connection.client_authentication
    if policy.key is not None:
        signer = context.keys.signer(policy.key, policy.algorithm, context.deadline)
        header = {"kid": signer.kid, "typ": policy.typ}
    elif authentication.key is not None:
        signer = context.keys.signer(
            authentication.key, policy.algorithm or _asymmetric(authentication.algorithm), context.deadline
        )
        header = key_header(context, signer, policy.typ)
    else:
        raise ConfigurationError(f"connection {context.connection.name}: request_object needs a key")
    return sign_compact(signer, header, request_claims(context, policy, request), context.deadline)


def _asymmetric(algorithm: str | None) -> str | None:
    """Return the algorithm of client assertions unless it is the secret's."""
    return algorithm if algorithm in SIGNATURE_ALGORITHMS else None


def request_claims(context: Context, policy: RequestObject, request: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters with their JSON types, and what makes them a JWT of ours for this IdP, once, for a while."""
    audiences = {
        "issuer": context.connection.issuer,
        "authorization_endpoint": context.metadata.authorization_endpoint,
    }
    issued_at = int(context.clock())
    return {name: _typed(name, value) for name, value in request.items()} | {
        "iss": context.connection.client_id,
        "aud": audiences.get(policy.audience, policy.audience),
        "jti": random_value(),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + policy.lifetime,
    }


def _typed(name: str, value: str) -> Any:
    """Return the value as the JWT has it; JSON that is none stays text, for the IdP to refuse."""
    if name in NUMBERS and value.isdecimal() and value.isascii():
        return int(value)
    if name not in JSON_PARAMETERS:
        return value
    try:
        return decode(value.encode("utf-8"))
    except InvalidJson:
        return value
