"""What every `SessionStore` and every `ReplayGuard` must do. A backend joins by one class that inherits a suite."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from fedbridge.errors import DeadlineExceeded
from fedbridge.model.deadline import Deadline
from fedbridge.model.session import Session
from fedbridge.ports import ReplayGuard, SessionStore
from tests.conformance.transactions import soon
from tests.support.racing import in_parallel

NOW = 1_800_000_000
SESSION = Session(
    id="s" * 21,
    connection="acme-bank",
    expires_at=NOW + 86_400,
    sealed_logout=bytes(range(256)),
    sealed_subject=b"sealed under the sid",
)
PARTIES = 30

OPERATIONS: dict[str, Callable[[SessionStore, Deadline], object]] = {
    "put": lambda store, deadline: store.put(replace(SESSION, sealed_logout=b"other"), deadline),
    "read": lambda store, deadline: store.read(SESSION.id, deadline),
    "remove": lambda store, deadline: store.remove(SESSION.id, deadline),
}


class SessionStoreSuite:
    """The port, method by method."""

    def open_store(self, folder: Path) -> AbstractContextManager[SessionStore]:
        """Open an empty store."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SessionStore]:
        with self.open_store(tmp_path) as store:
            yield store

    @pytest.mark.parametrize("session", [SESSION, replace(SESSION, sealed_subject=None)])
    def test_reads_what_was_put(self, store: SessionStore, session: Session) -> None:
        store.put(session, soon())
        assert store.read(session.id, soon()) == session

    def test_reads_nothing_where_nothing_was_put(self, store: SessionStore) -> None:
        store.put(SESSION, soon())
        assert store.read("t" * 21, soon()) is None
        assert store.read(SESSION.id.upper(), soon()) is None

    def test_a_session_takes_the_place_of_the_one_before(self, store: SessionStore) -> None:
        store.put(SESSION, soon())
        store.put(replace(SESSION, sealed_subject=None, expires_at=NOW + 1), soon())
        assert store.read(SESSION.id, soon()) == replace(SESSION, sealed_subject=None, expires_at=NOW + 1)

    def test_forgets_what_is_removed_and_nothing_else(self, store: SessionStore) -> None:
        other = replace(SESSION, id="o" * 21)
        store.put(SESSION, soon())
        store.put(other, soon())
        store.remove(SESSION.id, soon())
        store.remove("never was here", soon())
        assert store.read(SESSION.id, soon()) is None
        assert store.read(other.id, soon()) == other

    def test_a_long_id_token_fits(self, store: SessionStore) -> None:
        large = replace(SESSION, sealed_logout=bytes(64 * 1024))
        store.put(large, soon())
        assert store.read(SESSION.id, soon()) == large

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_nothing_happens_past_the_deadline(self, store: SessionStore, name: str) -> None:
        store.put(SESSION, soon())
        with pytest.raises(DeadlineExceeded):
            OPERATIONS[name](store, Deadline(at=0.0))
        assert store.read(SESSION.id, soon()) == SESSION


class ReplayGuardSuite:
    """The port, and the race that it is for."""

    def open_guard(self, folder: Path) -> AbstractContextManager[ReplayGuard]:
        """Open one that knows nothing."""
        raise NotImplementedError

    def all_at_once(self, parties: int) -> AbstractContextManager[None]:
        """Hold the backend's calls back until all are there, where the backend can."""
        return nullcontext()

    @pytest.fixture
    def guard(self, tmp_path: Path) -> Iterator[ReplayGuard]:
        with self.open_guard(tmp_path) as guard:
            yield guard

    def take(self, guard: ReplayGuard, message: str = "m", *, now: int = NOW) -> bool:
        return guard.take(message, until=now + 600, now=now, deadline=soon())

    def test_a_message_is_taken_once(self, guard: ReplayGuard) -> None:
        assert self.take(guard)
        assert not self.take(guard)
        assert not self.take(guard, now=NOW + 599)

    def test_messages_are_told_apart(self, guard: ReplayGuard) -> None:
        assert self.take(guard, "m")
        assert self.take(guard, "M")
        assert self.take(guard, "m ")

    def test_what_is_too_old_to_come_again_is_forgotten(self, guard: ReplayGuard) -> None:
        assert self.take(guard)
        assert self.take(guard, now=NOW + 600)

    def test_a_released_message_may_come_again_once(self, guard: ReplayGuard) -> None:
        assert self.take(guard)
        guard.release("m", soon())
        assert self.take(guard)
        assert not self.take(guard)

    def test_releasing_what_never_came_takes_nothing(self, guard: ReplayGuard) -> None:
        guard.release("m", soon())
        assert self.take(guard)

    def test_of_many_at_once_one_is_first(self, guard: ReplayGuard) -> None:
        with self.all_at_once(PARTIES):
            outcomes = in_parallel(PARTIES, lambda: self.take(guard))
        assert sorted(map(bool, outcomes)) == [False] * (PARTIES - 1) + [True]

    def test_nothing_happens_past_the_deadline(self, guard: ReplayGuard) -> None:
        with pytest.raises(DeadlineExceeded):
            guard.take("m", until=NOW + 600, now=NOW, deadline=Deadline(at=0.0))
        assert self.take(guard)
        with pytest.raises(DeadlineExceeded):
            guard.release("m", Deadline(at=0.0))
        assert not self.take(guard)
