import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import time_machine

from fedbridge.ports import Telemetry
from fedbridge.telemetry.powertools import PowertoolsTelemetry

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture
def service(request):
    """A name of its own for every test: loggers live as long as the process. Others may log again afterwards."""
    name = f"telemetry-{request.node.name}"
    yield name
    logging.disable(logging.NOTSET)
    for handler in logging.root.handlers:
        handler.filters = [known for known in handler.filters if type(known).__name__ != "SuppressFilter"]


@pytest.fixture
def telemetry(service) -> Telemetry:
    return PowertoolsTelemetry(service=service, namespace="fedbridge")


def read(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_event_is_one_line_with_its_fields_and_its_metric(telemetry, service, capsys):
    telemetry.event("sign_in_started", connection="acme", correlation_id="7QH2", status=303, reason=None)
    (line,) = read(capsys)
    assert line.pop("timestamp").endswith("+00:00")
    assert isinstance(line["_aws"].pop("Timestamp"), int)
    assert line == {
        "level": "INFO",
        "message": "sign_in_started",
        "service": service,
        "connection": "acme",
        "correlation_id": "7QH2",
        "status": 303,
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "fedbridge",
                    "Dimensions": [["service"]],
                    "Metrics": [{"Name": "SignInStarted", "Unit": "Count"}],
                }
            ]
        },
        "SignInStarted": [1.0],
    }


def test_what_is_timed_is_a_metric_of_its_own(telemetry, capsys):
    telemetry.event("sign_in_authorized", upstream_ms=12.5, store_ms=9.1)
    telemetry.event("sign_in_authorized", upstream_ms=7, store_ms=8)
    first, second = read(capsys)
    assert (first["UpstreamDuration"], second["UpstreamDuration"]) == ([12.5], [7])
    assert (first["StoreDuration"], second["StoreDuration"]) == ([9.1], [8])
    assert first["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [
        {"Name": "UpstreamDuration", "Unit": "Milliseconds"},
        {"Name": "StoreDuration", "Unit": "Milliseconds"},
    ]


def test_what_is_measured_in_days_has_no_unit(telemetry, capsys):
    telemetry.event("key_ring_checked", age_days=12.5)
    (line,) = read(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "KeyAge", "Unit": "None"}]
    assert line["KeyAge"] == [12.5]


def test_what_was_not_timed_is_no_metric(telemetry, capsys):
    telemetry.event("sign_in_authorized", upstream_ms=12.5, store_ms=9.1)
    telemetry.event("sign_in_authorized", upstream_ms=12.5)
    telemetry.event("sign_in_authorized")
    _, one, none = read(capsys)
    assert one["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [
        {"Name": "UpstreamDuration", "Unit": "Milliseconds"}
    ]
    assert "StoreDuration" not in one
    assert "_aws" not in none


def test_failed_sign_ins_are_counted_by_reason_and_other_events_are_not(telemetry, service, capsys):
    telemetry.event("sign_in_failed", reason="upstream_timeout", connection="acme")
    telemetry.event("sign_in_failed", reason="id_token_expired", connection="acme")
    telemetry.event("request_refused", reason="state_unknown")
    timeout, expired, refused = read(capsys)
    for line, reason in ((timeout, "upstream_timeout"), (expired, "id_token_expired")):
        assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"], ["service", "reason"]]
        assert (line["service"], line["reason"], line["SignInFailed"]) == (service, reason, [1.0])
    assert refused["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]


def test_a_hidden_line_is_counted_by_reason_all_the_same(service, monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")
    PowertoolsTelemetry(service=service).event("sign_in_failed", reason="upstream_timeout")
    (line,) = read(capsys)
    assert (line["message"], line["reason"]) == ("metric", "upstream_timeout")


def test_every_metric_has_its_own_time(telemetry, capsys):
    with time_machine.travel(1_800_000_000, tick=False):
        telemetry.event("sign_in_started")
    with time_machine.travel(1_800_000_001, tick=False):
        telemetry.event("sign_in_started")
    assert [line["_aws"]["Timestamp"] for line in read(capsys)] == [1_800_000_000_000, 1_800_000_001_000]


def test_a_call_that_went_well_is_a_line_at_debug_and_no_metric(service, monkeypatch, capsys):
    PowertoolsTelemetry(service=service).event("upstream_call", upstream_endpoint="token", duration_ms=12.5)
    assert read(capsys) == []
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    telemetry = PowertoolsTelemetry(service=f"{service}-debug")
    telemetry.event("upstream_call", upstream_endpoint="token", duration_ms=12.5)
    (line,) = read(capsys)
    assert (line["level"], line["upstream_endpoint"], line["duration_ms"]) == ("DEBUG", "token", 12.5)
    assert "_aws" not in line


def test_only_connections_that_were_named_are_a_dimension(service, capsys):
    telemetry = PowertoolsTelemetry(service=service, connection_metrics=["acme"])
    telemetry.event("sign_in_started", connection="acme")
    telemetry.event("sign_in_started", connection="other")
    acme, other = read(capsys)
    assert acme["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"], ["service", "connection"]]
    assert other["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]


def test_what_is_not_registered_is_refused_and_not_written(telemetry, capsys):
    with pytest.raises(TypeError):
        telemetry.event("sign_in_started", code="abc")
    with pytest.raises(TypeError):
        telemetry.event("anything")
    assert read(capsys) == []


def test_a_second_instance_of_the_same_service_writes_no_line_twice(telemetry, service, capsys):
    PowertoolsTelemetry(service=service).event("userinfo_read")
    telemetry.event("userinfo_read")
    assert [line["message"] for line in read(capsys)] == ["userinfo_read"] * 2


def test_the_environment_names_service_and_namespace(service, monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", service)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "elsewhere")
    PowertoolsTelemetry().event("sign_in_started")
    (line,) = read(capsys)
    assert line["service"] == service
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "elsewhere"


def test_a_level_that_hides_the_line_still_counts(service, monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")
    PowertoolsTelemetry(service=service).event("sign_in_started", connection="acme", correlation_id="7QH2")
    (line,) = read(capsys)
    assert line["SignInStarted"] == [1.0]
    assert line["level"] == "ERROR"
    assert "correlation_id" not in line


def test_metrics_can_be_switched_off(service, monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    PowertoolsTelemetry(service=service).event("sign_in_started", connection="acme")
    (line,) = read(capsys)
    assert line["connection"] == "acme"
    assert "_aws" not in line


def test_the_trace_id_of_the_request_is_named(telemetry, monkeypatch, capsys):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    telemetry.event("userinfo_read")
    (line,) = read(capsys)
    assert line["xray_trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"


def test_the_id_of_a_trace_that_nobody_records_is_not(telemetry, monkeypatch, capsys):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
    telemetry.event("userinfo_read")
    (line,) = read(capsys)
    assert "xray_trace_id" not in line


def test_nobody_else_writes_through_the_logger(telemetry, service, capsys):
    logging.getLogger(service).critical("canary")
    logging.getLogger(f"{service}.child").critical("canary")
    assert capsys.readouterr().out == ""


def test_other_loggers_are_silent_whatever_is_done_to_them_afterwards(telemetry, capsys):
    library = logging.getLogger("some.library")
    library.addHandler(logging.StreamHandler(sys.stdout))
    library.setLevel(1)
    library.critical("canary")
    logging.getLogger().critical("canary")
    telemetry.event("userinfo_read")
    captured = capsys.readouterr()
    assert "canary" not in captured.out + captured.err
    assert "userinfo_read" in captured.out


def test_lines_of_parallel_invocations_do_not_mix(telemetry, capsys):
    def sign_in(number):
        for _ in range(50):
            telemetry.event(
                "sign_in_redeemed", connection=f"c{number}", correlation_id=f"id{number}", status=number
            )

    threads = [threading.Thread(target=sign_in, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = read(capsys)
    assert len(lines) == 400
    assert all(line["connection"][1:] == line["correlation_id"][2:] == str(line["status"]) for line in lines)
    assert all(line["SignInRedeemed"] == [1.0] for line in lines)


def test_it_loads_neither_the_tracer_nor_pydantic_nor_the_sdk():
    program = (
        "import sys; import fedbridge.telemetry.powertools;"
        "print(sorted({'aws_xray_sdk', 'boto3', 'botocore.session', 'pydantic', 'httpcore'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SHARED, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
