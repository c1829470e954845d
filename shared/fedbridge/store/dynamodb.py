"""Transactions in DynamoDB: one item each, one conditional write a move.

The table's partition key is `id` (S); `ttl` (N) is its time-to-live attribute. Attribute names are short, because every
kilobyte of an item is charged for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fedbridge.errors import OutcomeUnknown, TransitionRefused
from fedbridge.model.transaction import Phase, Transaction
from fedbridge.store import moves
from fedbridge.store.table import ConditionFailed, Item, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.transaction import Authorize, Claim, Fail, Redeem

SCHEMA = 1
"""Of the items (`v`). Another one is not ours to read: it counts as absent, and no move touches it."""

_ATTRIBUTES = {
    "id": ("id", "S"),
    "connection": ("cn", "S"),
    "connection_version": ("cv", "S"),
    "client_id": ("ci", "S"),
    "correlation_id": ("co", "S"),
    "phase": ("ph", "S"),
    "expires_at": ("ex", "N"),
    "state_hash": ("sh", "B"),
    "browser_hash": ("bh", "B"),
    "sealed_request": ("sr", "B"),
    "exchange_deadline": ("xd", "N"),
    "code_hash": ("ch", "B"),
    "code_expires_at": ("cx", "N"),
    "sealed_token": ("st", "B"),
    "token_hash": ("th", "B"),
    "token_expires_at": ("tx", "N"),
    "sealed_grant": ("sg", "B"),
}
"""Field → attribute name and DynamoDB type."""

_AUTHORIZED = ("code_hash", "code_expires_at", "token_hash", "token_expires_at", "sealed_grant")
_WHOLE = {
    Phase.PENDING: ("sealed_request",),
    Phase.EXCHANGING: ("sealed_request", "exchange_deadline"),
    Phase.AUTHORIZED: ("sealed_request", "sealed_token", *_AUTHORIZED),
    Phase.REDEEMED: _AUTHORIZED,
    Phase.FAILED: (),
}
"""What an item must hold in its phase, beside the fields that every transaction has."""


class DynamoDBTransactionStore:
    """A `TransactionStore` in a table; `client` is one of `fedbridge.aws.sdk_client("dynamodb")`.

    Methods raise what `fedbridge.store.table` says, TransitionRefused and DeadlineExceeded. An item that is truncated or
    of another schema counts as absent.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(client, table, sleep=sleep)

    def put(self, transaction: Transaction, deadline: Deadline) -> None:
        """Store a new transaction."""
        try:
            self._table.put(
                deadline, Item=_encode(transaction), ConditionExpression="attribute_not_exists(id)"
            )
        except ConditionFailed as failed:
            raise TransitionRefused(_decode(failed.item)) from None

    def claim(self, move: Claim, deadline: Deadline) -> Transaction:
        """pending → exchanging."""
        return self._take(moves.claim(move), deadline)

    def authorize(self, move: Authorize, deadline: Deadline) -> None:
        """exchanging → authorized."""
        self._move(moves.authorize(move), deadline)

    def fail(self, move: Fail, deadline: Deadline) -> None:
        """exchanging → failed."""
        self._move(moves.fail(move), deadline)

    def redeem(self, move: Redeem, deadline: Deadline) -> Transaction:
        """authorized → redeemed."""
        return self._take(moves.redeem(move), deadline)

    def read(self, transaction_id: str, deadline: Deadline) -> Transaction | None:
        """Return the item."""
        return _decode(self._table.get({"id": {"S": transaction_id}}, deadline))

    def _take(self, step: moves.Transition, deadline: Deadline) -> Transaction:
        old = self._move(step, deadline, ReturnValues="ALL_OLD")
        if old is None:
            raise OutcomeUnknown  # The condition held on an item, so an answer without one is no answer.
        transaction = _decode(old)
        if transaction is None:
            raise TransitionRefused(None)
        return transaction

    def _move(self, step: moves.Transition, deadline: Deadline, **options: Any) -> Item | None:
        try:
            return self._table.update(deadline, **_update(step), **options)
        except ConditionFailed as failed:
            raise TransitionRefused(_decode(failed.item)) from None


def _update(step: moves.Transition) -> dict[str, Any]:
    """Return the UpdateItem parameters of a move: the condition is checked by the table, in the write itself."""
    equal = {"v": {"N": str(SCHEMA)}} | _typed(step.equal)
    write = _typed(step.write)
    if step.ttl is not None:
        write["ttl"] = {"N": str(step.ttl)}
    expiry, _ = _ATTRIBUTES[step.expiry]
    remove = [_ATTRIBUTES[field][0] for field in step.remove]

    expression = "SET " + ", ".join(f"#{name} = :new_{name}" for name in write)
    if remove:
        expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
    condition = " AND ".join(f"#{name} = :old_{name}" for name in equal)
    return {
        "Key": {"id": {"S": step.id}},
        "UpdateExpression": expression,
        "ConditionExpression": f"{condition} AND #{expiry} > :now",
        "ExpressionAttributeNames": {f"#{name}": name for name in (*equal, expiry, *write, *remove)},
        "ExpressionAttributeValues": {
            ":now": {"N": str(step.now)},
            **{f":old_{name}": value for name, value in equal.items()},
            **{f":new_{name}": value for name, value in write.items()},
        },
    }


def _encode(transaction: Transaction) -> Item:
    values = {field: getattr(transaction, field) for field in _ATTRIBUTES}
    held = {field: value for field, value in values.items() if value is not None}
    return {
        "v": {"N": str(SCHEMA)},
        "ttl": {"N": str(moves.sweep_at(transaction))},
        **_typed(held),
    }


def _typed(values: Mapping[str, moves.Value]) -> Item:
    """Return attributes for fields."""
    typed: Item = {}
    for field, value in values.items():
        name, kind = _ATTRIBUTES[field]
        typed[name] = {kind: str(value) if kind == "N" else value}
    return typed


def _decode(item: Item | None) -> Transaction | None:
    """Return the transaction, None where there is none, it is of another schema, or it is not whole."""
    if item is None or item.get("v") != {"N": str(SCHEMA)}:
        return None
    values: dict[str, Any] = {}
    try:
        for field, (name, kind) in _ATTRIBUTES.items():
            if name in item:
                value = item[name][kind]
                values[field] = int(value) if kind == "N" else value
        transaction = Transaction(**{**values, "phase": Phase(values["phase"])})
    except (KeyError, TypeError, ValueError):
        return None
    whole = all(getattr(transaction, field) is not None for field in _WHOLE[transaction.phase])
    return transaction if whole else None
