"""Every sample event runs through its handler, each function in a process of its own, with nothing but fixtures mode."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import sample_triggers
from tests.support.sample_events import CASES, FOLDER, sample_files

ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENT = {
    # What template.yaml gives the functions, as sam local resolves it; fixtures mode needs none of it to exist.
    "FEDBRIDGE_FIXTURES": "on",
    "FEDBRIDGE_ENVIRONMENT": "prod",
    "FEDBRIDGE_BASE_URL": "https://HttpApi.execute-api.eu-west-1.amazonaws.com",
    "FEDBRIDGE_TRANSACTIONS": "dynamodb:Transactions",
    "FEDBRIDGE_CONNECTIONS": "dynamodb:Connections",
    "FEDBRIDGE_ID_TOKEN_KEYS": "kms:IdTokenKey",
    "AWS_SAM_LOCAL": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "Function",
}

TRIGGER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import app
try:
    answer = getattr(app, sys.argv[2])(json.load(sys.stdin), None)["response"]
except Exception as error:
    answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
print("ANSWER " + json.dumps(answer))
"""

PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import app
print("ANSWER " + json.dumps(app.handler(json.load(sys.stdin), None)))
"""


def _invoke(function, event, *arguments, program=PROGRAM):
    """One fresh process an event, as sam local starts one container a call."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "shared"), **ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "functions" / function), *arguments],
        input=event,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    return json.loads(line.removeprefix("ANSWER "))


def test_the_files_are_those_that_the_cases_describe():
    found = {str(file.relative_to(FOLDER)): file.read_text("utf-8") for file in FOLDER.glob("*/*.json")}
    assert found == sample_files()


@pytest.mark.parametrize("payload", ["http", "rest"])
@pytest.mark.parametrize("name", CASES)
def test_each_event_is_answered_as_described(payload, name):
    case = CASES[name]
    answer = _invoke(case.function, (FOLDER / payload / f"{name}.json").read_text("utf-8"))
    assert answer["statusCode"] == case.status, answer
    said = json.dumps(answer.get("headers") or answer.get("multiValueHeaders")) + answer["body"]
    said += " ".join(answer.get("cookies", []))
    for text in case.holds:
        assert text in said


@pytest.mark.parametrize("name", sample_triggers.CASES)
def test_each_call_of_a_trigger_is_answered_as_described(name):
    case = sample_triggers.CASES[name]
    event = (FOLDER / "triggers" / f"{name}.json").read_text("utf-8")
    answer = _invoke("triggers", event, sample_triggers.FUNCTIONS[case.function], program=TRIGGER)
    assert (answer.get("errorType") == "SignInRefused") is case.refused
    for text in case.holds:
        assert text in (answer["errorMessage"] if case.refused else json.dumps(answer))


def test_every_route_has_an_event_that_succeeds_and_one_that_is_refused():
    routes = {case.path for case in CASES.values()}
    succeeding = {
        case.path for case in CASES.values() if case.status < 400 and "error" not in "".join(case.holds)
    }
    refused = {case.path for case in CASES.values() if case.status >= 400}
    assert routes == succeeding
    assert {"authorize", "callback", "token", "userinfo", ".well-known/openid-configuration"} <= refused


def test_fixtures_are_refused_in_aws():
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "shared"), **ENVIRONMENT}
    del environment["AWS_SAM_LOCAL"]
    for function in ("front_channel", "back_channel", "triggers"):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; sys.path.insert(0, sys.argv[1]); import app",
                str(ROOT / "functions" / function),
            ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode != 0
        assert "FEDBRIDGE_FIXTURES" in done.stderr
