"""Connections in DynamoDB: one item each, with its current and its previous version.

The table's partition key is `name` (S). `current` and `previous` are maps of `version` (S) and `document` (B), the
connection's JSON; `disabled` (BOOL) is the operator's switch, which publishing does not touch; `v` is the schema.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError, StoreUnavailable, UnknownConnection
from fedbridge.model.connection import CONNECTION_NAME
from fedbridge.store.registry import Published
from fedbridge.store.table import ConditionFailed, Item, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline

SCHEMA = "1"

_NAMES = {"#v": "v", "#current": "current", "#previous": "previous", "#version": "version"}


class DynamoDBConnections:
    """A `ConnectionSource` in a table.

    `decode` turns a document into a Connection and raises ConfigurationError for one that it does not understand. Such
    a connection, or an item that is truncated or of another schema, is StoreUnavailable with the reason
    `connection_unreadable`: what was read before may be served for a while, and no other connection is touched.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        decode: Callable[[bytes], Connection],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(client, table, sleep=sleep)
        self._decode = decode

    def find(self, name: str, deadline: Deadline) -> Published | None:
        """Return what is published, by one strongly consistent read."""
        item = self._table.get({"name": {"S": name}}, deadline)
        if item is None or item.get("disabled") == {"BOOL": True}:
            return None
        try:
            return self._read(item)
        except (ConfigurationError, KeyError) as error:
            raise StoreUnavailable(f"connection {name!r}: {error}", reason="connection_unreadable") from error

    def _read(self, item: Item) -> Published:
        if item["v"] != {"N": SCHEMA}:
            raise ConfigurationError("published by another version of fedbridge")
        current = self._revision(item["current"]["M"])
        try:
            return Published(current=current, previous=self._revision(item["previous"]["M"]))
        except (ConfigurationError, KeyError):
            # There is none yet, or this release cannot read it, and then it is as good as gone.
            return Published(current=current)

    def _revision(self, revision: Item) -> Connection:
        return replace(self._decode(revision["document"]["B"]), version=revision["version"]["S"])


class ConnectionPublisher:
    """The operator's side of the table."""

    def __init__(
        self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(client, table, sleep=sleep)

    def current(self, name: str, deadline: Deadline) -> bytes | None:
        """Return the document that is current, a disabled connection's too; None where there is none."""
        item = self._table.get({"name": {"S": name}}, deadline) or {}
        document: bytes | None = item.get("current", {}).get("M", {}).get("document", {}).get("B")
        return document

    def publish(self, name: str, document: bytes, version: str, deadline: Deadline) -> bool:
        """Make `document` current and what was current previous, in one write; returns whether that was a change.

        To publish the current version again changes nothing, so that a lost answer (OutcomeUnknown) may be tried anew.
        A disabled connection stays disabled. Raises ConfigurationError for a name that no route could reach, and what
        `fedbridge.store.table` says.
        """
        if not CONNECTION_NAME.fullmatch(name):
            raise ConfigurationError(f"connection {name!r}: a name is 1 to 63 of a-z, 0-9 and -, not - first")
        try:
            self._table.update(
                deadline,
                Key={"name": {"S": name}},
                UpdateExpression="SET #previous = if_not_exists(#current, :none), #current = :current, #v = :v",
                ConditionExpression="attribute_not_exists(#current) OR #current.#version <> :version",
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues={
                    ":none": {"NULL": True},
                    ":current": {"M": {"version": {"S": version}, "document": {"B": document}}},
                    ":version": {"S": version},
                    ":v": {"N": SCHEMA},
                },
            )
        except ConditionFailed:
            return False
        return True

    def disable(self, name: str, deadline: Deadline) -> None:
        """Refuse every sign-in of the connection, those under way too, within the registry's fresh time."""
        self._switch(name, deadline, disabled=True)

    def enable(self, name: str, deadline: Deadline) -> None:
        """Take `disable` back."""
        self._switch(name, deadline, disabled=False)

    def _switch(self, name: str, deadline: Deadline, *, disabled: bool) -> None:
        try:
            self._table.update(
                deadline,
                Key={"name": {"S": name}},
                UpdateExpression="SET #disabled = :disabled",
                ConditionExpression="attribute_exists(#current)",
                ExpressionAttributeNames={"#disabled": "disabled", "#current": "current"},
                ExpressionAttributeValues={":disabled": {"BOOL": disabled}},
            )
        except ConditionFailed:
            raise UnknownConnection(f"no connection {name!r} is published") from None
