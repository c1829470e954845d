"""What the memory store forgets; what it does otherwise is the conformance suite's."""

from dataclasses import replace

from fedbridge.model.transaction import Phase
from fedbridge.store.memory import MemoryTransactionStore
from fedbridge.store.moves import SLACK
from tests.conformance.transactions import AUTHORIZED, PENDING, TOKEN_EXPIRES_AT, bring_to, soon


def test_what_is_long_over_is_swept_when_something_new_comes() -> None:
    store = MemoryTransactionStore()
    bring_to(store, Phase.AUTHORIZED)
    latest = TOKEN_EXPIRES_AT + SLACK
    store.put(replace(PENDING, id="before", expires_at=latest), soon())
    assert store.read(PENDING.id, soon()) == AUTHORIZED
    store.put(replace(PENDING, id="after", expires_at=latest + 1), soon())
    assert store.read(PENDING.id, soon()) is None
    assert store.read("before", soon()) is not None


def test_it_holds_no_more_than_an_hour_of_sign_ins() -> None:
    store = MemoryTransactionStore()
    for number in range(10_000):
        store.put(replace(PENDING, id=str(number), expires_at=10_000 + number), soon())
    held = [number for number in range(10_000) if store.read(str(number), soon())]
    assert held == list(range(10_000 - SLACK - 1, 10_000))
