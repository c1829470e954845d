"""The canned tables keep the semantics that fedbridge's store needs: its own conformance suite runs over them."""

import base64
import http.client
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from bench.dynamodb import ServiceError, Table, size_of
from bench.world import CREDENTIALS
from fedbridge.aws import sdk_client
from fedbridge.ports import TransactionStore
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from tests.conformance.transaction_store import TransactionStoreSuite
from tests.counterparts.process import Program, clean_environment
from tests.support.machine import ROOT


class TestCannedEndpoint(TransactionStoreSuite):
    port: int
    numbers = count(1)

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def serve(cls) -> Iterator[None]:
        environment = clean_environment(PYTHONPATH=f"{ROOT}:{ROOT / 'shared'}")
        command = [sys.executable, "-m", "bench.aws_endpoint"]
        with (
            Program("aws", command, env=environment, cwd=ROOT) as program,
            pytest.MonkeyPatch.context() as patch,
        ):
            for name, value in CREDENTIALS.items():
                patch.setenv(name, value)
            program.write_line(json.dumps({"tables": {"transactions": "id"}, "secrets": {}, "keys": {}}))
            cls.port = int(program.read_line(30))
            yield

    @contextmanager
    def open_store(self, folder: Path) -> Iterator[TransactionStore]:
        table = f"transactions-{next(self.numbers)}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/bench/fill", json.dumps({"table": table, "items": []}))
        assert connection.getresponse().read() == b"0"
        connection.close()
        client = sdk_client("dynamodb", endpoint_url=f"http://127.0.0.1:{self.port}")
        yield DynamoDBTransactionStore(client, table)
        client.close()


def table_with(*items):
    table = Table("id")
    for item in items:
        table.put({"Item": item})
    return table


def test_an_item_is_as_large_as_its_names_and_values():
    item = {
        "id": {"S": "é" * 10},  # 2 + 20
        "sh": {"B": base64.b64encode(bytes(32)).decode()},  # 2 + 32
        "ttl": {"N": "1800000000"},  # 3 + 2: one byte for two significant digits, and one
        "on": {"BOOL": True},  # 2 + 1
        "no": {"NULL": True},  # 2 + 1
        "m": {"M": {"a": {"S": "xyz"}}},  # 1 + 3, and for each member its name, its value and 1
    }
    assert size_of(item) == 22 + 34 + 5 + 3 + 3 + 9


def test_a_write_is_charged_by_the_larger_of_before_and_after():
    table = table_with({"id": {"S": "1"}, "x": {"S": "x" * 3000}})
    assert table.write_units == 3
    table.update({"Key": {"id": {"S": "1"}}, "UpdateExpression": "REMOVE x"})
    assert table.write_units == 6
    assert table.largest == 3004


def test_what_it_does_not_know_it_refuses():
    table = table_with({"id": {"S": "1"}})
    with pytest.raises(ServiceError, match="does not know"):
        table.put({"Item": {"id": {"S": "1"}}, "ConditionExpression": "begins_with(id, :x)"})
    with pytest.raises(ServiceError, match="does not know"):
        size_of({"id": {"SS": ["1"]}})


def test_a_number_is_compared_as_one():
    table = table_with({"id": {"S": "1"}, "ex": {"N": "10"}})
    late = {"Key": {"id": {"S": "1"}}, "UpdateExpression": "REMOVE ex", "ConditionExpression": "#e > :now"}
    late["ExpressionAttributeNames"] = {"#e": "ex"}
    with pytest.raises(ServiceError, match="conditional"):
        table.update(late | {"ExpressionAttributeValues": {":now": {"N": "10"}}})
    assert table.update(late | {"ExpressionAttributeValues": {":now": {"N": "9"}}}) == {}
