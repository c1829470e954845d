"""Sign-ins as stricter providers demand them, each beside the crypto that its protocol demands.

Memory store and local keys, so that what is left is the work of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from bench import floor
from bench.figures import RUNS, Figure, at_most, noted
from bench.scenarios import SCENARIOS, Scenario
from bench.warm import cpu
from bench.worker import Worker, worker
from bench.world import World


def measure(world: World, times: int, progress: Callable[[], None]) -> list[Figure]:
    """Make so many sign-ins of each scenario in each of five runs, the scenarios taking turns."""
    took: dict[str, list[float]] = {scenario.name: [] for scenario in SCENARIOS}
    floors: dict[str, list[float]] = {scenario.name: [] for scenario in SCENARIOS}
    with worker(world, world.functions(memory=True)) as host:
        calls = {scenario.name: _upstream_calls(world, host, scenario) for scenario in SCENARIOS}
        for _ in range(RUNS):
            operations = host.ask("floor", times=50)
            for scenario in SCENARIOS:
                took[scenario.name].append(cpu(host.trips(times, connection=scenario.name)))
                floors[scenario.name].append(floor.total(operations, floor.PLAIN, scenario.extra))
            progress()
    return [
        figure
        for scenario in SCENARIOS
        for figure in (
            noted(f"CPU of a sign-in with {scenario.title}", median(took[scenario.name]) * 1000, "ms"),
            noted(
                f"crypto floor of a sign-in with {scenario.title}", median(floors[scenario.name]) * 1000, "ms"
            ),
            at_most(
                f"upstream calls with {scenario.title}, warm", calls[scenario.name], "calls", scenario.calls
            ),
        )
    ]


def _upstream_calls(world: World, host: Worker, scenario: Scenario) -> int:
    """Return the calls of one sign-in after a few that warmed everything up."""
    host.trips(3, connection=scenario.name)
    before = world.calls()
    host.trips(1, connection=scenario.name)
    return sum(times for name, times in (world.calls() - before).items() if name.startswith("idp:"))
