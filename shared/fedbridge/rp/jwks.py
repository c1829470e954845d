"""An IdP's signing keys (RFC 7517): fetched, sifted, cached, and chosen by the token's header alone.

The library imports whatever it is given, so what must never verify a token is dropped before it gets there.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.snapshot import Seed
from fedbridge.ports import Clock, OutboundRequest, Telemetry
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.cache import StaleCache
from fedbridge.rp.calls import Calls
from fedbridge.rp.context import Context
from fedbridge.rp.errors import upstream_error
from fedbridge.strict_json import InvalidJson, decode_object

FRESH = 600.0
STALE = 3600.0
"""Seconds since the fetch: used without a question, used when a refresh fails."""

REFETCH_COOLDOWN = 30.0
"""Seconds between fetches that an unknown `kid` causes, per connection and sandbox."""

STRAIGHT_FROM_IDP = frozenset({"id_token", "userinfo"})
"""Kinds of token that come from the IdP's own endpoint over verified TLS. The keys of a snapshot stand in for a fetch for
these alone: whatever else is signed may come from a stranger who has a key that was withdrawn (ADR 0023)."""

MAX_BYTES = 256 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_EXPONENT_BITS = 256

Found = TypeVar("Found")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDocument:
    """How keys are published. `name` is the kind of endpoint in the log, and begins the reason of an outage."""

    name: str
    accept: str
    read: Callable[[bytes], JwkSet]


class JwksSource:
    """Signing keys by connection, cached per connection, configuration version and address."""

    def __init__(self, calls: Calls, telemetry: Telemetry, clock: Clock) -> None:
        self._calls = calls
        self._telemetry = telemetry
        self._cache = StaleCache[JwkSet](
            fresh=FRESH,
            stale=STALE,
            clock=clock,
            on_stale=lambda key, failure: telemetry.event(
                "keys_stale",
                connection=key[0],
                reason=failure.reason,
                upstream_status=failure.upstream_status,
            ),
        )

    def of(self, context: Context, kind: str) -> Callable[..., VerificationKey]:
        """Return the keys of one sign-in's IdP, as `verify_jwt` asks for them."""
        return self.at(context, context.metadata.jwks_uri, kind)

    def at(
        self, context: Context, url: str | None, kind: str, document: KeyDocument | None = None
    ) -> Callable[..., VerificationKey]:
        """Return the keys at another address than the IdP's own, maybe in another document than a JWK Set."""
        return functools.partial(
            self.key, context.connection, url, kind=kind, document=document, deadline=context.deadline
        )

    def key(
        self,
        connection: Connection,
        url: str | None,
        *,
        kid: str | None,
        algorithm: str,
        deadline: Deadline,
        kind: str = "id_token",
        document: KeyDocument | None = None,
    ) -> VerificationKey:
        """Return the key that a token of this kind names; an unknown one is looked for anew at most once in 30 s.

        Raises UpstreamError (`{kind}_key_unknown`, `{kind}_kid_ambiguous`, `jwks_…`, `upstream_…`), DeadlineExceeded, and
        ConfigurationError where the metadata name no `jwks_uri`.
        """
        found = self._find(
            connection,
            url,
            lambda keys: keys.find(kid, algorithm, kind),
            deadline,
            kid=kid,
            document=document,
            straight=kind in STRAIGHT_FROM_IDP,
        )
        if found is None:
            raise UpstreamError(f"{kind}_key_unknown")
        return found

    def encryption_key(
        self, context: Context, choose: Callable[[tuple[Mapping[str, Any], ...]], Found | None]
    ) -> Found:
        """Return what `choose` finds among the JWKs that one may encrypt to, with the same caching.

        Raises UpstreamError `request_encryption_key_missing` where it finds nothing, and otherwise as `key` does.
        """
        found = self._find(
            context.connection,
            context.metadata.jwks_uri,
            lambda keys: choose(keys.encryption),
            context.deadline,
        )
        if found is None:
            raise UpstreamError("request_encryption_key_missing")
        return found

    def _find(
        self,
        connection: Connection,
        url: str | None,
        choose: Callable[[JwkSet], Found | None],
        deadline: Deadline,
        *,
        kid: str | None = None,
        document: KeyDocument | None = None,
        straight: bool = False,
    ) -> Found | None:
        """Return what `choose` finds, if need be in a document that is fetched anew, at most once in 30 s."""
        if url is None:
            raise ConfigurationError(f"connection {connection.name}: endpoints.jwks_uri is missing")
        cache_key = (connection.name, connection.version, url)

        def fetch(_last_good: JwkSet | None, within: Deadline) -> JwkSet:
            return self._fetch(connection, url, document or JWK_SET, within)

        def refetch(_last_good: JwkSet | None, within: Deadline) -> JwkSet:
            self._telemetry.event(
                "jwks_refetched",
                connection=connection.name,
                correlation_id=deadline.correlation_id,
                kid=kid,
            )
            return fetch(_last_good, within)

        seed = _seed(connection, url, stands_in=straight)
        keys, fetched_now = self._cache.get(cache_key, fetch, deadline, seed=seed)
        found = choose(keys)
        if found is None and not fetched_now:
            refetched = self._cache.refetch(
                cache_key, refetch, deadline, cooldown=REFETCH_COOLDOWN, seed=seed
            )
            found = choose(refetched) if refetched else None
        return found

    def _fetch(self, connection: Connection, url: str, document: KeyDocument, deadline: Deadline) -> JwkSet:
        headers = {"accept": document.accept}
        request = OutboundRequest(method="GET", url=url, headers=headers, max_bytes=MAX_BYTES)
        response = self._calls.get(connection, document.name, request, deadline)
        if response.status != 200:
            raise upstream_error(f"{document.name}_unavailable", status=response.status)
        return document.read(response.body)


def _seed(connection: Connection, url: str, *, stands_in: bool) -> Seed[JwkSet] | None:
    """Return the keys in the connection's snapshot, if they are those at this address."""
    snapshot = connection.snapshot
    if snapshot is None:
        return None

    def read() -> JwkSet | None:
        published = snapshot.part("jwks")
        return usable_keys(published["keys"]) if published and published["uri"] == url else None

    return Seed(taken_at=snapshot.taken_at, read=read, stands_in=stands_in)


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


JWK_SET = KeyDocument(name="jwks", accept="application/jwk-set+json, application/json", read=parse_jwk_set)


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
