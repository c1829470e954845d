"""What every call of one request shares: its time budget, the id under which it is logged, and what was waited for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

BROWSER_BUDGET = 22.0
"""Seconds at the browser's routes: below the gateway's 30 s and the function's 29 s."""

BACK_CHANNEL_BUDGET = 5.0
"""Seconds at the routes that Cognito's back channel calls."""

MARGIN = 2.0
"""Seconds that stay for the answer when Lambda says how long it has left."""


OURS = frozenset({"store", "kms", "secret"})
"""What a request waits for that is not the identity provider's: tables, KMS, Secrets Manager and Parameter Store."""


@dataclass(slots=True)
class Trail:
    """What a request leaves for the log: the reference of its sign-in, and milliseconds by what it waited for."""

    correlation_id: str | None = None
    waits: dict[str, float] = field(default_factory=dict)

    def waited(self, what: str, seconds: float) -> None:
        """Add a wait: for the kind of an endpoint (`token`, `jwks`), or one of `OURS`."""
        self.waits[what] = self.waits.get(what, 0.0) + seconds * 1000

    @property
    def calls(self) -> str | None:
        """What was waited for, in the order in which it began, as log lines have it: `store=9 token=118`."""
        return " ".join(f"{what}={took:.0f}" for what, took in self.waits.items()) or None

    @property
    def upstream_ms(self) -> float:
        """Milliseconds spent waiting for the identity provider."""
        return round(sum(took for what, took in self.waits.items() if what not in OURS), 1)

    @property
    def store_ms(self) -> float:
        """Milliseconds spent waiting for the tables, pauses after throttling included."""
        return round(self.waits.get("store", 0.0), 1)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds, and the trail of its request: both travel with every call."""

    at: float
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)
    trail: Trail = field(default_factory=Trail, compare=False, repr=False)

    @classmethod
    def after(
        cls,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        correlation_id: str | None = None,
    ) -> Deadline:
        """Return the deadline that lies `seconds` ahead."""
        return cls(monotonic() + seconds, monotonic, Trail(correlation_id))

    @property
    def correlation_id(self) -> str | None:
        """The reference under which the request is logged: its own, or that of the sign-in which it continues."""
        return self.trail.correlation_id

    def continues(self, correlation_id: str) -> None:
        """Log the request from here on as part of the sign-in that has this reference."""
        self.trail.correlation_id = correlation_id

    def remaining(self) -> float:
        """Return the seconds left; raises DeadlineExceeded when there are none."""
        left = self.at - self.monotonic()
        if left <= 0:
            raise DeadlineExceeded
        return left
