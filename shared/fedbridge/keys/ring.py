"""The keys that sign ID tokens."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError, FedbridgeError, KeyUnavailable

if TYPE_CHECKING:
    from fedbridge.keys.id_token_ring import CachedRing
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Clock, Keys, Signer, Telemetry

STALE = 3600.0
"""Seconds that the last good public key is published while its backend fails: tokens that it signed are under way."""


class IdTokenKeyRing:
    """The `IdTokenKeys` port over references (FEDBRIDGE_ID_TOKEN_KEYS): the first signs, all are published.

    With a `ring` its active key signs, and its next and retired ones are published, before the references. A ring that is
    not there yet, or has no active key, leaves signing to the first reference.

    Algorithms are those of the key: RS256 for RSA, ES256, ES384 or ES512 by the curve, unless its JWK has an `alg`.
    """

    def __init__(
        self,
        references: Sequence[str],
        keys: Keys,
        *,
        telemetry: Telemetry,
        clock: Clock = time.time,
        ring: CachedRing | None = None,
    ) -> None:
        if (not references and ring is None) or len(set(references)) != len(references):
            raise ConfigurationError("the ID-token keys must be one or more references, each named once")
        self._references = tuple(references)
        self._ring = ring
        self._keys = keys
        self._telemetry = telemetry
        self._clock = clock
        self._published: dict[str, tuple[Mapping[str, Any], float]] = {}

    def active(self, deadline: Deadline) -> Signer:
        """Return the signer of new tokens; raises KeyUnavailable, ConfigurationError, DeadlineExceeded."""
        return self._keys.signer(self._current(deadline)[0], None, deadline)

    def public_jwks(self, deadline: Deadline) -> list[Mapping[str, Any]]:
        """Return every public key, the active one first.

        A key whose backend fails is published from memory for up to an hour. After that, or without a memory of it,
        it is left out, unless it is the active one: a set without the key of today's tokens helps nobody, so
        KeyUnavailable is raised, and with it the endpoint answers 503. Both are told to telemetry (`keys_stale`).
        """
        jwks: dict[str, Mapping[str, Any]] = {}
        references = self._current(deadline)
        for reference in references:
            try:
                jwk = self._keys.signer(reference, None, deadline).public_jwk
            except FedbridgeError as failure:
                remembered = self._remembered(reference)
                if remembered is None and reference == references[0]:
                    raise _unavailable(failure) from failure
                self._telemetry.event(
                    "keys_stale", reason=failure.reason, kid=None if remembered is None else remembered["kid"]
                )
                if remembered is None:
                    continue
                jwk = remembered
            else:
                self._published[reference] = (jwk, self._clock())
            jwks.setdefault(jwk["kid"], dict(jwk))
        return list(jwks.values())

    def _current(self, deadline: Deadline) -> tuple[str, ...]:
        """Return the references as they are now, the one that signs first; raises KeyUnavailable."""
        if self._ring is None:
            return self._references
        state = self._ring.state(deadline)
        others = tuple(key.reference for key in state.of("next", "retired"))
        if state.active is not None:
            signing: tuple[str, ...] = (state.active.reference, *others, *self._references)
        elif self._references:
            signing = (*self._references, *others)
        else:
            raise KeyUnavailable("the ring of ID tokens has no active key", reason="ring_empty")
        return tuple(dict.fromkeys(signing))

    def _remembered(self, reference: str) -> Mapping[str, Any] | None:
        jwk, published_at = self._published.get(reference, (None, 0.0))
        return jwk if self._clock() - published_at < STALE else None


def _unavailable(failure: FedbridgeError) -> KeyUnavailable:
    transient = not isinstance(failure, ConfigurationError) and getattr(failure, "transient", True)
    return KeyUnavailable(str(failure), reason=failure.reason, transient=transient)
