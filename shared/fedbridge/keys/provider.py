"""Signers, decrypters and client certificates by reference, wherever the key lives."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fedbridge.errors import ConfigurationError
from fedbridge.keys.cache import BoundedCache, SingleFlight
from fedbridge.keys.jwk import Use, import_private_key
from fedbridge.keys.kms import KmsSigner
from fedbridge.keys.local import LocalSigner
from fedbridge.keys.reference import STORED_SCHEMES, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from fedbridge.keys.calls import ClientFactory
    from fedbridge.keys.jwk import ImportedKey
    from fedbridge.keys.reference import Reference
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.policies import MutualTls
    from fedbridge.ports import ClientCertificate, Clock, Decrypter, Secrets, Signer

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held(Generic[Key]):
    document: str = field(repr=False)
    key: Key


class _KeyCache(Generic[Key]):
    """Key objects, each with the document that it was made from (of a KMS key: none), made by one thread at a time."""

    def __init__(self) -> None:
        self._held: BoundedCache[_Held[Key]] = BoundedCache()
        self._flights: SingleFlight[Key] = SingleFlight()

    def get(self, name: Hashable, document: str, make: Callable[[], Key], deadline: Deadline) -> Key:
        """Return the key of this name, made anew if it was made from another document."""

        def keep() -> Key:
            made = make()
            self._held.put(name, _Held(document=document, key=made))
            return made

        held = self._held.get(name)
        if held is not None and held.document == document:
            return held.key
        return self._flights.run(name, keep, deadline)


class CachedKeys:
    """The `Keys` port; thread-safe. One reference is one key: rotate by a new reference, not by overwriting.

    Key objects live as long as the sandbox: a KMS key's public part never changes, and a local key is imported again
    only when `secrets`, which keeps values for 5 minutes, answers another document than the one it was imported from.

    `trust_stored` skips the test of RSA primes for keys from Secrets Manager and SSM (see `import_private_key`);
    whatever publishes configuration sets it False.
    """

    def __init__(
        self,
        secrets: Secrets,
        clients: ClientFactory,
        *,
        trust_stored: bool = True,
        clock: Clock = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._secrets = secrets
        self._clients = functools.cache(clients)  # one client a service, made when it is first needed
        self._trust_stored = trust_stored
        self._clock = clock
        self._sleep = sleep
        self._certificates: _KeyCache[ClientCertificate] = _KeyCache()
        self._signers: _KeyCache[Signer] = _KeyCache()
        self._decrypters: _KeyCache[Decrypter] = _KeyCache()

    def signer(self, reference: str, algorithm: str | None, deadline: Deadline) -> Signer:
        """Return the signer of a `kms:` key, or of a PEM, JWK or JWKS document that any other reference names.

        The fragment (`#…`) picks a key of a JWKS by `kid` or thumbprint (default: the first), or a member of any other
        JSON document. `algorithm` None means the JWK's `alg`, else RS256, ES256, ES384 or ES512 by the key's type.

        Raises ConfigurationError, KeyUnavailable, DeadlineExceeded (see `import_private_key`, `KmsSigner.load`,
        `CachedSecrets.get`).
        """
        parsed, document = self._read(reference, deadline)

        def make() -> Signer:
            if parsed.scheme == "kms":
                arn = reference.removeprefix("kms:")
                return KmsSigner.load(arn, algorithm, client=self._kms, deadline=deadline, sleep=self._sleep)
            imported = self._import(document, parsed, reference, "sig")
            return LocalSigner.of(imported, algorithm, source=reference)

        return self._signers.get((reference, algorithm), document, make, deadline)

    def decrypter(self, reference: str, deadline: Deadline) -> Decrypter:
        """Return the decrypter of a key, referred to as signers are.

        Raises ConfigurationError, KeyUnavailable, DeadlineExceeded (see `import_private_key`, `KmsDecrypter.load`,
        `CachedSecrets.get`).
        """
        parsed, document = self._read(reference, deadline)

        def make() -> Decrypter:
            if parsed.scheme == "kms":
                from fedbridge.keys.kms_decrypter import KmsDecrypter  # noqa: PLC0415  few connections decrypt

                arn = reference.removeprefix("kms:")
                return KmsDecrypter.load(arn, client=self._kms, deadline=deadline, sleep=self._sleep)
            from fedbridge.keys.decrypter import LocalDecrypter  # noqa: PLC0415  likewise

            return LocalDecrypter.of(self._import(document, parsed, reference, "enc"))

        return self._decrypters.get(reference, document, make, deadline)

    def client_certificate(self, policy: MutualTls, deadline: Deadline) -> ClientCertificate:
        """Return the client certificate of a connection with its key, which OpenSSL must hold: none is in KMS.

        Raises ConfigurationError, KeyUnavailable, DeadlineExceeded (see `import_private_key`, `client_certificate`,
        `CachedSecrets.get`).
        """
        parsed, document = self._read(policy.key, deadline)
        if parsed.scheme == "kms":
            raise ConfigurationError("mutual_tls.key: a key in KMS cannot be used for TLS")
        chain = self._secrets.get(policy.certificate, deadline)

        def make() -> ClientCertificate:
            from fedbridge.keys.client_certificate import client_certificate  # noqa: PLC0415  as above

            key = self._import(document, parsed, policy.key, "sig").key
            return client_certificate(chain, key, source=policy.certificate, now=self._clock())

        return self._certificates.get(policy, f"{document}\0{chain}", make, deadline)

    def _read(self, reference: str, deadline: Deadline) -> tuple[Reference, str]:
        """Return the parsed reference and the document that it names; there is none of a KMS key."""
        parsed = parse_reference(reference)
        return parsed, "" if parsed.scheme == "kms" else self._secrets.get(parsed.document, deadline)

    def _import(self, document: str, parsed: Reference, source: str, use: Use) -> ImportedKey:
        trusted = self._trust_stored and parsed.scheme in STORED_SCHEMES
        return import_private_key(document, source=source, fragment=parsed.fragment, trusted=trusted, use=use)

    def _kms(self) -> Any:
        return self._clients("kms")
