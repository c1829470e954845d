"""Where connections come from: the table that sign-ins read, or the file of a local run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import yaml

from fedbridge.aws import sdk_client
from fedbridge.cli.connections.desk import read_current
from fedbridge.cli.connections.listing import document_of
from fedbridge.cli.connections.loading import BUDGET, load_all
from fedbridge.cli.console.desk import Row
from fedbridge.configuration.document import encode
from fedbridge.model.deadline import Deadline
from fedbridge.store.connections_dynamodb import ConnectionPublisher, PublishedItem

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from fedbridge.model.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One connection; `connection` is None where another release published it, and its meaning is not known."""

    row: Row
    connection: Connection | None
    document: str
    previous: str | None = None


class Source(Protocol):
    """Connections by name."""

    def every(self) -> Sequence[Entry]:
        """Return all of them, by name."""

    def one(self, name: str) -> Entry:
        """Return one; raises KeyError."""


class TableSource:
    """What is published."""

    def __init__(self, table: str) -> None:
        self._publisher = ConnectionPublisher(sdk_client("dynamodb"), table)

    def every(self) -> Sequence[Entry]:
        """Read the whole table, by a Scan."""
        items = self._publisher.all(Deadline.after(BUDGET))
        return [_published(item) for item in sorted(items, key=lambda item: item.name)]

    def one(self, name: str) -> Entry:
        """Read one item."""
        item = self._publisher.read(name, Deadline.after(BUDGET))
        if item is None:
            raise KeyError(name)
        return _published(item)


class FileSource:
    """What connections.yaml says now. Keys are not loaded, so that a broken one does not hide the rest."""

    def __init__(self, options: Namespace) -> None:
        self._options = options

    def every(self) -> Sequence[Entry]:
        """Load the file."""
        return [_written(each) for _, each in sorted(load_all(self._options).items())]

    def one(self, name: str) -> Entry:
        """Load the file."""
        return _written(load_all(self._options)[name])


def _published(item: PublishedItem) -> Entry:
    connection = read_current(item)
    row = Row(
        name=item.name,
        protocol=connection.protocol if connection else "of another release",
        issuer=connection.issuer if connection else "",
        preset=connection.preset if connection else None,
        version=item.current.version,
        published_at=item.current.published_at,
        disabled=item.disabled or bool(connection and connection.disabled),
    )
    return Entry(
        row=row,
        connection=connection,
        document=yaml.safe_dump({item.name: document_of(item)}, sort_keys=False, width=110),
        previous=item.previous.version if item.previous else None,
    )


def _written(connection: Connection) -> Entry:
    document = {
        key: value for key, value in json.loads(encode(connection)).items() if key not in {"name", "version"}
    }
    row = Row(
        name=connection.name,
        protocol=connection.protocol,
        issuer=connection.issuer,
        preset=connection.preset,
        version="of the file",
        published_at=None,
        disabled=connection.disabled,
    )
    return Entry(
        row=row,
        connection=connection,
        document=yaml.safe_dump({connection.name: document}, sort_keys=False, width=110),
    )
