"""The `ConnectionRegistry`: a cache a sandbox over a source that is asked by name."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from fedbridge.errors import DeadlineExceeded, StoreError, StoreUnavailable, UnknownConnection
from fedbridge.model.connection import CONNECTION_NAME

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Clock, Telemetry

FRESH_FOR = 60.0
STALE_FOR = 600.0
UNKNOWN_FOR = 10.0
RETRY_AFTER = 5.0
"""Seconds, each; the last is the pause between two tries while a stale connection is served."""

MOST_UNKNOWN = 1024
"""Unknown names that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a source holds under a name."""

    current: Connection
    previous: Connection | None = None


class ConnectionSource(Protocol):
    """Where connections are kept."""

    def find(self, name: str, deadline: Deadline) -> Published | None:
        """Return what is published, None where the name is unknown or disabled; raises StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class _Entry:
    published: Published | None
    loaded_at: float
    good_until: float


class CachingConnectionRegistry:
    """A `ConnectionRegistry` over `source`, safe for threads: each name is looked up by one of them at a time.

    A connection is served for `fresh_for` seconds, and while the source fails until it is `stale_for` seconds old; an
    unknown or disabled name is remembered for `unknown_for`. Zeroes make every call ask the source. A version that is
    neither current nor previous makes the source be asked once more, because another sandbox may know a newer one.
    `telemetry` is told of every failure that an older connection covered (`connection_stale`).
    """

    def __init__(
        self,
        source: ConnectionSource,
        *,
        fresh_for: float = FRESH_FOR,
        stale_for: float = STALE_FOR,
        unknown_for: float = UNKNOWN_FOR,
        clock: Clock = time.time,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._source = source
        self._telemetry = telemetry
        self._fresh_for = fresh_for
        self._stale_for = stale_for
        self._unknown_for = unknown_for
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, _Entry] = {}
        self._unknown: dict[str, _Entry] = {}
        self._flights: dict[str, Future[_Entry]] = {}

    def get(self, name: str, deadline: Deadline, version: str | None = None) -> Connection:
        """Return the connection; raises UnknownConnection, StoreUnavailable, DeadlineExceeded."""
        if not CONNECTION_NAME.fullmatch(name):
            raise UnknownConnection
        entry = self._entry(name, deadline)
        connection = _revision(entry.published, version)
        if connection is None and entry.published is not None:
            connection = _revision(self._look_up(name, deadline, known=entry).published, version)
        if connection is None:
            raise UnknownConnection
        return connection

    def _entry(self, name: str, deadline: Deadline) -> _Entry:
        """Return what is known of the name, or find it out."""
        known, now = self._remembered(name), self._clock()
        if known is not None and known.loaded_at <= now < known.good_until:
            return known
        try:
            return self._look_up(name, deadline, known=known)
        except StoreError as failure:
            stale_until = known.loaded_at + self._stale_for if known and known.published else now
            if known is None or now >= stale_until:
                raise
            postponed = replace(known, good_until=min(now + RETRY_AFTER, stale_until))
            with self._lock:
                if self._known.get(name) is known:
                    self._known[name] = postponed
            if self._telemetry is not None:
                self._telemetry.event(
                    "connection_stale",
                    connection=name,
                    reason=failure.reason,
                    correlation_id=deadline.correlation_id,
                )
            return postponed

    def _look_up(self, name: str, deadline: Deadline, *, known: _Entry | None) -> _Entry:
        """Ask the source, wait for the thread that is asking it, or take what one brought since `known`."""
        while True:
            with self._lock:
                newest = self._known.get(name) or self._unknown.get(name)
                if newest is not None and newest is not known:
                    return newest
                flight = self._flights.get(name)
                if leading := flight is None:
                    flight = self._flights[name] = Future()
            if leading:
                return self._lead(flight, name, deadline)
            left = deadline.remaining()
            try:
                return flight.result(left)
            except TimeoutError:
                raise DeadlineExceeded from None
            except DeadlineExceeded:
                continue  # The other thread's request had less time than ours has.

    def _lead(self, flight: Future[_Entry], name: str, deadline: Deadline) -> _Entry:
        try:
            entry = self._ask(name, deadline)
        except BaseException as failure:
            with self._lock:
                del self._flights[name]
            flight.set_exception(failure)
            raise
        with self._lock:
            self._remember(name, entry)
            del self._flights[name]
        flight.set_result(entry)
        return entry

    def _ask(self, name: str, deadline: Deadline) -> _Entry:
        now = self._clock()
        published = self._source.find(name, deadline)
        if published is None or published.current.disabled:
            return _Entry(None, now, now + self._unknown_for)
        for revision in (published.current, published.previous):
            if revision is not None and revision.name != name:
                raise StoreUnavailable(
                    f"connection {name!r} holds another one's", reason="connection_mismatch"
                )
        return _Entry(published, now, now + self._fresh_for)

    def _remembered(self, name: str) -> _Entry | None:
        with self._lock:
            return self._known.get(name) or self._unknown.get(name)

    def _remember(self, name: str, entry: _Entry) -> None:
        self._known.pop(name, None)
        self._unknown.pop(name, None)
        if entry.published is not None:
            self._known[name] = entry
            return
        if len(self._unknown) >= MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[name] = entry


def _revision(published: Published | None, version: str | None) -> Connection | None:
    """Return the current connection, or the one of this version if it may still be used."""
    if published is None or version is None or version == published.current.version:
        return published.current if published else None
    previous = published.previous
    if previous is not None and previous.version == version and not previous.disabled:
        return previous
    return None
