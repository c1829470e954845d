"""Group R: what is logged and counted, at the edge, the way out and the telemetry. Numbers are the checklist's.

159 and 160 are about pages and stores; the canary over whole sign-ins stands with the functional tests.
"""

import base64
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from fedbridge.errors import FedbridgeError, OAuthError, RequestRefused, UpstreamError
from fedbridge.model.http import Request, Response
from fedbridge.net.edge import serve
from fedbridge.telemetry.events import EVENTS, FIELDS
from fedbridge.telemetry.powertools import PowertoolsTelemetry
from tests.fakes.events import LambdaContext, http_event, rest_event
from tests.fakes.peers import Peer, answer, answering

SHARED = Path(__file__).resolve().parents[2] / "shared"
TOKEN = "/{connection}/token"
CANARY = 'canary-7f3a"/é+='


def spellings(secret: str) -> list[str]:
    """Return what a secret looks like in text, URLs, JSON, Python literals and base64 at any offset."""
    encoded = secret.encode()
    # Whole groups of three bytes, so that padding and neighbours make no difference.
    shifted = [encoded[offset : offset + (len(encoded) - offset) // 3 * 3] for offset in range(3)]
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        *(base64.b64encode(piece).decode() for piece in shifted),
        *(base64.urlsafe_b64encode(piece).decode() for piece in shifted),
        "canary-7f3a",
    ]


def hits(output: str) -> list[str]:
    return [spelling for spelling in spellings(CANARY) if spelling in output]


@pytest.fixture
def telemetry(request, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")  # at which every event is a line
    made = PowertoolsTelemetry(service=f"hygiene-{request.node.name}")
    yield made
    logging.disable(logging.NOTSET)
    for handler in logging.root.handlers:
        handler.filters = [known for known in handler.filters if type(known).__name__ != "SuppressFilter"]


def render(request: Request, error: FedbridgeError) -> Response:
    return Response(status=getattr(error, "status", 500), body=f"{error.reason} {request.correlation_id}")


def events_with_canaries():
    secret = quote(CANARY, safe="")
    headers = [
        ("Authorization", f"Basic {base64.b64encode(CANARY.encode()).decode()}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("User-Agent", CANARY),
        ("X-Forwarded-Host", CANARY),
    ]
    for make in (http_event, rest_event):
        event = make(
            "POST",
            TOKEN,
            query=f"code={secret}&state={secret}",
            headers=headers,
            cookies=[f"__Host-fedbridge={secret}"],
            body=f"code={secret}&client_secret={secret}".encode(),
        )
        yield event
        yield event | {"body": CANARY, "isBase64Encoded": True}
        yield event | {"isBase64Encoded": CANARY}
        yield event | {"cookies": [CANARY, 7]}
        yield event | {"headers": {"authorization": [CANARY]}, "multiValueHeaders": {"authorization": CANARY}}
        yield event | {"pathParameters": {"connection": CANARY}}
        yield event | {"routeKey": f"ANY /{CANARY}", "resource": f"/{CANARY}"}


FAILURES = [
    KeyError(CANARY),
    ValueError(f"invalid code {CANARY}"),
    UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
    RequestRefused(CANARY),
    OAuthError("invalid_grant", "The code is not valid.", reason="code_refused"),
    UpstreamError("upstream_timeout", message=CANARY, upstream_code="invalid_grant"),
    FedbridgeError(CANARY),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_155_no_secret_of_a_request_is_in_a_log_line_or_an_answer(failure, telemetry, capsys):
    def endpoint(request: Request) -> Response:
        if request.form()["code"] != CANARY:
            raise AssertionError("the secrets did not arrive")
        raise failure

    answers = [
        serve(
            event,
            LambdaContext(),
            routes={TOKEN: {"POST": endpoint}},
            telemetry=telemetry,
            budget=5.0,
            on_error=render,
        )
        for event in events_with_canaries()
    ]
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == len(answers)
    # An unknown route is named in the log: it is the template that the deployment gave it, no part of a request.
    lines = [line for line in captured.out.splitlines() if json.loads(line)["reason"] != "unknown_route"]
    assert hits("\n".join(lines) + captured.err + json.dumps(answers)) == []


PROGRAM = """
import logging, os, sys
import boto3, botocore.config, httpx, urllib3

canary, url = os.environ["CANARY"], os.environ["PEER"]
telemetry = None
if os.environ["SILENT"] == "yes":
    from fedbridge.telemetry.powertools import PowertoolsTelemetry
    telemetry = PowertoolsTelemetry()

# Everything that somebody who debugs might turn on, before and after.
logging.basicConfig(stream=sys.stdout, level=1, force=True)
boto3.set_stream_logger("", 1)
for name in ("botocore", "boto3", "urllib3", "httpx", "httpcore", "fedbridge", "aws_lambda_powertools"):
    logging.getLogger(name).setLevel(1)
    logging.getLogger(name).addHandler(logging.StreamHandler(sys.stdout))

client = boto3.client(
    "secretsmanager", endpoint_url=url, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b",
    config=botocore.config.Config(retries={"total_max_attempts": 1}),
)
client.put_secret_value(SecretId="name", SecretString=canary)
with httpx.Client(trust_env=False) as session:
    session.post(url + "/token", params={"code": canary}, headers={"authorization": "Bearer " + canary.encode().hex()})
urllib3.PoolManager().request("GET", url + "/userinfo", fields={"token": canary})
logging.getLogger("some.library").critical("%s", canary)

from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.ports import OutboundRequest
way_out = OutboundClient(private_hosts=[url.removeprefix("http://")])
request = OutboundRequest(method="POST", url=url + "/token", body=("code=" + canary).encode())
way_out.send(request, Deadline.after(10.0))
way_out.close()
if telemetry:
    telemetry.event("sign_in_redeemed", connection="acme", correlation_id="7QH2")
"""

SWITCHES = {
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_LOGGER_SAMPLE_RATE": "1",
    "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "true",
    "AWS_LAMBDA_LOG_LEVEL": "TRACE",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "HTTPX_LOG_LEVEL": "trace",
    "LOG_LEVEL": "DEBUG",
}


def run_with_every_switch(*, silent: bool) -> str:
    with Peer(answering(answer(b"{}", headers=b"content-type: application/x-amz-json-1.1\r\n"))) as peer:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=SHARED,
            env=os.environ
            | SWITCHES
            | {"CANARY": CANARY, "PEER": peer.url(""), "SILENT": "yes" if silent else "no"},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(peer.requests) == 4
    return done.stdout + done.stderr


def test_156_no_library_says_anything_at_any_level():
    output = run_with_every_switch(silent=True)
    assert hits(output) == []
    lines = [line for line in output.splitlines() if line.startswith("{")]
    assert [json.loads(line)["message"] for line in lines] == ["sign_in_redeemed"]
    assert "botocore" not in output


def test_156_the_libraries_do_say_it_where_nobody_stops_them():
    """Proves that the test above can fail."""
    output = run_with_every_switch(silent=False)
    assert hits(output) != []
    assert "botocore" in output
    assert "httpcore" in output


HOSTILE = {
    "CR and LF": 'x\r\n{"level":"INFO","message":"sign_in_redeemed"}',
    "ANSI": "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "C1": "\x9b31m\x85",
    "quotes": '","admin":true,"x":"',
    "backslash": '\\\\" \\u0000',
    "separators": "\u2028\u2029\u202e\ufeff",
    "surrogate": "\ud800",
    "NUL": "\x00",
    "1 MB": "x" * 1_000_000,
    "1 MB of escapes": "\x1b[" * 500_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", sorted(EVENTS))
def test_157_a_hostile_value_is_one_short_line_of_json(kind, name, telemetry, capsys):
    texts = [field for field in sorted(EVENTS[name].fields) if FIELDS[field] == (str,)]
    telemetry.event(name, **dict.fromkeys(texts, HOSTILE[kind]))
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert output.isascii()
    assert output.rstrip("\n").isprintable()
    assert len(output) < 400 + 250 * len(texts)
    line = json.loads(output)
    assert line["message"] == name
    assert "admin" not in line
    assert all(len(line[field]) <= 200 and line[field].isprintable() for field in texts)


def test_158_fields_of_one_invocation_are_absent_in_the_next(telemetry, capsys):
    telemetry.event(
        "sign_in_failed", connection="acme", reason="upstream_timeout", upstream_status=503, kid="k1"
    )
    telemetry.event("sign_in_failed", correlation_id="7QH2")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert set(first) - set(second) == {"connection", "reason", "upstream_status", "kid"}
    assert set(second) - set(first) == {"correlation_id"}
    assert second["SignInFailed"] == [1.0]


def test_158_a_thousand_names_are_no_dimensions(telemetry, capsys):
    for number in range(1_000):
        telemetry.event("request_refused", connection=f"random-{number}", reason="unknown_connection")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({line["connection"] for line in lines}) == 1_000
    series = {
        (
            directive["Namespace"],
            metric["Name"],
            *((key, line[key]) for keys in directive["Dimensions"] for key in keys),
        )
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    assert len(series) == 1
