"""What lies in the transactions table, and how many calls a sign-in makes."""

from collections.abc import Iterator
from typing import Any

import pytest

from fedbridge.model.deadline import Deadline
from fedbridge.model.transaction import Phase
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from fedbridge.store.moves import SLACK
from tests.conformance.transactions import (
    AUTHORIZE,
    CODE_EXPIRES_AT,
    EXCHANGE_DEADLINE,
    EXPIRES_AT,
    PENDING,
    TOKEN_EXPIRES_AT,
    bring_to,
)
from tests.support.bridge import Bridge, Browser, read_userinfo, token
from tests.support.dynamodb import DynamoDBServer, refuse, running_dynamodb


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


@pytest.fixture
def store(server: DynamoDBServer) -> DynamoDBTransactionStore:
    return DynamoDBTransactionStore(server.client, server.create_table("id"))


def raw_item(server: DynamoDBServer) -> dict[str, Any]:
    return dict(server.client.get_item(TableName=server.table, Key={"id": {"S": PENDING.id}})["Item"])


ALWAYS: dict[str, Any] = {
    "id": {"S": PENDING.id},
    "v": {"N": "1"},
    "cn": {"S": PENDING.connection},
    "cv": {"S": PENDING.connection_version},
    "ci": {"S": PENDING.client_id},
    "co": {"S": PENDING.correlation_id},
    "ex": {"N": str(EXPIRES_AT)},
    "sh": {"B": PENDING.state_hash},
    "bh": {"B": PENDING.browser_hash},
}
SEALED_REQUEST = {"sr": {"B": PENDING.sealed_request}}
CLAIMED = {"xd": {"N": str(EXCHANGE_DEADLINE)}}
GRANT = {
    "ch": {"B": AUTHORIZE.code_hash},
    "cx": {"N": str(CODE_EXPIRES_AT)},
    "th": {"B": AUTHORIZE.token_hash},
    "tx": {"N": str(TOKEN_EXPIRES_AT)},
    "sg": {"B": AUTHORIZE.sealed_grant},
}
UNTIL_TRIP_ENDS = {"ttl": {"N": str(EXPIRES_AT + SLACK)}}
UNTIL_TOKEN_ENDS = {"ttl": {"N": str(TOKEN_EXPIRES_AT + SLACK)}}

ITEMS: dict[Phase, dict[str, Any]] = {
    Phase.PENDING: {"ph": {"S": "pending"}, **SEALED_REQUEST, **UNTIL_TRIP_ENDS},
    Phase.EXCHANGING: {"ph": {"S": "exchanging"}, **SEALED_REQUEST, **CLAIMED, **UNTIL_TRIP_ENDS},
    Phase.AUTHORIZED: {
        "ph": {"S": "authorized"},
        **SEALED_REQUEST,
        **CLAIMED,
        **GRANT,
        "st": {"B": AUTHORIZE.sealed_token},
        **UNTIL_TOKEN_ENDS,
    },
    Phase.REDEEMED: {"ph": {"S": "redeemed"}, **CLAIMED, **GRANT, **UNTIL_TOKEN_ENDS},
    Phase.FAILED: {"ph": {"S": "failed"}, **CLAIMED, **UNTIL_TRIP_ENDS},
}


@pytest.mark.parametrize("phase", Phase)
def test_the_item_of_each_phase(
    server: DynamoDBServer, store: DynamoDBTransactionStore, phase: Phase
) -> None:
    bring_to(store, phase)
    assert raw_item(server) == ALWAYS | ITEMS[phase]


def test_a_sign_in_makes_five_calls(server: DynamoDBServer, store: DynamoDBTransactionStore) -> None:
    bridge = Bridge(store=store)
    tokens = token(bridge, Browser(bridge).sign_in())
    read_userinfo(bridge, tokens["access_token"])
    assert [operation for operation, _ in server.requests] == [
        "PutItem",
        "UpdateItem",
        "UpdateItem",
        "UpdateItem",
        "GetItem",
    ]


@pytest.mark.parametrize("phase, writes", [(Phase.FAILED, 3), (Phase.REDEEMED, 4)])
def test_every_write_is_conditional_and_tells_what_stood_in_its_way(
    server: DynamoDBServer, store: DynamoDBTransactionStore, phase: Phase, writes: int
) -> None:
    bring_to(store, phase)
    assert len(server.requests) == writes
    for _, parameters in server.requests:
        assert parameters["ConditionExpression"]
        assert parameters["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def test_a_whole_sign_in_leaves_an_item_of_less_than_two_kilobytes(
    server: DynamoDBServer, store: DynamoDBTransactionStore
) -> None:
    bridge = Bridge(store=store)
    Browser(bridge).sign_in()
    (item,) = server.client.scan(TableName=server.table)["Items"]
    size = sum(
        len(name) + len(value) if isinstance(value, bytes) else len(name) + len(str(value))
        for name, typed in item.items()
        for value in typed.values()
    )
    assert size < 2_048


def test_what_dynamodb_takes_is_measured_with_the_pauses_of_throttling(server: DynamoDBServer) -> None:
    now = 0.0

    def sleep(_: float) -> None:
        nonlocal now
        now += 0.5

    server.create_table("id")
    store = DynamoDBTransactionStore(server.client, server.table, sleep=sleep)
    deadline = Deadline(at=20.0, monotonic=lambda: now)
    server.fail(refuse("ThrottlingException"), refuse("ThrottlingException"))
    store.put(PENDING, deadline)
    assert deadline.trail.calls == "store=1000"
    store.read(PENDING.id, deadline)
    assert deadline.trail.store_ms == 1000
