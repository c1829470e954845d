"""The ring of ID tokens as the back channel reads it: one keyed read a minute."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fedbridge.errors import KeyUnavailable, StoreError
from fedbridge.model.key_ring import RingState

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.key_ring import StoredRing
    from fedbridge.ports import Clock, Telemetry

FRESH = 60.0
STALE = 600.0
RETRY = 5.0
"""Seconds that a ring is used as it was read, while it cannot be read, and between two tries then."""


class CachedRing:
    """The state of one ring, read by `find`: used for a minute, and for ten while it cannot be read.

    A ring that is not there is an empty one. `telemetry` is told of every failure that an older state covered.
    """

    def __init__(
        self,
        find: Callable[[Deadline], StoredRing | None],
        *,
        telemetry: Telemetry,
        clock: Clock = time.time,
    ) -> None:
        self._find = find
        self._telemetry = telemetry
        self._clock = clock
        self._held: tuple[RingState, float] | None = None
        self._tried_at = float("-inf")

    def state(self, deadline: Deadline) -> RingState:
        """Return the state; raises KeyUnavailable where nothing recent enough is known."""
        held, now = self._held, self._clock()
        if held is not None and not 0 <= now - held[1] < STALE:
            held = None
        if held is not None and (now - held[1] < FRESH or 0 <= now - self._tried_at < RETRY):
            return held[0]
        try:
            stored = self._find(deadline)
        except StoreError as failure:
            if held is None:
                raise KeyUnavailable(str(failure), reason=failure.reason, transient=True) from failure
            self._tried_at = now
            self._telemetry.event("keys_stale", reason=failure.reason)
            return held[0]
        state = RingState() if stored is None else stored.state
        self._held = state, now
        return state
