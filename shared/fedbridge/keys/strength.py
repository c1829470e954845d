"""What a signing key must satisfy before it enters: size, curve, exponent, and no known weakness."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fedbridge.errors import ConfigurationError
from fedbridge.keys.algorithms import CURVES, PublicKey, describe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

MIN_RSA_BITS = 2048
"""RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used with these algorithms."."""

MAX_RSA_BITS = 8192
"""One signature of 8,192 bits takes some 10 ms; what is larger is a mistake, or made to keep us busy."""

_ROCA_GENERATOR = 65537
_ROCA_PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip


def require_strong(key: PublicKeyTypes, source: str) -> PublicKey:
    """Return the key, if tokens may be signed with it; raises ConfigurationError otherwise."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise ConfigurationError(f"{source}: {describe(key)}; the curve must be P-256, P-384 or P-521")
        return key
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigurationError(f"{source}: the key is neither RSA nor EC")
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise ConfigurationError(f"{source}: {describe(key)}; {MIN_RSA_BITS} to {MAX_RSA_BITS} are needed")
    numbers = key.public_numbers()
    # FIPS 186-5 appendix A.1.1: e is odd and 2^16 < e < 2^256. Every modern tool, and KMS, takes 65537.
    if numbers.e % 2 == 0 or not 1 << 16 < numbers.e < 1 << 256:
        raise ConfigurationError(f"{source}: the RSA key's public exponent is weak; make a key with 65537")
    if has_roca_fingerprint(numbers.n):
        raise ConfigurationError(
            f"{source}: the RSA key can be factored (ROCA, CVE-2017-15361); make another one"
        )
    return key


def require_consistent(numbers: rsa.RSAPrivateNumbers, source: str) -> None:
    """Refuse an RSA key whose private and public numbers are of different keys; raises ConfigurationError.

    Arithmetic of some 30 µs that proves everything but the primality of p and q. A key whose CRT numbers are wrong
    would not merely fail: one faulty signature gives its factors away.
    """
    p, q, d, n, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.n, numbers.public_numbers.e
    consistent = (
        p > 1
        and q > 1
        and p != q
        and p * q == n
        and (d * e - 1) % (p - 1) == 0
        and (d * e - 1) % (q - 1) == 0
        and numbers.dmp1 == d % (p - 1)
        and numbers.dmq1 == d % (q - 1)
        and numbers.iqmp < p
        and numbers.iqmp * q % p == 1
    )
    if not consistent:
        raise ConfigurationError(f"{source}: the numbers of the RSA key do not belong together")


def has_roca_fingerprint(modulus: int) -> bool:
    """Whether the modulus is shaped like those of Infineon's library, which can be factored.

    Nemec et al., "The Return of Coppersmith's Attack" (2017), §2: such a modulus is a power of 65537 modulo every
    small prime; a random one is so with a chance of about 2^-27.
    """
    return all(modulus % prime in _powers(prime) for prime in _ROCA_PRIMES)


@functools.cache
def _powers(prime: int) -> frozenset[int]:
    powers, power = {1}, _ROCA_GENERATOR % prime
    while power != 1:
        powers.add(power)
        power = power * _ROCA_GENERATOR % prime
    return frozenset(powers)
