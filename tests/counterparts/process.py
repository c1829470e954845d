"""Child processes on loopback: readiness awaited, logs kept, always stopped.

Every counterpart that is not Python in this process is a `Program`. Its log (stderr, and stdout where that carries
no protocol) goes to a file; `running_logs` hands all of them to whoever reports a failed test, and an exception that
says a program did not come up carries the end of its log.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

START_SECONDS = 30.0
"""How long a program may take to come up. Generous, because test machines are noisy; nothing waits this long idly."""

_STOP_SECONDS = 5.0
_running: list[Program] = []

Found = TypeVar("Found")


class ProgramFailedError(Exception):
    """A program ended, or stayed silent, when it should have answered. The text ends with its log."""


def require(found: Found | str) -> Found:
    """Take what `…_or_skip_reason()` answered, or skip the running test with the reason it gave."""
    if isinstance(found, str):
        import pytest

        pytest.skip(found)
    return found


def free_port() -> int:
    """A loopback TCP port that nobody listens on now.

    For programs that cannot bind port 0 and tell which port they got; another process may take it in between.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(**extra: str) -> dict[str, str]:
    """What a child needs of this process' environment, and no proxy, credential or Python setting of it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | extra


def running_logs() -> Mapping[str, str]:
    """The log of every program that runs now, by its name."""
    return {f"{program.name} (process {program.pid})": program.log() for program in list(_running)}


class Program:
    """A started child process: a pipe to its stdin, and a log file.

    With `talks` its stdout is a pipe for a line protocol, otherwise it goes to the log too. The open stdin tells a
    child that watches it that we still live: it ends when we do, however we end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        talks: bool = True,
    ) -> None:
        self.name = name
        self._buffer = b""
        self._log: IO[bytes] = tempfile.TemporaryFile(prefix=f"{name}-")  # noqa: SIM115 - lives as long as the program
        try:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if talks else self._log,
                stderr=self._log,
                env=dict(env),
                cwd=cwd,
                bufsize=0,
                start_new_session=True,  # a group of its own, so that its children end with it
            )
        except BaseException:
            self._log.close()
            raise
        _running.append(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def log(self, last: int = 20_000) -> str:
        """The last characters of what the program has written so far."""
        if self._log.closed:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), last, max(0, size - last)).decode(errors="replace")

    def failure(self, problem: str) -> ProgramFailedError:
        status = self._process.poll()
        ended = "" if status is None else f" (exit status {status})"
        return ProgramFailedError(f"{self.name} {problem}{ended}. Its log ends with:\n{self.log(4_000)}")

    def write_line(self, line: str) -> None:
        """Send one line to the program's stdin."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError as error:
            self._process.wait(_STOP_SECONDS)
            raise self.failure("ended before it was spoken to") from error

    def read_line(self, seconds: float) -> str:
        """The next line of its stdout. Raises `ProgramFailedError` when it ends or stays silent for so long."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self.failure(f"said nothing for {seconds:g} s")
            chunk = self._process.stdout.read(65_536)
            if not chunk:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_STOP_SECONDS)
                raise self.failure("ended")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = START_SECONDS) -> None:
        """Ask `ready` every 10 ms until it says so. Raises `ProgramFailedError` if the program ends or takes longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.ended:
                raise self.failure("ended while it was starting")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {seconds:g} s")
            time.sleep(0.01)

    def wait(self, seconds: float) -> int | None:
        """Its exit status, or nothing when it still runs after so long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End the program and its children, politely first. Safe to call twice."""
        if self in _running:
            _running.remove(self)
        for stop_signal in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, stop_signal)
            if self.wait(_STOP_SECONDS) is not None:
                break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # a child that outlived its parent
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
