"""AWS in this process, by moto, quick enough for weeks of sign-ins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from fedbridge.aws import sdk_client
from tests.support.dynamodb import CREDENTIALS

_READS = ("get_", "describe_", "list_", "query", "scan", "batch_get_")


@dataclass
class Aws:
    """SDK clients of one account. `writes` are the operations that changed anything, in order."""

    writes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _clients: dict[str, Any] = field(default_factory=dict)

    def clients(self, service: str) -> Any:
        """Stand in for the factory of clients."""
        if service not in self._clients:
            self._clients[service] = _Remembering(sdk_client(service), self.writes)
        return self._clients[service]


class _Remembering:
    """A client that asks again only once somebody has changed something: strongly consistent, and without the wait."""

    def __init__(self, client: Any, writes: list[tuple[str, dict[str, Any]]]) -> None:
        self._client, self._writes = client, writes
        self._answers: dict[str, Any] = {}
        self.meta = client.meta

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        method = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            if not operation.startswith(_READS):
                self._answers.clear()
                self._writes.append((operation, request))
                return method(**request)
            asked = f"{operation} {json.dumps(request, sort_keys=True, default=repr)}"
            if asked not in self._answers:
                self._answers[asked] = method(**request)
            return self._answers[asked]

        return call


@contextmanager
def running_aws(table: str) -> Iterator[Aws]:
    """An account with an empty table of connections, until the block ends."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        aws = Aws()
        aws.clients("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        )
        yield aws
