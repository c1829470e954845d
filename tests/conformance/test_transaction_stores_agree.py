"""Any sequence of moves, right and wrong, has the same outcome on every store."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from fedbridge.errors import TransitionRefused
from fedbridge.model.transaction import Phase, Transaction
from fedbridge.ports import TransactionStore
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from fedbridge.store.memory import MemoryTransactionStore
from fedbridge.store.sqlite import SqliteTransactionStore
from tests.conformance.transactions import (
    AUTHORIZE,
    CLAIM,
    CODE_EXPIRES_AT,
    EXCHANGE_DEADLINE,
    EXPIRES_AT,
    FAIL,
    NOW,
    PENDING,
    REDEEM,
    Move,
    apply,
    soon,
)
from tests.support.dynamodb import DynamoDBServer, running_dynamodb

IDS = ("one", "two")
NEXT: dict[Phase, tuple[Move, ...]] = {
    Phase.PENDING: (CLAIM,),
    Phase.EXCHANGING: (AUTHORIZE, AUTHORIZE, FAIL),
    Phase.AUTHORIZED: (REDEEM,),
    Phase.REDEEMED: (REDEEM, CLAIM),
    Phase.FAILED: (AUTHORIZE, CLAIM),
}
EDGES = sorted(
    edge + step for edge in (EXPIRES_AT, EXCHANGE_DEADLINE, CODE_EXPIRES_AT) for step in (-1, 0, 1)
)

ids = st.sampled_from(IDS)
hashes = st.sampled_from([b"", b"other", PENDING.state_hash, AUTHORIZE.code_hash])
blobs = st.sampled_from([b"", bytes(64)])
changes: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.just({}),
    st.fixed_dictionaries({"now": st.sampled_from([NOW, *EDGES])}),
    st.fixed_dictionaries(
        {},
        optional={
            "connection": st.sampled_from(["other-bank", "ACME-BANK", ""]),
            "client_id": st.sampled_from(["another", ""]),
            "state_hash": hashes,
            "browser_hash": hashes,
            "code_hash": hashes,
            "sealed_token": blobs,
            "sealed_grant": blobs,
            "exchange_deadline": st.sampled_from(EDGES),
            "code_expires_at": st.sampled_from(EDGES),
            "token_expires_at": st.sampled_from(EDGES),
        },
    ),
)


class Stores(RuleBasedStateMachine):
    """Makes each move on all `stores`, of which the first is the model."""

    stores: list[TransactionStore]

    @initialize(ends=st.sampled_from(EDGES))
    def put_both(self, ends: int) -> None:
        for transaction_id, expires_at in zip(IDS, (EXPIRES_AT, ends), strict=True):
            self._everywhere(replace(PENDING, id=transaction_id, expires_at=expires_at))

    @rule(transaction_id=ids, sealed=blobs)
    def put_again(self, transaction_id: str, sealed: bytes) -> None:
        self._everywhere(replace(PENDING, id=transaction_id, sealed_request=sealed))

    @rule(transaction_id=ids, changed=changes, data=st.data())
    def move_on(self, transaction_id: str, changed: Mapping[str, Any], data: st.DataObject) -> None:
        item = self.stores[0].read(transaction_id, soon())
        move = data.draw(st.sampled_from(NEXT[item.phase if item else Phase.PENDING]))
        self._everywhere(_changed(move, transaction_id, changed))

    @rule(transaction_id=ids, changed=changes, move=st.sampled_from([CLAIM, AUTHORIZE, FAIL, REDEEM]))
    def try_any_move(self, transaction_id: str, changed: Mapping[str, Any], move: Move) -> None:
        self._everywhere(_changed(move, transaction_id, changed))

    @invariant()
    def same_items(self) -> None:
        for transaction_id in IDS:
            items = [store.read(transaction_id, soon()) for store in self.stores]
            assert items.count(items[0]) == len(items), items

    def _everywhere(self, move: Move | Transaction) -> None:
        outcomes = [_outcome(store, move) for store in self.stores]
        assert outcomes.count(outcomes[0]) == len(outcomes), outcomes


def _changed(move: Move, transaction_id: str, changed: Mapping[str, Any]) -> Move:
    known = {field.name for field in fields(move)}
    return replace(move, id=transaction_id, **{name: changed[name] for name in known & changed.keys()})


def _outcome(store: TransactionStore, move: Move | Transaction) -> tuple[str, Transaction | None]:
    try:
        if isinstance(move, Transaction):
            store.put(move, soon())
            return "done", None
        return "done", apply(store, move)
    except TransitionRefused as refused:
        return "refused", refused.current


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


def test_memory_and_sqlite_agree() -> None:
    class OnMemoryAndSqlite(Stores):
        def __init__(self) -> None:
            super().__init__()
            self._folder = TemporaryDirectory()
            self._sqlite = SqliteTransactionStore(Path(self._folder.name) / "transactions.sqlite")
            self.stores = [MemoryTransactionStore(), self._sqlite]

        def teardown(self) -> None:
            self._sqlite.close()
            self._folder.cleanup()

    run_state_machine_as_test(
        OnMemoryAndSqlite, settings=settings(max_examples=40, stateful_step_count=20, deadline=None)
    )


def test_memory_and_dynamodb_agree(server: DynamoDBServer) -> None:
    class OnMemoryAndDynamoDB(Stores):
        def __init__(self) -> None:
            super().__init__()
            table = server.create_table("id")
            self.stores = [MemoryTransactionStore(), DynamoDBTransactionStore(server.client, table)]

    run_state_machine_as_test(
        OnMemoryAndDynamoDB, settings=settings(max_examples=6, stateful_step_count=20, deadline=None)
    )
