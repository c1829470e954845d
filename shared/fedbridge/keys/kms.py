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
    from collections.abc import Callable, Collection, Mapping

    from fedbridge.model.deadline import Deadline

# An alias could be moved to another key while signatures are under way; a key's ARN is one key for good.
_KEY_ARN = re.compile(r"(arn:aws[a-z-]*:kms:)[a-z0-9-]+(:[0-9]{12}:key/[A-Za-z0-9-]+)")

_MULTI_REGION = ":key/mrk-"

REASONS = {
    "DisabledException": "key_disabled",
    "InvalidArnException": "key_not_found",
    "InvalidKeyUsageException": "key_unsuitable",
    "KMSInvalidStateException": "key_invalid_state",  # pending deletion or import, or its custom store is cut off
    "NotFoundException": "key_not_found",
    "UnsupportedOperationException": "key_unsuitable",
}
"""AWS KMS API Reference, errors of GetPublicKey, Sign, Decrypt and DeriveSharedSecret that waiting does not mend."""


def read_public_key(
    arn: str,
    *,
    usages: Collection[str],
    client: Callable[[], Any],
    deadline: Deadline,
    sleep: Callable[[float], None],
) -> tuple[Any, str, PublicKey, Mapping[str, Any]]:
    """Return a KMS client, the key's ARN here, the public key, and all that GetPublicKey answered.

    `client` makes the low-level client. A multi-Region key is the one of the client's Region, whichever Region `arn`
    names: a connection that is replicated to another Region finds the key's replica there
    (https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html).

    Raises KeyUnavailable with the reasons `kms_throttled`, `kms_timeout`, `kms_unavailable` (transient),
    `kms_access_denied`, `kms_key_disabled`, `kms_key_invalid_state`, `kms_key_not_found`, `kms_error`;
    ConfigurationError where the ARN names no key, or one whose KeyUsage is not among `usages`.
    """
    parts = _KEY_ARN.fullmatch(arn)
    if parts is None:
        raise ConfigurationError("kms: must be followed by the ARN of a key, not of an alias")
    kms = client()
    if _MULTI_REGION in arn:
        arn = f"{parts[1]}{kms.meta.region_name}{parts[2]}"
    try:
        answer = call(
            lambda: kms.get_public_key(KeyId=arn),
            subject=arn, prefix="kms", reasons=REASONS, deadline=deadline, sleep=sleep,
        )  # fmt: skip
    except KeyUnavailable as error:
        if error.reason == "kms_key_unsuitable":
            raise ConfigurationError(f"{arn}: not an asymmetric key for {_purpose(usages)}") from error
        raise
    if answer.get("KeyUsage") not in usages:
        raise ConfigurationError(f"{arn}: the key's usage is not {' or '.join(sorted(usages))}")
    return kms, arn, import_public_key(answer.get("PublicKey", b""), source=arn), answer


def _purpose(usages: Collection[str]) -> str:
    return "signing" if "SIGN_VERIFY" in usages else "decryption"


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

        Raises what `read_public_key` raises, and ConfigurationError where the key does not support the algorithm.
        """
        kms, arn, public_key, description = read_public_key(
            arn, usages={"SIGN_VERIFY"}, client=client, deadline=deadline, sleep=sleep
        )
        chosen = choose_algorithm(public_key, algorithm, arn)
        if chosen.kms_name not in description.get("SigningAlgorithms", ()):
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
            subject=self.arn, prefix="kms", reasons=REASONS, deadline=deadline, sleep=self.sleep,
        )  # fmt: skip
        signature = answer.get("Signature", b"")
        if not algorithm.verifies(self.public_key, signature, digest):
            raise KeyUnavailable(f"{self.arn}: the signature does not verify", reason="kms_signature_invalid")
        return algorithm.to_jws(self.public_key, signature)
