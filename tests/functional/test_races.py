"""Many at once through the flows, on every store: one winner, the same browser still arrives, a stranger burns nothing.

Cases 14 and 26. The stores' own races, processes included, are in tests/conformance.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.config import Config
from botocore.session import get_session

from fedbridge.errors import OAuthError
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Response
from fedbridge.model.identity import Identity
from fedbridge.model.transaction import Phase, Transaction
from fedbridge.ports import TransactionStore
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from fedbridge.store.memory import MemoryTransactionStore
from fedbridge.store.sqlite import SqliteTransactionStore
from tests.fakes.registry import FakeRegistry
from tests.fakes.upstream import IDENTITY
from tests.support.bridge import (
    STATE,
    Bridge,
    Browser,
    connection,
    id_token_claims,
    location,
    read_userinfo,
    token,
)
from tests.support.dynamodb import DynamoDBServer, running_dynamodb
from tests.support.racing import in_parallel

PARTIES = 50


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


@dataclass
class Arena:
    """A store. `gather` makes it carry nothing out before all parties' requests are there, where it can; until `release`."""

    store: TransactionStore
    gather: Callable[[], None] = lambda: None
    release: Callable[[], None] = lambda: None
    bridge: Bridge = field(init=False)

    def __post_init__(self) -> None:
        self.bridge = Bridge(
            store=self.store, registry=FakeRegistry(connection(), connection("bank", party_client_id="pool"))
        )

    def item(self, handle: str) -> Transaction:
        found = self.store.read(handle[:21], Deadline.after(20))
        assert found is not None
        return found


def patient_client(url: str) -> Any:
    """Return a client that waits: 50 requests at once, carried out one by one, may take a busy machine some seconds."""
    patience = Config(connect_timeout=30, read_timeout=30, retries={"total_max_attempts": 1})
    return get_session().create_client("dynamodb", endpoint_url=url, config=patience)


def create_table(client: Any) -> str:
    name = f"races-{uuid4()}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return name


@pytest.fixture(params=["memory", "SQLite", "DynamoDB"])
def arena(request: pytest.FixtureRequest, tmp_path: Path, server: DynamoDBServer) -> Iterator[Arena]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield Arena(MemoryTransactionStore())
        elif request.param == "SQLite":
            store = stack.enter_context(closing(SqliteTransactionStore(tmp_path / "transactions.sqlite")))
            yield Arena(store)
        else:
            gathering = stack.enter_context(ExitStack())
            client = stack.enter_context(closing(patient_client(server.url)))
            yield Arena(
                DynamoDBTransactionStore(client, create_table(client)),
                gather=lambda: gathering.enter_context(server.gathering(PARTIES)),
                release=gathering.close,
            )


def test_of_50_parallel_callbacks_one_exchanges_the_code(arena: Arena) -> None:
    bridge = arena.bridge
    browser = Browser(bridge)
    state = browser.start()

    def exchange() -> Identity:
        arena.release()  # The winner writes again, alone.
        return IDENTITY

    bridge.upstream.outcome = exchange
    arena.gather()
    answers = in_parallel(PARTIES, lambda: browser.callback(state))

    assert all(isinstance(answer, Response) for answer in answers), answers
    responses = [answer for answer in answers if isinstance(answer, Response)]
    assert len(bridge.upstream.finished) == 1
    assert bridge.telemetry.names().count("sign_in_authorized") == 1
    assert bridge.telemetry.names().count("callback_repeated") == PARTIES - 1
    # Whoever came too late waits on the page that asks again, or is sent on like the winner.
    assert {response.status for response in responses} <= {200, 302}
    sent_on = [response for response in responses if response.status == 302]
    assert {response.headers["location"] for response in sent_on} == {browser.poll(state).headers["location"]}
    (code,) = {location(response)["code"] for response in sent_on}
    waiting = [response for response in responses if response.status == 200]
    assert all("Signing you in" in response.body for response in waiting)
    assert len(sent_on) + len(waiting) == PARTIES
    assert id_token_claims(token(bridge, code)["id_token"])["sub"] == IDENTITY.subject


def test_of_50_parallel_callbacks_of_a_sign_in_that_fails_none_gets_a_code(arena: Arena) -> None:
    bridge = arena.bridge
    browser = Browser(bridge)
    state = browser.start()

    def refuse() -> Identity:
        arena.release()
        from fedbridge.errors import UpstreamError

        raise UpstreamError("userinfo_subject_mismatch")

    bridge.upstream.outcome = refuse
    arena.gather()
    answers = in_parallel(PARTIES, lambda: browser.callback(state))
    responses = [answer for answer in answers if isinstance(answer, Response)]
    assert len(responses) == PARTIES
    redirects = [location(response) for response in responses if "location" in response.headers]
    assert [set(redirect) for redirect in redirects] == [{"error", "error_description", "state"}]
    assert len(bridge.upstream.finished) == 1
    assert arena.item(state).phase is Phase.FAILED


def test_of_50_parallel_redemptions_one_gets_tokens(arena: Arena) -> None:
    bridge = arena.bridge
    code = Browser(bridge).sign_in()
    arena.gather()
    answers = in_parallel(PARTIES, lambda: token(bridge, code))
    arena.release()
    refusals = [answer for answer in answers if isinstance(answer, OAuthError)]
    assert Counter((refusal.error, refusal.status) for refusal in refusals) == {
        ("invalid_grant", 400): PARTIES - 1
    }
    (tokens,) = [answer for answer in answers if isinstance(answer, dict)]
    assert bridge.telemetry.names().count("sign_in_redeemed") == 1
    assert bridge.telemetry.names().count("code_replayed") == PARTIES - 1
    # The replays have not taken the token from who was first.
    assert read_userinfo(bridge, tokens["access_token"])["sub"] == IDENTITY.subject


def test_callbacks_and_redemptions_at_once_issue_one_set_of_tokens(arena: Arena) -> None:
    """Reloads go on while Cognito redeems: the reload never brings a spent code back to life."""
    bridge = arena.bridge
    browser = Browser(bridge)
    state = browser.start()
    code = location(browser.callback(state))["code"]
    turns = iter(range(PARTIES))

    def act() -> object:
        return browser.callback(state) if next(turns) % 2 else token(bridge, code)

    answers = in_parallel(PARTIES, act)
    assert len([answer for answer in answers if isinstance(answer, dict)]) == 1
    responses = [answer for answer in answers if isinstance(answer, Response)]
    assert len(responses) == PARTIES // 2
    assert {location(answer)["code"] for answer in responses if answer.status == 302} <= {code}
    assert len(bridge.upstream.finished) == 1
    with pytest.raises(OAuthError):
        token(bridge, code)


def test_a_reload_in_the_same_browser_still_arrives(arena: Arena) -> None:
    bridge = arena.bridge
    browser = Browser(bridge)
    state = browser.start()
    first = browser.callback(state)
    for _ in range(3):
        assert browser.callback(state).headers["location"] == first.headers["location"]
        assert browser.poll(state).headers["location"] == first.headers["location"]
    assert location(first)["state"] == STATE
    assert len(bridge.upstream.finished) == 1
    tokens = token(bridge, location(first)["code"])
    assert read_userinfo(bridge, tokens["access_token"])["email"] == "ana@example.com"
    assert "already complete" in browser.callback(state).body


def test_a_reload_in_the_middle_of_the_exchange_still_arrives(arena: Arena) -> None:
    bridge = arena.bridge
    browser = Browser(bridge)
    state = browser.start()
    pages: list[Response] = []

    def slow() -> Identity:
        pages.extend([browser.callback(state), browser.poll(state)])
        return IDENTITY

    bridge.upstream.outcome = slow
    finished = browser.callback(state)
    assert [page.status for page in pages] == [200, 200]
    assert browser.poll(state).headers["location"] == finished.headers["location"]
    assert len(bridge.upstream.finished) == 1


def test_a_stranger_with_the_state_gets_nothing_and_burns_nothing(arena: Arena) -> None:
    bridge = arena.bridge
    browser = Browser(bridge)
    state = browser.start()
    before = arena.item(state)
    with_a_sign_in_of_his_own = Browser(bridge)
    with_a_sign_in_of_his_own.start()
    strangers = [
        Browser(bridge),
        Browser(bridge, cookies=("__Host-fedbridge=" + "B" * 43,)),
        Browser(bridge, name="bank", cookies=browser.cookies),
        with_a_sign_in_of_his_own,
    ]
    for stranger in strangers:
        for answer in (stranger.callback(state), stranger.callback(state, error="access_denied")):
            assert answer.status == 400
            assert "location" not in answer.headers
    assert arena.item(state) == before
    assert bridge.upstream.finished == []
    # Nor while, or after, the right browser is at it.
    code = location(browser.callback(state))["code"]
    authorized = arena.item(state)
    for stranger in strangers:
        answer = stranger.callback(state)
        assert (answer.status, "location" in answer.headers) == (400, False)
    assert arena.item(state) == authorized
    assert token(bridge, code)["access_token"]


def test_a_stranger_with_the_code_gets_nothing_and_burns_nothing(arena: Arena) -> None:
    bridge = arena.bridge
    code = Browser(bridge).sign_in()
    before = arena.item(code)
    attempts: list[dict[str, str | None]] = [
        {"client_secret": "x" * 43},
        {"client_id": "pool"},
        {"client_id": None, "client_secret": None},
        {"name": "bank", "client_id": "pool"},
    ]
    for attempt in attempts:
        with pytest.raises(OAuthError) as refused:
            token(bridge, code, **attempt)  # type: ignore[arg-type]
        assert refused.value.error in {"invalid_client", "invalid_grant"}
    guesses = [code[:-1] + ("A" if code[-1] != "A" else "B"), code[:21] + "A" * 22]
    for guess in guesses:
        with pytest.raises(OAuthError, match="invalid_grant"):
            token(bridge, guess)
    for guess in (code, *guesses):
        with pytest.raises(OAuthError, match="invalid_token"):
            read_userinfo(bridge, guess)
    assert arena.item(code) == before
    assert token(bridge, code)["access_token"]


def test_50_strangers_beside_the_right_browser(arena: Arena) -> None:
    """A link scanner's burst while the user returns: the user arrives, and only the user."""
    bridge = arena.bridge
    browser, stranger = Browser(bridge), Browser(bridge, cookies=("__Host-fedbridge=" + "B" * 43,))
    state = browser.start()
    turns = iter(range(PARTIES))
    answers = in_parallel(
        PARTIES, lambda: (browser if next(turns) == PARTIES // 2 else stranger).callback(state)
    )
    redirects = [
        answer for answer in answers if isinstance(answer, Response) and "location" in answer.headers
    ]
    assert len(answers) == PARTIES
    assert len(redirects) == 1
    assert token(bridge, location(redirects[0])["code"])["access_token"]
