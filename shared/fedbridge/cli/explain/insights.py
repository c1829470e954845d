"""Log lines of a deployed environment, by CloudWatch Logs Insights: a query is started, asked for, and ended if it lasts."""

from __future__ import annotations

import re
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fedbridge.cli.explain.records import Record, parse_records, reference, time_of
from fedbridge.cli.explain.telling import FAILURES
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AROUND = 120
"""Seconds around a sign-in in which other lines of its connection may belong to it."""

LONGEST = 120.0
"""Seconds that a query may last."""

MOST_LINES = 1000

_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,30}")
_CONNECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SINCE = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_ENDED = frozenset({"Complete", "Failed", "Cancelled", "Timeout"})


def seconds(since: str) -> int:
    """Return the seconds of `30m`, `24h` or `7d`; raises ConfigurationError."""
    found = _SINCE.fullmatch(since)
    if found is None:
        raise ConfigurationError(f"--since {since}: must be minutes, hours or days, such as 30m, 24h or 7d")
    return int(found[1]) * _SECONDS[found[2]]


class Insights:
    """The log groups of one environment. `client` is one of `fedbridge.aws.sdk_client("logs")`.

    `clock` is in seconds since the epoch, `sleep` takes seconds, `progress` takes lines for whoever waits. Methods raise
    ConfigurationError for what AWS refuses, and for a query that lasts longer than two minutes.
    """

    def __init__(
        self,
        client: Any,
        environment: str,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        progress: Callable[[str], object] = str,
    ) -> None:
        if not _ENVIRONMENT.fullmatch(environment):
            raise ConfigurationError(f"--environment {environment}: not the name of an environment")
        self._client = client
        self._prefix = f"/fedbridge/{environment}/"
        self._clock = clock
        self._sleep = sleep
        self._progress = progress

    def sign_in(self, id: str, since: int) -> list[Record]:  # noqa: A002  as users call it
        """Return the lines of this reference of the last `since` seconds, and those of its connection at that time."""
        id = reference(id)  # noqa: A001  letters and digits alone get into the query
        now = self._clock()
        own = self._read(f'filter @message like /"{id}"/', now - since, now)
        connection = next((str(record["connection"]) for record in own if "connection" in record), "")
        if not _CONNECTION.fullmatch(connection):
            return own
        around = self._read(
            f'filter @message like /"connection":"{re.escape(connection)}"/',
            time_of(own[0]) - AROUND,
            min(now, time_of(own[-1]) + AROUND),
        )
        return [*own, *(record for record in around if record not in own)]

    def failures(self, since: int) -> list[Record]:
        """Return the lines of what failed in the last `since` seconds, at most a thousand."""
        now = self._clock()
        return self._read(f"filter @message like /{'|'.join(sorted(FAILURES))}/", now - since, now)

    def _read(self, condition: str, start: float, end: float) -> list[Record]:
        """Return the records of the last lines that fulfil the condition, in the order of time."""
        query = f"fields @message | {condition} | sort @timestamp desc | limit {MOST_LINES}"
        started = self._call(
            "start_query",
            logGroupNames=self._groups,
            startTime=int(start),
            endTime=int(end) + 1,
            queryString=query,
        )
        try:
            rows = self._results(started["queryId"])
        except BaseException:  # Also of a person who does not want to wait: what is left running is paid for.
            self._call("stop_query", queryId=started["queryId"])
            raise
        return sorted(parse_records(rows), key=time_of)

    @cached_property
    def _groups(self) -> list[str]:
        """The log groups of the functions that are deployed, of which one that is missing would fail the whole query."""
        answer = self._call("describe_log_groups", logGroupNamePrefix=self._prefix)
        groups = [group["logGroupName"] for group in answer["logGroups"]]
        if not groups:
            raise ConfigurationError(
                f"{self._prefix}: no log groups: is the environment deployed, in this account and Region?"
            )
        return groups

    def _results(self, query: str) -> Iterator[str]:
        deadline = self._clock() + LONGEST
        while True:
            answer = self._call("get_query_results", queryId=query)
            if answer["status"] in _ENDED:
                break
            if self._clock() >= deadline:
                raise ConfigurationError(
                    "CloudWatch Logs did not answer within two minutes: ask a shorter time by --since"
                )
            scanned = answer.get("statistics", {}).get("recordsScanned", 0)
            self._progress(f"CloudWatch Logs is looking: {scanned:,.0f} lines so far …")
            self._sleep(1.0)
        if answer["status"] != "Complete":
            raise ConfigurationError(f"CloudWatch Logs ended the query: {answer['status']}")
        return (cell["value"] for row in answer["results"] for cell in row if cell["field"] == "@message")

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  a local log needs no SDK

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**parameters)
        except ClientError as error:
            raise ConfigurationError(_refused(error.response.get("Error", {}), operation)) from None
        except BotoCoreError as error:
            raise ConfigurationError(f"CloudWatch Logs: {type(error).__name__}") from None
        return answer


def _refused(error: Any, operation: str) -> str:
    code = str(error.get("Code", ""))
    todo = {
        "AccessDeniedException": "it takes logs:DescribeLogGroups, and logs:StartQuery, GetQueryResults and StopQuery"
        " on /fedbridge/*",
        "LimitExceededException": "too many queries run in this account: try again",
        "ThrottlingException": "try again",
        "MalformedQueryException": "a time from before the log groups began? ask a shorter one by --since",
    }.get(code, "see CloudTrail")
    return f"CloudWatch Logs, {operation}: {code}: {todo}"
