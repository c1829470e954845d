"""Functions in a process of their own, warm: what `bench.host` does there, asked from here."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from bench.world import LOCAL, ROOT, World, place
from tests.counterparts.process import Program, clean_environment

PATIENCE = 120.0
"""Seconds for one command, on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One invocation: CPU of the whole process and wall time in seconds, log lines and their bytes."""

    hop: str
    cpu: float
    wall: float
    log_lines: int
    log_bytes: int


class Worker:
    """A process that hosts functions."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def ask(self, command: str, **arguments: Any) -> Any:
        """Run one command, a method of the host, and return its answer."""
        self._program.write_line(json.dumps({"do": command, **arguments}))
        return json.loads(self._program.read_line(PATIENCE))

    def trips(self, times: int, *, connection: str = LOCAL, hop_by_hop: bool = False) -> list[list[Took]]:
        """Make so many sign-ins; returns what each hop of each took."""
        answer = self.ask("trips", times=times, connection=connection, hop_by_hop=hop_by_hop)
        return [[Took(**hop) for hop in hops] for hops in answer]


@contextmanager
def worker(
    world: World,
    environment: Mapping[str, str],
    *,
    host: Literal["fedbridge", "saml", "stand-in"] = "fedbridge",
) -> Iterator[Worker]:
    """Run a worker with fedbridge's two functions, with that of SAML as well, or with the stand-in's."""
    settings = {
        **environment,
        "BENCH_LOG": str(world.folder / f"log-{time.monotonic_ns()}"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}",
    }
    command = [sys.executable, "-m", "bench.host", host]
    with Program("worker", command, env=clean_environment(**settings), cwd=ROOT) as program:
        place(program, measured=True)
        yield Worker(program)
