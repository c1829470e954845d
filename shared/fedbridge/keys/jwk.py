"""Private keys in, public JWKs out (RFC 7517, RFC 7518 §6, RFC 7638).

On `cryptography` alone: the back channel signs, and importing joserfc would cost it 40 ms of every cold start. No error
here carries a byte of a key, neither in its text nor in its context: what fails inside returns None, and the caller
raises outside of any except block.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fedbridge.errors import ConfigurationError
from fedbridge.jws import b64url
from fedbridge.keys.algorithms import ALGORITHMS, CURVES, Curve, PrivateKey, PublicKey
from fedbridge.keys.pem import private_key_der
from fedbridge.keys.strength import require_consistent, require_strong
from fedbridge.model.policies import KEY_ENCRYPTION_ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_CRT_MEMBERS = ("p", "q", "dp", "dq", "qi")

Use = Literal["sig", "enc"]
"""What a key is for, as a JWK's `use` says it (RFC 7517 §4.2)."""

_OPERATIONS = {
    ("sig", "RSA"): {"sign"},
    ("sig", "EC"): {"sign"},
    ("enc", "RSA"): {"decrypt", "unwrapKey"},
    ("enc", "EC"): {"deriveKey", "deriveBits"},
}
"""What `key_ops` may call that (RFC 7517 §4.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedKey:
    """A private key that passed every check, and the `alg` that its JWK declared."""

    key: PrivateKey = field(repr=False)
    algorithm: str | None = None


def import_private_key(
    text: str, *, source: str, fragment: str | None = None, trusted: bool = False, use: Use = "sig"
) -> ImportedKey:
    """Import an RSA or EC key from PEM, a JWK or a JWKS, for signing (`sig`) or for decryption (`enc`).

    `fragment` picks a key of a JWKS by `kid` or thumbprint (without it the first is taken), or a member of any other
    JSON object. `source` names the key in errors. RSA primes are tested unless the key is `trusted`: OpenSSL's test
    takes 36 ms (2048 bits) to 251 ms (4096), which every cold start would pay. A key in Secrets Manager was tested when
    it was published there, nobody but the operator writes it, and whoever can write it needs no weak primes to sign
    as us. Size, exponent, ROCA and the arithmetic of all numbers are checked always.

    Raises ConfigurationError: malformed, public, symmetric, encrypted, weak, of a wrong type or curve, for another
    use, or with a public part that is not its own.
    """
    declared = None
    document = _json_object(text)
    if document is not None:
        chosen = _choose(document, fragment, source)
        if isinstance(chosen, str):
            return import_private_key(chosen, source=source, trusted=trusted, use=use)
        declared = _declared_algorithm(chosen, use, source)
        native = _from_jwk(chosen, source)
    elif fragment is not None:
        raise ConfigurationError(
            f"{source}: not a JSON document, so that nothing in it is called '{fragment}'"
        )
    else:
        native = _from_der(private_key_der(text, source))
    if native is None:
        raise ConfigurationError(f"{source}: not a well-formed private key of its type")
    return ImportedKey(key=_checked(native, source, trusted=trusted), algorithm=declared)


def import_public_key(der: bytes, *, source: str) -> PublicKey:
    """Import a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), as KMS answers it; raises ConfigurationError."""
    # Not at the top of the module: the package drags in OpenSSH's formats, 15 ms that a key in JWK form never needs.
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    key: PublicKeyTypes | None
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if key is None:
        raise ConfigurationError(f"{source}: the public key is of an unknown kind")
    return require_strong(key, source)


def public_jwk(key: PublicKey, algorithm: str) -> dict[str, Any]:
    """Return the public JWK with `kid` (the thumbprint), `use` and `alg`."""
    return {**_public_members(key), "kid": thumbprint(key), "use": "sig", "alg": algorithm}


def encryption_jwk(key: PublicKey, algorithm: str | None) -> dict[str, Any]:
    """Return the public JWK that IdPs encrypt to, with `kid` (the thumbprint) and `use`; `alg` if it serves but one."""
    jwk = {**_public_members(key), "kid": thumbprint(key), "use": "enc"}
    return jwk if algorithm is None else {**jwk, "alg": algorithm}


def decrypts(kty: str, algorithm: str) -> bool:
    """Whether keys of this type serve the JWE algorithm (RFC 7518 §4.1): RSA unwraps, EC agrees."""
    return algorithm.startswith("RSA" if kty == "RSA" else "ECDH")


def thumbprint(key: PublicKey) -> str:
    """Return the SHA-256 thumbprint of the key (RFC 7638 §3)."""
    return jwk_thumbprint(_public_members(key))


def _public_members(key: PublicKey) -> dict[str, str]:
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"kty": "RSA", "n": _octets(rsa_numbers.n), "e": _octets(rsa_numbers.e)}
    numbers, curve = key.public_numbers(), CURVES[key.curve.name]
    return {
        "kty": "EC",
        "crv": curve.name,
        "x": b64url(numbers.x.to_bytes(curve.size, "big")),
        "y": b64url(numbers.y.to_bytes(curve.size, "big")),
    }


def jwk_thumbprint(members: Mapping[str, Any]) -> str:
    """Return the SHA-256 thumbprint of an RSA or EC JWK, whatever `kid` it has (RFC 7638 §3)."""
    names = ("crv", "kty", "x", "y") if members.get("kty") == "EC" else ("e", "kty", "n")
    required = {name: members.get(name) for name in names}
    return b64url(hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest())


def _checked(native: PrivateKeyTypes, source: str, *, trusted: bool) -> PrivateKey:
    if not isinstance(native, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise ConfigurationError(f"{source}: the key is neither RSA nor EC")
    require_strong(native.public_key(), source)
    if isinstance(native, ec.EllipticCurvePrivateKey):
        return native  # `cryptography` has compared its point with the private value
    numbers = native.private_numbers()
    require_consistent(numbers, source)
    if not trusted and not _has_prime_factors(numbers):
        raise ConfigurationError(f"{source}: the factors of the RSA key are not prime")
    return native


def _has_prime_factors(numbers: rsa.RSAPrivateNumbers) -> bool:
    try:
        numbers.private_key()
    except ValueError:
        return False
    return True


def _from_der(der: bytes) -> PrivateKeyTypes | None:
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415  see above

    try:
        return load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise ValueError("repeated member")
    return value


def _choose(document: dict[str, Any], fragment: str | None, source: str) -> dict[str, Any] | str:
    """Return the JWK that is meant, or the text of the member that is meant."""
    if "keys" in document:
        return _choose_from_set(document["keys"], fragment, source)
    if "kty" in document:
        return _choose_from_set([document], fragment, source)
    if fragment is None:
        raise ConfigurationError(
            f"{source}: a JSON document but no JWK; name the member that holds the key: #member"
        )
    value = document.get(fragment)
    if isinstance(value, dict) and "kty" in value:
        return value
    if not isinstance(value, str):
        raise ConfigurationError(f"{source}: the JSON document has no key in a member '{fragment}'")
    return value


def _choose_from_set(keys: Any, fragment: str | None, source: str) -> dict[str, Any]:
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ConfigurationError(f"{source}: 'keys' must be a list of JWKs with at least one in it")
    if fragment is None:
        first: dict[str, Any] = keys[0]
        return first
    found: list[dict[str, Any]] = [key for key in keys if key.get("kid") == fragment] or [
        key for key in keys if jwk_thumbprint(key) == fragment
    ]
    if len(found) != 1:
        raise ConfigurationError(f"{source}: {len(found)} keys have the kid or thumbprint '{fragment}'")
    return found[0]


def _declared_algorithm(jwk: Mapping[str, Any], use: Use, source: str) -> str | None:
    """Return the JWK's `alg`, after its `kty`, `use` and `key_ops` allow what it is for (RFC 7517 §4.1 to §4.4)."""
    kty = jwk.get("kty")
    if kty not in ("RSA", "EC"):
        raise ConfigurationError(f"{source}: the JWK must be an RSA or EC key")
    if "d" not in jwk:
        raise ConfigurationError(f"{source}: a public JWK, where a private key is needed")
    purpose, allowed = ("signing" if use == "sig" else "decryption"), _OPERATIONS[use, kty]
    operations = jwk.get("key_ops", list(allowed))
    if jwk.get("use", use) != use or not isinstance(operations, list) or allowed.isdisjoint(operations):
        raise ConfigurationError(f"{source}: the JWK is not for {purpose} ('use', 'key_ops')")
    algorithm = jwk.get("alg")
    if algorithm is None:
        return None
    if use == "sig" and algorithm not in tuple(ALGORITHMS):
        raise ConfigurationError(f"{source}: the JWK's 'alg' is no asymmetric signature algorithm")
    if use == "enc" and (algorithm not in KEY_ENCRYPTION_ALGORITHMS or not decrypts(kty, algorithm)):
        raise ConfigurationError(f"{source}: the JWK's 'alg' is no key encryption algorithm of its type")
    return str(algorithm)


def _from_jwk(jwk: Mapping[str, Any], source: str) -> PrivateKeyTypes | None:
    if jwk["kty"] == "RSA" and ("oth" in jwk or not jwk.keys() >= set(_CRT_MEMBERS)):
        raise ConfigurationError(
            f"{source}: an RSA JWK must have two primes and all of {', '.join(_CRT_MEMBERS)}"
        )
    curve = next((curve for curve in CURVES.values() if curve.name == jwk.get("crv")), None)
    if jwk["kty"] == "EC" and curve is None:
        raise ConfigurationError(f"{source}: the curve must be P-256, P-384 or P-521")
    try:
        return _from_ec(jwk, curve) if curve is not None and jwk["kty"] == "EC" else _from_rsa(jwk)
    except (KeyError, ValueError, UnsupportedAlgorithm):
        return None


def _from_rsa(jwk: Mapping[str, Any]) -> rsa.RSAPrivateKey:
    n, e, d, p, q, dp, dq, qi = (_integer(jwk[name]) for name in ("n", "e", "d", *_CRT_MEMBERS))
    numbers = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _from_ec(jwk: Mapping[str, Any], curve: Curve) -> ec.EllipticCurvePrivateKey:
    x, y, d = (_integer(jwk[name], size=curve.size) for name in ("x", "y", "d"))
    return ec.EllipticCurvePrivateNumbers(d, ec.EllipticCurvePublicNumbers(x, y, curve.type())).private_key()


def _integer(value: Any, *, size: int | None = None) -> int:
    """Read a big-endian integer: of `size` octets (RFC 7518 §6.2.1.2), or of as few as it needs (§2, Base64urlUInt)."""
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        raise ValueError("not base64url without padding")
    octets = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    if b64url(octets) != value or (octets[0] == 0 if size is None else len(octets) != size):
        raise ValueError("not canonical, or of a wrong length")
    return int.from_bytes(octets, "big")


def _octets(number: int) -> str:
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
