"""JWK Sets (RFC 7517 §5): which of the keys in one may verify a token, and which of those a token's header chooses.

The library imports whatever it is given, so what must never verify a token is dropped before it gets there.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from fedbridge.errors import UpstreamError
from fedbridge.rp.base64url import decode_base64url
from fedbridge.strict_json import InvalidJson, decode_object

MAX_KEYS = 100
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_EXPONENT_BITS = 256

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ROCA_PRIMES = (
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
)  # fmt: skip
"""Primes in whose residues the keys of CVE-2017-15361 ("ROCA") show: their moduli are powers of 65537 there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """One key that may verify. `algorithm`, `kid` and `issuer` (whose tokens it signs) are None where the JWK does not say."""

    kid: str | None
    algorithm: str | None
    key: RSAKey | ECKey | OctKey = field(repr=False)
    issuer: str | None = None

    def suits(self, algorithm: str) -> bool:
        """Tell whether the key can verify this JWS algorithm (RFC 7518 §3.1)."""
        if self.algorithm not in {None, algorithm}:
            return False
        if isinstance(self.key, ECKey):
            return _CURVES.get(algorithm) == self.key.curve_name
        return isinstance(self.key, RSAKey) and algorithm[:2] in {"RS", "PS"}


@dataclass(frozen=True, slots=True)
class JwkSet:
    """The usable keys of one fetch; `encryption` are the JWKs that say they are for encrypting to, as they stand there."""

    keys: tuple[VerificationKey, ...]
    encryption: tuple[Mapping[str, Any], ...] = ()

    def find(self, kid: str | None, algorithm: str, kind: str = "id_token") -> VerificationKey | None:
        """Return the key with this `kid`, or without a `kid` the only one that suits.

        None if there is none, if it does not suit, or if the `kid` stands there twice. Raises UpstreamError
        `{kind}_kid_ambiguous` for a token without a `kid` and several keys that suit (OpenID Connect Core §10.1).
        """
        suitable = [key for key in self.keys if key.suits(algorithm)]
        if kid is None and len(suitable) > 1:
            raise UpstreamError(f"{kind}_kid_ambiguous")
        chosen = suitable if kid is None else [key for key in suitable if key.kid == kid]
        return chosen[0] if chosen else None


def parse_jwk_set(body: bytes) -> JwkSet:
    """Return the usable keys of a JWK Set document.

    Dropped, one by one: symmetric and private keys, RSA below 2,048 or above 8,192 bits or with an exponent that is
    even or 1, ROCA, points off their curve, unknown types and curves, `use` other than `sig`, `key_ops` without
    `verify`; and of what is left every key whose `kid` stands there twice. Raises UpstreamError `jwks_malformed`,
    `jwks_too_many_keys` (above 100), `jwks_without_usable_key`.
    """
    try:
        members = decode_object(body).get("keys")
    except InvalidJson:
        members = None
    if not isinstance(members, list):
        raise UpstreamError("jwks_malformed")
    return usable_keys(members)


def usable_keys(members: Sequence[Any]) -> JwkSet:
    """Return what `parse_jwk_set` keeps of these JWKs; raises UpstreamError as it does."""
    if len(members) > MAX_KEYS:
        raise UpstreamError("jwks_too_many_keys")
    keys = _without_duplicates(key for member in members if (key := _import(member)) is not None)
    if not keys:
        raise UpstreamError("jwks_without_usable_key")
    return JwkSet(keys, encryption=tuple(member for member in members if _is_for_encryption(member)))


def _is_for_encryption(member: Any) -> bool:
    return isinstance(member, dict) and member.get("use") == "enc"


def _without_duplicates(keys: Iterable[VerificationKey]) -> tuple[VerificationKey, ...]:
    keys = tuple(keys)
    count = Counter(key.kid for key in keys)
    return tuple(key for key in keys if key.kid is None or count[key.kid] == 1)


def _import(member: Any) -> VerificationKey | None:
    """Return the key, None if it must not or cannot be used."""
    if not isinstance(member, dict) or not _may_verify(member):
        return None
    key = import_public_key(member)
    if key is None:
        return None
    return VerificationKey(
        kid=member.get("kid"), algorithm=member.get("alg"), key=key, issuer=member.get("issuer")
    )


def import_public_key(member: Mapping[str, Any], *, ec_class: type[ECKey] = ECKey) -> RSAKey | ECKey | None:
    """Return the key of an RSA or EC JWK, None if it is private, weak or no key.

    Only what makes the key goes to the library: it refuses a whole key over a vendor's x5u.
    """
    if PRIVATE & member.keys():
        return None
    try:
        if member["kty"] == "EC":
            return ec_class.import_key({name: member[name] for name in ("kty", "crv", "x", "y")})
        if _is_sound(_integer(member["n"]), _integer(member["e"])):
            return RSAKey.import_key({name: member[name] for name in ("kty", "n", "e")})
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None


def _may_verify(member: Mapping[str, Any]) -> bool:
    operations = member.get("key_ops", ["verify"])
    return (
        member.get("kty") in ("RSA", "EC")  # A set would stumble over a list.
        and not PRIVATE & member.keys()
        and member.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and all(isinstance(member.get(name, ""), str) for name in ("kid", "alg", "issuer"))
    )


def _integer(text: str) -> int:
    return int.from_bytes(decode_base64url(text), "big")


def _is_sound(modulus: int, exponent: int) -> bool:
    return (
        MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS
        and exponent > 1
        and exponent % 2 == 1
        and exponent.bit_length() <= MAX_EXPONENT_BITS
        and not _is_roca(modulus)
    )


def _is_roca(modulus: int) -> bool:
    return all(modulus % prime in _powers_of_65537(prime) for prime in _ROCA_PRIMES)


@functools.cache
def _powers_of_65537(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime - 1))
