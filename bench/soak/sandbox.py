"""A Lambda sandbox: one function in a process, one invocation at a time; and the pool of those that there are."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.world import ROOT
from tests.counterparts.process import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
"""Seconds for one invocation, twice what Lambda would allow."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sandbox:
    """One process. `function` is the name of its folder."""

    def __init__(self, function: str, program: Program) -> None:
        self.function = function
        self.program = program
        self.invocations = 0

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return what the handler answers."""
        self.invocations += 1
        self.program.write_line(json.dumps(event))
        return json.loads(self.program.read_line(PATIENCE))

    def memory(self) -> int | None:
        """Return the resident set in bytes, None where the system does not tell."""
        try:
            return int(Path(f"/proc/{self.program.pid}/statm").read_text().split()[1]) * _PAGE
        except OSError:
            return None


class Sandboxes:
    """As many sandboxes as there are invocations at once; the one that was busy last is asked first, as Lambda does."""

    def __init__(self, stack: ExitStack, environment: Mapping[str, str], most: int) -> None:
        self._stack = stack
        self._environment = environment
        self._free = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: dict[str, list[Sandbox]] = {}
        self.all: list[Sandbox] = []

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Invoke a function in an idle sandbox or a new one."""
        with self._free:
            sandbox = self._take(function)
            answer = sandbox.invoke(event)
            with self._lock:
                self._idle[function].append(sandbox)
            return answer

    def _take(self, function: str) -> Sandbox:
        with self._lock:
            idle = self._idle.setdefault(function, [])
            if idle:
                return idle.pop()
            sandbox = self._start(function)
            self.all.append(sandbox)
            return sandbox

    def _start(self, function: str) -> Sandbox:
        environment = {
            **self._environment,
            "POWERTOOLS_SERVICE_NAME": function,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}",
        }
        command = [sys.executable, "-m", "bench.soak.sandbox", function]
        program = Program(function, command, env=clean_environment(**environment), cwd=ROOT)
        self._stack.enter_context(program)
        return Sandbox(function, program)


@contextmanager
def sandboxes(environment: Mapping[str, str], most: int) -> Iterator[Sandboxes]:
    """Yield a pool that is empty at first, and end all of it."""
    with ExitStack() as stack:
        yield Sandboxes(stack, environment, most)


def _main(function: str) -> None:
    from bench.host import channel  # noqa: PLC0415  the pool needs nothing of it
    from tests.counterparts.api_gateway import LambdaContext  # noqa: PLC0415

    answers = os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open("w") as sys.stdout:  # Log lines are written as on Lambda, and read by nobody.
        handler = channel(function)
        for line in sys.stdin:
            print(json.dumps(handler(json.loads(line), LambdaContext())), file=answers, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
