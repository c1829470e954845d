"""Decryption by AWS KMS: the private key never leaves it.

RSA keys (usage ENCRYPT_DECRYPT) unwrap by Decrypt; EC keys (usage KEY_AGREEMENT) agree by DeriveSharedSecret, which
answers the x coordinate of the shared point: Z of RFC 7518 §4.6.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.algorithms import CURVES, PublicKey
from fedbridge.keys.calls import call
from fedbridge.keys.decrypter import public_key_on
from fedbridge.keys.jwk import encryption_jwk, thumbprint
from fedbridge.keys.kms import REASONS, read_public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.model.deadline import Deadline

_USAGES = frozenset({"ENCRYPT_DECRYPT", "KEY_AGREEMENT"})
_KMS_NAMES = {"RSA-OAEP": "RSAES_OAEP_SHA_1", "RSA-OAEP-256": "RSAES_OAEP_SHA_256"}
_NOT_DECRYPTED = "ciphertext_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsDecrypter:
    """The `Decrypter` port over one asymmetric KMS key (`arn`); thread-safe, one call a token."""

    kid: str
    public_jwk: Mapping[str, Any]
    arn: str
    client: Any = field(repr=False)
    public_key: PublicKey = field(repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    @classmethod
    def load(
        cls,
        arn: str,
        *,
        client: Callable[[], Any],
        deadline: Deadline,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Read the public key, once for the decrypter's life; raises what `read_public_key` raises."""
        kms, arn, public_key, description = read_public_key(
            arn, usages=_USAGES, client=client, deadline=deadline, sleep=sleep
        )
        usage = "ENCRYPT_DECRYPT" if isinstance(public_key, rsa.RSAPublicKey) else "KEY_AGREEMENT"
        if description["KeyUsage"] != usage:
            raise ConfigurationError(f"{arn}: the key's usage is not {usage}")
        return cls(
            kid=thumbprint(public_key),
            public_jwk=encryption_jwk(public_key, None),
            arn=arn,
            client=kms,
            public_key=public_key,
            sleep=sleep,
        )

    def unwrap(self, algorithm: str, encrypted_key: bytes, deadline: Deadline) -> bytes:
        """Return the content encryption key; raises ValueError, KeyUnavailable, DeadlineExceeded.

        A ciphertext that is not as long as the modulus is none of this key's, and is not worth a call.
        """
        name = _KMS_NAMES.get(algorithm)
        if name is None or not isinstance(self.public_key, rsa.RSAPublicKey):
            raise ValueError("not an RSA key, or not an algorithm of RSA keys")
        if len(encrypted_key) != (self.public_key.key_size + 7) // 8:
            raise ValueError("not as long as the modulus")
        answer = self._call(
            lambda: self.client.decrypt(
                KeyId=self.arn, CiphertextBlob=encrypted_key, EncryptionAlgorithm=name
            ),
            deadline,
        )
        plaintext: bytes = answer.get("Plaintext", b"")
        return plaintext

    def agree(self, public_jwk: Mapping[str, Any], deadline: Deadline) -> bytes:
        """Return Z; raises ValueError, KeyUnavailable, DeadlineExceeded. The point is checked before it is sent."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415  see keys.jwk

        if not isinstance(self.public_key, ec.EllipticCurvePublicKey):
            raise ValueError("not an EC key")  # noqa: TRY004  the port has one error for keys that do not match
        peer = public_key_on(self.public_key.curve, public_jwk)
        der = peer.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        answer = self._call(
            lambda: self.client.derive_shared_secret(
                KeyId=self.arn, KeyAgreementAlgorithm="ECDH", PublicKey=der
            ),
            deadline,
        )
        secret: bytes = answer.get("SharedSecret", b"")
        if len(secret) != CURVES[self.public_key.curve.name].size:
            raise KeyUnavailable(
                f"{self.arn}: the shared secret is not of the curve's length", reason="kms_error"
            )
        return secret

    def _call(self, operation: Callable[[], dict[str, Any]], deadline: Deadline) -> dict[str, Any]:
        reasons = {
            **REASONS,
            "IncorrectKeyException": _NOT_DECRYPTED,
            "InvalidCiphertextException": _NOT_DECRYPTED,
        }
        try:
            return call(
                operation,
                subject=self.arn,
                prefix="kms",
                reasons=reasons,
                deadline=deadline,
                sleep=self.sleep,
            )
        except KeyUnavailable as error:
            if error.reason == f"kms_{_NOT_DECRYPTED}":
                raise ValueError("not encrypted to this key") from None
            raise
