"""One DynamoDB table: each call within its deadline, and what an answer means.

The SDK does not retry (see `fedbridge.aws`). Here only throttling is retried, because a throttled call was certainly
not carried out. Where an answer is lost after the request may have left, or the service failed inside, a write becomes
OutcomeUnknown and is never repeated. All other failures are StoreUnavailable, with one of these reasons:

`store_throttled` · `store_unreachable` (never sent) · `store_unanswered` (a read without an answer) ·
`store_access_denied` (role, credentials) · `store_missing` (no such table) · `store_key_unavailable` (the table's KMS
key) · `store_rejected` (anything else that the service refused).
"""

from __future__ import annotations

import time
from itertools import count
from secrets import SystemRandom
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)

from fedbridge.errors import OutcomeUnknown, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from fedbridge.model.deadline import Deadline

Item = dict[str, Any]
"""Attribute name → `{"S": str}`, `{"N": str}`, `{"B": bytes}` and so on."""

MAX_ATTEMPTS = 8
"""Calls in all where each is throttled: 1.7 s of pauses on average, 3.4 s at most."""

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.8

_NOT_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
_NO_CREDENTIALS = (CredentialRetrievalError, NoCredentialsError, PartialCredentialsError)

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
    }
)
_REASONS = {
    "AccessDeniedException": "store_access_denied",
    "ExpiredTokenException": "store_access_denied",
    "IncompleteSignatureException": "store_access_denied",
    "InvalidSignatureException": "store_access_denied",
    "MissingAuthenticationTokenException": "store_access_denied",
    "UnrecognizedClientException": "store_access_denied",
    "ResourceNotFoundException": "store_missing",
}


class ConditionFailed(StoreError):
    """A conditional write found another item than it wanted; `item` is that item, None if there is none."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class Table:
    """Calls of one table. `sleep` takes seconds."""

    def __init__(
        self, client: DynamoDBClient, name: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep
        self._random = SystemRandom()

    def get(self, key: Item, deadline: Deadline) -> Item | None:
        """Return the item by one strongly consistent read; raises StoreUnavailable."""
        request = {"Key": key, "ConsistentRead": True}
        return self._call(self._client.get_item, request, deadline, lost=_unanswered).get("Item")

    def scan(self, deadline: Deadline) -> Iterator[Item]:
        """Yield every item by strongly consistent Scans of 1 MB each; raises StoreUnavailable."""
        request: dict[str, Any] = {"ConsistentRead": True}
        while True:
            page = self._call(self._client.scan, request, deadline, lost=_unanswered)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def put(self, deadline: Deadline, **request: Any) -> None:
        """Carry out a PutItem, mostly a conditional one; raises ConditionFailed, OutcomeUnknown, StoreUnavailable."""
        self._call(self._client.put_item, _telling(request), deadline, lost=OutcomeUnknown)

    def update(self, deadline: Deadline, **request: Any) -> Item | None:
        """Carry out an UpdateItem, mostly a conditional one, and return what ReturnValues asked for; raises as `put` does."""
        return self._call(self._client.update_item, _telling(request), deadline, lost=OutcomeUnknown).get(
            "Attributes"
        )

    def delete(self, deadline: Deadline, **request: Any) -> None:
        """Carry out a DeleteItem; raises as `put` does."""
        self._call(self._client.delete_item, request, deadline, lost=OutcomeUnknown)

    def _call(
        self,
        operation: Callable[..., Any],
        request: Mapping[str, Any],
        deadline: Deadline,
        *,
        lost: Callable[[], StoreError],
    ) -> Item:
        deadline.remaining()
        began = deadline.monotonic()
        try:
            return self._attempts(operation, request, deadline, lost=lost)
        finally:
            deadline.trail.waited("store", deadline.monotonic() - began)

    def _attempts(
        self,
        operation: Callable[..., Any],
        request: Mapping[str, Any],
        deadline: Deadline,
        *,
        lost: Callable[[], StoreError],
    ) -> Item:
        for attempt in count(1):
            try:
                answer: Item = operation(TableName=self._name, **request)
            except ClientError as error:
                if not _throttled(error):
                    raise _refusal(error, lost) from error
                self._pause(attempt, deadline, error)
            except _NOT_SENT as error:
                raise StoreUnavailable(reason="store_unreachable") from error
            except _NO_CREDENTIALS as error:
                raise StoreUnavailable(reason="store_access_denied") from error
            except BotoCoreError as error:
                raise lost() from error
            else:
                return answer
        raise AssertionError("unreachable")

    def _pause(self, attempt: int, deadline: Deadline, error: ClientError) -> None:
        """Wait before the next attempt, a random time below a bound that doubles; or give up."""
        pause = self._random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)))
        if attempt == MAX_ATTEMPTS or pause >= deadline.at - deadline.monotonic():
            raise StoreUnavailable(reason="store_throttled") from error
        self._sleep(pause)


def _telling(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let a failed condition tell the item, so that nobody needs to read it again."""
    return {**request, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def _unanswered() -> StoreError:
    return StoreUnavailable(reason="store_unanswered")


def _throttled(error: ClientError) -> bool:
    return _status(error) < 500 and error.response["Error"]["Code"] in _THROTTLED


def _refusal(error: ClientError, lost: Callable[[], StoreError]) -> StoreError:
    code = error.response["Error"]["Code"]
    if _status(error) >= 500:
        return lost()
    if code == "ConditionalCheckFailedException":
        answer: Mapping[str, Any] = error.response
        return ConditionFailed(answer.get("Item"))
    if code.startswith("KMS"):
        return StoreUnavailable(f"DynamoDB: {code}", reason="store_key_unavailable")
    return StoreUnavailable(f"DynamoDB: {code}", reason=_REASONS.get(code, "store_rejected"))


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
