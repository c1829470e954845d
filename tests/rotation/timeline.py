"""Simulated time: one clock for everybody, and what happens when."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Action = Callable[[], object]

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass
class Timeline:
    """A clock (seconds since the epoch) that stands still while anything happens and leaps to what comes next."""

    now: float
    _events: list[tuple[float, int, Action]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self) -> float:
        return self.now

    def at(self, moment: float, action: Action) -> None:
        """Let something happen then; what is planned for one moment happens in the order of planning."""
        heapq.heappush(self._events, (moment, next(self._order), action))

    def every(self, seconds: float, action: Action, *, until: float, first: float | None = None) -> None:
        """Let something happen again and again, the first time a period from now unless `first` says when."""
        moment = self.now + seconds if first is None else first
        while moment < until:
            self.at(moment, action)
            moment += seconds

    def run(self) -> None:
        """Go through everything that is planned, and what is planned meanwhile."""
        self.run_until(float("inf"))

    def run_until(self, end: float) -> None:
        """Go through what is planned before `end`, and stop there."""
        while self._events and self._events[0][0] < end:
            moment, _, action = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            action()
        if end != float("inf"):
            self.now = max(self.now, end)

    def sleep(self, seconds: float) -> None:
        """Wait as a command does that somebody runs: the world goes on meanwhile."""
        self.run_until(self.now + seconds)


@dataclass
class Kept(Generic[T]):
    """Somebody's copy of a document, used as it is until it is fetched anew: an unknown key in a message is no reason to."""

    fetch: Callable[[], T]
    fetched: int = 0
    _copy: T | None = None

    def get(self) -> T:
        """Return the copy."""
        if self._copy is None:
            self.refresh()
        assert self._copy is not None
        return self._copy

    def refresh(self) -> None:
        """Fetch the document anew, as somebody does once a day."""
        self._copy = self.fetch()
        self.fetched += 1
