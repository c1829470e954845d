"""Used messages in the table of transactions, which lives as shortly: an item each, by one conditional write.

The item's `id` is longer than any transaction's, and it has no schema version, so that no move of a transaction touches it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fedbridge.store.table import ConditionFailed, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.deadline import Deadline


class DynamoDBReplayGuard:
    """A `ReplayGuard` in a table; `client` is one of `fedbridge.aws.sdk_client("dynamodb")`.

    UpdateItem makes the item where there is none, so that a role which moves transactions needs nothing more. Methods
    raise what `fedbridge.store.table` says, and DeadlineExceeded.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(client, table, sleep=sleep)

    def take(self, message: str, *, until: int, now: int, deadline: Deadline) -> bool:
        """Return whether this is the first time."""
        try:
            self._table.update(
                deadline,
                Key=_key(message),
                UpdateExpression="SET #ttl = :until REMOVE #released",
                ConditionExpression="attribute_not_exists(id) OR #ttl <= :now OR attribute_exists(#released)",
                ExpressionAttributeNames={"#ttl": "ttl", "#released": "released"},
                ExpressionAttributeValues={":until": {"N": str(until)}, ":now": {"N": str(now)}},
            )
        except ConditionFailed:
            return False
        return True

    def release(self, message: str, deadline: Deadline) -> None:
        """Forget the message.

        The item keeps its `ttl`, which sweeps it: DynamoDB never deletes by a time that is years ago.
        """
        try:
            self._table.update(
                deadline,
                Key=_key(message),
                UpdateExpression="SET #released = :true",
                ConditionExpression="attribute_exists(id)",
                ExpressionAttributeNames={"#released": "released"},
                ExpressionAttributeValues={":true": {"BOOL": True}},
            )
        except ConditionFailed:
            return  # It never came, or was swept.


def _key(message: str) -> dict[str, dict[str, str]]:
    return {"id": {"S": f"used:{message}"}}
