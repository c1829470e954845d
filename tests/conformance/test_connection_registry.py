"""The suite over both sources."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fedbridge.model.connection import Connection
from fedbridge.model.snapshot import Snapshot
from fedbridge.store.connections_dynamodb import ConnectionPublisher, DynamoDBConnections
from fedbridge.store.connections_file import FileConnections
from tests.conformance.connection_registry import ConnectionRegistrySuite, Shelf
from tests.conformance.connections import decode, document
from tests.conformance.transactions import soon
from tests.support.dynamodb import DynamoDBServer, refuse, running_dynamodb


def encode(connection: Connection) -> bytes:
    return document(
        name=connection.name,
        client_id=connection.client_id,
        disabled=connection.disabled,
        version=connection.version,
    )


class FileShelf:
    """A JSON file: connection by name."""

    def __init__(self, path: Path) -> None:
        self.source = FileConnections(path, self._load)
        self._path = path
        self._held: dict[str, Connection] = {}
        self._mtime = 1_800_000_000
        self._save()

    def publish(self, connection: Connection) -> None:
        self.misfile(connection, under=connection.name)

    def misfile(self, connection: Connection, under: str) -> None:
        self._held[under] = connection
        self._save()
        # A person's edits are read between two saves; the file remembers no more than it has seen.
        self.source.find(under, soon())

    def withdraw(self, name: str) -> None:
        del self._held[name]
        self._save()

    @contextmanager
    def outage(self) -> Iterator[None]:
        self._path.rename(f"{self._path}.gone")
        yield
        Path(f"{self._path}.gone").rename(self._path)

    def _save(self) -> None:
        held = {
            name: [json.loads(encode(connection)), connection.snapshot and asdict(connection.snapshot)]
            for name, connection in self._held.items()
        }
        self._path.write_text(json.dumps(held))
        self._mtime += 1
        os.utime(self._path, (self._mtime, self._mtime))

    @staticmethod
    def _load(path: Path) -> Mapping[str, Connection]:
        held = json.loads(path.read_text())
        return {
            name: replace(decode(json.dumps(fields).encode()), snapshot=snapshot and Snapshot(**snapshot))
            for name, (fields, snapshot) in held.items()
        }


class TableShelf:
    """A new table of the server."""

    def __init__(self, server: DynamoDBServer) -> None:
        self._server = server
        table = server.create_table("name")
        self.source = DynamoDBConnections(server.client, table, decode)
        self._publisher = ConnectionPublisher(server.client, table)

    def publish(self, connection: Connection) -> None:
        self.misfile(connection, under=connection.name)

    def misfile(self, connection: Connection, under: str) -> None:
        version, snapshot = connection.version, connection.snapshot
        changed = self._publisher.publish(under, encode(connection), version, soon(), snapshot=snapshot)
        if not changed and snapshot is not None:
            self._publisher.keep_snapshot(under, version, snapshot, soon())

    def withdraw(self, name: str) -> None:
        self._publisher.disable(name, soon())

    @contextmanager
    def outage(self) -> Iterator[None]:
        with self._server.failing(refuse("AccessDeniedException")):
            yield


class TestFile(ConnectionRegistrySuite):
    @contextmanager
    def open_shelf(self, folder: Path) -> Iterator[Shelf]:
        yield FileShelf(folder / "connections.json")


class TestDynamoDB(ConnectionRegistrySuite):
    server: DynamoDBServer

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def serve(cls) -> Iterator[None]:
        with running_dynamodb() as cls.server:
            yield

    @contextmanager
    def open_shelf(self, folder: Path) -> Iterator[Shelf]:
        yield TableShelf(self.server)
