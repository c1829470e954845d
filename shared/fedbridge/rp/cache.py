"""Documents of IdPs, kept per sandbox: fresh for a while, stale for longer when they cannot be had anew."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.model.snapshot import STANDS_IN_FOR, Seed
from fedbridge.ports import Clock

T = TypeVar("T")

Key = tuple[str, ...]
"""The connection's name first, then what else tells documents apart."""

Fetch = Callable[[T | None, Deadline], T]
"""Gets a document anew, given the last good one (None if there is none); raises UpstreamError, DeadlineExceeded."""

_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)

MAX_ENTRIES = 1024

REFRESH_BUDGET = 3.0
"""Seconds that a refresh may take from the request's deadline while an older document would do."""

REFRESH_BACK_OFF = 30.0
"""Seconds between refreshes that fail, while an older document does."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """A document and when it was fetched; one out of a snapshot stands in for a fetch until `stands_in_until`."""

    value: T
    fetched_at: float
    seeded: bool = False
    stands_in_until: float = 0.0


@dataclass(slots=True)
class _Slot(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    entry: _Entry[T] | None = None
    attempts: int = 0
    failure: UpstreamError | None = None
    failed_at: float = 0.0
    refetched_at: float | None = None


class StaleCache(Generic[T]):
    """At most one fetch at a time for one key; whoever else waits gets its outcome.

    `fresh` and `stale` are in seconds since the fetch; `on_stale` hears of every failure that an older document
    covered, because nobody else would. Of more than 1,024 keys the least recently used is dropped.

    A `seed` counts as fetched when it was taken. One that stands in for a fetch is moreover fresh at first, and covers
    failures for as long as a snapshot may (ADR 0023); to a caller whose seed does not, it is as old as it is.
    """

    def __init__(
        self, *, fresh: float, stale: float, clock: Clock, on_stale: Callable[[Key, UpstreamError], None]
    ) -> None:
        self._fresh = fresh
        self._stale = stale
        self._clock = clock
        self._on_stale = on_stale
        self._slots: OrderedDict[Key, _Slot[T]] = OrderedDict()
        self._slots_lock = threading.Lock()

    def get(
        self, key: Key, fetch: Fetch[T], deadline: Deadline, *, seed: Seed[T] | None = None
    ) -> tuple[T, bool]:
        """Return the document, and whether this very call fetched it; raises UpstreamError, DeadlineExceeded."""
        slot, stands_in = self._slot(key), seed is not None and seed.stands_in
        if (fresh := self._fresh_of(slot, stands_in=stands_in)) is not None:
            return fresh, False
        attempts = slot.attempts
        with _turn(slot, deadline):
            if seed is not None:
                self._plant(key, slot, seed)
            if (fresh := self._fresh_of(slot, stands_in=stands_in)) is not None:
                return fresh, False
            older = self._older_of(slot, stands_in=stands_in)
            if older is not None:
                return self._refresh(key, slot, fetch, deadline, older)
            if slot.failure is not None and slot.attempts != attempts:
                raise copy.copy(
                    slot.failure
                )  # The fetch that this call waited for failed, and so does this call.
            return self._attempt(slot, fetch, deadline), True

    def refetch(
        self,
        key: Key,
        fetch: Fetch[T],
        deadline: Deadline,
        *,
        cooldown: float,
        seed: Seed[T] | None = None,
    ) -> T | None:
        """Return the document anew, because the one there lacks something; None if that was done `cooldown` s ago.

        Raises UpstreamError, DeadlineExceeded: then what is there stays.
        """
        slot = self._slot(key)
        with _turn(slot, deadline):
            now = self._clock()
            if slot.refetched_at is not None and 0 <= now - slot.refetched_at < cooldown:
                return self._older_of(slot, stands_in=seed is not None and seed.stands_in)
            slot.refetched_at = now
            return self._attempt(slot, fetch, deadline)

    def _plant(self, key: Key, slot: _Slot[T], seed: Seed[T]) -> None:
        """Put the seed where nothing newer is, or where what is newer is of no use any more."""
        entry, now = slot.entry, self._clock()
        if not 0 <= now - seed.taken_at < STANDS_IN_FOR:
            return
        if (
            entry is not None
            and entry.fetched_at >= seed.taken_at
            and (entry.seeded or self._older_of(slot, stands_in=False) is not None)
        ):
            return
        # It stands in for the first fetch alone: who has tried knows better, or has been told to try again.
        until = min(now + self._fresh, seed.taken_at + STANDS_IN_FOR) if slot.attempts == 0 else 0.0
        try:
            value = seed.read()
        except UpstreamError as failure:
            self._on_stale(key, failure)
            return
        except _UNREADABLE:  # A damaged one, or of another release: the provider has the document as well.
            self._on_stale(key, UpstreamError("snapshot_unreadable"))
            return
        if value is not None:
            slot.entry = _Entry(value, seed.taken_at, seeded=True, stands_in_until=until)

    def _refresh(
        self, key: Key, slot: _Slot[T], fetch: Fetch[T], deadline: Deadline, older: T
    ) -> tuple[T, bool]:
        """Replace a document that has aged, within a part of the deadline, so that a hung IdP leaves the rest."""
        if slot.failure is not None and 0 <= self._clock() - slot.failed_at < REFRESH_BACK_OFF:
            return older, False
        short = replace(deadline, at=min(deadline.at, deadline.monotonic() + REFRESH_BUDGET))

        def fetch_in_time(last_good: T | None, within: Deadline) -> T:
            try:
                return fetch(last_good, within)
            except DeadlineExceeded:
                raise UpstreamError("upstream_timeout", error="temporarily_unavailable") from None

        try:
            return self._attempt(slot, fetch_in_time, short), True
        except UpstreamError as failure:
            self._on_stale(key, failure)
            return older, False

    def _attempt(self, slot: _Slot[T], fetch: Fetch[T], deadline: Deadline) -> T:
        slot.failure = None
        try:
            value = fetch(self._older_of(slot, stands_in=True), deadline)
            slot.entry = _Entry(value, self._clock())
        except UpstreamError as failure:
            slot.failure, slot.failed_at = failure, self._clock()
            raise
        finally:
            slot.attempts += 1
        return value

    def _fresh_of(self, slot: _Slot[T], *, stands_in: bool) -> T | None:
        """Return the document if it may be used without a question."""
        entry = slot.entry
        if entry is None:
            return None
        age = self._age(entry)
        stands = stands_in and entry.seeded and self._clock() < entry.stands_in_until
        return entry.value if age is not None and (stands or age < self._fresh) else None

    def _older_of(self, slot: _Slot[T], *, stands_in: bool) -> T | None:
        """Return the document if it may be used while a newer one cannot be had."""
        entry = slot.entry
        if entry is None:
            return None
        age = self._age(entry)
        limit = max(self._stale, STANDS_IN_FOR) if stands_in and entry.seeded else self._stale
        return entry.value if age is not None and age < limit else None

    def _age(self, entry: _Entry[T]) -> float | None:
        """Return its seconds since the fetch; None below zero, which is a clock that was set back: too old to use."""
        age = self._clock() - entry.fetched_at
        return age if age >= 0 else None

    def _slot(self, key: Key) -> _Slot[T]:
        with self._slots_lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            if len(self._slots) > MAX_ENTRIES:
                self._slots.popitem(last=False)
            return slot


@contextmanager
def _turn(slot: _Slot[T], deadline: Deadline) -> Iterator[None]:
    if not slot.lock.acquire(timeout=deadline.remaining()):
        raise DeadlineExceeded
    try:
        yield
    finally:
        slot.lock.release()
