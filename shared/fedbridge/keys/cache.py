"""What a sandbox keeps of keys and secrets, and how threads share the fetching of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from fedbridge.errors import DeadlineExceeded

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline

Value = TypeVar("Value")

CAPACITY = 1000
"""Entries, of some 10 kB where they are RSA keys: a sandbox that meets ten thousand connections stays small."""


class BoundedCache(Generic[Value]):
    """A dictionary that forgets its oldest entry rather than grow beyond its capacity."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._entries: dict[Hashable, Value] = {}

    def get(self, key: Hashable) -> Value | None:
        """Return the entry, None where there is none."""
        return self._entries.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """Keep an entry, as the newest one."""
        with self._lock:
            self._entries.pop(key, None)
            if len(self._entries) >= self._capacity:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = value

    def discard(self, key: Hashable) -> None:
        """Forget an entry, if it is there."""
        with self._lock:
            self._entries.pop(key, None)


class SingleFlight(Generic[Value]):
    """Shares one running call among all threads that want the same thing, each for no longer than its own deadline."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Future[Value]] = {}

    def run(self, key: Hashable, work: Callable[[], Value], deadline: Deadline) -> Value:
        """Return what `work` returns, or raise what it raises; it runs once for all who ask for `key` meanwhile.

        Raises DeadlineExceeded where the asker's own deadline passes first. An asker whose deadline is later than that
        of the one who runs the call does not inherit its DeadlineExceeded, but takes over.
        """
        while True:
            with self._lock:
                running = self._flights.get(key)
                own: Future[Value] = running or Future()
                self._flights[key] = own
            if running is None:
                return self._lead(key, own, work)
            try:
                return running.result(timeout=deadline.remaining())
            except TimeoutError:
                raise DeadlineExceeded from None
            except DeadlineExceeded:
                deadline.remaining()

    def _lead(self, key: Hashable, flight: Future[Value], work: Callable[[], Value]) -> Value:
        try:
            value = work()
        except BaseException as error:
            self._land(key)
            flight.set_exception(error)
            raise
        self._land(key)
        flight.set_result(value)
        return value

    def _land(self, key: Hashable) -> None:
        with self._lock:
            del self._flights[key]
