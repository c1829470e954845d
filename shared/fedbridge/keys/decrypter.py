"""Decryption by a private key that this process holds (RFC 7518 §4.3, §4.6)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from fedbridge.keys.algorithms import CURVES, PrivateKey
from fedbridge.keys.jwk import encryption_jwk, thumbprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.keys.jwk import ImportedKey
    from fedbridge.model.deadline import Deadline

_OAEP_HASHES: dict[str, hashes.HashAlgorithm] = {
    "RSA-OAEP": hashes.SHA1(),  # noqa: S303  RFC 7518 §4.3; OAEP does not rest on collision resistance
    "RSA-OAEP-256": hashes.SHA256(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDecrypter:
    """The `Decrypter` port over an imported RSA or EC key; thread-safe, and it never fails for want of a service."""

    kid: str
    public_jwk: Mapping[str, Any]
    key: PrivateKey = field(repr=False)

    @classmethod
    def of(cls, imported: ImportedKey) -> Self:
        """Take a key that was imported for decryption; its JWK's `alg` stays the only one that it serves."""
        public = imported.key.public_key()
        return cls(
            kid=thumbprint(public),
            public_jwk=encryption_jwk(public, imported.algorithm),
            key=imported.key,
        )

    def unwrap(self, algorithm: str, encrypted_key: bytes, deadline: Deadline) -> bytes:  # noqa: ARG002  the port's
        """Return the content encryption key; raises ValueError."""
        digest = _OAEP_HASHES.get(algorithm)
        if digest is None or not isinstance(self.key, rsa.RSAPrivateKey):
            raise ValueError("not an RSA key, or not an algorithm of RSA keys")
        oaep = padding.OAEP(padding.MGF1(digest), digest, label=None)
        return self.key.decrypt(encrypted_key, oaep)

    def agree(self, public_jwk: Mapping[str, Any], deadline: Deadline) -> bytes:  # noqa: ARG002  the port's
        """Return Z; raises ValueError."""
        if not isinstance(self.key, ec.EllipticCurvePrivateKey):
            raise ValueError("not an EC key")  # noqa: TRY004  the port has one error for keys that do not match
        return self.key.exchange(ec.ECDH(), public_key_on(self.key.curve, public_jwk))


def public_key_on(curve: ec.EllipticCurve, jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    """Return the public key of an EC JWK, which must lie on this curve.

    A point off the curve would give the private key away, a few bits a time (invalid curve attack); `cryptography`
    refuses one. Raises ValueError for that, and for anything but an EC JWK of this curve.
    """
    expected = CURVES[curve.name]
    if jwk.get("kty") != "EC" or jwk.get("crv") != expected.name:
        raise ValueError("not an EC key on the same curve")
    x, y = (_coordinate(jwk.get(name), expected.size) for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()


def _coordinate(value: Any, size: int) -> int:
    if not isinstance(value, str):
        raise ValueError("a coordinate is not text")  # noqa: TRY004  see agree
    try:
        octets = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        octets = b""
    if len(octets) != size:
        raise ValueError("a coordinate is not base64url of the curve's length")
    return int.from_bytes(octets, "big")
