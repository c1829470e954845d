"""Key rings in DynamoDB, in the table of the connections: wherever those are replicated to, their rings are.

The partition key `name` (S) is `ring:` and the ring's name, which no connection can have. `document` (B) is policy and
state, `revision` (N) counts the writes, and `v` is the schema.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError, RingMoved, StoreUnavailable
from fedbridge.store.table import ConditionFailed, Item, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.key_ring import StoredRing

SCHEMA = "1"
PREFIX = "ring:"


class DynamoDBKeyRings:
    """`KeyRings` in a table; `decode` takes name, document and revision, and raises ConfigurationError.

    A ring that cannot be read is StoreUnavailable with the reason `ring_unreadable`.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        encode: Callable[[StoredRing], bytes],
        decode: Callable[[str, bytes, int], StoredRing],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(client, table, sleep=sleep)
        self._encode = encode
        self._decode = decode

    def get(self, name: str, deadline: Deadline) -> StoredRing | None:
        """Return a ring."""
        item = self._table.get({"name": {"S": PREFIX + name}}, deadline)
        return None if item is None else self._read(item)

    def put(self, ring: StoredRing, deadline: Deadline) -> StoredRing:
        """Write a ring over the revision that it has."""
        written = replace(ring, revision=ring.revision + 1)
        try:
            self._table.put(
                deadline,
                Item={
                    "name": {"S": PREFIX + ring.name},
                    "v": {"N": SCHEMA},
                    "revision": {"N": str(written.revision)},
                    "document": {"B": self._encode(written)},
                },
                ConditionExpression="attribute_not_exists(#name)"
                if ring.revision == 0
                else "#revision = :read",
                ExpressionAttributeNames={"#name": "name"}
                if ring.revision == 0
                else {"#revision": "revision"},
                **(
                    {}
                    if ring.revision == 0
                    else {"ExpressionAttributeValues": {":read": {"N": str(ring.revision)}}}
                ),
            )
        except ConditionFailed:
            raise RingMoved(f"ring {ring.name}: somebody else has moved it meanwhile: look again") from None
        return written

    def names(self, deadline: Deadline) -> list[str]:
        """Return the name of every ring, by a Scan, which no sign-in makes."""
        names = (str(item["name"]["S"]) for item in self._table.scan(deadline))
        return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))

    def _read(self, item: Item) -> StoredRing:
        name = item["name"]["S"].removeprefix(PREFIX)
        try:
            schema, document, revision = item["v"]["N"], item["document"]["B"], int(item["revision"]["N"])
            return self._decode(name, document if schema == SCHEMA else b"", revision)
        except (ConfigurationError, KeyError, ValueError) as error:
            raise StoreUnavailable(f"ring {name}: {error}", reason="ring_unreadable") from error
