"""N, faults of the state store (cases 129 to 133), on DynamoDB behind a real connection.

Store by store where a fault must be told apart, and through whole sign-ins where nothing may be issued.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from fedbridge.aws import sdk_client
from fedbridge.errors import OAuthError, OutcomeUnknown, StoreUnavailable, TransitionRefused
from fedbridge.model.deadline import Deadline
from fedbridge.model.transaction import Phase
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from fedbridge.store.table import MAX_ATTEMPTS
from tests.conformance.transactions import (
    AUTHORIZE,
    AUTHORIZED,
    CLAIM,
    CODE_EXPIRES_AT,
    EXCHANGING,
    EXPIRES_AT,
    FAIL,
    FAILED,
    PENDING,
    REDEEM,
    REDEEMED,
    apply,
    bring_to,
    soon,
)
from tests.support.bridge import STATE, Bridge, Browser, location, read_userinfo, token
from tests.support.dynamodb import (
    DynamoDBServer,
    Fault,
    answer,
    lose_answer,
    lose_request,
    refuse,
    running_dynamodb,
)

THROTTLING = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]

WRITES: dict[str, tuple[Phase | None, Callable[[DynamoDBTransactionStore], object], Any]] = {
    "put": (None, lambda store: store.put(PENDING, soon()), PENDING),
    "claim": (Phase.PENDING, lambda store: store.claim(CLAIM, soon()), EXCHANGING),
    "authorize": (Phase.EXCHANGING, lambda store: store.authorize(AUTHORIZE, soon()), AUTHORIZED),
    "fail": (Phase.EXCHANGING, lambda store: store.fail(FAIL, soon()), FAILED),
    "redeem": (Phase.AUTHORIZED, lambda store: store.redeem(REDEEM, soon()), REDEEMED),
}
"""Name → the phase before, the write, the item after."""

CALLS = {
    **{name: (phase, call) for name, (phase, call, _) in WRITES.items()},
    "read": (Phase.AUTHORIZED, lambda store: store.read(PENDING.id, soon())),
}


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def store(server: DynamoDBServer, pauses: list[float]) -> DynamoDBTransactionStore:
    return DynamoDBTransactionStore(server.client, server.create_table("id"), sleep=pauses.append)


@pytest.fixture
def bridge(store: DynamoDBTransactionStore) -> Bridge:
    return Bridge(store=store)


def prepare(server: DynamoDBServer, store: DynamoDBTransactionStore, phase: Phase | None) -> None:
    if phase is not None:
        bring_to(store, phase)
    server.requests.clear()


def assert_a_sign_in_succeeds(bridge: Bridge) -> None:
    tokens = token(bridge, Browser(bridge).sign_in())
    assert read_userinfo(bridge, tokens["access_token"])["sub"]


# --- 129: throttled -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", THROTTLING)
@pytest.mark.parametrize("times", [1, 5])
def test_129_a_sign_in_throttled_at_every_call_succeeds(
    server: DynamoDBServer, bridge: Bridge, pauses: list[float], times: int, code: str
) -> None:
    server.fail(*([*[refuse(code)] * times, None] * 5))
    assert_a_sign_in_succeeds(bridge)
    assert len(server.requests) == 5 * (times + 1)
    assert len(pauses) == 5 * times


@pytest.mark.parametrize("name", CALLS)
def test_129_always_throttled_gives_up_and_changes_nothing(
    server: DynamoDBServer, store: DynamoDBTransactionStore, pauses: list[float], name: str
) -> None:
    phase, call = CALLS[name]
    prepare(server, store, phase)
    before = store.read(PENDING.id, soon())
    server.requests.clear()
    with server.failing(refuse("ThrottlingException")), pytest.raises(StoreUnavailable) as failure:
        call(store)
    assert failure.value.reason == "store_throttled"
    assert len(server.requests) == MAX_ATTEMPTS
    assert store.read(PENDING.id, soon()) == before
    assert len(set(pauses)) == MAX_ATTEMPTS - 1, "the pauses are random"
    assert all(pause <= 0.05 * 2**number for number, pause in enumerate(pauses))
    assert sum(pauses) < 5


def test_129_throttling_ends_with_the_deadline(server: DynamoDBServer) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    hurried = DynamoDBTransactionStore(server.client, "irrelevant", sleep=sleep)
    with server.failing(refuse("ThrottlingException")), pytest.raises(StoreUnavailable) as failure:
        hurried.read("id", Deadline(at=0.01, monotonic=lambda: now))
    assert failure.value.reason == "store_throttled"
    assert now < 0.01


def test_129_always_throttled_is_temporarily_unavailable_to_cognito(
    server: DynamoDBServer, bridge: Bridge
) -> None:
    browser = Browser(bridge)
    with server.failing(refuse("ThrottlingException")):
        told = location(browser.authorize())
    assert (told["error"], told["state"]) == ("temporarily_unavailable", STATE)
    assert "code" not in told
    assert_a_sign_in_succeeds(bridge)


# --- 130: the condition does not hold -------------------------------------------------------------------------------


def test_130_a_code_redeemed_again_is_a_replay_and_is_asked_once(
    server: DynamoDBServer, bridge: Bridge
) -> None:
    code = Browser(bridge).sign_in()
    token(bridge, code)
    server.requests.clear()
    with pytest.raises(OAuthError) as refused:
        token(bridge, code)
    assert refused.value.error == "invalid_grant"
    assert len(server.requests) == 1
    assert bridge.telemetry.names().count("sign_in_redeemed") == 1
    assert "code_replayed" in bridge.telemetry.names()


def test_130_a_refusal_after_throttling_stays_a_refusal(
    server: DynamoDBServer, store: DynamoDBTransactionStore
) -> None:
    prepare(server, store, Phase.REDEEMED)
    server.fail(refuse("ThrottlingException"))
    with pytest.raises(TransitionRefused) as refused:
        store.redeem(REDEEM, soon())
    assert refused.value.current == REDEEMED
    assert len(server.requests) == 2


# --- 131: the acknowledgement is lost -------------------------------------------------------------------------------

LOST: dict[str, Fault] = {
    "the connection breaks": lose_answer,
    "500": answer(500, b'{"__type": "InternalServerError"}', carried_out=True),
    "503 of something between": answer(503, b"<html>upstream connect error</html>", carried_out=True),
}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("name", WRITES)
def test_131_a_write_whose_answer_is_lost_is_unknown_and_never_succeeds_again(
    server: DynamoDBServer, store: DynamoDBTransactionStore, name: str, lost: str
) -> None:
    phase, write, after = WRITES[name]
    prepare(server, store, phase)
    server.fail(LOST[lost])
    with pytest.raises(OutcomeUnknown):
        write(store)
    assert len(server.requests) == 1
    assert store.read(PENDING.id, soon()) == after
    with pytest.raises(TransitionRefused) as refused:
        write(store)
    assert refused.value.current == after


@pytest.mark.parametrize(
    "fault", [lose_request, refuse("InternalServerError", 500), refuse("ThrottlingException", 503)]
)
@pytest.mark.parametrize("name", WRITES)
def test_131_a_write_that_may_have_been_lost_on_the_way_is_unknown_and_sent_once(
    server: DynamoDBServer, store: DynamoDBTransactionStore, name: str, fault: Fault
) -> None:
    phase, write, after = WRITES[name]
    prepare(server, store, phase)
    before = store.read(PENDING.id, soon())
    server.requests.clear()
    server.fail(fault)
    with pytest.raises(OutcomeUnknown):
        write(store)
    assert len(server.requests) == 1
    assert store.read(PENDING.id, soon()) == before
    write(store)
    assert store.read(PENDING.id, soon()) == after


def test_131_no_answer_in_time_is_unknown(server: DynamoDBServer, store: DynamoDBTransactionStore) -> None:
    prepare(server, store, Phase.AUTHORIZED)
    server.fail(server.hang)
    with pytest.raises(OutcomeUnknown):
        store.redeem(REDEEM, soon())
    assert len(server.requests) == 1
    assert store.read(PENDING.id, soon()) == REDEEMED


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>welcome to the hotel</html>", b'{"Attributes": {"id"'])
@pytest.mark.parametrize("name", ["claim", "redeem"])
def test_131_an_answer_without_the_item_is_none(
    server: DynamoDBServer, store: DynamoDBTransactionStore, name: str, body: bytes
) -> None:
    phase, write, _ = WRITES[name]
    prepare(server, store, phase)
    server.fail(answer(200, body))
    with pytest.raises(OutcomeUnknown):
        write(store)
    assert len(server.requests) == 1


def test_131_a_lost_redemption_issues_nothing_then_or_later(server: DynamoDBServer, bridge: Bridge) -> None:
    code = Browser(bridge).sign_in()
    server.fail(lose_answer)
    for _ in range(3):
        with pytest.raises(OAuthError) as refused:
            token(bridge, code)
        assert refused.value.error == "invalid_grant"
    assert "sign_in_redeemed" not in bridge.telemetry.names()
    assert_a_sign_in_succeeds(bridge)


def test_131_a_lost_claim_sends_the_upstream_code_nowhere(server: DynamoDBServer, bridge: Bridge) -> None:
    browser = Browser(bridge)
    state = browser.start()
    server.fail(lose_answer)
    with pytest.raises(OutcomeUnknown):
        browser.callback(state)
    again = browser.callback(state)
    assert again.status == 200, "the page that reloads itself until the exchange's deadline"
    assert bridge.upstream.finished == []
    bridge.clock.now += 60
    assert browser.poll(state).status == 400
    assert_a_sign_in_succeeds(bridge)


def test_131_a_lost_authorization_makes_one_code_at_most(server: DynamoDBServer, bridge: Bridge) -> None:
    browser = Browser(bridge)
    state = browser.start()
    server.fail(None, lose_answer)
    told = location(browser.callback(state))
    assert told["error"] == "temporarily_unavailable"
    assert "code" not in told
    code = location(browser.callback(state))["code"]
    assert token(bridge, code)["id_token"]
    with pytest.raises(OAuthError):
        token(bridge, code)
    assert len(bridge.upstream.finished) == 1


# --- 132: unavailable, denied, gone ---------------------------------------------------------------------------------

REFUSALS = {
    "AccessDeniedException": "store_access_denied",
    "ExpiredTokenException": "store_access_denied",
    "UnrecognizedClientException": "store_access_denied",
    "ResourceNotFoundException": "store_missing",
    "KMSDisabledException": "store_key_unavailable",
    "KMSAccessDeniedException": "store_key_unavailable",
    "ValidationException": "store_rejected",
    "TransactionConflictException": "store_rejected",
}


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("name", CALLS)
def test_132_a_refusal_of_the_service_is_unavailable_with_its_own_reason(
    server: DynamoDBServer, store: DynamoDBTransactionStore, name: str, code: str
) -> None:
    phase, call = CALLS[name]
    prepare(server, store, phase)
    before = store.read(PENDING.id, soon())
    server.requests.clear()
    server.fail(refuse(code))
    with pytest.raises(StoreUnavailable) as failure:
        call(store)
    assert failure.value.reason == REFUSALS[code]
    assert len(server.requests) == 1
    assert store.read(PENDING.id, soon()) == before


@pytest.mark.parametrize("name", CALLS)
def test_132_a_table_that_is_missing_is_unavailable(server: DynamoDBServer, name: str) -> None:
    with pytest.raises(StoreUnavailable) as failure:
        CALLS[name][1](DynamoDBTransactionStore(server.client, "no-such-table"))
    assert failure.value.reason == "store_missing"


@pytest.mark.parametrize("name", CALLS)
def test_132_a_service_that_cannot_be_reached_is_unavailable_because_nothing_was_sent(
    server: DynamoDBServer, name: str
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # And never listens.
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with (
            closing(sdk_client("dynamodb", endpoint_url=url)) as client,
            pytest.raises(StoreUnavailable) as failure,
        ):
            CALLS[name][1](DynamoDBTransactionStore(client, "irrelevant"))
    assert failure.value.reason == "store_unreachable"


def test_132_without_credentials_nothing_is_sent(server: DynamoDBServer) -> None:
    def no_credentials(**_: object) -> None:
        raise NoCredentialsError

    with closing(sdk_client("dynamodb", endpoint_url=server.url)) as client:
        client.meta.events.register("before-sign.dynamodb", no_credentials)
        server.requests.clear()
        with pytest.raises(StoreUnavailable) as failure:
            DynamoDBTransactionStore(client, "irrelevant").claim(CLAIM, soon())
    assert failure.value.reason == "store_access_denied"
    assert server.requests == []


@pytest.mark.parametrize("fault", [lose_request, refuse("InternalServerError", 500), answer(502, b"<html>")])
def test_132_a_read_without_an_answer_is_unavailable(
    server: DynamoDBServer, store: DynamoDBTransactionStore, fault: Fault
) -> None:
    prepare(server, store, Phase.REDEEMED)
    server.fail(fault)
    with pytest.raises(StoreUnavailable) as failure:
        store.read(PENDING.id, soon())
    assert failure.value.reason == "store_unanswered"
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_132_an_outage_at_any_step_issues_nothing(server: DynamoDBServer, bridge: Bridge, code: str) -> None:
    outage = refuse(code)

    browser = Browser(bridge)
    with server.failing(outage):
        told = location(browser.authorize())
    assert (told["error"], told["state"]) == ("temporarily_unavailable", STATE)

    state = browser.start()
    with server.failing(outage), pytest.raises(StoreUnavailable):
        browser.callback(state)
    assert bridge.upstream.finished == []
    code_for_cognito = location(browser.callback(state))["code"]

    with server.failing(outage), pytest.raises(StoreUnavailable):
        token(bridge, code_for_cognito)
    tokens = token(bridge, code_for_cognito)

    with server.failing(outage), pytest.raises(StoreUnavailable):
        read_userinfo(bridge, tokens["access_token"])
    assert read_userinfo(bridge, tokens["access_token"])


# --- 133: items that must not be believed ---------------------------------------------------------------------------


def test_133_an_expired_item_that_is_still_there_is_refused(
    store: DynamoDBTransactionStore,
) -> None:
    bring_to(store, Phase.PENDING)
    with pytest.raises(TransitionRefused):
        store.claim(replace(CLAIM, now=EXPIRES_AT), soon())
    for move in (CLAIM, AUTHORIZE):
        apply(store, move)
    with pytest.raises(TransitionRefused):
        store.redeem(replace(REDEEM, now=CODE_EXPIRES_AT), soon())
    assert store.read(PENDING.id, soon()) == AUTHORIZED


def test_133_reads_are_strongly_consistent(server: DynamoDBServer, store: DynamoDBTransactionStore) -> None:
    server.requests.clear()
    store.read(PENDING.id, soon())
    ((operation, parameters),) = server.requests
    assert operation == "GetItem"
    assert parameters["ConsistentRead"] is True


ALWAYS_HELD = ("cn", "cv", "ci", "co", "ph", "ex", "sh", "bh", "sr")
HELD = {"claim": ALWAYS_HELD, "redeem": (*ALWAYS_HELD, "ch", "cx", "st", "th", "tx", "sg")}
DAMAGE: dict[str, dict[str, Any] | None] = {
    "removed": None,
    "null": {"NULL": True},
    "another type": {"L": []},
}
COMPARED = {("claim", "ex"), ("redeem", "cx")}
"""To compare a list with a number is false in DynamoDB, so the move is refused; moto answers 500, which is unknown."""
OTHER_SCHEMAS: list[dict[str, Any] | None] = [{"N": "2"}, {"N": "0"}, {"S": "1"}, None]


def overwrite(server: DynamoDBServer, name: str, value: dict[str, Any] | None) -> None:
    """Set or remove one attribute of the item, behind the store's back."""
    change: dict[str, Any] = {"UpdateExpression": "REMOVE #a"}
    if value is not None:
        change = {"UpdateExpression": "SET #a = :a", "ExpressionAttributeValues": {":a": value}}
    server.client.update_item(
        TableName=server.table,
        Key={"id": {"S": PENDING.id}},
        ExpressionAttributeNames={"#a": name},
        **change,
    )


def raw(server: DynamoDBServer) -> dict[str, Any]:
    return dict(server.client.get_item(TableName=server.table, Key={"id": {"S": PENDING.id}})["Item"])


@pytest.mark.parametrize("name", ["claim", "authorize", "fail", "redeem"])
@pytest.mark.parametrize("schema", OTHER_SCHEMAS)
def test_133_an_item_of_another_schema_is_absent_and_stays_as_it_is(
    server: DynamoDBServer, store: DynamoDBTransactionStore, name: str, schema: dict[str, Any] | None
) -> None:
    phase, write, _ = WRITES[name]
    prepare(server, store, phase)
    overwrite(server, "v", schema)
    before = raw(server)
    with pytest.raises(TransitionRefused) as refused:
        write(store)
    assert refused.value.current is None
    assert store.read(PENDING.id, soon()) is None
    with pytest.raises(TransitionRefused) as refused:
        store.put(PENDING, soon())
    assert refused.value.current is None
    assert raw(server) == before


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name, attribute", [(name, attribute) for name, held in HELD.items() for attribute in held]
)
def test_133_a_truncated_item_is_refused_and_never_a_crash(
    server: DynamoDBServer, store: DynamoDBTransactionStore, name: str, attribute: str, damage: str
) -> None:
    phase, write, _ = WRITES[name]
    prepare(server, store, phase)
    overwrite(server, attribute, DAMAGE[damage])
    assert store.read(PENDING.id, soon()) is None
    if damage == "another type" and (name, attribute) in COMPARED:
        with pytest.raises(OutcomeUnknown):
            write(store)
        return
    with pytest.raises(TransitionRefused) as refused:
        write(store)
    assert refused.value.current is None
    with pytest.raises(TransitionRefused):
        write(store)


@pytest.mark.parametrize("value", [{"N": "1.5"}, {"S": "1"}, {"N": ""}])
def test_133_a_time_that_is_no_whole_number_is_refused(
    server: DynamoDBServer, store: DynamoDBTransactionStore, value: dict[str, str]
) -> None:
    bring_to(store, Phase.AUTHORIZED)
    overwrite(server, "tx", value)
    assert store.read(PENDING.id, soon()) is None


def test_133_an_unknown_phase_is_refused(server: DynamoDBServer, store: DynamoDBTransactionStore) -> None:
    bring_to(store, Phase.PENDING)
    overwrite(server, "ph", {"S": "approved"})
    assert store.read(PENDING.id, soon()) is None
