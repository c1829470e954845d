"""The suite over both backends, and what is DynamoDB's alone: rings beside connections, in one table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.ring_document import decode_ring, encode_ring
from fedbridge.errors import ConfigurationError, OutcomeUnknown, StoreUnavailable
from fedbridge.ports import KeyRings
from fedbridge.store.connections_dynamodb import ConnectionPublisher, DynamoDBConnections
from fedbridge.store.key_rings_dynamodb import DynamoDBKeyRings
from fedbridge.store.key_rings_memory import MemoryKeyRings
from tests.conformance.connections import connection
from tests.conformance.key_rings import RING, KeyRingsSuite
from tests.conformance.transactions import soon
from tests.support.dynamodb import DynamoDBServer, lose_answer, refuse, running_dynamodb


class TestMemoryKeyRings(KeyRingsSuite):
    @contextmanager
    def open_rings(self) -> Iterator[KeyRings]:
        yield MemoryKeyRings()


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


def rings_in(server: DynamoDBServer, table: str) -> DynamoDBKeyRings:
    return DynamoDBKeyRings(server.client, table, encode=encode_ring, decode=decode_ring)


class TestDynamoDBKeyRings(KeyRingsSuite):
    @pytest.fixture(autouse=True)
    def serve(self, server: DynamoDBServer) -> None:
        self.server = server
        self.table = server.create_table("name")

    @contextmanager
    def open_rings(self) -> Iterator[KeyRings]:
        yield rings_in(self.server, self.table)

    def test_rings_and_connections_share_a_table_and_never_meet(self, rings: KeyRings) -> None:
        publisher = ConnectionPublisher(self.server.client, self.table)
        published = replace(connection(name="bank"), version="v1")
        publisher.publish("bank", encode(published), "v1", soon())
        rings.put(RING, soon())
        assert rings.names(soon()) == ["bank"]
        assert [item.name for item in publisher.all(soon())] == ["bank"]
        found = DynamoDBConnections(self.server.client, self.table, decode).find("bank", soon())
        assert found is not None
        assert found.current.version == "v1"

    def test_reading_is_strongly_consistent(self, rings: KeyRings) -> None:
        rings.get("bank", soon())
        assert self.server.requests[-1][1]["ConsistentRead"] is True

    @pytest.mark.parametrize(
        "spoilt",
        [
            {"v": {"N": "2"}},
            {"document": {"B": b"{}"}},
            {"document": {"B": b'{"policy": {"use": "magic", "kind": "kms:RSA_2048"}, "state": {}}'}},
            {
                "document": {
                    "B": b'{"policy": {"use": "id-token", "kind": "kms:RSA_2048"}, "state": {"kyes": []}}'
                }
            },
        ],
    )
    def test_an_item_that_is_not_understood_is_a_failure_and_is_named(
        self, rings: KeyRings, spoilt: dict[str, Any]
    ) -> None:
        rings.put(RING, soon())
        item = self.server.client.get_item(TableName=self.table, Key={"name": {"S": "ring:bank"}})["Item"]
        self.server.client.put_item(TableName=self.table, Item={**item, **spoilt})
        with pytest.raises(StoreUnavailable, match="ring bank") as failure:
            rings.get("bank", soon())
        assert failure.value.reason == "ring_unreadable"
        assert rings.names(soon()) == ["bank"]

    def test_a_lost_answer_is_an_unknown_outcome(self, rings: KeyRings) -> None:
        with self.server.failing(lose_answer), pytest.raises(OutcomeUnknown):
            rings.put(RING, soon())

    def test_an_outage_is_told(self, rings: KeyRings) -> None:
        with self.server.failing(refuse("AccessDeniedException")), pytest.raises(StoreUnavailable):
            rings.get("bank", soon())


def test_a_document_that_is_no_document_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ring bank: is not the document"):
        decode_ring("bank", b"[]", 1)
