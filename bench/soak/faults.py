"""What breaks, when, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Target = Literal["provider", "dynamodb", "kms"]
Mode = Literal["down", "slow", "hanging", "resetting", "half throttled", "throttled"]

FATAL = frozenset({"down", "hanging", "throttled"})
"""Modes that no sign-in gets past."""

GRACE = 45.0
"""Seconds after a fault in which what it left behind may fail sign-ins: a circuit that one call of 22 s opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is wrong with what the functions call. `harmless` if every sign-in must get through all the same."""

    target: Target
    mode: Mode
    harmless: bool = False

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.target} {self.mode}"


FAULTS = (
    Fault(target="provider", mode="down"),
    Fault(target="provider", mode="slow", harmless=True),
    Fault(target="provider", mode="resetting"),
    Fault(target="provider", mode="hanging"),
    Fault(target="dynamodb", mode="half throttled"),
    Fault(target="dynamodb", mode="throttled"),
    Fault(target="kms", mode="half throttled"),
    Fault(target="kms", mode="throttled"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A fault, from `start` to `end` in seconds since the run began."""

    fault: Fault
    start: float
    end: float

    def met_by(self, began: float, ended: float) -> bool:
        """Return whether a sign-in that took this long can have met the fault itself."""
        return began < self.end and ended > self.start

    def followed_by(self, began: float, ended: float) -> bool:
        """Return whether it can have met what the fault left behind."""
        return not self.met_by(began, ended) and self.end <= began < self.end + GRACE


def timeline(seconds: float) -> tuple[Window, ...]:
    """Return every fault once: a tenth of the time passes quietly first, then faults take a third of their share each."""
    quiet = seconds / 10
    share = (seconds - quiet) / len(FAULTS)
    return tuple(
        Window(fault=fault, start=quiet + index * share, end=quiet + index * share + share / 3)
        for index, fault in enumerate(FAULTS)
    )
