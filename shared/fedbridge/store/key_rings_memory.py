"""Key rings in memory, for tests and simulations in one process."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from fedbridge.errors import RingMoved

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.key_ring import StoredRing


class MemoryKeyRings:
    """`KeyRings` that live as long as their process."""

    def __init__(self) -> None:
        self._rings: dict[str, StoredRing] = {}
        self._lock = Lock()

    def get(self, name: str, deadline: Deadline) -> StoredRing | None:
        """Return a ring."""
        deadline.remaining()
        with self._lock:
            return self._rings.get(name)

    def put(self, ring: StoredRing, deadline: Deadline) -> StoredRing:
        """Write a ring over the revision that it has."""
        deadline.remaining()
        with self._lock:
            known = self._rings.get(ring.name)
            if (0 if known is None else known.revision) != ring.revision:
                raise RingMoved(f"ring {ring.name}: somebody else has moved it meanwhile: look again")
            written = replace(ring, revision=ring.revision + 1)
            self._rings[ring.name] = written
            return written

    def names(self, deadline: Deadline) -> list[str]:
        """Return the name of every ring."""
        deadline.remaining()
        with self._lock:
            return sorted(self._rings)
