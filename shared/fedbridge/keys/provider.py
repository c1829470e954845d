"""Signers by reference, wherever the key lives."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.keys.cache import BoundedCache, SingleFlight
from fedbridge.keys.jwk import import_private_key
from fedbridge.keys.kms import KmsSigner
from fedbridge.keys.local import LocalSigner
from fedbridge.keys.reference import STORED_SCHEMES, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedbridge.keys.calls import ClientFactory
    from fedbridge.keys.reference import Reference
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Secrets, Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    document: str = field(repr=False)
    signer: LocalSigner


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
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._secrets = secrets
        self._clients = functools.cache(clients)  # one client a service, made when it is first needed
        self._trust_stored = trust_stored
        self._sleep = sleep
        self._kms: BoundedCache[KmsSigner] = BoundedCache()
        self._local: BoundedCache[_Held] = BoundedCache()
        self._flights: SingleFlight[Signer] = SingleFlight()

    def signer(self, reference: str, algorithm: str | None, deadline: Deadline) -> Signer:
        """Return the signer of a `kms:` key, or of a PEM, JWK or JWKS document that any other reference names.

        The fragment (`#…`) picks a key of a JWKS by `kid` or thumbprint (default: the first), or a member of any other
        JSON document. `algorithm` None means the JWK's `alg`, else RS256, ES256, ES384 or ES512 by the key's type.

        Raises ConfigurationError, KeyUnavailable, DeadlineExceeded (see `import_private_key`, `KmsSigner.load`,
        `CachedSecrets.get`).
        """
        parsed = parse_reference(reference)
        if parsed.scheme == "kms":
            return self._kms_signer(reference, algorithm, deadline)
        return self._local_signer(reference, algorithm, deadline, parsed)

    def _kms_signer(self, reference: str, algorithm: str | None, deadline: Deadline) -> Signer:
        key = (reference, algorithm)

        def load() -> Signer:
            signer = KmsSigner.load(
                reference.removeprefix("kms:"),
                algorithm,
                client=lambda: self._clients("kms"),
                deadline=deadline,
                sleep=self._sleep,
            )
            self._kms.put(key, signer)
            return signer

        return self._kms.get(key) or self._flights.run(key, load, deadline)

    def _local_signer(
        self, reference: str, algorithm: str | None, deadline: Deadline, parsed: Reference
    ) -> Signer:
        key, document = (reference, algorithm), self._secrets.get(parsed.document, deadline)

        def load() -> Signer:
            trusted = self._trust_stored and parsed.scheme in STORED_SCHEMES
            imported = import_private_key(
                document, source=reference, fragment=parsed.fragment, trusted=trusted
            )
            signer = LocalSigner.of(imported, algorithm, source=reference)
            self._local.put(key, _Held(document=document, signer=signer))
            return signer

        held = self._local.get(key)
        if held is not None and held.document == document:
            return held.signer
        return self._flights.run(key, load, deadline)
