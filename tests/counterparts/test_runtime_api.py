"""The Runtime API stub runs a function as Lambda does, with nothing of this environment beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.counterparts.api_gateway import ApiGateway
from tests.counterparts.runtime_api import (
    FunctionError,
    InitError,
    LambdaSandbox,
    runtime_or_skip_reason,
)

HANDLER = """
import os, sys, time
import layered

def handler(event, context):
    match event.get("do"):
        case "raise":
            raise LookupError("no such thing")
        case "exit":
            sys.exit(3)
        case "wait":
            time.sleep(60)
        case "import":
            __import__(event["name"])
        case "burn":
            deadline = time.process_time() + 0.05
            while time.process_time() < deadline:
                pass
        case "environment":
            return dict(os.environ)
        case "path":
            return sys.path
    print("handled", event)
    return {
        "statusCode": 200,
        "body": layered.WORD,
        "request_id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "name": context.function_name,
    }
"""


Build = Callable[[str], tuple[Path, Path]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def write(code: str) -> tuple[Path, Path]:
        function, layer = tmp_path / "Function", tmp_path / "Layer"
        (layer / "python").mkdir(parents=True)
        function.mkdir()
        (layer / "python" / "layered.py").write_text("WORD = 'from the layer: ü'")
        (function / "app.py").write_text(code)
        return function, layer

    return write


@pytest.fixture
def sandbox(build: Build) -> Iterator[LambdaSandbox]:
    function, layer = build(HANDLER)
    with LambdaSandbox(function=function, layers=[layer], env={"STAGE": "test"}, timeout=20) as sandbox:
        yield sandbox


def test_invokes_the_handler_with_its_layer(sandbox: LambdaSandbox) -> None:
    first, second = sandbox.invoke({}), sandbox.invoke({"again": "ü"})
    assert first.payload["body"] == "from the layer: ü"
    assert first.payload["name"] == "Function"
    assert 0 < first.payload["remaining"] <= 20_000
    assert first.payload["request_id"] != second.payload["request_id"]
    assert "handled {'again': 'ü'}" in sandbox.log()


def test_measures_init_and_invocations(sandbox: LambdaSandbox) -> None:
    assert sandbox.init.cpu > 0
    assert sandbox.init.wall > 0
    assert 4_000_000 < sandbox.init.memory <= sandbox.init.peak_memory
    assert sandbox.invoke({"do": "burn"}).usage.cpu >= 0.05


def test_nothing_of_this_environment_is_visible(
    sandbox: LambdaSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("httpx", "joserfc", "pytest", "boto3", "fedbridge", "tests"):
        with pytest.raises(FunctionError, match=f"No module named '{name}'"):
            sandbox.invoke({"do": "import", "name": name})
    environment = sandbox.invoke({"do": "environment"}).payload
    assert environment["STAGE"] == "test"
    assert environment["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert not {"VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "HOME"} & set(environment)
    function, versioned, layer, *rest = (place for place in sandbox.invoke({"do": "path"}).payload if place)
    assert function == str(sandbox.function)
    assert versioned.endswith(
        "/Layer/python/lib/" + environment["AWS_EXECUTION_ENV"].partition("_Lambda_")[2] + "/site-packages"
    )
    assert layer.endswith("/Layer/python")
    assert not [place for place in rest if "site-packages" in place]


def test_errors_of_the_function_are_told(sandbox: LambdaSandbox) -> None:
    with pytest.raises(FunctionError) as caught:
        sandbox.invoke({"do": "raise"})
    assert (caught.value.error_type, caught.value.message) == ("LookupError", "no such thing")
    assert any("handler" in line for line in caught.value.stack_trace)
    assert sandbox.invoke({}).payload["statusCode"] == 200, "it goes on"

    with pytest.raises(FunctionError, match=r"Runtime\.ExitError"):
        sandbox.invoke({"do": "exit"})


def test_a_function_that_takes_too_long_is_killed(build: Build) -> None:
    function, layer = build(HANDLER)
    with (
        LambdaSandbox(function=function, layers=[layer], timeout=0.3) as sandbox,
        pytest.raises(FunctionError, match=r"Task timed out after 0\.30 seconds"),
    ):
        sandbox.invoke({"do": "wait"})


@pytest.mark.parametrize(
    "code, error_type, message",
    [
        ("import httpx", "Runtime.ImportModuleError", "No module named 'httpx'"),
        ("raise ValueError('bad setting')", "ValueError", "bad setting"),
        ("def other(): ...", "Runtime.HandlerNotFound", "handler"),
        ("import os; os._exit(4)", "Runtime.ExitError", "ended"),
    ],
    ids=["missing dependency", "exception", "no handler", "exit"],
)
def test_errors_of_init_are_told(build: Build, code: str, error_type: str, message: str) -> None:
    function, layer = build(code)
    with pytest.raises(FunctionError) as caught, LambdaSandbox(function=function, layers=[layer]):
        pass
    assert caught.value.error_type == error_type
    assert message in caught.value.message
    assert isinstance(caught.value, InitError) == (error_type != "Runtime.ExitError")


def test_is_a_target_of_the_gateway(sandbox: LambdaSandbox) -> None:
    with ApiGateway({"GET /{connection}/x": sandbox}) as gateway:
        answer = httpx.get(f"{gateway.url}/bank/x", trust_env=False)
    assert (answer.status_code, answer.text) == (200, "from the layer: ü")


def test_a_missing_runtime_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(runtime_or_skip_reason(), dict)
    monkeypatch.setattr("tests.counterparts.runtime_api.RUNTIME_PACKAGES", ("no-such-runtime",))
    assert runtime_or_skip_reason() == "no-such-runtime is not installed in this environment"
