"""The dashboard, the saved queries and what they are made of: every metric and field that they name is there."""

import json
import re

import pytest

from fedbridge.telemetry.events import EVENTS, FIELDS
from tests.infra.template import CUSTOM_DOMAIN, Template
from tests.support.markdown import codes, page

OURS = {metric for event in EVENTS.values() for metric in event.metrics} | {
    "Fault", "SignInBroken", "RotationBroken",
}  # fmt: skip
SERVICES = {
    function["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    for function in Template().resources("AWS::Serverless::Function").values()
}
OF_AWS = {
    "AWS/Lambda": {"Duration", "Errors", "Throttles", "ConcurrentExecutions"},
    "AWS/DynamoDB": {"SuccessfulRequestLatency", "ThrottledRequests", "SystemErrors"},
    "AWS/ApiGateway": {"Count", "4xx", "5xx", "4XXError", "5XXError"},
}
"""As AWS's pages of each service list them: CloudWatch says nothing of a metric that there is not."""

GIVEN = {"@timestamp", "service", "message", "level", "timestamp"}
REST = {"ApiType": "rest", **CUSTOM_DOMAIN}


def dashboard(parameters=None):
    return json.loads(Template(parameters or {}).properties("OverviewDashboard")["DashboardBody"])


def metrics(parameters=None):
    """Every metric that is drawn: namespace, name, dimensions, options."""
    for widget in dashboard(parameters)["widgets"]:
        for drawn in widget["properties"].get("metrics", ()):
            if len(drawn) > 1:
                namespace, name, *dimensions, options = drawn
                yield namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)), options


def expressions():
    for widget in dashboard()["widgets"]:
        for drawn in widget["properties"].get("metrics", ()):
            if len(drawn) == 1:
                yield drawn[0]["expression"]


@pytest.mark.parametrize("parameters", [{}, REST], ids=["http", "rest"])
def test_every_metric_is_one_that_somebody_publishes(parameters):
    drawn = list(metrics(parameters))
    assert len(drawn) > 30
    for namespace, name, dimensions, options in drawn:
        assert options["label"]
        if namespace != "fedbridge/prod":
            assert name in OF_AWS[namespace]
            continue
        assert name in OURS
        expected = set() if name in {"Fault", "SignInBroken"} else {"service"}
        assert dimensions.keys() == expected
        assert set(dimensions.values()) <= SERVICES


def test_what_is_searched_for_has_these_dimensions():
    (search,) = expressions()
    found = re.fullmatch(r"SEARCH\('\{\"([^\"]+)\",([a-z,]+)\} MetricName=\"(\w+)\"', 'Sum'\)", search)
    assert found
    namespace, dimensions, name = found.groups()
    assert namespace == "fedbridge/prod"
    assert dimensions.split(",") == ["reason", "service"]
    assert {metric for event in EVENTS.values() if event.by_reason for metric in event.metrics} == {name}


def test_each_part_of_a_sign_in_is_shown():
    shown = {(namespace, name) for namespace, name, _, _ in metrics()}
    assert {name for namespace, name in shown if namespace == "fedbridge/prod"} >= {
        "SignInStarted", "UpstreamDuration", "StoreDuration", "SignInRedeemed", "SignInBroken", "UpstreamFailed", "KeyAge",
    }  # fmt: skip
    assert {namespace for namespace, _ in shown} == {*OF_AWS, "fedbridge/prod"}
    durations = {
        metric
        for event in EVENTS.values()
        for metric in event.measured.values()
        if metric.endswith("Duration")
    }
    for namespace, name, _, options in metrics():
        if namespace == "fedbridge/prod" and name in durations:
            assert options["stat"] in {"p50", "p90", "p99", "SampleCount"}, (name, options)


def test_the_api_of_the_dashboard_is_the_one_that_there_is():
    for parameters, dimension, names in (
        ({}, {"ApiId": "HttpApi"}, {"Count", "4xx", "5xx"}),
        (REST, {"ApiName": "fedbridge-prod"}, {"Count", "4XXError", "5XXError"}),
    ):
        drawn = [each for each in metrics(parameters) if each[0] == "AWS/ApiGateway"]
        assert {name for _, name, _, _ in drawn} == names
        assert all(dimensions == dimension for _, _, dimensions, _ in drawn)


def test_widgets_lie_beside_each_other():
    taken: set[tuple[int, int]] = set()
    for widget in dashboard()["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert all(x < 24 for x, _ in cells)
        assert not cells & taken
        taken |= cells


def test_it_can_be_left_out():
    assert "OverviewDashboard" not in Template({"Dashboard": "false"}).resources()


def queries():
    saved = Template().resources("AWS::Logs::QueryDefinition").values()
    texts = {each["Properties"]["Name"]: each["Properties"]["QueryString"] for each in saved}
    (logged,) = [widget for widget in dashboard()["widgets"] if widget["type"] == "log"]
    return {**texts, "dashboard": logged["properties"]["query"]}


@pytest.mark.parametrize("name", queries())
def test_every_query_asks_for_fields_and_events_that_there_are(name):
    text = queries()[name]
    named = set(re.findall(r" as (\w+)", text))
    words = set(re.findall(r"[@a-z][a-z_0-9]*", re.sub(r'"[^"]*"|\'[^\']*\'', "", text))) - named
    assert words - KEYWORDS <= FIELDS.keys() | GIVEN
    events = {event for event in re.findall(r'"([a-z_]+)"', text) if "_" in event}
    assert events <= EVENTS.keys()


KEYWORDS = {
    "fields", "filter", "sort", "limit", "stats", "by", "as", "desc", "asc", "count", "latest", "max", "pct", "ispresent", "in", "and",
    "source",
}  # fmt: skip


def test_saved_queries_read_the_logs_of_sign_ins():
    for each in Template().resources("AWS::Logs::QueryDefinition").values():
        assert each["Properties"]["LogGroupNames"] == ["FrontChannelLog", "BackChannelLog", "SamlLog"]
        assert each["Properties"]["Name"].startswith("fedbridge/prod/")


def test_every_saved_query_is_described():
    listed = {codes(row[0])[0] for row in page("docs/logs-and-metrics.md").table("Saved queries")}
    assert {f"fedbridge/prod/{name}" for name in listed} == {
        each["Properties"]["Name"] for each in Template().resources("AWS::Logs::QueryDefinition").values()
    }


def test_the_alarm_on_sign_ins_that_cognito_does_not_redeem_counts_both_ends():
    parts = {part["Id"]: part for part in Template().properties("UnredeemedSignInsAlarm")["Metrics"]}
    assert [part["Id"] for part in parts.values() if part.get("ReturnData", True)] == ["unredeemed"]
    used = {name for part in parts.values() for name in re.findall(r"\b[a-z]+\b", part.get("Expression", ""))}
    assert used == parts.keys() - {"unredeemed"}
    counted = {
        (part["MetricStat"]["Metric"]["MetricName"], part["MetricStat"]["Stat"])
        for part in parts.values()
        if "MetricStat" in part
    }
    assert counted == {("UpstreamDuration", "SampleCount"), ("SignInRedeemed", "Sum")}


def test_every_alarm_of_our_namespace_watches_a_metric_of_ours():
    watched = [
        alarm["Properties"]["MetricName"]
        for alarm in Template().resources("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("Namespace", "").startswith("fedbridge/")
    ]
    assert {"Fault", "SignInBroken", "UpstreamDuration"} <= set(watched)
    assert set(watched) <= OURS
