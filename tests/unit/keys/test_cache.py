"""Bounded memory and single flight."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedbridge.errors import DeadlineExceeded, FedbridgeError, KeyUnavailable
from fedbridge.keys.cache import BoundedCache, SingleFlight
from fedbridge.model.deadline import Deadline


class TestBoundedCache:
    def test_it_forgets_the_oldest(self):
        cache: BoundedCache[int] = BoundedCache(capacity=2)
        for name in ("a", "b", "a", "c"):
            cache.put(name, ord(name))

        assert [cache.get(name) for name in "abc"] == [97, None, 99]

    def test_it_discards(self):
        cache: BoundedCache[int] = BoundedCache()
        cache.put("a", 1)
        cache.discard("a")
        cache.discard("a")

        assert cache.get("a") is None

    def test_threads_share_it(self):
        cache: BoundedCache[int] = BoundedCache(capacity=10)

        def use(number: int) -> None:
            cache.put(number % 50, number)
            cache.get(number % 7)
            cache.discard(number % 11)

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(use, number) for number in range(5000)]:
                done.result()

        assert sum(cache.get(n) is not None for n in range(50)) <= 10


class Work:
    """Blocks until it is let go, then answers or raises; counts how often it ran."""

    def __init__(self, outcome=None) -> None:
        self.runs = 0
        self.began, self.may_end = threading.Event(), threading.Event()
        self.outcome = outcome

    def __call__(self) -> str:
        self.runs += 1
        self.began.set()
        assert self.may_end.wait(20)
        if self.outcome is not None:
            raise self.outcome
        return "value"


def ask(flights: SingleFlight[str], work: Work, deadline: Deadline):
    try:
        return flights.run("key", work, deadline)
    except FedbridgeError as error:
        return error


@pytest.mark.parametrize("outcome", [None, KeyUnavailable("down")], ids=["answers", "fails"])
def test_all_who_wait_get_the_one_outcome(outcome):
    flights: SingleFlight[str] = SingleFlight()
    work = Work(outcome)

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(ask, flights, work, Deadline.after(20))
        assert work.began.wait(20)
        deadline = waiting(8, work.may_end)
        others = [pool.submit(ask, flights, work, deadline) for _ in range(8)]
        results = [future.result() for future in (first, *others)]

    assert results == [outcome or "value"] * 9
    assert work.runs == 1


def test_one_flight_after_another():
    flights: SingleFlight[int] = SingleFlight()
    numbers = iter(range(3))

    assert [flights.run("key", numbers.__next__, Deadline.after(5)) for _ in range(3)] == [0, 1, 2]


def test_nobody_waits_beyond_the_own_deadline():
    flights: SingleFlight[str] = SingleFlight()
    work = Work()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, flights, work, Deadline.after(20))
        assert work.began.wait(20)
        with pytest.raises(DeadlineExceeded):
            flights.run("key", work, Deadline.after(0.01))
        work.may_end.set()


def test_a_leader_whose_time_ran_out_does_not_take_others_along():
    flights: SingleFlight[str] = SingleFlight()
    hurried = Work(DeadlineExceeded())

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, flights, hurried, Deadline.after(20))
        assert hurried.began.wait(20)
        second = pool.submit(flights.run, "key", lambda: "value", waiting(1, hurried.may_end))

        assert isinstance(first.result(), DeadlineExceeded)
        assert second.result() == "value"


def waiting(threads: int, go: threading.Event) -> Deadline:
    """Return a deadline that sets `go` as soon as so many threads have asked how long they may wait."""
    asked = itertools.count(1)

    def monotonic() -> float:
        if next(asked) >= threads:
            go.set()
        return 0.0

    return Deadline(20.0, monotonic)
