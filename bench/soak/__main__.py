"""`python -m bench.soak`: run, write build/soak.md, and exit with 1 if something was not as it must be."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.soak.faults import Window, timeline
from bench.soak.gate import Gate
from bench.soak.load import run
from bench.soak.report import markdown
from bench.soak.sandbox import Sandbox, Sandboxes, sandboxes
from bench.soak.verdict import Verdict, judge, memory_of
from bench.world import KMS, LOCAL, ROOT, World, running

SANDBOXES = 48
"""At once, at most."""

SHARES = {"half throttled": 0.5, "throttled": 1.0}


class Switchboard:
    """Breaks and mends on time, and looks at the sandboxes' memory every second."""

    def __init__(self, world: World, gate: Gate, pool: Sandboxes, windows: Sequence[Window]) -> None:
        self._world = world
        self._gate = gate
        self._pool = pool
        self._windows = windows
        self._now: Window | None = None
        self.samples: defaultdict[Sandbox, list[tuple[int, int]]] = defaultdict(list)

    def every_second(self, elapsed: float) -> None:
        """Do what is due."""
        due = next((window for window in self._windows if window.start <= elapsed < window.end), None)
        if due is not self._now:
            if self._now is not None:
                self._switch(self._now, on=False)
            if due is not None:
                self._switch(due, on=True)
            self._now = due
            print(
                f"{elapsed:6.0f} s  {due.fault.name if due else 'all is well'}", file=sys.stderr, flush=True
            )
        for sandbox in list(self._pool.all):
            memory = sandbox.memory()
            if memory is not None:
                self.samples[sandbox].append((sandbox.invocations, memory))

    def _switch(self, window: Window, *, on: bool) -> None:
        fault = window.fault
        if fault.target == "provider":
            self._gate.set(fault.mode if on else None)
        else:
            self._world.aws("throttle", {"service": fault.target, "share": SHARES[fault.mode] if on else 0.0})


def soak(folder: Path, *, seconds: float, rate: float) -> Verdict:
    """Run for so long, in an empty folder."""
    windows = timeline(seconds)
    gate = Gate()
    with (
        gate.open(),
        running(folder, aws="bench.soak.aws_endpoint", gate=gate) as world,
        sandboxes(world.functions(kms=True), SANDBOXES) as pool,
    ):
        switchboard = Switchboard(world, gate, pool, windows)
        sign_ins = run(
            pool,
            seconds=seconds,
            rate=rate,
            connections=(LOCAL, KMS),
            every_second=switchboard.every_second,
        )
        found = [memory_of(sandbox.function, samples) for sandbox, samples in switchboard.samples.items()]
    return judge(sign_ins, windows, [memory for memory in found if memory is not None])


def main() -> None:
    """Run the soak."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=5.0, help="sign-ins a second")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "soak.md")
    options = parser.parse_args()
    seconds = options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="fedbridge-soak-") as folder:
        verdict = soak(Path(folder), seconds=seconds, rate=options.rate)
    report = markdown(verdict, seconds=seconds, rate=options.rate)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(report)
    print(report)
    sys.exit(0 if verdict.passed else 1)


if __name__ == "__main__":
    main()
