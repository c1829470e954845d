"""The registry's cache: the clock, threads, and how often the source is asked."""

import threading
import time
from collections.abc import Callable

import pytest

from fedbridge.errors import DeadlineExceeded, StoreUnavailable, UnknownConnection
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.store.registry import MOST_UNKNOWN, CachingConnectionRegistry, Published
from tests.conformance.connection_registry import MALFORMED
from tests.conformance.connections import connection
from tests.conformance.transactions import soon
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.bridge import SettableClock
from tests.support.racing import in_parallel


class Source:
    """Knows `acme` and `other`; `asked` is the journal, `before` runs ahead of an answer."""

    def __init__(self) -> None:
        self.published = {
            name: Published(current=connection(name=name, version="v1")) for name in ("acme", "other")
        }
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda _: None

    def find(self, name: str, deadline: Deadline) -> Published | None:
        self.asked.append(name)
        self.before(name)
        return self.published.get(name)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def registry(source: Source, clock: SettableClock) -> CachingConnectionRegistry:
    return CachingConnectionRegistry(source, clock=clock)


def ask_for_unknown(registry: CachingConnectionRegistry, name: str) -> None:
    with pytest.raises(UnknownConnection):
        registry.get(name, soon())


def fail(_: str) -> None:
    raise StoreUnavailable


def test_a_connection_is_fresh_for_a_minute(
    source: Source, registry: CachingConnectionRegistry, clock: SettableClock
) -> None:
    for _ in range(60):
        registry.get("acme", soon())
        clock.now += 1
    assert source.asked == ["acme"]
    registry.get("acme", soon())
    assert source.asked == ["acme", "acme"]


def test_an_unknown_name_is_remembered_for_ten_seconds(
    source: Source, registry: CachingConnectionRegistry, clock: SettableClock
) -> None:
    for _ in range(10):
        with pytest.raises(UnknownConnection):
            registry.get("nobody", soon())
        clock.now += 1
    assert source.asked == ["nobody"]
    source.published["nobody"] = Published(current=connection(name="nobody"))
    assert registry.get("nobody", soon()).name == "nobody"


@pytest.mark.parametrize("case", MALFORMED)
def test_146_a_malformed_name_is_never_asked_for(
    source: Source, registry: CachingConnectionRegistry, case: str
) -> None:
    with pytest.raises(UnknownConnection):
        registry.get(MALFORMED[case], soon())
    assert source.asked == []


def test_160_unknown_names_are_remembered_up_to_a_bound(
    source: Source, registry: CachingConnectionRegistry
) -> None:
    names = [f"junk-{number}" for number in range(MOST_UNKNOWN + 1)]
    for name in [*names, names[-1], names[1], names[0]]:
        with pytest.raises(UnknownConnection):
            registry.get(name, soon())
    assert source.asked == [*names, names[0]]


def test_an_unknown_name_that_is_asked_for_again_is_the_last_to_be_forgotten(
    source: Source, registry: CachingConnectionRegistry, clock: SettableClock
) -> None:
    names = [f"junk-{number}" for number in range(MOST_UNKNOWN)]
    for name in names:
        ask_for_unknown(registry, name)
    clock.now += 10
    for name in (names[1], "one-more", "two-more", names[1]):
        ask_for_unknown(registry, name)
    assert source.asked == [*names, names[1], "one-more", "two-more"]


def test_a_flood_of_unknown_names_costs_known_ones_nothing(
    source: Source, registry: CachingConnectionRegistry
) -> None:
    registry.get("acme", soon())
    for number in range(MOST_UNKNOWN * 2):
        with pytest.raises(UnknownConnection):
            registry.get(f"junk-{number}", soon())
    registry.get("acme", soon())
    assert source.asked.count("acme") == 1


def test_a_clock_that_was_set_back_is_not_believed(
    source: Source, registry: CachingConnectionRegistry, clock: SettableClock
) -> None:
    registry.get("acme", soon())
    clock.now -= 3600
    registry.get("acme", soon())
    assert source.asked == ["acme", "acme"]


def test_while_stale_is_served_the_source_is_asked_every_five_seconds(
    source: Source, registry: CachingConnectionRegistry, clock: SettableClock
) -> None:
    registry.get("acme", soon())
    clock.now += 60
    source.before = fail
    for _ in range(20):
        registry.get("acme", soon())
        clock.now += 1
    assert source.asked == ["acme"] * 5


def test_that_stale_is_served_is_told(source: Source, clock: SettableClock) -> None:
    telemetry = RecordingTelemetry()
    registry = CachingConnectionRegistry(source, clock=clock, telemetry=telemetry)
    registry.get("acme", soon())
    clock.now += 60
    source.before = fail
    registry.get("acme", soon())
    assert telemetry.fields("connection_stale") == {"connection": "acme", "reason": "store_unavailable"}


def test_stale_ends_on_the_second(
    source: Source, registry: CachingConnectionRegistry, clock: SettableClock
) -> None:
    registry.get("acme", soon())
    source.before = fail
    clock.now += 598
    registry.get("acme", soon())
    clock.now += 2
    with pytest.raises(StoreUnavailable):
        registry.get("acme", soon())


def test_a_version_that_nobody_knows_asks_once_more_each_time(
    source: Source, registry: CachingConnectionRegistry
) -> None:
    registry.get("acme", soon())
    with pytest.raises(UnknownConnection):
        registry.get("acme", soon(), version="v9")
    assert source.asked == ["acme", "acme"]


def test_a_version_that_may_be_newer_is_unavailable_while_nothing_can_be_read(
    source: Source, registry: CachingConnectionRegistry
) -> None:
    registry.get("acme", soon())
    source.before = fail
    with pytest.raises(StoreUnavailable):
        registry.get("acme", soon(), version="v2")
    assert registry.get("acme", soon(), version="v1").version == "v1"


def test_with_zeroes_every_call_asks(source: Source, clock: SettableClock) -> None:
    registry = CachingConnectionRegistry(source, fresh_for=0, unknown_for=0, clock=clock)
    for _ in range(3):
        registry.get("acme", soon())
        with pytest.raises(UnknownConnection):
            registry.get("nobody", soon())
    assert source.asked == ["acme", "nobody"] * 3


def test_many_threads_ask_once(source: Source, registry: CachingConnectionRegistry) -> None:
    outcomes = in_parallel(50, lambda: registry.get("acme", soon()))
    assert outcomes == [connection(version="v1")] * 50
    assert source.asked == ["acme"]


def test_many_threads_that_meet_an_expiry_ask_once(
    source: Source, registry: CachingConnectionRegistry, clock: SettableClock
) -> None:
    registry.get("acme", soon())
    clock.now += 60
    in_parallel(50, lambda: registry.get("acme", soon()))
    assert source.asked == ["acme", "acme"]


def test_who_comes_late_takes_what_was_found_meanwhile(source: Source, clock: SettableClock) -> None:
    late = threading.local()
    looked, go_on = threading.Event(), threading.Event()

    def now() -> float:
        if getattr(late, "waits", False):
            looked.set()  # And found nothing remembered.
            go_on.wait()
        return clock()

    registry = CachingConnectionRegistry(source, clock=now)

    def come_late() -> None:
        late.waits = True
        registry.get("acme", soon())

    thread = threading.Thread(target=come_late)
    thread.start()
    looked.wait()
    registry.get("acme", soon())
    go_on.set()
    thread.join()
    assert source.asked == ["acme"]


def test_147_a_connection_whose_read_hangs_holds_up_no_other(
    source: Source, registry: CachingConnectionRegistry
) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def hang(name: str) -> None:
        if name == "acme":
            reading.set()
            go_on.wait()

    source.before = hang
    hanging = threading.Thread(target=registry.get, args=("acme", soon()))
    hanging.start()
    try:
        reading.wait()
        assert registry.get("other", soon()).name == "other"
        with pytest.raises(DeadlineExceeded):
            registry.get("acme", Deadline.after(0.01))
    finally:
        go_on.set()
        hanging.join()
    assert source.asked == ["acme", "other"]


def outcomes_of_two(
    registry: CachingConnectionRegistry, source: Source, failure: Exception
) -> list[Connection | Exception]:
    """Let one thread ask and another wait for it, then let the first one's read fail; return both outcomes."""
    reading, waiting, go_on = threading.Event(), threading.Event(), threading.Event()

    def fail_the_first(_: str) -> None:
        if len(source.asked) == 1:
            reading.set()
            go_on.wait()
            raise failure

    def now() -> float:
        waiting.set()  # Who looks at the time that is left has found somebody else asking.
        return time.monotonic()

    outcomes: list[Connection | Exception] = []

    def ask(deadline: Deadline) -> None:
        try:
            outcomes.append(registry.get("acme", deadline))
        except Exception as error:  # noqa: BLE001  the test looks at whatever it is
            outcomes.append(error)

    source.before = fail_the_first
    first = threading.Thread(target=ask, args=[soon()])
    second = threading.Thread(target=ask, args=[Deadline.after(20, now)])
    first.start()
    reading.wait()
    waiting.clear()
    second.start()
    waiting.wait()
    go_on.set()
    first.join()
    second.join()
    return outcomes


def test_a_failure_is_shared_by_those_who_waited_for_it(
    source: Source, registry: CachingConnectionRegistry
) -> None:
    failure = StoreUnavailable()
    assert outcomes_of_two(registry, source, failure) == [failure, failure]
    assert source.asked == ["acme"]
    assert registry.get("acme", soon()).name == "acme"


def test_another_requests_deadline_is_not_shared(source: Source, registry: CachingConnectionRegistry) -> None:
    failure = DeadlineExceeded()
    outcomes = outcomes_of_two(registry, source, failure)
    assert sorted(map(str, outcomes)) == sorted(map(str, [failure, connection(version="v1")]))
    assert source.asked == ["acme", "acme"]
