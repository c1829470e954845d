"""`fedbridge explain --environment`: queries that an emulator of CloudWatch Logs carries out, and answers that go wrong."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from fedbridge.cli import main
from fedbridge.cli.explain.insights import MOST_LINES, Insights, seconds
from fedbridge.errors import ConfigurationError
from tests.counterparts.ministack import MiniStack
from tests.infra.template import Template
from tests.support.kms import running_ministack

ID, OTHER, THIRD = "7Q2M4X9D1KTB8ZWN", "0ABCDEFGHJKMNPQR", "1ABCDEFGHJKMNPQR"
TRIGGERED = "2ABCDEFGHJKMNPQR"


def line(message: str, age: float, correlation_id: str = ID, **fields: Any) -> tuple[int, str]:
    """A line as the functions write it, so many seconds old, and its time in milliseconds."""
    moment = time.time() - age
    written = {
        "level": "INFO",
        "message": message,
        "timestamp": datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds"),
        "service": "functions",
        "connection": "bank-1.eu",
        "correlation_id": correlation_id,
        **fields,
    }
    return int(moment * 1000), json.dumps(written, separators=(",", ":"))


LOG_GROUPS = ("front-channel", "back-channel", "saml", "pre-sign-up")


def test_every_function_logs_where_explain_looks():
    everything = {"TriggerUserPoolId": "eu-north-1_EXAMPLE01", "LinkProfiles": "true", "MapGroups": "true"}
    functions = Template(everything).resources("AWS::Serverless::Function")
    assert len(functions) >= 5
    for function in functions.values():
        log = function["Properties"]["LoggingConfig"]["LogGroup"]
        assert Template(everything).properties(log)["LogGroupName"].startswith("/fedbridge/prod/")


@pytest.fixture(scope="module")
def account() -> Iterator[MiniStack]:
    with running_ministack() as account:
        logs = account.client("logs")
        for group in LOG_GROUPS:
            logs.create_log_group(logGroupName=f"/fedbridge/prod/{group}")
            logs.create_log_stream(logGroupName=f"/fedbridge/prod/{group}", logStreamName="s")
        written = {
            "front-channel": [
                line("sign_in_authorized", 7000, THIRD),
                line("sign_in_started", 640),
                line("sign_in_authorized", 600, duration_ms=200.0, calls="token=118"),
                line("sign_in_failed", 300, OTHER, reason="id_token_expired", connection="other"),
                (int((time.time() - 290) * 1000), "INIT_START Runtime Version: python:3.13"),
            ],
            "back-channel": [
                line(
                    "token_refused",
                    599,
                    THIRD,
                    reason="client_authentication_failed",
                    route="/{connection}/token",
                )
            ],
        }
        written["pre-sign-up"] = [line("trigger_refused", 60, TRIGGERED, reason="link_profile_disabled")]
        for group, lines in written.items():
            logs.put_log_events(
                logGroupName=f"/fedbridge/prod/{group}",
                logStreamName="s",
                logEvents=[{"timestamp": at, "message": text} for at, text in lines],
            )
        yield account


@pytest.mark.ministack
class TestQueries:
    def test_a_sign_in_is_told_with_what_its_connection_logged_meanwhile(self, account, capsys):
        assert main(["explain", ID, "--environment", "prod", "--json"]) == 0
        story = json.loads(capsys.readouterr().out)
        assert (story["outcome"], story["reason"]) == ("not_redeemed", "client_authentication_failed")
        assert story["related"] == [THIRD]
        assert story["steps"][0]["what"].startswith("authorize")

    def test_a_reference_that_is_too_old_is_not_found(self, account, capsys):
        assert main(["explain", ID, "--environment", "prod", "--since", "5m"]) == 1
        assert "No log line has this reference" in capsys.readouterr().out

    def test_what_a_trigger_refused_is_found_where_triggers_are(self, account, capsys):
        assert main(["explain", TRIGGERED, "--environment", "prod", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["reason"] == "link_profile_disabled"

    def test_failures_are_listed(self, account, capsys):
        assert main(["explain", "--environment", "prod"]) == 0
        listed = capsys.readouterr().out.splitlines()
        assert [row.split()[-1] for row in listed] == [
            "link_profile_disabled",
            "id_token_expired",
            "client_authentication_failed",
        ]

    def test_an_environment_that_is_not_there(self, account, capsys):
        assert main(["explain", ID, "--environment", "staging"]) == 1
        told = capsys.readouterr()
        assert "/fedbridge/staging/: no log groups: is the environment deployed" in told.err


class FakeLogs:
    """Answers queries as the API reference describes them; `states` come one a question, before the last."""

    def __init__(self, *states: str, lines: tuple[str, ...] = (), error: BaseException | None = None) -> None:
        self.states, self.lines, self.error = list(states), lines, error
        self.queries: list[dict[str, Any]] = []
        self.stopped: list[str] = []

    def describe_log_groups(self, *, logGroupNamePrefix: str) -> dict[str, Any]:  # noqa: N803  AWS's own name
        return {"logGroups": [{"logGroupName": f"{logGroupNamePrefix}{group}"} for group in LOG_GROUPS]}

    def start_query(self, **query: Any) -> dict[str, str]:
        self.queries.append(query)
        return {"queryId": f"q{len(self.queries)}"}

    def get_query_results(self, *, queryId: str) -> dict[str, Any]:  # noqa: N803  AWS's own name
        if self.error is not None:
            raise self.error
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        rows = [
            [{"field": "@message", "value": each}, {"field": "@ptr", "value": "x"}] for each in self.lines
        ]
        return {"status": state, "results": rows, "statistics": {"recordsScanned": 1234.0}}

    def stop_query(self, *, queryId: str) -> dict[str, bool]:  # noqa: N803
        self.stopped.append(queryId)
        return {"success": True}


class Time:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, pause: float) -> None:
        self.now += pause


def insights(logs: FakeLogs, told: list[str] | None = None) -> Insights:
    clock = Time()
    return Insights(
        logs, "prod", clock=clock, sleep=clock.sleep, progress=(told if told is not None else []).append
    )


def test_it_waits_for_an_answer_and_says_so():
    logs, told = (
        FakeLogs("Scheduled", "Running", "Complete", lines=(line("sign_in_started", 5)[1], "{")),
        list[str](),
    )
    records = insights(logs, told).sign_in(ID, 3600)
    assert [each["message"] for each in records] == ["sign_in_started"]
    assert told == ["CloudWatch Logs is looking: 1,234 lines so far …"] * 2
    assert logs.stopped == []


def test_a_query_holds_the_reference_and_the_connection_and_nothing_else():
    logs = FakeLogs("Complete", lines=(line("sign_in_started", 5)[1],))
    insights(logs).sign_in(f"x (ref {ID})", 3600)
    own, around = logs.queries
    assert own["queryString"] == (
        f'fields @message | filter @message like /"{ID}"/ | sort @timestamp desc | limit {MOST_LINES}'
    )
    assert (own["startTime"], own["endTime"]) == (1_799_996_400, 1_800_000_001)
    assert own["logGroupNames"] == [f"/fedbridge/prod/{group}" for group in LOG_GROUPS]
    assert r'filter @message like /"connection":"bank\-1\.eu"/ ' in around["queryString"]
    assert around["endTime"] - around["startTime"] <= 242


@pytest.mark.parametrize("connection", ['bank" | delete', "a/ or /b", "", "x" * 200])
def test_a_connection_that_is_none_is_not_asked_for(connection):
    logs = FakeLogs("Complete", lines=(line("sign_in_started", 5, connection=connection)[1],))
    assert len(insights(logs).sign_in(ID, 3600)) == 1
    assert len(logs.queries) == 1


@pytest.mark.parametrize("text", ['x"/ | limit 1', "/", ""])
def test_what_is_no_reference_is_not_asked_for(text):
    logs = FakeLogs("Complete")
    with pytest.raises(ConfigurationError, match="not a reference"):
        insights(logs).sign_in(text, 3600)
    assert logs.queries == []


@pytest.mark.parametrize("state", ["Failed", "Cancelled", "Timeout"])
def test_a_query_that_ends_otherwise(state):
    with pytest.raises(ConfigurationError, match=f"ended the query: {state}"):
        insights(FakeLogs("Running", state)).failures(60)


def test_a_query_that_lasts_is_ended():
    logs = FakeLogs("Running")
    with pytest.raises(ConfigurationError, match="did not answer within two minutes"):
        insights(logs).failures(60)
    assert logs.stopped == ["q1"]


def test_a_query_that_nobody_waits_for_is_ended():
    logs = FakeLogs("Running", error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        insights(logs).failures(60)
    assert logs.stopped == ["q1"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "x"}}, "GetQueryResults"),
            "logs:StartQuery",
        ),
        (ClientError({"Error": {"Code": "LimitExceededException"}}, "GetQueryResults"), "too many queries"),
        (ClientError({}, "GetQueryResults"), "see CloudTrail"),
        (EndpointConnectionError(endpoint_url="https://logs.example"), "EndpointConnectionError"),
    ],
)
def test_what_aws_refuses_is_named(error, message):
    with pytest.raises(ConfigurationError, match=message):
        insights(FakeLogs("Running", error=error)).failures(60)


def test_failures_are_asked_for_by_their_events():
    logs = FakeLogs("Complete")
    assert insights(logs).failures(60) == []
    assert re.search(r"like /[a-z_|]+/ ", logs.queries[0]["queryString"])


@pytest.mark.parametrize(("since", "expected"), [("30m", 1800), ("24h", 86_400), ("7d", 604_800)])
def test_how_far_back(since, expected):
    assert seconds(since) == expected


@pytest.mark.parametrize("since", ["", "24", "h", "0h", "1w", "-1h", "1h1m", "123456d"])
def test_how_far_back_is_not_guessed(since):
    with pytest.raises(ConfigurationError, match="--since"):
        seconds(since)
