"""Warm functions: CPU by hop, against the crypto that the protocol demands and against the stand-in; sign-ins a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import mean, median

from bench import floor
from bench.figures import RUNS, Figure, at_least, at_most, noted, ratio
from bench.trip import HOPS
from bench.worker import Took, Worker, worker
from bench.world import FILE, KMS, LOCAL, World

Trips = list[list[Took]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """What the runs brought: a list of sign-ins a run. `floors` in CPU seconds, one a run.

    `by_hop` and `stand_in` are for ratios: all of a hop in a row, because the stand-in's hops are functions apart.
    """

    memory: list[Trips] = field(default_factory=list)
    local: list[Trips] = field(default_factory=list)
    kms: list[Trips] = field(default_factory=list)
    by_hop: list[Trips] = field(default_factory=list)
    stand_in: list[Trips] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    metrics: int = 0


def measure(world: World, times: int, progress: Callable[[], None]) -> Warm:
    """Make so many sign-ins with each configuration in each of five runs, the configurations taking turns."""
    with ExitStack() as stack:
        memory = stack.enter_context(worker(world, world.functions(memory=True)))
        local = stack.enter_context(worker(world, world.functions()))
        kms = stack.enter_context(worker(world, world.functions(kms=True)))
        stand_in = stack.enter_context(worker(world, world.stand_in(), host="stand-in"))
        for host, connection in ((memory, FILE), (local, LOCAL), (kms, KMS), (stand_in, LOCAL)):
            host.trips(3, connection=connection)
        warm = Warm(metrics=local.ask("metrics"))
        for _ in range(RUNS):
            warm.memory.append(memory.trips(times, connection=FILE))
            warm.floors.append(_floor(memory))
            warm.local.append(local.trips(times))
            warm.kms.append(kms.trips(times, connection=KMS))
            warm.by_hop.append(local.trips(times, hop_by_hop=True))
            warm.stand_in.append(stand_in.trips(times // 2, hop_by_hop=True))
            progress()
    return warm


def cpu(trips: Trips, hops: Iterable[str] = HOPS) -> float:
    """Return the median CPU seconds that these hops together took a sign-in."""
    chosen = frozenset(hops)
    return median(sum(took.cpu for took in trip if took.hop in chosen) for trip in trips)


def figures(warm: Warm) -> list[Figure]:
    """Hold what was measured against the budgets."""
    return [*_hops(warm), *_ratios(warm), *_rates(warm.local)]


def _hops(warm: Warm) -> list[Figure]:
    def milliseconds(hops: Sequence[str] = HOPS) -> float:
        return median(cpu(run, hops) for run in warm.memory) * 1000

    above = median(cpu(run) - floor for run, floor in zip(warm.memory, warm.floors, strict=True))
    return [
        *(noted(f"CPU of {hop}, memory store, local keys", milliseconds([hop]), "ms") for hop in HOPS),
        noted("CPU of a sign-in, memory store, local keys", milliseconds(), "ms"),
        noted("crypto floor of a sign-in (RS256: 2 signed, 1 verified)", median(warm.floors) * 1000, "ms"),
        at_most("CPU of a sign-in above its floor", above * 1000, "ms", 5),
    ]


def _ratios(warm: Warm) -> list[Figure]:
    def runs(found: list[Trips], *hops: str) -> list[float]:
        return [cpu(run, hops) for run in found]

    figures = []
    for name, hops, times in (("/token", ("token",), 25), ("callback and /token", ("callback", "token"), 10)):
        ours, theirs = runs(warm.by_hop, *hops), runs(warm.stand_in, *hops)
        figures += [
            noted(f"CPU of {name}, DynamoDB, local keys", median(ours) * 1000, "ms"),
            noted(f"CPU of {name} of the stand-in, RSA-2048", median(theirs) * 1000, "ms"),
            at_least(f"{name}: stand-in's CPU against ours", ratio(theirs, ours), "times", times),
        ]
    return figures


def _rates(found: list[Trips]) -> list[Figure]:
    """Sign-ins that a core carries: the inverse of the mean, because now and then one takes longer."""
    trips = [trip for run in found for trip in run]
    whole = mean(sum(took.cpu for took in trip) for trip in trips)
    tokens = mean(took.cpu for trip in trips for took in trip if took.hop == "token")
    return [
        at_least("sign-ins a second and core, DynamoDB, local keys", 1 / whole, "1/s", 60),
        at_least("token exchanges a second and core", 1 / tokens, "1/s", 120),
    ]


def _floor(host: Worker) -> float:
    return floor.total(host.ask("floor", times=50), floor.PLAIN)
