"""What every `TransactionStore` must do. A backend joins by one class that inherits the suite and says `open_store`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from fedbridge.errors import DeadlineExceeded, TransitionRefused
from fedbridge.model.deadline import Deadline
from fedbridge.model.transaction import Phase, Transaction
from fedbridge.ports import TransactionStore
from tests.conformance.transactions import (
    AUTHORIZE,
    AUTHORIZED,
    CLAIM,
    CODE_EXPIRES_AT,
    EXCHANGE_DEADLINE,
    EXCHANGING,
    EXPIRES_AT,
    FAIL,
    FAILED,
    PENDING,
    REDEEM,
    REDEEMED,
    Move,
    apply,
    bring_to,
    soon,
)
from tests.support.racing import in_parallel

PARTIES = 50

MOVES: dict[str, tuple[Phase, Move, Transaction]] = {
    "claim": (Phase.PENDING, CLAIM, EXCHANGING),
    "authorize": (Phase.EXCHANGING, AUTHORIZE, AUTHORIZED),
    "fail": (Phase.EXCHANGING, FAIL, FAILED),
    "redeem": (Phase.AUTHORIZED, REDEEM, REDEEMED),
}
"""Name → the phase it comes from, the move with everything right, the item it leaves."""

LAST_MOMENT: dict[str, int] = {
    "claim": EXPIRES_AT - 1,
    "authorize": EXCHANGE_DEADLINE - 1,
    "fail": EXCHANGE_DEADLINE - 1,
    "redeem": CODE_EXPIRES_AT - 1,
}

WRONG: dict[str, Move] = {
    "claim, connection": replace(CLAIM, connection="other-bank"),
    "claim, connection in capitals": replace(CLAIM, connection=PENDING.connection.upper()),
    "claim, state": replace(CLAIM, state_hash=PENDING.browser_hash),
    "claim, state cut short": replace(CLAIM, state_hash=PENDING.state_hash[:-1]),
    "claim, browser": replace(CLAIM, browser_hash=PENDING.state_hash),
    "claim, browser empty": replace(CLAIM, browser_hash=b""),
    "claim, at its expiry": replace(CLAIM, now=EXPIRES_AT),
    "claim, after its expiry": replace(CLAIM, now=EXPIRES_AT + 1),
    "authorize, connection": replace(AUTHORIZE, connection="other-bank"),
    "authorize, state": replace(AUTHORIZE, state_hash=PENDING.browser_hash),
    "authorize, browser": replace(AUTHORIZE, browser_hash=PENDING.state_hash),
    "authorize, at its deadline": replace(AUTHORIZE, now=EXCHANGE_DEADLINE),
    "authorize, after its deadline": replace(AUTHORIZE, now=EXCHANGE_DEADLINE + 1),
    "fail, connection": replace(FAIL, connection="other-bank"),
    "fail, state": replace(FAIL, state_hash=PENDING.browser_hash),
    "fail, browser": replace(FAIL, browser_hash=PENDING.state_hash),
    "fail, at its deadline": replace(FAIL, now=EXCHANGE_DEADLINE),
    "redeem, connection": replace(REDEEM, connection="other-bank"),
    "redeem, client": replace(REDEEM, client_id="other-client"),
    "redeem, code": replace(REDEEM, code_hash=AUTHORIZE.token_hash),
    "redeem, state for code": replace(REDEEM, code_hash=PENDING.state_hash),
    "redeem, code empty": replace(REDEEM, code_hash=b""),
    "redeem, at its expiry": replace(REDEEM, now=CODE_EXPIRES_AT),
    "redeem, after its expiry": replace(REDEEM, now=CODE_EXPIRES_AT + 1),
}
"""Everything is right but one thing."""

OPERATIONS: dict[str, Callable[[TransactionStore, Deadline], object]] = {
    "put": lambda store, deadline: store.put(replace(PENDING, id="another"), deadline),
    "claim": lambda store, deadline: store.claim(CLAIM, deadline),
    "authorize": lambda store, deadline: store.authorize(AUTHORIZE, deadline),
    "fail": lambda store, deadline: store.fail(FAIL, deadline),
    "redeem": lambda store, deadline: store.redeem(REDEEM, deadline),
    "read": lambda store, deadline: store.read(PENDING.id, deadline),
}


class TransactionStoreSuite:
    """The port, move by move, condition by condition; and the races."""

    def open_store(self, folder: Path) -> AbstractContextManager[TransactionStore]:
        """Open an empty store."""
        raise NotImplementedError

    def all_at_once(self, parties: int) -> AbstractContextManager[None]:
        """Hold the backend's calls back until all are there, where the backend can."""
        return nullcontext()

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[TransactionStore]:
        with self.open_store(tmp_path) as store:
            yield store

    def test_reads_what_was_put(self, store: TransactionStore) -> None:
        store.put(PENDING, soon())
        assert store.read(PENDING.id, soon()) == PENDING

    def test_reads_nothing_where_nothing_was_put(self, store: TransactionStore) -> None:
        store.put(PENDING, soon())
        assert store.read("another", soon()) is None
        assert store.read(PENDING.id.lower(), soon()) is None

    def test_keeps_every_field_of_every_phase(self, store: TransactionStore) -> None:
        for number, item in enumerate((PENDING, EXCHANGING, AUTHORIZED, REDEEMED, FAILED)):
            other = replace(item, id=f"transaction{number}", correlation_id="Grüße, 世界 🙂")
            store.put(other, soon())
            assert store.read(other.id, soon()) == other

    def test_put_refuses_an_id_that_exists(self, store: TransactionStore) -> None:
        bring_to(store, Phase.EXCHANGING)
        for again in (PENDING, replace(PENDING, connection="other-bank", state_hash=b"other")):
            with pytest.raises(TransitionRefused) as refused:
                store.put(again, soon())
            assert refused.value.current == EXCHANGING
            assert store.read(PENDING.id, soon()) == EXCHANGING

    @pytest.mark.parametrize("name", MOVES)
    def test_a_move_changes_what_it_says_and_nothing_else(self, store: TransactionStore, name: str) -> None:
        phase, move, after = MOVES[name]
        bring_to(store, phase)
        apply(store, move)
        assert store.read(PENDING.id, soon()) == after

    @pytest.mark.parametrize("name, before", [("claim", PENDING), ("redeem", AUTHORIZED)])
    def test_a_taking_move_returns_the_item_as_it_was(
        self, store: TransactionStore, name: str, before: Transaction
    ) -> None:
        phase, move, _ = MOVES[name]
        bring_to(store, phase)
        assert apply(store, move) == before

    @pytest.mark.parametrize("name", MOVES)
    def test_a_move_holds_until_the_second_before_its_expiry(
        self, store: TransactionStore, name: str
    ) -> None:
        phase, move, after = MOVES[name]
        bring_to(store, phase)
        apply(store, replace(move, now=LAST_MOMENT[name]))
        assert store.read(PENDING.id, soon()) == after

    @pytest.mark.parametrize("wrong", WRONG)
    def test_one_wrong_thing_refuses_the_move_and_changes_nothing(
        self, store: TransactionStore, wrong: str
    ) -> None:
        phase, _, _ = MOVES[wrong.partition(",")[0]]
        bring_to(store, phase)
        before = store.read(PENDING.id, soon())
        with pytest.raises(TransitionRefused) as refused:
            apply(store, WRONG[wrong])
        assert refused.value.current == before
        assert store.read(PENDING.id, soon()) == before

    @pytest.mark.parametrize(
        "name, phase", [(name, phase) for name in MOVES for phase in Phase if phase is not MOVES[name][0]]
    )
    def test_another_phase_refuses_the_move_and_changes_nothing(
        self, store: TransactionStore, name: str, phase: Phase
    ) -> None:
        _, move, _ = MOVES[name]
        bring_to(store, phase)
        before = store.read(PENDING.id, soon())
        with pytest.raises(TransitionRefused) as refused:
            apply(store, move)
        assert refused.value.current == before
        assert store.read(PENDING.id, soon()) == before

    @pytest.mark.parametrize("name", MOVES)
    def test_a_move_of_nothing_is_refused_and_makes_nothing(self, store: TransactionStore, name: str) -> None:
        _, move, _ = MOVES[name]
        with pytest.raises(TransitionRefused) as refused:
            apply(store, move)
        assert refused.value.current is None
        assert store.read(PENDING.id, soon()) is None

    def test_a_refused_move_leaves_the_right_one_possible(self, store: TransactionStore) -> None:
        bring_to(store, Phase.PENDING)
        with pytest.raises(TransitionRefused):
            store.claim(replace(CLAIM, browser_hash=b"a stranger's"), soon())
        store.claim(CLAIM, soon())
        store.authorize(AUTHORIZE, soon())
        with pytest.raises(TransitionRefused):
            store.redeem(replace(REDEEM, client_id="another"), soon())
        assert store.redeem(REDEEM, soon()) == AUTHORIZED

    def test_transactions_do_not_touch_each_other(self, store: TransactionStore) -> None:
        other = replace(PENDING, id="another", connection="other-bank")
        store.put(other, soon())
        bring_to(store, Phase.REDEEMED)
        assert store.read(other.id, soon()) == other

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_nothing_happens_past_the_deadline(self, store: TransactionStore, name: str) -> None:
        phase = MOVES[name][0] if name in MOVES else Phase.PENDING
        bring_to(store, phase)
        before = store.read(PENDING.id, soon())
        with pytest.raises(DeadlineExceeded):
            OPERATIONS[name](store, Deadline(at=0.0))
        assert store.read(PENDING.id, soon()) == before
        assert store.read("another", soon()) is None

    def test_of_many_puts_of_one_id_one_wins(self, store: TransactionStore) -> None:
        with self.all_at_once(PARTIES):
            outcomes = in_parallel(PARTIES, lambda: store.put(PENDING, soon()))
        assert outcomes.count(None) == 1
        assert_all_others_were_refused(outcomes, PENDING)

    def test_of_many_claims_one_wins(self, store: TransactionStore) -> None:
        bring_to(store, Phase.PENDING)
        with self.all_at_once(PARTIES):
            outcomes = in_parallel(PARTIES, lambda: store.claim(CLAIM, soon()))
        assert outcomes.count(PENDING) == 1
        assert_all_others_were_refused(outcomes, EXCHANGING)

    def test_of_many_redemptions_one_wins(self, store: TransactionStore) -> None:
        bring_to(store, Phase.AUTHORIZED)
        with self.all_at_once(PARTIES):
            outcomes = in_parallel(PARTIES, lambda: store.redeem(REDEEM, soon()))
        assert outcomes.count(AUTHORIZED) == 1
        assert_all_others_were_refused(outcomes, REDEEMED)

    def test_of_authorizing_and_failing_at_once_one_wins(self, store: TransactionStore) -> None:
        bring_to(store, Phase.EXCHANGING)
        moves: list[Move] = [AUTHORIZE, FAIL] * (PARTIES // 2)
        with self.all_at_once(PARTIES):
            outcomes = in_parallel(PARTIES, lambda: apply(store, moves.pop()))
        after = store.read(PENDING.id, soon())
        assert after in (AUTHORIZED, FAILED)
        assert outcomes.count(None) == 1
        assert_all_others_were_refused(outcomes, after)


def assert_all_others_were_refused(outcomes: Sequence[object], current: Transaction | None) -> None:
    refused = [outcome for outcome in outcomes if isinstance(outcome, TransitionRefused)]
    assert len(refused) == PARTIES - 1
    assert all(refusal.current == current for refusal in refused)
