"""Which hop belongs to which sign-in.

Hops are tied together by the values that travel: a state, a code, an access token or a page's id that was seen in one
hop names the sign-in of the next. What carries none of them (metadata, keys) belongs to whoever waits for it; when
several sign-ins wait at the same time, to the first that has not had it yet, and is marked as a guess.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from demo.kinds import KINDS, Kind, Party, kind_of
from demo.messages import Answer, Request

Respond = Callable[[Request], Answer]

MOST_TRIPS = 50
MOST_EXCHANGES = 200
"""Of one trip: who reloads for ever is not recorded for ever."""

SHORTEST_HANDLE = 16
"""Characters. Shorter values may meet by chance."""

TRIP_HEADER = "x-demo-sign-in"
"""Where the demo's own calls say whose they are: the state of the trip."""

_HANDLE_NAMES = ("state", "code", "access_token")


@dataclass(slots=True, eq=False, kw_only=True)
class Exchange:
    """A request and its answer. `order` counts requests as they began; `started` and `ended` are seconds since the epoch.

    `is_guess` says that it may belong to another trip as well.
    """

    kind: Kind
    request: Request
    order: int
    started: float = field(default_factory=time.time)
    trip: Trip | None = field(default=None, repr=False)
    is_guess: bool = False
    answer: Answer | None = None
    ended: float | None = None

    def spans(self, other: Exchange) -> bool:
        """Whether the other one happened while this one waited."""
        return self.order < other.order and (self.ended is None or other.started < self.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """How a trip ended well: the verified claims of the pool's ID token."""

    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """How a trip ended otherwise: what the app was told."""

    error: str
    description: str


@dataclass(slots=True, eq=False, kw_only=True)
class Trip:
    """One sign-in of one browser. `verified` is what the strict check in Cognito's place found in order."""

    id: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    browser: str = field(repr=False)
    began: float = field(default_factory=time.time)
    exchanges: list[Exchange] = field(default_factory=list, repr=False)
    verified: tuple[str, ...] = ()
    result: SignedIn | Refused | None = None
    hops_to_result: int | None = None


class Recorder:
    """Keeps the latest trips. Safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._order = itertools.count(1)
        self._trips: dict[str, Trip] = {}
        self._owners: dict[str, Trip] = {}
        self._open: list[Exchange] = []

    def new_trip(self, browser: str) -> Trip:
        """Return a new trip; `browser` is the value of the app's cookie."""
        trip = Trip(
            id=secrets.token_urlsafe(12),
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            browser=browser,
        )
        with self._lock:
            self._trips[trip.id] = trip
            self._owners[trip.state] = trip
            for old in list(self._trips.values())[:-MOST_TRIPS]:
                del self._trips[old.id]
                self._owners = {value: owner for value, owner in self._owners.items() if owner is not old}
        return trip

    def trip(self, trip_id: str) -> Trip | None:
        """Return the trip of this id."""
        with self._lock:
            return self._trips.get(trip_id)

    def trip_of(self, handle: str | None) -> Trip | None:
        """Return the trip that a state, code or access token belongs to."""
        with self._lock:
            return self._owners.get(handle or "")

    def trips(self) -> list[Trip]:
        """Return the trips, the latest first."""
        with self._lock:
            return list(self._trips.values())[::-1]

    def exchanges(self, trip: Trip) -> list[Exchange]:
        """Return the hops of a trip in the order in which they began."""
        with self._lock:
            return sorted(trip.exchanges, key=lambda exchange: exchange.order)

    def end(self, trip: Trip, result: SignedIn | Refused) -> None:
        """Note how the trip ended; what is recorded later was not needed for it."""
        with self._lock:
            trip.result = result
            trip.hops_to_result = len(trip.exchanges)

    def record(self, receiver: Party, request: Request, respond: Respond) -> Answer:
        """Return what `respond` answers, which is recorded before anybody sees it."""
        kind = kind_of(receiver, request)
        if kind is None:
            return respond(request)
        exchange, answer = self._begin(kind, request), None
        try:
            answer = respond(request)
        finally:
            self._finish(exchange, answer)
        return answer

    def _begin(self, kind: Kind, request: Request) -> Exchange:
        with self._lock:
            exchange = Exchange(kind=kind, request=request, order=next(self._order))
            self._assign(exchange, _handles_sent(kind, request))
            if exchange.trip is None and kind.is_back_channel:
                self._guess(exchange)
            self._open.append(exchange)
        return exchange

    def _finish(self, exchange: Exchange, answer: Answer | None) -> None:
        with self._lock:
            exchange.answer, exchange.ended = answer, time.time()
            self._open.remove(exchange)
            if answer is not None:
                self._assign(exchange, _handles_answered(answer))

    def _assign(self, exchange: Exchange, handles: set[str]) -> None:
        """Give the exchange to the trip that its handles name, and its other handles to that trip."""
        if exchange.trip is None:
            self._add(exchange, next((self._owners[each] for each in handles if each in self._owners), None))
        if exchange.trip is not None and not exchange.is_guess:
            self._owners |= {each: exchange.trip for each in handles if each not in self._owners}

    def _guess(self, exchange: Exchange) -> None:
        """Give the exchange to a trip whose hop waits at the party that sends it."""
        waiting = [each for each in self._open if each.trip and each.kind.receiver is exchange.kind.sender]
        lacking = [each for each in waiting if not _has_inside(each, exchange.kind)]
        exchange.is_guess = len({each.trip for each in waiting}) > 1
        self._add(exchange, next((each.trip for each in lacking or waiting), None))

    def _add(self, exchange: Exchange, trip: Trip | None) -> None:
        if trip is not None and len(trip.exchanges) < MOST_EXCHANGES:
            exchange.trip = trip
            trip.exchanges.append(exchange)


def _has_inside(waiting: Exchange, kind: Kind) -> bool:
    hops = waiting.trip.exchanges if waiting.trip else []
    return any(each.kind is kind and waiting.spans(each) for each in hops)


def _handles_sent(kind: Kind, request: Request) -> set[str]:
    parameters = request.parameters
    values = [parameters.get(name) for name in _HANDLE_NAMES]
    values += [request.bearer, request.header(TRIP_HEADER), kind.handle(request.path)]
    return {value for value in values if value and len(value) >= SHORTEST_HANDLE}


def _handles_answered(answer: Answer) -> set[str]:
    found = {**(answer.json or {}), **answer.location_query}
    values = [found.get(name) for name in _HANDLE_NAMES]
    path = urlsplit(answer.location or "").path
    values += [handle for kind in KINDS if (handle := kind.handle(path))]
    return {value for value in values if isinstance(value, str) and len(value) >= SHORTEST_HANDLE}
