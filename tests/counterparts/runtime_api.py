"""Lambda's side of a function: a Runtime API stub that runs a built artefact under AWS's own `awslambdaric`.

    with LambdaSandbox(function=build / "BackChannel", layers=[build / "FedbridgeLayer"], env={...}) as sandbox:
        answer = sandbox.invoke(event).payload

The function runs in a process of its own, whose environment and import path hold what Lambda would put there and
nothing of this one: no site-packages, so a dependency that is missing from the artefact is missing here too. Of this
environment only `awslambdaric` and its two dependencies are lent to it, by links in a folder that is last on the path.
API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import queue
import re
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, ClassVar, Self

from tests.counterparts.process import Program

RUNTIME_PACKAGES = ("awslambdaric", "simplejson", "snapshot-restore-py")
INIT_SECONDS = 10.0
"""Lambda's own limit for the init phase of an on-demand function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a phase took: wall and CPU time in seconds (of all threads), resident memory in bytes at its end."""

    wall: float
    cpu: float
    memory: int
    peak_memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    payload: Any
    usage: Usage


@dataclass(eq=False)
class FunctionError(Exception):
    """The function failed as Lambda reports it: by its own exception, by ending, or by taking too long."""

    error_type: str
    message: str
    stack_trace: Sequence[str] = ()
    log: str = ""

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}\n{''.join(self.stack_trace)}{self.log[-4_000:]}"


class InitError(FunctionError):
    """The handler could not be imported."""


def runtime_or_skip_reason() -> Mapping[str, Path] | str:
    """The top-level modules of awslambdaric and its dependencies, or the reason why it cannot run here."""
    if not sys.platform.startswith("linux"):
        return "the Lambda runtime is measured by Linux's means"
    modules: dict[str, Path] = {}
    for package in RUNTIME_PACKAGES:
        try:
            distribution = metadata.distribution(package)
        except metadata.PackageNotFoundError:
            return f"{package} is not installed in this environment"
        tops = {file.parts[0] for file in distribution.files or ()}
        # Not the metadata, and nothing outside of site-packages, such as ../../bin.
        wanted = (top for top in tops if not top.endswith(".dist-info") and top not in {"..", "__pycache__"})
        modules |= {top: Path(str(distribution.locate_file(top))) for top in wanted}
    return modules


def _usage(pid: int, wall: float) -> Usage:
    status = Path(f"/proc/{pid}/status").read_text()
    kibibytes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
    return Usage(
        wall=wall,
        # The process' CPU clock, which counts ended threads too: the id is what clock_getcpuclockid(3) makes of a pid.
        cpu=time.clock_gettime((~pid << 3) | 2),
        memory=int(kibibytes["VmRSS"]) * 1024,
        peak_memory=int(kibibytes["VmHWM"]) * 1024,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Next:
    """The runtime asks for work: init, or the previous invocation, is over."""

    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    request_id: str | None
    failed: bool
    payload: Any


class _RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.work: queue.Queue[tuple[Mapping[str, str], bytes] | None] = queue.Queue()
        self.reports: queue.Queue[_Next | _Outcome] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    server: _RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it would add 40 ms to every answer, and so to every measurement
    version: ClassVar[str] = "/2018-06-01/runtime"

    def do_GET(self) -> None:
        if self.path == f"{self.version}/restore/next":
            self._answer(200, {}, b"")
            return
        assert self.path == f"{self.version}/invocation/next", self.path
        self.server.reports.put(_Next(time=time.perf_counter()))
        work = self.server.work.get()
        if work is None:
            self.close_connection = True
        else:
            self._answer(200, *work)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"null")
        invocation = re.fullmatch(rf"{self.version}/invocation/([^/]+)/(response|error)", self.path)
        request_id = invocation[1] if invocation else None
        failed = invocation is None or invocation[2] == "error"
        with suppress(ConnectionError):  # it may end without waiting for this
            self._answer(202, {}, b'{"status":"OK"}')
        self.server.reports.put(_Outcome(request_id=request_id, failed=failed, payload=body))

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The function's log is what matters."""


class LambdaSandbox:
    """One execution environment. Entering runs its init phase; `init` says what that took.

    `function` and `layers` are folders as `sam build` leaves them (a layer holds `python/`). `env` is the function's
    own environment. `timeout` in seconds, after which the sandbox is killed, as Lambda does. Raises `InitError`.
    """

    def __init__(
        self,
        *,
        function: Path,
        layers: Sequence[Path] = (),
        handler: str = "app.handler",
        env: Mapping[str, str] = MappingProxyType({}),
        python: Path = Path(sys.executable),
        timeout: float = 29.0,
        memory_size: int = 512,
        region: str = "eu-west-1",
    ) -> None:
        self.function = function.resolve()
        self.layers = [layer.resolve() for layer in layers]
        self.handler = handler
        self.env = env
        self.python = python
        self.timeout = timeout
        self.memory_size = memory_size
        self.region = region
        self.init: Usage
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        modules = runtime_or_skip_reason()
        if isinstance(modules, str):
            import pytest

            pytest.skip(modules)
        with ExitStack() as stack:
            runtime = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="runtime-")))
            for name, place in modules.items():
                (runtime / name).symlink_to(place)
            self._api = _RuntimeApi()
            stack.callback(self._api.server_close)
            thread = threading.Thread(target=self._api.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(self._api.shutdown)
            stack.callback(self._api.work.put, None)
            started = time.perf_counter()
            # -S: no site-packages of the interpreter's environment. -P: no working directory on the path.
            command: list[str | Path] = [self.python, "-S", "-P", "-m", "awslambdaric", self.handler]
            self._program = stack.enter_context(
                Program(
                    self.function.name,
                    command,
                    env=self._environment(runtime),
                    cwd=self.function,
                    talks=False,
                )
            )
            self.init = self._usage(self._await_next(INIT_SECONDS) - started, before=0.0)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _environment(self, runtime: Path) -> dict[str, str]:
        """The variables that Lambda defines, in its order of the import path: function, layers, runtime."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        layers = [
            place
            for layer in self.layers
            for place in (layer / "python" / "lib" / version / "site-packages", layer / "python")
        ]
        return {
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_SESSION_TOKEN": "example",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{version}",
            "AWS_LAMBDA_FUNCTION_NAME": self.function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_size),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
            "LAMBDA_TASK_ROOT": str(self.function),
            "LAMBDA_RUNTIME_DIR": str(runtime),
            "_HANDLER": self.handler,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": ":".join(str(place) for place in (self.function, *layers, runtime)),
            "PYTHONDONTWRITEBYTECODE": "1",  # /var/task and /opt cannot be written to
            **self.env,
        }

    def _await(self, seconds: float) -> _Next | _Outcome:
        """The runtime's next report. Raises `FunctionError` when the process ends or takes too long."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._api.reports.get(timeout=0.02)
            except queue.Empty:
                if self._program.ended and self._api.reports.empty():
                    raise FunctionError("Runtime.ExitError", "the process ended", log=self.log()) from None
                if time.monotonic() > deadline:
                    self._program.stop()
                    text = f"Task timed out after {seconds:.2f} seconds"
                    raise FunctionError("Sandbox.Timedout", text, log=self.log()) from None

    def _await_next(self, seconds: float) -> float:
        report = self._await(seconds)
        if isinstance(report, _Outcome):
            raise self._error(InitError, report)
        return report.time

    def _error(self, kind: type[FunctionError], report: _Outcome) -> FunctionError:
        described = report.payload
        return kind(
            described.get("errorType", ""),
            described.get("errorMessage", ""),
            described.get("stackTrace", ()),
            self.log(),
        )

    def _usage(self, wall: float, *, before: float) -> Usage:
        now = _usage(self._program.pid, wall)
        return Usage(wall=wall, cpu=now.cpu - before, memory=now.memory, peak_memory=now.peak_memory)

    def invoke(self, event: object) -> Invocation:
        """Run the handler on one event, as JSON on both sides; one at a time.

        Its usage lasts until the runtime asks for more work. Raises `FunctionError` when it fails.
        """
        request_id = str(uuid.uuid4())
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": (
                f"arn:aws:lambda:{self.region}:123456789012:function:{self.function.name}"
            ),
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        }
        with self._lock:
            before = _usage(self._program.pid, 0.0).cpu
            started = time.perf_counter()
            self._api.work.put((headers, json.dumps(event).encode()))
            outcome = self._await(self.timeout)
            assert isinstance(outcome, _Outcome), outcome
            assert outcome.request_id == request_id, outcome
            finished = self._await_next(self.timeout)
            usage = self._usage(finished - started, before=before)
        if outcome.failed:
            raise self._error(FunctionError, outcome)
        return Invocation(payload=outcome.payload, usage=usage)

    def __call__(self, event: dict[str, Any]) -> Any:
        """The handler's answer alone, which makes a sandbox a target of `ApiGateway`."""
        return self.invoke(event).payload

    def log(self, last: int = 20_000) -> str:
        """What would be in CloudWatch Logs, its last characters: standard output and error of the function."""
        return self._program.log(last)
