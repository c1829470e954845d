"""Signatures by AWS KMS: the private key never leaves it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.algorithms import ALGORITHMS, PublicKey, choose_algorithm
from fedbridge.keys.calls import call
from fedbridge.keys.jwk import import_public_key, public_jwk, thumbprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.model.deadline import Deadline

# An alias could be moved to another key while signatures are under way; a key's ARN is one key for good.
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+")

_REASONS = {
    "DisabledException": "key_disabled",
    "InvalidArnException": "key_not_found",
    "InvalidKeyUsageException": "key_unsuitable",
    "KMSInvalidStateException": "key_invalid_state",  # pending deletion or import, or its custom store is cut off
    "NotFoundException": "key_not_found",
    "UnsupportedOperationException": "key_unsuitable",
}
"""AWS KMS API Reference, errors of Sign and GetPublicKey that waiting does not mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsSigner:
    """The `Signer` port over one asymmetric KMS key (`arn`); thread-safe, one Sign call a signature."""

    algorithm: str
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
        algorithm: str | None,
        *,
        client: Callable[[], Any],
        deadline: Deadline,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Read the public key, once for the signer's life, and bind it to an algorithm (default: by its type).

        `client` makes the low-level KMS client. Raises KeyUnavailable with the reasons `kms_throttled`, `kms_timeout`,
        `kms_unavailable` (transient), `kms_access_denied`, `kms_key_disabled`, `kms_key_invalid_state`,
        `kms_key_not_found`, `kms_error`; ConfigurationError where the ARN names no key, the key is not for signing, or
        it does not support the algorithm.
        """
        if not _KEY_ARN.fullmatch(arn):
            raise ConfigurationError("kms: must be followed by the ARN of a key, not of an alias")
        kms = client()
        try:
            answer = call(
                lambda: kms.get_public_key(KeyId=arn),
                subject=arn, prefix="kms", reasons=_REASONS, deadline=deadline, sleep=sleep,
            )  # fmt: skip
        except KeyUnavailable as error:
            if error.reason == "kms_key_unsuitable":
                raise ConfigurationError(f"{arn}: not an asymmetric key for signing") from error
            raise
        if answer.get("KeyUsage") != "SIGN_VERIFY":
            raise ConfigurationError(f"{arn}: the key's usage is not SIGN_VERIFY")
        public_key = import_public_key(answer.get("PublicKey", b""), source=arn)
        chosen = choose_algorithm(public_key, algorithm, arn)
        if chosen.kms_name not in answer.get("SigningAlgorithms", ()):
            raise ConfigurationError(f"{arn}: the key does not support {chosen.name} ({chosen.kms_name})")
        return cls(
            algorithm=chosen.name,
            kid=thumbprint(public_key),
            public_jwk=public_jwk(public_key, chosen.name),
            arn=arn,
            client=kms,
            public_key=public_key,
            sleep=sleep,
        )

    def sign(self, signing_input: bytes, deadline: Deadline) -> bytes:
        """Return the JWS signature octets; raises KeyUnavailable (see `load`), DeadlineExceeded.

        KMS gets the digest, because it takes raw messages only up to 4,096 bytes. The signature is verified here
        before anyone sees it: a wrong one is `kms_signature_invalid`, and is not asked for again.
        """
        algorithm = ALGORITHMS[self.algorithm]
        digest = algorithm.digest(signing_input)
        answer = call(
            lambda: self.client.sign(
                KeyId=self.arn, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm.kms_name
            ),
            subject=self.arn, prefix="kms", reasons=_REASONS, deadline=deadline, sleep=self.sleep,
        )  # fmt: skip
        signature = answer.get("Signature", b"")
        if not algorithm.verifies(self.public_key, signature, digest):
            raise KeyUnavailable(f"{self.arn}: the signature does not verify", reason="kms_signature_invalid")
        return algorithm.to_jws(self.public_key, signature)
