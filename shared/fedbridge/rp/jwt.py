"""JWTs that an IdP sends: ID tokens, signed userinfo, authorization responses, tokens within userinfo.

The header is checked before any key is touched, and nothing in it chooses a key but `kid` and `alg` (RFC 8725). What the
claims must say is the business of whoever asked for the token.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from joserfc import jws
from joserfc.jws import JWSRegistry

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.model.connection import HMAC_ALGORITHMS, SIGNATURE_ALGORITHMS
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.context import Context
from fedbridge.rp.jwk_set import VerificationKey
from fedbridge.rp.jwks import JwksSource
from fedbridge.strict_json import InvalidJson, decode_object

MAX_TOKEN = 64 * 1024
MAX_HEADER = 8 * 1024
"""Characters, in base64url."""

MAX_KID = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What JWTs of one kind must be. `kind` begins every reason for which one is refused.

    `types` are values of `typ` beyond `JWT` and none; whatever else ends in `+jwt` says that it is another kind of JWT
    (RFC 8725 §3.11). `symmetric` algorithms are HMAC ones, all of them: a list never mixes both sorts.
    """

    kind: str
    algorithms: tuple[str, ...]
    encryption: Literal["none", "required", "optional"] = "none"
    types: frozenset[str] = frozenset()
    symmetric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedJwt:
    """A JWT whose signature was verified, and nothing else. `compact` is the JWS, without the encryption around it.

    `key_issuer` is whose tokens the key signs, where the IdP publishes that with its keys.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)
    compact: str = field(repr=False)
    key_issuer: str | None = None


class KeySource(Protocol):
    """Finds the key that a header names."""

    def __call__(self, *, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key; raises UpstreamError `{kind}_key_unknown` and what finding it takes."""


def verify_jwt(context: Context, token: str, accepted: Accepted, keys: KeySource) -> VerifiedJwt:
    """Decrypt where the connection says so, check the header, verify the signature, and decode the claims.

    Raises UpstreamError (`{kind}_encrypted`, `{kind}_not_encrypted`, what decryption raises, `{kind}_malformed`,
    `{kind}_algorithm_refused`, `{kind}_header_refused`, `{kind}_type_refused`, `{kind}_kid_malformed`,
    `{kind}_signature_invalid`, what `keys` raises) and ConfigurationError for a list of algorithms that is empty or
    holds anything but known ones.
    """
    compact = _decrypted(context, token, accepted)
    header = read_header(compact, accepted)
    key = keys(kid=header.get("kid"), algorithm=header["alg"])
    payload = verify_signature(compact, header["alg"], key, kind=accepted.kind)
    claims = _object(payload, accepted.kind)
    return VerifiedJwt(header=header, claims=claims, compact=compact, key_issuer=key.issuer)


def keys_for(context: Context, jwks: JwksSource, accepted: Accepted) -> KeySource:
    """Return the keys that these JWTs are verified with: the IdP's own, or the client secret and then no others."""
    if not accepted.symmetric:
        return jwks.of(context, accepted.kind)
    from fedbridge.rp.symmetric import secret_key  # noqa: PLC0415  very few IdPs

    return functools.partial(secret_key, context)


def _decrypted(context: Context, token: str, accepted: Accepted) -> str:
    if token.count(".") == 4:
        if accepted.encryption == "none":
            raise UpstreamError(f"{accepted.kind}_encrypted")
        from fedbridge.rp.jwe import decrypt_compact  # noqa: PLC0415  few connections have anything to decrypt

        return decrypt_compact(context, token, kind=accepted.kind)
    if accepted.encryption == "required":
        raise UpstreamError(f"{accepted.kind}_not_encrypted")
    return token


def read_header(token: str, accepted: Accepted) -> dict[str, Any]:
    """Return the header of a JWS that may be looked at further; raises UpstreamError, ConfigurationError.

    `jwk`, `jku`, `x5u` and `x5c` may stand there and are not read. `crit`, `b64` and `cty` may not: each changes what
    the payload means.
    """
    kind, algorithms = accepted.kind, accepted.algorithms
    known = HMAC_ALGORITHMS if accepted.symmetric else SIGNATURE_ALGORITHMS
    if not algorithms or not set(algorithms) <= set(known):
        raise ConfigurationError(
            f"{kind}: the algorithms must be {'HMAC' if accepted.symmetric else 'asymmetric'} ones, by name",
            reason=f"{kind}_algorithms_unusable",
        )
    segments = token.split(".")
    if len(segments) != 3 or len(token) > MAX_TOKEN or len(segments[0]) > MAX_HEADER:
        raise UpstreamError(f"{kind}_malformed")
    header = _object(_octets(segments[0], kind), kind)
    if header.get("alg") not in algorithms:
        raise UpstreamError(f"{kind}_algorithm_refused")
    if header.keys() & {"crit", "b64", "cty"}:
        raise UpstreamError(f"{kind}_header_refused")
    if not _is_accepted_type(header.get("typ", "JWT"), accepted.types):
        raise UpstreamError(f"{kind}_type_refused")
    kid = header.get("kid", "-")
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID or not kid.isprintable():
        raise UpstreamError(f"{kind}_kid_malformed")
    return header


def verify_signature(token: str, algorithm: str, key: VerificationKey, *, kind: str) -> bytes:
    """Return the payload of a token that this key signed with this algorithm; raises UpstreamError."""
    for segment in token.split(".")[1:]:
        _octets(segment, kind)
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = MAX_HEADER
    registry.max_payload_length = MAX_TOKEN
    registry.max_signature_length = MAX_TOKEN
    try:
        return jws.deserialize_compact(token, key.key, registry=registry).payload
    except Exception as failure:  # A hostile token raises more than JoseError, and all of it means no.
        raise UpstreamError(f"{kind}_signature_invalid") from failure


def _object(octets: bytes, kind: str) -> dict[str, Any]:
    try:
        return decode_object(octets)
    except InvalidJson:
        raise UpstreamError(f"{kind}_malformed") from None


def _octets(segment: str, kind: str) -> bytes:
    try:
        return decode_base64url(segment)
    except ValueError:
        raise UpstreamError(f"{kind}_malformed") from None


def _is_accepted_type(value: Any, types: frozenset[str]) -> bool:
    if not isinstance(value, str):
        return False
    return not value.lower().endswith("+jwt") or value.lower() in types
