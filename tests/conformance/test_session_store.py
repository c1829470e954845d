"""Both suites over every backend that needs nothing but this process."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from fedbridge.errors import ConfigurationError, OutcomeUnknown, StoreUnavailable
from fedbridge.ports import ReplayGuard, SessionStore
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from fedbridge.store.replays_dynamodb import DynamoDBReplayGuard
from fedbridge.store.sessions_dynamodb import DynamoDBSessionStore
from fedbridge.store.sessions_memory import MemoryReplayGuard, MemorySessionStore
from fedbridge.store.sessions_sqlite import SqliteReplayGuard, SqliteSessionStore
from fedbridge.store.sqlite import SqliteTransactionStore
from tests.conformance.session_store import NOW, SESSION, ReplayGuardSuite, SessionStoreSuite
from tests.conformance.transactions import PENDING, soon
from tests.support.dynamodb import DynamoDBServer, lose_answer, refuse, running_dynamodb


class TestMemorySessions(SessionStoreSuite):
    @contextmanager
    def open_store(self, folder: Path) -> Iterator[SessionStore]:
        yield MemorySessionStore()


class TestSqliteSessions(SessionStoreSuite):
    @contextmanager
    def open_store(self, folder: Path) -> Iterator[SessionStore]:
        with closing(SqliteSessionStore(folder / "sessions.sqlite")) as store:
            yield store

    def test_sessions_survive_a_restart(self, tmp_path: Path) -> None:
        with closing(SqliteSessionStore(tmp_path / "s")) as store:
            store.put(SESSION, soon())
        with closing(SqliteSessionStore(tmp_path / "s")) as store:
            assert store.read(SESSION.id, soon()) == SESSION

    def test_a_file_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "s").write_text("no database at all, and long enough to be looked at" * 20)
        with pytest.raises(ConfigurationError, match="cannot be used as a session store"):
            SqliteSessionStore(tmp_path / "s")


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


class TestDynamoDBSessions(SessionStoreSuite):
    @pytest.fixture(autouse=True)
    def serve(self, server: DynamoDBServer) -> None:
        self.server = server

    @contextmanager
    def open_store(self, folder: Path) -> Iterator[SessionStore]:
        yield DynamoDBSessionStore(self.server.client, self.server.create_table("id"))

    def test_the_item_expires_by_the_tables_ttl_and_tells_nothing(self, store: SessionStore) -> None:
        store.put(SESSION, soon())
        ((operation, sent),) = self.server.requests
        assert operation == "PutItem"
        assert sent["Item"].keys() == {"id", "v", "cn", "ttl", "sl", "su"}
        assert sent["Item"]["ttl"] == {"N": str(SESSION.expires_at)}

    def test_reading_is_strongly_consistent(self, store: SessionStore) -> None:
        store.read(SESSION.id, soon())
        ((operation, sent),) = self.server.requests
        assert (operation, sent["ConsistentRead"]) == ("GetItem", True)

    @pytest.mark.parametrize("spoil", [{"v": {"N": "2"}}, {"sl": {"S": "text"}}, {"ttl": {"N": "soon"}}])
    def test_an_item_that_is_not_ours_opens_nothing(
        self, store: SessionStore, spoil: dict[str, object]
    ) -> None:
        store.put(SESSION, soon())
        item = {**self.server.requests[0][1]["Item"], "sl": {"B": b"x"}, "su": {"B": b"y"}, **spoil}
        if spoil == {"ttl": {"N": "soon"}}:  # which DynamoDB takes for no number
            del item["ttl"]
        self.server.client.put_item(TableName=self.server.table, Item=item)
        if "v" in spoil:
            assert store.read(SESSION.id, soon()) is None
        else:
            with pytest.raises(StoreUnavailable) as failure:
                store.read(SESSION.id, soon())
            assert failure.value.reason == "session_unreadable"

    def test_a_lost_answer_is_an_unknown_outcome_and_a_refusal_is_none(self, store: SessionStore) -> None:
        self.server.fail(lose_answer)
        with pytest.raises(OutcomeUnknown):
            store.put(SESSION, soon())
        self.server.fail(refuse("AccessDeniedException"))
        with pytest.raises(StoreUnavailable) as failure:
            store.remove(SESSION.id, soon())
        assert failure.value.reason == "store_access_denied"


class TestMemoryReplays(ReplayGuardSuite):
    @contextmanager
    def open_guard(self, folder: Path) -> Iterator[ReplayGuard]:
        yield MemoryReplayGuard()


class TestSqliteReplays(ReplayGuardSuite):
    @contextmanager
    def open_guard(self, folder: Path) -> Iterator[ReplayGuard]:
        with closing(SqliteReplayGuard(folder / "transactions.sqlite")) as guard:
            yield guard

    @pytest.mark.parametrize("first", ["guard", "transactions"])
    def test_transactions_may_live_in_the_same_file(self, tmp_path: Path, first: str) -> None:
        path = tmp_path / "both"
        opening = [SqliteReplayGuard, SqliteTransactionStore]
        opened = {kind: kind(path) for kind in (opening if first == "guard" else opening[::-1])}
        guard, store = opened[SqliteReplayGuard], opened[SqliteTransactionStore]
        assert isinstance(guard, SqliteReplayGuard)
        assert isinstance(store, SqliteTransactionStore)
        with closing(guard), closing(store):
            store.put(PENDING, soon())
            assert guard.take(PENDING.id, until=2, now=1, deadline=soon())
            assert store.read(PENDING.id, soon()) == PENDING


class TestDynamoDBReplays(ReplayGuardSuite):
    @pytest.fixture(autouse=True)
    def serve(self, server: DynamoDBServer) -> None:
        self.server = server

    @contextmanager
    def open_guard(self, folder: Path) -> Iterator[ReplayGuard]:
        yield DynamoDBReplayGuard(self.server.client, self.server.create_table("id"))

    def all_at_once(self, parties: int) -> AbstractContextManager[None]:
        return self.server.gathering(parties)

    def test_one_message_is_one_conditional_write(self, guard: ReplayGuard) -> None:
        self.take(guard)
        ((operation, sent),) = self.server.requests
        assert operation == "UpdateItem"
        assert "attribute_not_exists(id)" in sent["ConditionExpression"]

    def test_a_released_message_is_swept_as_any_other(self, guard: ReplayGuard) -> None:
        """DynamoDB's time-to-live passes over items that ended more than five years ago, or have no end."""
        guard.release("never came", soon())
        self.take(guard)
        guard.release("m", soon())
        items = self.server.client.scan(TableName=self.server.table)["Items"]
        assert [(item["id"]["S"], item["ttl"]["N"]) for item in items] == [("used:m", str(NOW + 600))]

    def test_transactions_in_the_same_table_are_left_alone(self, guard: ReplayGuard) -> None:
        store = DynamoDBTransactionStore(self.server.client, self.server.table)
        store.put(PENDING, soon())
        assert self.take(guard, PENDING.id)
        assert store.read(PENDING.id, soon()) == PENDING
        assert store.read(f"used:{PENDING.id}", soon()) is None

    def test_a_lost_answer_is_an_unknown_outcome(self, guard: ReplayGuard) -> None:
        self.server.fail(lose_answer)
        with pytest.raises(OutcomeUnknown):
            self.take(guard)
