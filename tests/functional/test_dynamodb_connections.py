"""The connections table: what publishing writes, and what reading believes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fedbridge.errors import (
    ConfigurationError,
    OutcomeUnknown,
    StoreUnavailable,
    UnknownConnection,
)
from fedbridge.model.snapshot import Snapshot
from fedbridge.store.connections_dynamodb import (
    MAX_REVISION,
    ConnectionPublisher,
    DynamoDBConnections,
    PublishedItem,
    Revision,
)
from tests.conformance.connections import decode, document
from tests.conformance.transactions import soon
from tests.support.dynamodb import DynamoDBServer, lose_answer, refuse, running_dynamodb
from tests.support.racing import in_parallel

NOW = 1_800_000_000
TAKEN = Snapshot(taken_at=NOW - 60, document='{"metadata":{}}')


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


@pytest.fixture
def publisher(server: DynamoDBServer) -> ConnectionPublisher:
    return ConnectionPublisher(server.client, server.create_table("name"), clock=lambda: NOW)


@pytest.fixture
def source(server: DynamoDBServer, publisher: ConnectionPublisher) -> DynamoDBConnections:
    return DynamoDBConnections(server.client, server.table, decode)


def raw_item(server: DynamoDBServer) -> dict[str, Any]:
    found = server.client.get_item(TableName=server.table, Key={"name": {"S": "acme"}})
    return dict(found.get("Item", {}))


def overwrite(server: DynamoDBServer, name: str, value: dict[str, Any] | None) -> None:
    change: dict[str, Any] = {"UpdateExpression": "REMOVE #a"}
    if value is not None:
        change = {"UpdateExpression": "SET #a = :a", "ExpressionAttributeValues": {":a": value}}
    server.client.update_item(
        TableName=server.table,
        Key={"name": {"S": "acme"}},
        ExpressionAttributeNames={"#a": name},
        **change,
    )


def revision(version: str) -> dict[str, Any]:
    stored = {"version": {"S": version}, "document": {"B": document(client_id=version)}}
    return {"M": {**stored, "published_at": {"N": str(NOW)}}}


def test_the_first_version_has_no_previous_one(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    assert publisher.publish("acme", document(client_id="v1"), "v1", soon())
    assert raw_item(server) == {
        "name": {"S": "acme"},
        "v": {"N": "1"},
        "current": revision("v1"),
        "previous": {"NULL": True},
    }


def test_a_new_version_moves_the_current_one_aside_in_one_write(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    for version in ("v1", "v2", "v3"):
        server.requests.clear()
        assert publisher.publish("acme", document(client_id=version), version, soon())
        assert [operation for operation, _ in server.requests] == ["UpdateItem"]
    assert raw_item(server)["current"] == revision("v3")
    assert raw_item(server)["previous"] == revision("v2")


def test_the_current_version_published_again_keeps_the_previous_one(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    publisher.publish("acme", document(client_id="v1"), "v1", soon())
    publisher.publish("acme", document(client_id="v2"), "v2", soon())
    before = raw_item(server)
    assert not publisher.publish("acme", document(client_id="v2"), "v2", soon())
    assert raw_item(server) == before


def test_a_lost_answer_may_be_tried_again(server: DynamoDBServer, publisher: ConnectionPublisher) -> None:
    publisher.publish("acme", document(client_id="v1"), "v1", soon())
    server.fail(lose_answer)
    with pytest.raises(OutcomeUnknown):
        publisher.publish("acme", document(client_id="v2"), "v2", soon())
    assert not publisher.publish("acme", document(client_id="v2"), "v2", soon())
    assert raw_item(server)["previous"] == revision("v1")


def test_of_many_who_publish_one_version_one_changes_something(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    publisher.publish("acme", document(client_id="v1"), "v1", soon())
    with server.gathering(20):
        outcomes = in_parallel(20, lambda: publisher.publish("acme", document(client_id="v2"), "v2", soon()))
    assert sorted(outcomes, key=str) == [False] * 19 + [True]
    assert raw_item(server)["previous"] == revision("v1")


def test_publishing_does_not_enable(
    server: DynamoDBServer, publisher: ConnectionPublisher, source: DynamoDBConnections
) -> None:
    publisher.publish("acme", document(), "v1", soon())
    publisher.disable("acme", soon())
    publisher.publish("acme", document(), "v2", soon())
    assert source.find("acme", soon()) is None
    publisher.enable("acme", soon())
    found = source.find("acme", soon())
    assert found is not None
    assert found.current.version == "v2"


@pytest.mark.parametrize("switch", ["disable", "enable"])
def test_what_is_not_published_cannot_be_switched_and_is_not_made(
    server: DynamoDBServer, publisher: ConnectionPublisher, switch: str
) -> None:
    with pytest.raises(UnknownConnection, match="acme"):
        getattr(publisher, switch)("acme", soon())
    assert raw_item(server) == {}


@pytest.mark.parametrize("name", ["", "Acme", "acme/x", "-acme", "a" * 64, "acmé", "acme\n"])
def test_a_name_that_no_route_reaches_is_not_published(
    server: DynamoDBServer, publisher: ConnectionPublisher, name: str
) -> None:
    server.requests.clear()
    with pytest.raises(ConfigurationError, match="a-z"):
        publisher.publish(name, document(name=name), "v1", soon())
    assert server.requests == []


def test_reading_is_one_consistent_read(server: DynamoDBServer, source: DynamoDBConnections) -> None:
    assert source.find("acme", soon()) is None
    ((operation, parameters),) = server.requests
    assert operation == "GetItem"
    assert parameters["ConsistentRead"] is True


def test_the_version_is_the_items_and_not_the_documents(
    publisher: ConnectionPublisher, source: DynamoDBConnections
) -> None:
    publisher.publish("acme", document(version="what the document says"), "v1", soon())
    found = source.find("acme", soon())
    assert found is not None
    assert found.current.version == "v1"
    assert found.previous is None


BROKEN: dict[str, tuple[str, dict[str, Any] | None]] = {
    "another schema": ("v", {"N": "2"}),
    "no schema": ("v", None),
    "no current version": ("current", None),
    "a document that is no connection": ("current", {"M": {"version": {"S": "v1"}, "document": {"B": b"{"}}}),
    "no document": ("current", {"M": {"version": {"S": "v1"}}}),
    "no version": ("current", {"M": {"document": {"B": document()}}}),
    "another type": ("current", {"S": document().decode()}),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_item_that_cannot_be_read_is_unavailable_with_a_reason_of_its_own(
    server: DynamoDBServer, publisher: ConnectionPublisher, source: DynamoDBConnections, broken: str
) -> None:
    publisher.publish("acme", document(), "v1", soon())
    overwrite(server, *BROKEN[broken])
    with pytest.raises(StoreUnavailable, match="acme") as failure:
        source.find("acme", soon())
    assert failure.value.reason == "connection_unreadable"


def test_a_previous_version_that_cannot_be_read_is_gone_and_the_current_one_stays(
    server: DynamoDBServer, publisher: ConnectionPublisher, source: DynamoDBConnections
) -> None:
    publisher.publish("acme", json.dumps({"an": "older format"}).encode(), "v1", soon())
    publisher.publish("acme", document(), "v2", soon())
    found = source.find("acme", soon())
    assert found is not None
    assert (found.current.version, found.previous) == ("v2", None)


def test_refusals_have_the_stores_reasons(server: DynamoDBServer, source: DynamoDBConnections) -> None:
    server.fail(refuse("AccessDeniedException"))
    with pytest.raises(StoreUnavailable) as failure:
        source.find("acme", soon())
    assert failure.value.reason == "store_access_denied"


def test_a_snapshot_travels_with_its_revision(
    publisher: ConnectionPublisher, source: DynamoDBConnections
) -> None:
    publisher.publish("acme", document(), "v1", soon(), snapshot=TAKEN)
    publisher.publish("acme", document(), "v2", soon())
    found = source.find("acme", soon())
    assert found is not None
    assert found.previous is not None
    assert (found.current.snapshot, found.previous.snapshot) == (None, TAKEN)


def test_a_newer_snapshot_is_kept_beside_the_version_that_it_was_taken_for(
    server: DynamoDBServer, publisher: ConnectionPublisher, source: DynamoDBConnections
) -> None:
    newer = Snapshot(taken_at=NOW, document="{}")
    publisher.publish("acme", document(), "v1", soon(), snapshot=TAKEN)
    server.requests.clear()
    assert publisher.keep_snapshot("acme", "v1", newer, soon())
    assert [operation for operation, _ in server.requests] == ["UpdateItem"]
    found = source.find("acme", soon())
    assert found is not None
    assert (found.current.version, found.current.snapshot) == ("v1", newer)

    publisher.publish("acme", document(), "v2", soon())
    before = raw_item(server)
    assert not publisher.keep_snapshot("acme", "v1", TAKEN, soon())
    assert not publisher.keep_snapshot("beta", "v1", TAKEN, soon())
    assert raw_item(server) == before


def test_operators_see_both_revisions_and_the_switch(publisher: ConnectionPublisher) -> None:
    assert publisher.read("acme", soon()) is None
    publisher.publish("acme", document(client_id="v1"), "v1", soon(), snapshot=TAKEN)
    publisher.publish("acme", document(client_id="v2"), "v2", soon())
    publisher.disable("acme", soon())
    assert publisher.read("acme", soon()) == PublishedItem(
        name="acme",
        current=Revision(version="v2", document=document(client_id="v2"), published_at=NOW),
        previous=Revision(version="v1", document=document(client_id="v1"), published_at=NOW, snapshot=TAKEN),
        disabled=True,
    )


def test_what_was_published_before_times_were_kept_is_read_all_the_same(
    server: DynamoDBServer, publisher: ConnectionPublisher, source: DynamoDBConnections
) -> None:
    publisher.publish("acme", document(), "v1", soon())
    overwrite(server, "current", {"M": {"version": {"S": "v1"}, "document": {"B": document()}}})
    found, item = source.find("acme", soon()), publisher.read("acme", soon())
    assert found is not None
    assert item is not None
    assert (found.current.version, item.current.published_at) == ("v1", None)


def test_all_connections_are_listed_whatever_the_size_of_the_table(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    large = b'"%s"' % (b"x" * 180_000)
    names = [f"c{at}" for at in range(8)]
    for name in names:
        publisher.publish(name, large, "v1", soon())
    for other in ({"name": {"S": "ring:signing"}}, {"name": {"S": "broken"}, "v": {"N": "1"}}):
        server.client.put_item(TableName=server.table, Item=other)
    server.requests.clear()
    assert sorted(each.name for each in publisher.all(soon())) == names
    assert [operation for operation, _ in server.requests] == ["Scan", "Scan"]


def test_a_decision_over_one_version_does_not_replace_another(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    publisher.publish("acme", document(client_id="v1"), "v1", soon())
    assert publisher.publish("acme", document(client_id="v2"), "v2", soon(), replacing="v1")
    before = raw_item(server)
    with pytest.raises(ConfigurationError, match="somebody else"):
        publisher.publish("acme", document(client_id="v3"), "v3", soon(), replacing="v1")
    assert not publisher.publish("acme", document(client_id="v2"), "v2", soon(), replacing="v1")
    assert raw_item(server) == before


def test_the_previous_version_comes_back_and_they_change_places(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    for version in ("v1", "v2"):
        publisher.publish("acme", document(client_id=version), version, soon())
    assert publisher.publish("acme", document(client_id="v1"), "v1", soon(), replacing="v2")
    assert (raw_item(server)["current"], raw_item(server)["previous"]) == (revision("v1"), revision("v2"))


def test_what_is_removed_is_gone_and_cannot_be_removed_again(
    server: DynamoDBServer, publisher: ConnectionPublisher, source: DynamoDBConnections
) -> None:
    publisher.publish("acme", document(), "v1", soon())
    publisher.remove("acme", soon())
    assert source.find("acme", soon()) is None
    server.client.put_item(TableName=server.table, Item={"name": {"S": "ring:signing"}})
    for name in ("acme", "ring:signing"):
        with pytest.raises(UnknownConnection, match=name):
            publisher.remove(name, soon())


def test_an_item_never_grows_beyond_what_the_table_takes(
    server: DynamoDBServer, publisher: ConnectionPublisher
) -> None:
    server.requests.clear()
    with pytest.raises(ConfigurationError, match="too large"):
        publisher.publish("acme", b"x" * (MAX_REVISION + 1), "v1", soon())
    assert server.requests == []
    assert 2 * MAX_REVISION < 400 * 1024
