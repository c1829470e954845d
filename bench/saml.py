"""Sign-ins that the app begins at a SAML identity provider: store calls, and CPU beside the crypto that SAML demands.

Calls are counted at the canned endpoint, CPU is taken with the memory store; keys are held by the functions. Making the
Response, which the bench does in the provider's place, is outside of what is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import median

from bench import counts, floor
from bench.figures import RUNS, Figure, at_most, noted
from bench.saml_scenarios import SCENARIOS, SamlScenario
from bench.saml_trip import SamlTrip
from bench.trip import SAML
from bench.warm import Trips, cpu
from bench.worker import worker
from bench.world import World

STORE_CALLS = 5
"""As many as a sign-in by OpenID Connect may make."""


def measure(world: World, times: int, progress: Callable[[], None]) -> list[Figure]:
    """Count the calls of a warm sign-in of each scenario, then make so many in each of five runs, taking turns."""
    calls: dict[str, Counter[str]] = {}
    with worker(world, world.functions(), host="saml") as deployed:
        for name in SCENARIOS:
            deployed.trips(1, connection=name)
            calls[name] = counts.total(counts.sign_in(world, deployed, name))
    took: dict[str, list[Trips]] = {name: [] for name in SCENARIOS}
    floors: dict[str, list[float]] = {name: [] for name in SCENARIOS}
    with worker(world, world.functions(memory=True), host="saml") as local:
        for name in SCENARIOS:
            local.trips(3, connection=name)
        for _ in range(RUNS):
            operations = local.ask("floor", times=50)
            for name, scenario in SCENARIOS.items():
                took[name].append(local.trips(times, connection=name))
                floors[name].append(floor.total(operations, scenario.floor))
            progress()
    return [
        figure
        for name, scenario in SCENARIOS.items()
        for figure in (*call_figures(scenario, calls[name]), *cpu_figures(scenario, took[name], floors[name]))
    ]


def call_figures(scenario: SamlScenario, calls: Counter[str]) -> list[Figure]:
    """Hold the calls of one warm sign-in against those of OpenID Connect: as many of the store, and no other."""
    stored = counts.matching(calls, "dynamodb:")
    return [
        at_most(f"DynamoDB calls by SAML, {scenario.title}, warm", stored, "calls", STORE_CALLS),
        at_most(f"other calls by SAML, {scenario.title}, warm", calls.total() - stored, "calls", 0),
    ]


def cpu_figures(scenario: SamlScenario, runs: list[Trips], floors: list[float]) -> list[Figure]:
    """Return what a sign-in took, what its two SAML hops took of that, and its floor (`floors` in CPU seconds, one a run)."""

    def milliseconds(*hops: str) -> float:
        return median(cpu(run, hops) for run in runs) * 1000

    return [
        *(
            noted(f"CPU of saml/{hop}, {scenario.title}, memory store", milliseconds(hop), "ms")
            for hop in SAML
        ),
        noted(f"CPU of a sign-in by SAML, {scenario.title}", milliseconds(*SamlTrip.hops), "ms"),
        noted(f"crypto floor by SAML, {scenario.title}", median(floors) * 1000, "ms"),
    ]
