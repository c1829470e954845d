"""Connections in DynamoDB: one item each, with its current and its previous version.

The table's partition key is `name` (S). `current` and `previous` are maps of `version` (S), `document` (B), the connection's
JSON, `published_at` (N, seconds since the epoch) and `snapshot` (a map of `taken_at`, N, and `document`, S), the last two
of which may be missing; `disabled` (BOOL) is the operator's switch, which publishing does not touch; `v` is the schema.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError, StoreUnavailable, UnknownConnection
from fedbridge.model.connection import CONNECTION_NAME
from fedbridge.model.snapshot import Snapshot
from fedbridge.store.registry import Published
from fedbridge.store.table import ConditionFailed, Item, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Clock

SCHEMA = "1"

MAX_REVISION = 190 * 1024
"""Bytes of one revision: an item holds two, and 400 KB at most."""

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
        connection = self._decode(revision["document"]["B"])
        return replace(connection, version=revision["version"]["S"], snapshot=_snapshot(revision))


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One version as it is stored. `published_at` is in seconds since the epoch, None from before that was kept."""

    version: str
    document: bytes
    published_at: int | None = None
    snapshot: Snapshot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedItem:
    """What operators see of a connection in the table."""

    name: str
    current: Revision
    previous: Revision | None = None
    disabled: bool = False


class ConnectionPublisher:
    """The operator's side of the table. `clock` is in seconds since the epoch."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = time.time,
    ) -> None:
        self._table = Table(client, table, sleep=sleep)
        self._clock = clock

    def read(self, name: str, deadline: Deadline) -> PublishedItem | None:
        """Return what is published, of a disabled connection too; None where there is nothing."""
        item = self._table.get({"name": {"S": name}}, deadline)
        return None if item is None else _published(item)

    def all(self, deadline: Deadline) -> Iterator[PublishedItem]:
        """Yield every connection of the table, by a Scan, which no sign-in makes."""
        for item in self._table.scan(deadline):
            published = _published(item) if CONNECTION_NAME.fullmatch(item["name"]["S"]) else None
            if published is not None:
                yield published

    def current(self, name: str, deadline: Deadline) -> bytes | None:
        """Return the document that is current, a disabled connection's too; None where there is none."""
        published = self.read(name, deadline)
        return published.current.document if published else None

    def publish(
        self,
        name: str,
        document: bytes,
        version: str,
        deadline: Deadline,
        *,
        snapshot: Snapshot | None = None,
        replacing: str | None = None,
    ) -> bool:
        """Make `document` current and what was current previous, in one write; returns whether that was a change.

        To publish the current version again changes nothing, so that a lost answer (OutcomeUnknown) may be tried anew.
        A disabled connection stays disabled. `replacing` is the version that must be current, where the decision to publish
        was made over it. Raises ConfigurationError for a name that no route could reach, for what is too large for the
        table, and where another version than `replacing` is current; and what `fedbridge.store.table` says.
        """
        _check_name(name)
        revision = Revision(
            version=version, document=document, published_at=int(self._clock()), snapshot=snapshot
        )
        condition = "attribute_not_exists(#current) OR #current.#version <> :version"
        values: Item = {
            ":none": {"NULL": True},
            ":current": {"M": _stored(name, revision)},
            ":version": {"S": version},
            ":v": {"N": SCHEMA},
        }
        if replacing is not None:
            condition = "#current.#version = :replacing AND #current.#version <> :version"
            values[":replacing"] = {"S": replacing}
        try:
            self._table.update(
                deadline,
                Key={"name": {"S": name}},
                UpdateExpression="SET #previous = if_not_exists(#current, :none), #current = :current, #v = :v",
                ConditionExpression=condition,
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues=values,
            )
        except ConditionFailed as failure:
            if failure.item is not None and _version(failure.item) == version:
                return False
            raise ConfigurationError(
                f"{name}: somebody else has published it meanwhile: look at it again (connections plan)"
            ) from None
        return True

    def keep_snapshot(self, name: str, version: str, snapshot: Snapshot, deadline: Deadline) -> bool:
        """Put the snapshot beside the current version if that is `version`; returns whether it is."""
        try:
            self._table.update(
                deadline,
                Key={"name": {"S": name}},
                UpdateExpression="SET #current.#snapshot = :snapshot",
                ConditionExpression="#current.#version = :version",
                ExpressionAttributeNames={
                    "#current": "current",
                    "#version": "version",
                    "#snapshot": "snapshot",
                },
                ExpressionAttributeValues={
                    ":snapshot": {"M": _stored_snapshot(snapshot)},
                    ":version": {"S": version},
                },
            )
        except ConditionFailed:
            return False
        return True

    def remove(self, name: str, deadline: Deadline) -> None:
        """Forget the connection and its previous version; raises UnknownConnection."""
        try:
            self._table.delete(
                deadline,
                Key={"name": {"S": name}},
                ConditionExpression="attribute_exists(#current)",
                ExpressionAttributeNames={"#current": "current"},
            )
        except ConditionFailed:
            raise UnknownConnection(f"no connection {name!r} is published") from None

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


def _check_name(name: str) -> None:
    if not CONNECTION_NAME.fullmatch(name):
        raise ConfigurationError(f"connection {name!r}: a name is 1 to 63 of a-z, 0-9 and -, not - first")


def _published(item: Item) -> PublishedItem | None:
    """Return what operators see, None where the item holds no readable revision at all."""
    current = _stored_revision(item.get("current", {}))
    if current is None:
        return None
    return PublishedItem(
        name=item["name"]["S"],
        current=current,
        previous=_stored_revision(item.get("previous", {})),
        disabled=item.get("disabled") == {"BOOL": True},
    )


def _stored_revision(attribute: Item) -> Revision | None:
    revision = attribute.get("M", {})
    if "document" not in revision or "version" not in revision:
        return None
    published_at = revision.get("published_at")
    return Revision(
        version=revision["version"]["S"],
        document=revision["document"]["B"],
        published_at=int(published_at["N"]) if published_at else None,
        snapshot=_snapshot(revision),
    )


def _snapshot(revision: Item) -> Snapshot | None:
    stored = revision.get("snapshot")
    if stored is None:
        return None
    return Snapshot(taken_at=int(stored["M"]["taken_at"]["N"]), document=stored["M"]["document"]["S"])


def _stored(name: str, revision: Revision) -> Item:
    """Return a revision as it is stored; raises ConfigurationError where two of its size would not fit."""
    snapshot = revision.snapshot
    size = len(revision.document) + (len(snapshot.document.encode()) if snapshot else 0)
    if size > MAX_REVISION:
        raise ConfigurationError(f"{name}: is too large to be published: {size} of {MAX_REVISION} bytes")
    stored: Item = {
        "version": {"S": revision.version},
        "document": {"B": revision.document},
        "published_at": {"N": str(revision.published_at)},
    }
    return stored if snapshot is None else {**stored, "snapshot": {"M": _stored_snapshot(snapshot)}}


def _stored_snapshot(snapshot: Snapshot) -> Item:
    return {"taken_at": {"N": str(snapshot.taken_at)}, "document": {"S": snapshot.document}}


def _version(item: Item) -> str | None:
    version: str | None = item.get("current", {}).get("M", {}).get("version", {}).get("S")
    return version
