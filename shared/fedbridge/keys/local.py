"""Signatures by a private key that this process holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from fedbridge.errors import ConfigurationError
from fedbridge.keys.algorithms import ALGORITHMS, PrivateKey, choose_algorithm
from fedbridge.keys.jwk import public_jwk, thumbprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.keys.jwk import ImportedKey
    from fedbridge.model.deadline import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSigner:
    """The `Signer` port over an imported RSA or EC key; thread-safe, and it never fails for want of a service."""

    algorithm: str
    kid: str
    public_jwk: Mapping[str, Any]
    key: PrivateKey = field(repr=False)

    @classmethod
    def of(cls, imported: ImportedKey, algorithm: str | None, *, source: str) -> Self:
        """Bind a key to an algorithm: the one given, else the JWK's own `alg`, else the default of its type.

        Raises ConfigurationError where the algorithm does not go with the key, or is not the one its JWK declares
        (RFC 7517 §4.4; one key, one algorithm).
        """
        if imported.algorithm is not None and algorithm not in (None, imported.algorithm):
            raise ConfigurationError(
                f"{source}: the JWK is for {imported.algorithm}, {algorithm} is configured"
            )
        public = imported.key.public_key()
        name = choose_algorithm(public, imported.algorithm if algorithm is None else algorithm, source).name
        return cls(
            algorithm=name, kid=thumbprint(public), public_jwk=public_jwk(public, name), key=imported.key
        )

    def sign(self, signing_input: bytes, deadline: Deadline) -> bytes:  # noqa: ARG002  the port's; nothing here waits
        """Return the JWS signature octets (RFC 7518 §3.3 to §3.5)."""
        return ALGORITHMS[self.algorithm].sign(self.key, signing_input)
