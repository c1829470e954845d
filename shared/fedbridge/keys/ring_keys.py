"""Makes the keys of rings in AWS KMS and in Secrets Manager: the `KeyMaker` port.

In Secrets Manager a key is found again by its name, which follows from ring and number. KMS gives no name to a new key
before it is there, so one whose ARN was lost on the way stays behind; its tags tell ring and number.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_pem_x509_certificate

from fedbridge.errors import KeyNotMade, KeyUnavailable
from fedbridge.keys.calls import call
from fedbridge.keys.certificates import certificate_pem, subject_name
from fedbridge.keys.jwk import ImportedKey, import_private_key, thumbprint
from fedbridge.keys.kms import REASONS, KmsSigner, read_public_key
from fedbridge.keys.local import LocalSigner
from fedbridge.model.key_ring import RingKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import Name

    from fedbridge.keys.algorithms import PrivateKey, PublicKey
    from fedbridge.keys.calls import ClientFactory
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.key_ring import KeyRing
    from fedbridge.ports import Signer

TAGS = {"request-object": "client-assertion"}
"""Use of a ring → `fedbridge:use` of its keys, where that is another word: the front channel signs both."""

KEY_USAGES = {
    ("token-decryption", True): "ENCRYPT_DECRYPT",
    ("token-decryption", False): "KEY_AGREEMENT",
    ("saml-decryption", True): "ENCRYPT_DECRYPT",
}
"""Use of a ring and whether its keys are RSA → KeyUsage of KMS; all others are SIGN_VERIFY."""

FIRST_READ = 5
"""Times that the public key of a new KMS key is asked for, a second between two: creation takes a moment to spread."""

_CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_OFF = frozenset({"kms_key_invalid_state", "kms_key_not_found"})
_MAYBE_MADE = frozenset({"kms_timeout", "kms_unavailable"})
_SECRET_REASONS = {
    "InvalidRequestException": "deleted",
    "ResourceExistsException": "exists",
    "ResourceNotFoundException": "not_found",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKeyMaker:
    """Makes keys for one `environment`; `clients` are AWS SDK clients by service."""

    environment: str
    clients: ClientFactory
    sleep: Callable[[float], None] = field(default=time.sleep)

    def make(
        self, ring: str, policy: KeyRing, serial: int, *, again: bool, now: float, deadline: Deadline
    ) -> RingKey | None:
        """Return a new key; see the port."""
        if policy.certified_for is not None:
            _subject(ring, policy)  # What cannot be right is found before a key is paid for.
        if policy.store == "kms":
            return None if again else self._make_in_kms(ring, policy, serial, now, deadline)
        return self._make_secret(ring, policy, serial, again=again, now=now, deadline=deadline)

    def disable(self, key: RingKey, deadline: Deadline) -> bool:
        """Disable a KMS key, which an operator can take back. A secret stays: its only off is to be deleted.

        A key that somebody has deleted, or has scheduled for it, is off already.
        """
        if not key.made or not key.reference.startswith("kms:"):
            return False
        arn = key.reference.removeprefix("kms:")
        try:
            self._kms(lambda kms: kms.disable_key(KeyId=arn), arn, deadline)
        except KeyUnavailable as failure:
            elsewhere = arn.split(":")[3:4] != [self.clients("kms").meta.region_name]
            if failure.reason not in _OFF or elsewhere:
                raise
            return False
        return True

    def secret_name(self, ring: str, policy: KeyRing, serial: int) -> str:
        """Return the name of the secret with this number, where the function alone reads that uses the key."""
        side = "saml" if policy.use.startswith("saml-") else "oidc"
        folder = f"id-token/{ring}-" if policy.use == "id-token" else f"{side}/rings/{ring}/"
        return f"fedbridge/{self.environment}/{folder}{serial}"

    def _make_in_kms(
        self, ring: str, policy: KeyRing, serial: int, now: float, deadline: Deadline
    ) -> RingKey | None:
        spec = policy.kind.partition(":")[2]
        usage = KEY_USAGES.get((policy.use, policy.is_rsa), "SIGN_VERIFY")
        tags = {
            "fedbridge:environment": self.environment,
            "fedbridge:use": TAGS.get(policy.use, policy.use),
            "fedbridge:ring": ring,
            "fedbridge:serial": str(serial),
        }
        answer = self._created(
            lambda kms: kms.create_key(
                KeySpec=spec,
                KeyUsage=usage,
                Description=f"fedbridge {self.environment}: key {serial} of the ring {ring}",
                Tags=[{"TagKey": name, "TagValue": value} for name, value in tags.items()],
            ),
            f"a key of ring {ring}",
            deadline,
        )
        arn: str = answer["KeyMetadata"]["Arn"]
        public = self._first_read(arn, usage, deadline)
        key = RingKey(kid=thumbprint(public), reference=f"kms:{arn}", created_at=int(now))
        if policy.certified_for is None:
            return key
        signer: Signer = (
            _stranger()
            if usage != "SIGN_VERIFY"
            else KmsSigner.load(
                arn, None, client=lambda: self.clients("kms"), deadline=deadline, sleep=self.sleep
            )
        )
        text = self._certificate(ring, policy, signer, public, now=now, deadline=deadline)
        name = self.secret_name(ring, policy, serial)
        if not self._create_secret(name, text, deadline):
            return None
        return _certified(key, f"secretsmanager:{name}", policy, now)

    def _make_secret(
        self, ring: str, policy: KeyRing, serial: int, *, again: bool, now: float, deadline: Deadline
    ) -> RingKey | None:
        name = self.secret_name(ring, policy, serial)
        reference = f"secretsmanager:{name}"
        private = new_private_key(policy.kind.partition(":")[2])
        document = private_pem(private)
        if policy.certified_for is not None:
            signer = LocalSigner.of(ImportedKey(key=private), None, source=name)
            text = self._certificate(ring, policy, signer, private.public_key(), now=now, deadline=deadline)
            document = json.dumps({"key": document, "certificate": text})
        made_at = now
        if not self._create_secret(name, document, deadline):
            stored = self._stored(name, policy, deadline) if again else None
            if stored is None:
                return None
            private, made_at = stored
        key = RingKey(kid=thumbprint(private.public_key()), reference=reference, created_at=int(now))
        if policy.certified_for is None:
            return key
        return _certified(key, f"{reference}#certificate", policy, made_at, reference=f"{reference}#key")

    def _certificate(
        self, ring: str, policy: KeyRing, signer: Signer, public: PublicKey, *, now: float, deadline: Deadline
    ) -> str:
        return certificate_pem(
            signer,
            _subject(ring, policy),
            lifetime=policy.certified_for or 0,
            client_tls=policy.use == "client-tls",
            deadline=deadline,
            now=now,
            decrypting=public if policy.use == "saml-decryption" else None,
        )

    def _create_secret(self, name: str, value: str, deadline: Deadline) -> bool:
        """Create a secret; False where there is one of this name already. Nothing is ever overwritten."""
        client = self.clients("secretsmanager")
        token = str(uuid.uuid4())  # one for all tries: a write whose answer was lost is no other one's
        try:
            call(
                lambda: client.create_secret(Name=name, SecretString=value, ClientRequestToken=token),
                subject=name, prefix="secret", reasons=_SECRET_REASONS, deadline=deadline, sleep=self.sleep,
            )  # fmt: skip
        except KeyUnavailable as failure:
            if failure.reason in {"secret_exists", "secret_deleted"}:
                return False
            raise
        return True

    def _stored(self, name: str, policy: KeyRing, deadline: Deadline) -> tuple[PrivateKey, float] | None:
        """Return the private key that an earlier run had stored, and when; None if it was made by another policy."""
        client = self.clients("secretsmanager")
        answer: dict[str, Any] = call(
            lambda: client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT"),
            subject=name, prefix="secret", reasons=_SECRET_REASONS, deadline=deadline, sleep=self.sleep,
        )  # fmt: skip
        document: str = answer["SecretString"]
        if document.startswith("{") != (policy.certified_for is not None):
            return None
        if policy.certified_for is None:
            key, made_at = import_private_key(document, source=name, fragment=None).key, 0.0
        else:
            key = import_private_key(document, source=name, fragment="key").key
            certificate = load_pem_x509_certificate(json.loads(document)["certificate"].encode("ascii"))
            made_at = certificate.not_valid_after_utc.timestamp() - policy.certified_for
        return (key, made_at) if kind_of(key) == policy.kind.partition(":")[2] else None

    def _first_read(self, arn: str, usage: str, deadline: Deadline) -> PublicKey:
        for left in reversed(range(FIRST_READ)):
            try:
                return read_public_key(
                    arn,
                    usages={usage},
                    client=lambda: self.clients("kms"),
                    deadline=deadline,
                    sleep=self.sleep,
                )[2]
            except KeyUnavailable as failure:
                if failure.reason != "kms_key_not_found" or left == 0:
                    raise
            self.sleep(1.0)
        raise AssertionError("unreachable")

    def _created(self, operation: Callable[[Any], Any], subject: str, deadline: Deadline) -> Any:
        """Create a KMS key by one call: a second one after a lost answer would be a second key."""
        client = self.clients("kms")
        try:
            return call(
                lambda: operation(client),
                subject=subject, prefix="kms", reasons=REASONS, deadline=deadline, sleep=self.sleep, retries=0,
            )  # fmt: skip
        except KeyUnavailable as failure:
            if failure.reason in _MAYBE_MADE:
                raise
            raise KeyNotMade(str(failure), reason=failure.reason, transient=failure.transient) from failure

    def _kms(self, operation: Callable[[Any], Any], subject: str, deadline: Deadline) -> Any:
        client = self.clients("kms")
        return call(
            lambda: operation(client),
            subject=subject, prefix="kms", reasons=REASONS, deadline=deadline, sleep=self.sleep,
        )  # fmt: skip


def new_private_key(kind: str) -> PrivateKey:
    """Return a new key: `RSA-2048`, `P-256` and so on."""
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("RSA-")))
    return ec.generate_private_key(_CURVES[kind])


def kind_of(key: PrivateKey) -> str:
    """Return what `new_private_key` was asked for."""
    if isinstance(key, rsa.RSAPrivateKey):
        return f"RSA-{key.key_size}"
    return next(kind for kind, curve in _CURVES.items() if curve.name == key.curve.name)


def _subject(ring: str, policy: KeyRing) -> Name:
    return subject_name(policy.certificate_subject or f"CN=fedbridge {ring}")


def _stranger() -> Signer:
    """Return a signer whose key is gone after this certificate: a key that only decrypts cannot sign its own."""
    return LocalSigner.of(ImportedKey(key=new_private_key("P-256")), None, source="a key for one certificate")


def _certified(
    key: RingKey, certificate: str, policy: KeyRing, now: float, *, reference: str | None = None
) -> RingKey:
    return replace(
        key,
        certificate=certificate,
        reference=reference or key.reference,
        not_after=int(now) + (policy.certified_for or 0),
    )


def private_pem(key: PrivateKey) -> str:
    """Return a private key as PKCS #8 in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
