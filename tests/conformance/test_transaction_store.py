"""The suite over every backend that needs nothing but this process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from fedbridge.model.transaction import Phase
from fedbridge.ports import TransactionStore
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from fedbridge.store.memory import MemoryTransactionStore
from fedbridge.store.sqlite import SqliteTransactionStore
from tests.conformance.transaction_store import TransactionStoreSuite
from tests.conformance.transactions import CLAIM, REDEEM, bring_to
from tests.support.dynamodb import DynamoDBServer, running_dynamodb
from tests.support.racing import sqlite_in_processes


class TestMemory(TransactionStoreSuite):
    @contextmanager
    def open_store(self, folder: Path) -> Iterator[TransactionStore]:
        yield MemoryTransactionStore()


class TestSqlite(TransactionStoreSuite):
    @contextmanager
    def open_store(self, folder: Path) -> Iterator[TransactionStore]:
        with closing(SqliteTransactionStore(folder / "transactions.sqlite")) as store:
            yield store

    @pytest.mark.parametrize(
        "phase, operation, move",
        [(Phase.PENDING, "claim", CLAIM), (Phase.AUTHORIZED, "redeem", REDEEM)],
    )
    def test_across_processes_too_one_wins(
        self, tmp_path: Path, phase: Phase, operation: str, move: object
    ) -> None:
        path = tmp_path / "shared.sqlite"
        with closing(SqliteTransactionStore(path)) as store:
            bring_to(store, phase)
        outcomes = sqlite_in_processes(path, operation, move, processes=4, threads=13)
        assert Counter(outcomes) == {"Transaction": 1, "TransitionRefused": 51}


class TestDynamoDB(TransactionStoreSuite):
    server: DynamoDBServer

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def serve(cls) -> Iterator[None]:
        with running_dynamodb() as cls.server:
            yield

    @contextmanager
    def open_store(self, folder: Path) -> Iterator[TransactionStore]:
        yield DynamoDBTransactionStore(self.server.client, self.server.create_table("id"))

    def all_at_once(self, parties: int) -> AbstractContextManager[None]:
        return self.server.gathering(parties)
