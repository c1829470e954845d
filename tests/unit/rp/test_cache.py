import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.model.snapshot import STANDS_IN_FOR, Seed, Snapshot
from fedbridge.rp.cache import MAX_ENTRIES, REFRESH_BACK_OFF, REFRESH_BUDGET, StaleCache
from tests.unit.rp.idp import FakeClock

KEY = ("acme", "1")


class Source:
    """A fetch with a journal: what it was given, what it answers."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def __call__(self, last_good, deadline):
        self.calls.append((last_good, deadline))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def covered():
    return []


@pytest.fixture
def cache(clock, covered):
    return StaleCache[str](
        fresh=600,
        stale=3600,
        clock=clock,
        on_stale=lambda key, failure: covered.append((key, failure.reason)),
    )


def get(cache, source, seconds=20.0):
    return cache.get(KEY, source, Deadline.after(seconds))


def test_a_document_is_fetched_once_while_fresh(cache, clock):
    source = Source("one", "two")
    assert get(cache, source) == ("one", True)
    clock.now += 599
    assert get(cache, source) == ("one", False)
    clock.now += 1
    assert get(cache, source) == ("two", True)
    assert [last_good for last_good, _ in source.calls] == [None, "one"]


def test_a_failed_refresh_is_covered_by_what_is_there_and_told(cache, clock, covered):
    source = Source("one", UpstreamError("upstream_unreachable"))
    get(cache, source)
    clock.now += 600
    assert get(cache, source) == ("one", False)
    assert covered == [(KEY, "upstream_unreachable")]


def test_a_refresh_that_runs_out_of_time_is_covered_too(cache, clock, covered):
    source = Source("one", DeadlineExceeded())
    get(cache, source)
    clock.now += 600
    assert get(cache, source) == ("one", False)
    assert covered == [(KEY, "upstream_timeout")]


def test_a_first_fetch_that_runs_out_of_time_says_so(cache):
    with pytest.raises(DeadlineExceeded):
        get(cache, Source(DeadlineExceeded()))


def test_a_failing_refresh_is_not_tried_at_every_request(cache, clock):
    source = Source(
        "one", UpstreamError("upstream_unreachable"), UpstreamError("upstream_unreachable"), "two"
    )
    get(cache, source)
    clock.now += 600
    get(cache, source)
    clock.now += REFRESH_BACK_OFF - 1
    assert get(cache, source) == ("one", False)
    assert len(source.calls) == 2
    clock.now += 1
    assert get(cache, source) == ("one", False)
    assert len(source.calls) == 3
    clock.now += REFRESH_BACK_OFF
    assert get(cache, source) == ("two", True)


def test_what_is_too_old_covers_nothing(cache, clock, covered):
    source = Source("one", UpstreamError("upstream_unreachable"))
    get(cache, source)
    clock.now += 3600
    with pytest.raises(UpstreamError, match="upstream_unreachable"):
        get(cache, source)
    assert covered == []
    assert source.calls[1][0] is None


def test_a_clock_that_was_set_back_makes_nothing_last_longer(cache, clock):
    source = Source("one", "two")
    get(cache, source)
    clock.now -= 1
    assert get(cache, source) == ("two", True)


def test_a_refresh_leaves_most_of_the_deadline_and_a_first_fetch_may_take_it_all(cache, clock):
    source = Source("one")
    get(cache, source)
    clock.now += 600
    get(cache, source)
    first, refresh = (deadline.remaining() for _, deadline in source.calls)
    assert first > REFRESH_BUDGET >= refresh


def test_a_first_failure_is_raised_and_the_next_request_tries_again(cache):
    source = Source(UpstreamError("upstream_timeout"), "one")
    with pytest.raises(UpstreamError):
        get(cache, source)
    assert get(cache, source) == ("one", True)


def test_200_cold_requests_make_one_fetch(cache):
    arrived, released = threading.Barrier(2), threading.Event()
    fetches = []

    def fetch(_last_good, _deadline):
        fetches.append(1)
        arrived.wait()
        released.wait()
        return "one"

    with ThreadPoolExecutor(200) as pool:
        first = pool.submit(get, cache, fetch)
        arrived.wait()
        others = [pool.submit(get, cache, fetch) for _ in range(199)]
        released.set()
        assert first.result() == ("one", True)
        assert {other.result() for other in others} == {("one", False)}
    assert len(fetches) == 1


def test_who_waited_for_a_fetch_that_failed_fails_with_it(cache):
    began, released = threading.Event(), threading.Event()
    fetches = []
    waiting = threading.Semaphore(0)

    def fetch(_last_good, _deadline):
        fetches.append(1)
        began.set()
        released.wait()
        raise UpstreamError("upstream_timeout", error="temporarily_unavailable")

    def tick():
        waiting.release()
        return 0.0

    def wait_and_get():
        deadline = Deadline.after(20, tick)
        with pytest.raises(UpstreamError) as failed:
            cache.get(KEY, fetch, deadline)
        return failed.value

    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(wait_and_get)
        began.wait()
        others = [pool.submit(wait_and_get) for _ in range(5)]
        for _ in range(12):  # Every request asks the clock twice before it waits for its turn.
            waiting.acquire()
        released.set()
        failures = [first.result(), *(other.result() for other in others)]
    assert {(failure.reason, failure.error) for failure in failures} == {
        ("upstream_timeout", "temporarily_unavailable")
    }
    assert len({id(failure) for failure in failures}) == 6
    assert len(fetches) == 1


def test_waiting_for_another_fetch_ends_with_the_deadline(cache):
    began, released = threading.Event(), threading.Event()

    def fetch(_last_good, _deadline):
        began.set()
        released.wait()
        return "one"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(get, cache, fetch)
        began.wait()
        with pytest.raises(DeadlineExceeded):
            get(cache, fetch, seconds=0.01)
        released.set()
        assert first.result() == ("one", True)


def test_a_refetch_happens_once_in_the_cooldown(cache, clock):
    source = Source("one", "two", "three")
    get(cache, source)
    assert cache.refetch(KEY, source, Deadline.after(20), cooldown=30) == "two"
    clock.now += 29
    assert cache.refetch(KEY, source, Deadline.after(20), cooldown=30) == "two"
    clock.now += 1
    assert cache.refetch(KEY, source, Deadline.after(20), cooldown=30) == "three"


def test_a_failed_refetch_leaves_what_is_there(cache):
    source = Source("one", UpstreamError("upstream_timeout"))
    get(cache, source)
    with pytest.raises(UpstreamError):
        cache.refetch(KEY, source, Deadline.after(20), cooldown=30)
    assert get(cache, source) == ("one", False)


def test_the_number_of_documents_is_bounded(cache):
    source = Source("one")
    for number in range(MAX_ENTRIES + 1):
        cache.get((str(number),), source, Deadline.after(20))
    assert cache.get((str(MAX_ENTRIES),), source, Deadline.after(20)) == ("one", False)
    assert cache.get(("0",), source, Deadline.after(20)) == ("one", True)


# --- snapshots (ADR 0023) -------------------------------------------------------------------------------------------


def seed(clock, age, *, stands_in, text="kept"):
    def read():
        if isinstance(text, Exception):
            raise text
        return text

    return Seed(taken_at=clock.now - age, read=read, stands_in=stands_in)


def seeded(cache, source, known):
    return cache.get(KEY, source, Deadline.after(20.0), seed=known)


def test_a_snapshot_stands_in_for_the_first_fetch_for_as_long_as_a_fetched_document(cache, clock):
    source, known = Source("fetched"), seed(clock, 23 * 3600, stands_in=True)
    assert seeded(cache, source, known) == ("kept", False)
    clock.now += 599
    assert seeded(cache, source, known) == ("kept", False)
    clock.now += 1
    assert seeded(cache, source, known) == ("fetched", True)
    assert [last_good for last_good, _ in source.calls] == ["kept"]
    assert seeded(cache, source, known) == ("fetched", False)


def test_a_snapshot_stands_in_no_longer_than_a_day(cache, clock):
    source, known = Source("fetched"), seed(clock, STANDS_IN_FOR - 10, stands_in=True)
    assert seeded(cache, source, known) == ("kept", False)
    clock.now += 10
    assert seeded(cache, source, known) == ("fetched", True)


@pytest.mark.parametrize("age", [STANDS_IN_FOR, -1])
def test_a_snapshot_that_is_too_old_or_not_taken_yet_is_none(cache, clock, age):
    failing = Source(UpstreamError("upstream_unreachable"))
    with pytest.raises(UpstreamError):
        seeded(cache, failing, seed(clock, age, stands_in=True))
    assert failing.calls[0][0] is None


def test_a_snapshot_covers_a_failing_refresh_for_a_day(cache, clock, covered):
    failing, known = Source(UpstreamError("upstream_unreachable")), seed(clock, 0, stands_in=True)
    for _ in range(24):
        assert seeded(cache, failing, known) == ("kept", False)
        clock.now += 3599
    assert len(failing.calls) == 23
    assert set(covered) == {(KEY, "upstream_unreachable")}
    clock.now += 24
    with pytest.raises(UpstreamError):
        seeded(cache, failing, known)


def test_where_it_stands_in_for_nothing_a_snapshot_is_as_old_as_it_is(cache, clock, covered):
    source = Source(UpstreamError("upstream_unreachable"), "fetched")
    assert seeded(cache, source, seed(clock, 599, stands_in=False)) == ("kept", False)
    clock.now += 1
    assert seeded(cache, source, seed(clock, 600, stands_in=False)) == ("kept", False)
    assert covered == [(KEY, "upstream_unreachable")]
    clock.now += 3000
    assert seeded(cache, source, seed(clock, 3600, stands_in=False)) == ("fetched", True)


def test_who_may_use_it_longer_does_not_keep_it_alive_for_others(cache, clock):
    source, taken = Source("fetched"), clock.now - 7200
    assert seeded(cache, source, seed(clock, 7200, stands_in=True)) == ("kept", False)
    assert seeded(cache, source, seed(clock, 7200, stands_in=False)) == ("fetched", True)
    assert seeded(cache, source, seed(clock, clock.now - taken, stands_in=True)) == ("fetched", False)


def test_an_unknown_key_is_looked_for_behind_a_snapshot_too_and_once(cache, clock):
    source, known = Source("fetched", "again"), seed(clock, 3700, stands_in=True)
    assert seeded(cache, source, known) == ("kept", False)
    refetched = cache.refetch(KEY, source, Deadline.after(20), cooldown=30, seed=known)
    assert refetched == "fetched"
    assert cache.refetch(KEY, source, Deadline.after(20), cooldown=30, seed=known) == "fetched"
    assert len(source.calls) == 1


def test_a_refetch_that_fails_leaves_a_snapshot_to_those_who_may_use_it(cache, clock):
    failing, known = Source(UpstreamError("upstream_unreachable")), seed(clock, 3700, stands_in=True)
    seeded(cache, failing, known)
    with pytest.raises(UpstreamError):
        cache.refetch(KEY, failing, Deadline.after(20), cooldown=30, seed=known)
    for stands_in, left in ((True, "kept"), (False, None)):
        other = seed(clock, 3700, stands_in=stands_in)
        assert cache.refetch(KEY, failing, Deadline.after(20), cooldown=30, seed=other) == left


def test_a_newer_snapshot_takes_the_place_of_what_has_aged(cache, clock):
    source = Source("fetched", UpstreamError("upstream_unreachable"))
    get(cache, source)
    clock.now += 3000
    newer = seed(clock, 60, stands_in=True, text="newer")
    assert seeded(cache, source, newer) == ("newer", False)
    clock.now += 600
    assert seeded(cache, source, newer) == ("newer", False)  # It covers the refresh that failed.
    assert len(source.calls) == 2


def test_an_older_snapshot_takes_the_place_of_what_is_of_no_use_any_more_once_a_fetch_failed(cache, clock):
    source = Source("fetched", UpstreamError("upstream_unreachable"))
    known = seed(clock, 100, stands_in=True)
    get(cache, source)
    clock.now += 3600
    assert seeded(cache, source, known) == ("kept", False)
    assert len(source.calls) == 2


def test_a_snapshot_that_cannot_be_used_is_told_and_fetched(cache, clock, covered):
    source = Source("fetched")
    broken = seed(clock, 60, stands_in=True, text=UpstreamError("metadata_host_refused"))
    assert seeded(cache, source, broken) == ("fetched", True)
    assert covered == [(KEY, "metadata_host_refused")]
    assert seeded(cache, source, broken) == ("fetched", False)


@pytest.mark.parametrize(
    "document", ["", "[]", '{"jwks": 1}', '{"jwks": {}}', '{"jwks": {"keys": 1}}', "[" * 100_000]
)
def test_a_damaged_snapshot_costs_a_fetch_and_no_sign_in(cache, clock, covered, document):
    snapshot = Snapshot(taken_at=int(clock.now), document=document)
    damaged = Seed(taken_at=clock.now, read=lambda: "".join(snapshot.part("jwks")["keys"]), stands_in=True)
    assert seeded(cache, Source("fetched"), damaged) == ("fetched", True)
    assert covered == [(KEY, "snapshot_unreadable")]


def test_a_snapshot_without_this_document_is_none(cache, clock, covered):
    assert seeded(cache, Source("fetched"), seed(clock, 60, stands_in=True, text=None)) == ("fetched", True)
    assert covered == []
