"""Transactions in memory, for tests and local work in one process."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from fedbridge.errors import TransitionRefused
from fedbridge.model.transaction import Phase
from fedbridge.store import moves

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.transaction import Authorize, Claim, Fail, Redeem, Transaction


class MemoryTransactionStore:
    """A `TransactionStore` that lives as long as its process. Methods raise TransitionRefused and DeadlineExceeded."""

    def __init__(self) -> None:
        self._items: dict[str, Transaction] = {}
        self._lock = Lock()

    def put(self, transaction: Transaction, deadline: Deadline) -> None:
        """Store a new transaction."""
        deadline.remaining()
        with self._lock:
            self._sweep(transaction.expires_at)
            if transaction.id in self._items:
                raise TransitionRefused(self._items[transaction.id])
            self._items[transaction.id] = transaction

    def claim(self, move: Claim, deadline: Deadline) -> Transaction:
        """pending → exchanging."""
        return self._move(moves.claim(move), deadline)

    def authorize(self, move: Authorize, deadline: Deadline) -> None:
        """exchanging → authorized."""
        self._move(moves.authorize(move), deadline)

    def fail(self, move: Fail, deadline: Deadline) -> None:
        """exchanging → failed."""
        self._move(moves.fail(move), deadline)

    def redeem(self, move: Redeem, deadline: Deadline) -> Transaction:
        """authorized → redeemed."""
        return self._move(moves.redeem(move), deadline)

    def read(self, transaction_id: str, deadline: Deadline) -> Transaction | None:
        """Return the item."""
        deadline.remaining()
        with self._lock:
            return self._items.get(transaction_id)

    def _move(self, step: moves.Transition, deadline: Deadline) -> Transaction:
        deadline.remaining()
        with self._lock:
            current = self._items.get(step.id)
            if current is None or not _holds(step, current):
                raise TransitionRefused(current)
            changes: dict[str, Any] = {**step.write, **dict.fromkeys(step.remove)}
            changes["phase"] = Phase(changes["phase"])
            self._items[step.id] = replace(current, **changes)
            return current

    def _sweep(self, expires_at: int) -> None:
        """Forget what is long over. A new item's own expiry tells the time well enough; items arrive in its order."""
        for oldest in tuple(islice(self._items.values(), 2)):
            if moves.sweep_at(oldest) >= expires_at:
                return
            del self._items[oldest.id]


def _holds(step: moves.Transition, current: Transaction) -> bool:
    expiry: int | None = getattr(current, step.expiry)
    return (
        expiry is not None
        and expiry > step.now
        and all(getattr(current, name) == value for name, value in step.equal.items())
    )
