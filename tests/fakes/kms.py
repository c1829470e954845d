"""An AWS KMS client in this process, as its API reference describes GetPublicKey and Sign; made for speed and faults.

tests/conformance/test_signer.py holds it, and ministack, to one suite.
"""

# ruff: noqa: N803, N806 - the parameters have AWS's names

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedbridge.keys.algorithms import PrivateKey

ARN = "arn:aws:kms:eu-west-1:111122223333:key/{}"

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_RSA_ALGORITHMS = [
    f"{scheme}_SHA_{size}" for scheme in ("RSASSA_PSS", "RSASSA_PKCS1_V1_5") for size in ("256", "384", "512")
]
_EC_ALGORITHMS = {"secp256r1": "ECDSA_SHA_256", "secp384r1": "ECDSA_SHA_384", "secp521r1": "ECDSA_SHA_512"}


def client_error(code: str, operation: str, status: int = 400) -> ClientError:
    """Return the exception that botocore raises for an error answer."""
    response: Any = {"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


@dataclass
class KmsKey:
    """One key: what it signs with, and what it says about itself."""

    private: PrivateKey
    state: Literal["Enabled", "Disabled", "PendingDeletion"] = "Enabled"
    usage: str = "SIGN_VERIFY"
    algorithms: list[str] | None = None

    def signing_algorithms(self) -> list[str]:
        if self.algorithms is not None:
            return self.algorithms
        if isinstance(self.private, rsa.RSAPrivateKey):
            return _RSA_ALGORITHMS
        return [_EC_ALGORITHMS[self.private.curve.name]]


class FakeKms:
    """Keeps keys by ARN, counts calls, and raises what `faults` holds, one a call, before it answers again.

    `forged` replaces the next signatures.
    """

    def __init__(self) -> None:
        self.keys: dict[str, KmsKey] = {}
        self.calls: Counter[str] = Counter()
        self.faults: list[Exception] = []
        self.forged: bytes | None = None
        self.created: Counter[str] = Counter()

    def clients(self, service: str) -> FakeKms:
        """Stand in for the factory of clients."""
        self.created[service] += 1
        assert service == "kms"
        return self

    def add(self, key: KmsKey | PrivateKey, name: str = "1234abcd-12ab-34cd-56ef-1234567890ab") -> str:
        """Keep the key and return its ARN."""
        arn = ARN.format(name)
        self.keys[arn] = key if isinstance(key, KmsKey) else KmsKey(key)
        return arn

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:
        key = self._key("GetPublicKey", KeyId)
        der = key.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        answer: dict[str, Any] = {"KeyId": KeyId, "PublicKey": der, "KeyUsage": key.usage}
        if key.usage == "SIGN_VERIFY":
            answer["SigningAlgorithms"] = key.signing_algorithms()
        return answer

    def sign(
        self, *, KeyId: str, Message: bytes, SigningAlgorithm: str, MessageType: str = "RAW"
    ) -> dict[str, Any]:
        key = self._key("Sign", KeyId)
        if key.state == "Disabled":
            raise client_error("DisabledException", "Sign")
        if key.state == "PendingDeletion":
            raise client_error("KMSInvalidStateException", "Sign")
        if SigningAlgorithm not in key.signing_algorithms():
            raise client_error("InvalidKeyUsageException", "Sign")
        algorithm = _HASHES[SigningAlgorithm[-3:]]
        if MessageType == "RAW":
            if not 1 <= len(Message) <= 4096:
                raise client_error("ValidationException", "Sign")
            hasher = hashes.Hash(algorithm)
            hasher.update(Message)
            Message = hasher.finalize()
        elif len(Message) != algorithm.digest_size:
            raise client_error("ValidationException", "Sign")
        signature = self.forged or _sign(key.private, Message, SigningAlgorithm, algorithm)
        return {"KeyId": KeyId, "Signature": signature, "SigningAlgorithm": SigningAlgorithm}

    def _key(self, operation: str, arn: str) -> KmsKey:
        self.calls[operation] += 1
        if self.faults:
            raise self.faults.pop(0)
        if arn not in self.keys:
            raise client_error("NotFoundException", operation)
        return self.keys[arn]


def _sign(key: PrivateKey, digest: bytes, name: str, algorithm: hashes.HashAlgorithm) -> bytes:
    prehashed = Prehashed(algorithm)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(digest, ec.ECDSA(prehashed))
    if name.startswith("RSASSA_PSS"):
        pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)
        return key.sign(digest, pss, prehashed)
    return key.sign(digest, padding.PKCS1v15(), prehashed)
