"""An AWS KMS client in this process, as its API reference describes it; made for speed and faults.

tests/conformance/test_signer.py and test_decrypter.py hold it, and ministack where it can, to one suite. `wire` puts it
behind the SDK's own client, so that calls and answers are what botocore's model of the service says.
"""

# ruff: noqa: N803, N806 - the parameters have AWS's names

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from fedbridge.keys.algorithms import PrivateKey

ARN = "arn:aws:kms:eu-west-1:111122223333:key/{}"

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_RSA_ALGORITHMS = [
    f"{scheme}_SHA_{size}" for scheme in ("RSASSA_PSS", "RSASSA_PKCS1_V1_5") for size in ("256", "384", "512")
]
_OAEP: dict[str, hashes.HashAlgorithm] = {
    "RSAES_OAEP_SHA_1": hashes.SHA1(),
    "RSAES_OAEP_SHA_256": hashes.SHA256(),
}
_CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
}
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
    tags: dict[str, str] = field(default_factory=dict)

    def signing_algorithms(self) -> list[str]:
        if self.algorithms is not None:
            return self.algorithms
        if isinstance(self.private, rsa.RSAPrivateKey):
            return _RSA_ALGORITHMS
        return [_EC_ALGORITHMS[self.private.curve.name]]


class FakeKms:
    """Keeps keys by ARN, counts calls, and raises what `faults` holds, one a call, before it answers again.

    `forged` replaces the next signatures and shared secrets.
    """

    def __init__(self) -> None:
        self.keys: dict[str, KmsKey] = {}
        self.calls: Counter[str] = Counter()
        self.faults: list[Exception] = []
        self.forged: bytes | None = None
        self.created: Counter[str] = Counter()
        self.meta = SimpleNamespace(region_name="eu-west-1")  # as clients of the SDK have it

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

    def create_key(
        self, *, KeySpec: str, KeyUsage: str, Description: str, Tags: list[dict[str, str]]
    ) -> dict[str, Any]:
        self.calls["CreateKey"] += 1
        if self.faults:
            raise self.faults.pop(0)
        private: PrivateKey
        if KeySpec.startswith("RSA_"):
            private = rsa.generate_private_key(65537, int(KeySpec.removeprefix("RSA_")))
        else:
            private = ec.generate_private_key(_CURVES[KeySpec])
        arn = ARN.format(f"{len(self.keys):08}-0000-0000-0000-000000000000")
        tags = {tag["TagKey"]: tag["TagValue"] for tag in Tags}
        self.keys[arn] = KmsKey(private, usage=KeyUsage, tags=tags)
        return {
            "KeyMetadata": {
                "KeyId": arn.rpartition("/")[2], "Arn": arn, "KeySpec": KeySpec, "KeyUsage": KeyUsage,
                "Description": Description,
            }
        }  # fmt: skip

    def disable_key(self, *, KeyId: str) -> dict[str, Any]:
        self._key("DisableKey", KeyId).state = "Disabled"
        return {}

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:
        key = self._key("GetPublicKey", KeyId)
        der = key.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        answer: dict[str, Any] = {"KeyId": KeyId, "PublicKey": der, "KeyUsage": key.usage}
        if key.usage == "SIGN_VERIFY":
            answer["SigningAlgorithms"] = key.signing_algorithms()
        elif key.usage == "ENCRYPT_DECRYPT":
            answer["EncryptionAlgorithms"] = list(_OAEP)
        else:
            answer["KeyAgreementAlgorithms"] = ["ECDH"]
        return answer

    def sign(
        self, *, KeyId: str, Message: bytes, SigningAlgorithm: str, MessageType: str = "RAW"
    ) -> dict[str, Any]:
        key = self._usable_key("Sign", KeyId, "SIGN_VERIFY")
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

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionAlgorithm: str) -> dict[str, Any]:
        key = self._usable_key("Decrypt", KeyId, "ENCRYPT_DECRYPT")
        digest = _OAEP[EncryptionAlgorithm]
        assert isinstance(key.private, rsa.RSAPrivateKey)
        try:
            plaintext = key.private.decrypt(
                CiphertextBlob, padding.OAEP(padding.MGF1(digest), digest, label=None)
            )
        except ValueError:
            raise client_error("InvalidCiphertextException", "Decrypt") from None
        return {"KeyId": KeyId, "Plaintext": plaintext, "EncryptionAlgorithm": EncryptionAlgorithm}

    def derive_shared_secret(
        self, *, KeyId: str, KeyAgreementAlgorithm: str, PublicKey: bytes
    ) -> dict[str, Any]:
        key = self._usable_key("DeriveSharedSecret", KeyId, "KEY_AGREEMENT")
        assert isinstance(key.private, ec.EllipticCurvePrivateKey)
        assert KeyAgreementAlgorithm == "ECDH"
        peer = load_der_public_key(PublicKey)
        if not isinstance(peer, ec.EllipticCurvePublicKey) or peer.curve.name != key.private.curve.name:
            raise client_error("ValidationException", "DeriveSharedSecret")
        secret = self.forged or key.private.exchange(ec.ECDH(), peer)
        return {
            "KeyId": KeyId, "SharedSecret": secret, "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": "AWS_KMS",
        }  # fmt: skip

    def _usable_key(self, operation: str, arn: str, usage: str) -> KmsKey:
        key = self._key(operation, arn)
        if key.state == "Disabled":
            raise client_error("DisabledException", operation)
        if key.state == "PendingDeletion":
            raise client_error("KMSInvalidStateException", operation)
        if key.usage != usage:
            raise client_error("InvalidKeyUsageException", operation)
        return key

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


def wire(kms: FakeKms, client: Any) -> Any:
    """Let the SDK's own client talk to the fake: its requests, and the answers, must fit botocore's model of KMS."""

    def respond(request: Any, **_: Any) -> AWSResponse:
        target = request.headers["X-Amz-Target"].decode()  # TrentService.Decrypt, for one
        operation = client.meta.service_model.operation_model(target.rpartition(".")[2])
        try:
            status, document = 200, answer(kms, operation, json.loads(request.body))
        except ClientError as error:
            status, document = 400, {"__type": error.response["Error"]["Code"], "message": "…"}
        return AWSResponse(request.url, status, HTTPHeaders(), _Body(json.dumps(document).encode()))

    client.meta.events.register("before-send.kms", respond)
    return client


def answer(kms: FakeKms, operation: Any, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request, both as they travel; raises ClientError. `operation` is botocore's model of it."""
    members = operation.input_shape.members
    arguments = {
        name: base64.b64decode(value) if members[name].type_name == "blob" else value
        for name, value in sent.items()
    }
    _check(arguments, operation.input_shape)
    answered = getattr(kms, _METHODS[operation.name])(**arguments)
    if operation.output_shape is not None:  # DisableKey answers nothing.
        _check(answered, operation.output_shape)
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in answered.items()
    }


_METHODS = {
    "CreateKey": "create_key",
    "DisableKey": "disable_key",
    "GetPublicKey": "get_public_key",
    "Sign": "sign",
    "Decrypt": "decrypt",
    "DeriveSharedSecret": "derive_shared_secret",
}


def _check(members: dict[str, Any], shape: Any) -> None:
    """Hold members to the model: no unknown one, types and lengths, and the enumerations, which botocore leaves alone."""
    report = ParamValidator().validate(members, shape)
    assert not report.has_errors(), report.generate_report()
    for name, value in members.items():
        allowed = getattr(shape.members[name], "enum", [])
        assert not allowed or value in allowed, (name, value)


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()
