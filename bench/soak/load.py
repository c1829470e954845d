"""Sign-ins at a steady rate, whatever becomes of those before, as people make them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench import trip
from bench.soak.sandbox import Sandboxes

FUNCTIONS = {hop: "front_channel" if hop in trip.FRONT else "back_channel" for hop in trip.HOPS}

WAITING = 96
"""Sign-ins that are under way at once, at most: far more than a fault holds up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What became of one, times in seconds since the run began.

    `hop` is where it failed and `error` what the caller was told: an OAuth error code, or `unusable answer` where it was
    told nothing that it could use.
    """

    connection: str
    began: float
    ended: float
    hop: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether nobody was signed in."""
        return bool(self.error)


def run(
    pool: Sandboxes,
    *,
    seconds: float,
    rate: float,
    connections: tuple[str, ...],
    every_second: Callable[[float], None],
) -> list[SignIn]:
    """Begin `rate` sign-ins a second for so many seconds, and return all of them when the last has ended."""
    start = time.monotonic()
    results = []
    with ThreadPoolExecutor(WAITING) as people:
        for number in range(int(seconds * rate)):
            due = start + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            if number % max(1, int(rate)) == 0:
                every_second(time.monotonic() - start)
            connection = connections[number % len(connections)]
            results.append(people.submit(_sign_in, pool, connection, start))
    return [result.result() for result in results]


def _sign_in(pool: Sandboxes, connection: str, start: float) -> SignIn:
    walk, began, hop = trip.Trip(connection), time.monotonic() - start, ""
    error = ""
    for hop in walk.hops:
        answer = pool.invoke(FUNCTIONS[hop], walk.event(hop))
        try:
            walk.took(hop, answer)
        except (trip.WrongAnswer, KeyError):  # An error that is redirected has no nonce.
            error = error_of(answer)
            break
    ended = time.monotonic() - start
    return SignIn(connection=connection, began=began, ended=ended, hop=hop if error else "", error=error)


def error_of(answer: Any) -> str:
    """Return the OAuth error that an answer carries: in a redirect, in JSON, or as a page of the bridge's own."""
    try:
        headers = trip.headers_of(answer)
        if "location" in headers:
            return trip.location(answer)["error"]
        if headers["content-type"].startswith("text/html") and "give this reference" in answer["body"]:
            return f"page {answer['statusCode']}"
        return str(json.loads(answer["body"])["error"])
    except (KeyError, TypeError, ValueError):
        return "unusable answer"
