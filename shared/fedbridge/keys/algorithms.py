"""The asymmetric JWS algorithms (RFC 7518 §3.3 to §3.5) over `cryptography` keys, and their names in AWS KMS."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from fedbridge.errors import ConfigurationError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A NIST curve: its JWK name, its type in `cryptography`, and the octets of a coordinate."""

    name: str
    type: type[ec.EllipticCurve]
    size: int
    algorithm: str


CURVES = {
    "secp256r1": Curve(name="P-256", type=ec.SECP256R1, size=32, algorithm="ES256"),
    "secp384r1": Curve(name="P-384", type=ec.SECP384R1, size=48, algorithm="ES384"),
    "secp521r1": Curve(name="P-521", type=ec.SECP521R1, size=66, algorithm="ES512"),
}
"""By the name that `cryptography` gives them. secp256k1, brainpool and the like sign no token here."""

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_KMS_SCHEMES = {"RS": "RSASSA_PKCS1_V1_5", "PS": "RSASSA_PSS", "ES": "ECDSA"}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One of RS, PS and ES with 256, 384 and 512, by its JWA name."""

    name: str

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """The hash that the number in the name stands for."""
        return _HASHES[self.name[2:]]

    @property
    def kms_name(self) -> str:
        """The name as `SigningAlgorithm` of AWS KMS."""
        return f"{_KMS_SCHEMES[self.name[:2]]}_SHA_{self.name[2:]}"

    def fits(self, key: PublicKey) -> bool:
        """Whether the key's type and, for ES, its curve are the algorithm's."""
        if isinstance(key, rsa.RSAPublicKey):
            return self.name[:2] != "ES"
        curve = CURVES.get(key.curve.name)
        return curve is not None and curve.algorithm == self.name

    def digest(self, data: bytes) -> bytes:
        """Return the hash of `data`."""
        hasher = hashes.Hash(self.hash)
        hasher.update(data)
        return hasher.finalize()

    def sign(self, key: PrivateKey, data: bytes) -> bytes:
        """Return the JWS signature of `data` by a key that fits."""
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, self._padding(), self.hash)
        return self.to_jws(key.public_key(), key.sign(data, ec.ECDSA(self.hash)))

    def verifies(self, key: PublicKey, signature: bytes, digest: bytes) -> bool:
        """Whether `signature` (ECDSA as DER, as OpenSSL and KMS make it) is the key's over the hash `digest`."""
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, digest, self._padding(), Prehashed(self.hash))
            else:
                key.verify(signature, digest, ec.ECDSA(Prehashed(self.hash)))
        except InvalidSignature:
            return False
        return True

    def to_jws(self, key: PublicKey, signature: bytes) -> bytes:
        """Return the signature as JWS wants it: ECDSA as R ‖ S, each as long as a coordinate (RFC 7518 §3.4).

        DER drops leading zeros and adds one before a high bit, so that its length varies; R ‖ S has one length.
        """
        if isinstance(key, rsa.RSAPublicKey):
            return signature
        size = CURVES[key.curve.name].size
        r, s = decode_dss_signature(signature)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def _padding(self) -> padding.AsymmetricPadding:
        if self.name[:2] == "RS":
            return padding.PKCS1v15()
        # RFC 7518 §3.5: the salt is as long as the hash, and MGF1 uses the same hash.
        return padding.PSS(mgf=padding.MGF1(self.hash), salt_length=self.hash.digest_size)


ALGORITHMS = {
    name: Algorithm(name)
    for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
}


def choose_algorithm(key: PublicKey, name: str | None, source: str) -> Algorithm:
    """Return the algorithm of this name, by default RS256 or the one of the key's curve.

    Raises ConfigurationError where there is no such algorithm or the key is of another type or curve.
    """
    if name is None:
        name = "RS256" if isinstance(key, rsa.RSAPublicKey) else CURVES[key.curve.name].algorithm
    algorithm = ALGORITHMS.get(name)
    if algorithm is None:
        raise ConfigurationError(
            f"{source}: no asymmetric signature algorithm has this name; there are {', '.join(ALGORITHMS)}"
        )
    if not algorithm.fits(key):
        raise ConfigurationError(f"{source}: {name} does not go with this key, which is {describe(key)}")
    return algorithm


def describe(key: PublicKey) -> str:
    """Return what kind of key it is, for operators: `RSA of 2048 bits`, `EC on secp256r1`."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA of {key.key_size} bits"
    return f"EC on {key.curve.name}"
