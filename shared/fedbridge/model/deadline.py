"""What every call of one request shares: its time budget, and the id under which it is logged."""

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


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds, and whose it is: it travels with every call, so the id does too."""

    at: float
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)
    correlation_id: str | None = None

    @classmethod
    def after(
        cls,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        correlation_id: str | None = None,
    ) -> Deadline:
        """Return the deadline that lies `seconds` ahead."""
        return cls(monotonic() + seconds, monotonic, correlation_id)

    def remaining(self) -> float:
        """Return the seconds left; raises DeadlineExceeded when there are none."""
        left = self.at - self.monotonic()
        if left <= 0:
            raise DeadlineExceeded
        return left
