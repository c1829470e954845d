"""Sessions in DynamoDB, in a table of their own: one item each.

The table's partition key is `id` (S); `ttl` (N) is its time-to-live attribute.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fedbridge.errors import StoreUnavailable
from fedbridge.model.session import Session
from fedbridge.store.table import Item, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.deadline import Deadline

SCHEMA = "1"
"""Of the items (`v`). Another one is not ours to read, and counts as absent."""


class DynamoDBSessionStore:
    """A `SessionStore` in a table; `client` is one of `fedbridge.aws.sdk_client("dynamodb")`.

    Methods raise what `fedbridge.store.table` says, and DeadlineExceeded.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(client, table, sleep=sleep)

    def put(self, session: Session, deadline: Deadline) -> None:
        """Keep the session."""
        item: Item = {
            "id": {"S": session.id},
            "v": {"N": SCHEMA},
            "cn": {"S": session.connection},
            "ttl": {"N": str(session.expires_at)},
            "sl": {"B": session.sealed_logout},
        }
        if session.sealed_subject is not None:
            item["su"] = {"B": session.sealed_subject}
        self._table.put(deadline, Item=item)

    def read(self, session_id: str, deadline: Deadline) -> Session | None:
        """Return the session."""
        item = self._table.get({"id": {"S": session_id}}, deadline)
        if item is None or item.get("v") != {"N": SCHEMA}:
            return None
        try:
            return Session(
                id=item["id"]["S"],
                connection=item["cn"]["S"],
                expires_at=int(item["ttl"]["N"]),
                sealed_logout=item["sl"]["B"],
                sealed_subject=item["su"]["B"] if "su" in item else None,
            )
        except (KeyError, ValueError):
            raise StoreUnavailable("a session's item is not whole", reason="session_unreadable") from None

    def remove(self, session_id: str, deadline: Deadline) -> None:
        """Forget the session."""
        self._table.delete(deadline, Key={"id": {"S": session_id}})
