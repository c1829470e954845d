"""What is known of relying parties' client secrets, in the table of connections: hashes and times, never a secret.

The partition key `name` (S) is `secret:CONNECTION:CLIENT_ID`, which no connection is called. `revision` (N) grows with every
write, `state` (S) is the JSON of a `SecretState`, `v` (N) the schema.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError, StoreUnavailable
from fedbridge.model.client_secret import SecretState, StoredSecret
from fedbridge.store.table import ConditionFailed, Item, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.deadline import Deadline

SCHEMA = "1"


class DynamoDBSecretStates:
    """`SecretStates` in a table; raises what `fedbridge.store.table` says."""

    def __init__(
        self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(client, table, sleep=sleep)

    def read(self, connection: str, client_id: str, deadline: Deadline) -> StoredSecret | None:
        """Return the state by one strongly consistent read; StoreUnavailable for one that another release wrote."""
        item = self._table.get({"name": {"S": _name(connection, client_id)}}, deadline)
        if item is None:
            return None
        if item.get("v") != {"N": SCHEMA}:
            raise StoreUnavailable(
                f"secret of {connection} {client_id}: written by another version of fedbridge",
                reason="connection_unreadable",
            )
        return StoredSecret(
            state=SecretState(**json.loads(item["state"]["S"])), revision=int(item["revision"]["N"])
        )

    def write(
        self, connection: str, client_id: str, state: SecretState, revision: int, deadline: Deadline
    ) -> StoredSecret:
        """Store the state by one conditional write."""
        stored = {name: value for name, value in asdict(state).items() if value is not None}
        condition: Item = {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": "name"},
        }
        if revision:
            condition = {
                "ConditionExpression": "#key = :revision",
                "ExpressionAttributeNames": {"#key": "revision"},
                "ExpressionAttributeValues": {":revision": {"N": str(revision)}},
            }
        try:
            self._table.put(
                deadline,
                Item={
                    "name": {"S": _name(connection, client_id)},
                    "v": {"N": SCHEMA},
                    "revision": {"N": str(revision + 1)},
                    "state": {"S": json.dumps(stored, sort_keys=True)},
                },
                **condition,
            )
        except ConditionFailed:
            raise ConfigurationError(
                f"{connection}: another run replaces the secret of {client_id}: look again in a minute"
            ) from None
        return StoredSecret(state=state, revision=revision + 1)


def _name(connection: str, client_id: str) -> str:
    return f"secret:{connection}:{client_id}"
