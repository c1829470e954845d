"""The cold path: init and the first answer of each function, every time in a new process under Lambda's own runtime."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

from bench import artefacts
from bench.figures import Figure, at_most, noted, ratio
from bench.saml_scenarios import SIGNED
from bench.saml_trip import begin, resume
from bench.worker import Worker, worker
from bench.world import KMS, LOCAL, World
from tests.counterparts.runtime_api import LambdaSandbox

Walk = Callable[[Callable[[Any], Any]], None]
"""Takes a function through its first answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """One start: CPU and wall seconds of init and of the first answer, and the most memory it ever held, in bytes."""

    init_cpu: float
    init_wall: float
    first_cpu: float
    first_wall: float
    peak_memory: int

    @property
    def cpu(self) -> float:
        """The whole cold path."""
        return self.init_cpu + self.first_cpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A function to start: `first` is the hop that it answers first, after `warm_hops` elsewhere."""

    name: str
    function: str
    handler: str
    environment: Mapping[str, str]
    first: str
    connection: str = LOCAL
    warm_hops: tuple[str, ...] = ()


def subjects(world: World) -> list[Subject]:
    """Return what is started: the stand-in's token function beside ours."""
    ours = partial(Subject, handler="app.handler", environment=world.functions())
    saml = partial(ours, function=artefacts.SAML, connection=SIGNED.name)
    kms = partial(Subject, handler="app.handler", environment=world.functions(kms=True), connection=KMS)
    before = ("authorize", "callback")
    return [
        Subject(
            name="stand-in",
            function=artefacts.STAND_IN,
            handler="token_function.handler",
            environment=world.stand_in(),
            first="token",
        ),
        ours(name="back", function=artefacts.BACK, first="token", warm_hops=before),
        kms(name="back, KMS", function=artefacts.BACK, first="token", warm_hops=before),
        ours(name="front", function=artefacts.FRONT, first="authorize"),
        ours(name="front, callback", function=artefacts.FRONT, first="callback", warm_hops=before[:1]),
        saml(name="saml", first="login"),
        saml(name="saml, acs", first="acs", warm_hops=("login",)),
    ]


def measure(
    world: World, made: artefacts.Artefacts, rounds: int, progress: Callable[[], None]
) -> dict[str, list[ColdStart]]:
    """Start every subject so many times, one after the other and round after round."""
    chosen = subjects(world)
    starts: dict[str, list[ColdStart]] = {subject.name: [] for subject in chosen}
    with worker(world, world.functions(), host="saml") as warm:
        for _ in range(rounds):
            for subject in chosen:
                starts[subject.name].append(_start(world, made, subject, warm))
                progress()
    return starts


def _start(world: World, made: artefacts.Artefacts, subject: Subject, warm: Worker) -> ColdStart:
    walk = begin(subject.connection, world.folder)
    for hop in subject.warm_hops:
        walk = resume(warm.ask("hop", name=hop, state=asdict(walk))["trip"], world.folder)
    stand_in = subject.function == artefacts.STAND_IN
    if stand_in:
        walk.code = _remembered_code(world)
    with LambdaSandbox(
        function=made.functions[subject.function],
        layers=[made.layers[subject.function]],
        handler=subject.handler,
        env=subject.environment,
    ) as sandbox:
        invocation = sandbox.invoke(walk.event(subject.first))
        if stand_in:
            _check(invocation.payload)
        else:
            walk.took(subject.first, invocation.payload)
        return ColdStart(
            init_cpu=sandbox.init.cpu,
            init_wall=sandbox.init.wall,
            first_cpu=invocation.usage.cpu,
            first_wall=invocation.usage.wall,
            peak_memory=invocation.usage.peak_memory,
        )


def _remembered_code(world: World) -> str:
    """Leave a code behind, as the stand-in's callback does."""
    code = uuid.uuid4().hex
    world.aws(
        "fill",
        {
            "table": "code",
            "items": [{"auth_code": {"S": code}, "code_verifier": {"S": "q3Zt" * 16}, "ttl": {"N": "0"}}],
        },
    )
    return code


def _check(payload: Any) -> None:
    if "id_token" not in payload:
        raise RuntimeError(f"the stand-in answered {payload}")


def figures(starts: Mapping[str, list[ColdStart]]) -> list[Figure]:
    """Hold the cold paths against the stand-in's. CPU time, so that no waiting for an upstream is in it."""

    def cpu(name: str) -> list[float]:
        return [start.cpu for start in starts[name]]

    def against(name: str, limit: float) -> Figure:
        label = f"cold path of the {_LABELS[name]} against it"
        return at_most(label, ratio(cpu(name), cpu(STAND_IN)), "times", limit)

    shown = [figure for name, label in _LABELS.items() for figure in _figures(label, starts[name])]
    budgets = [against(name, limit) for name, limit in _LIMITS.items()]
    return [*shown, *budgets, _beside_the_front_channel(starts)]


def _beside_the_front_channel(starts: Mapping[str, list[ColdStart]]) -> Figure:
    """Return how much more init the function takes that brings lxml and xmlsec; nothing is held against it."""
    saml, front = ([start.init_cpu for start in starts[name]] for name in ("saml", "front"))
    return noted("init of the SAML function against the front channel's", ratio(saml, front), "times")


STAND_IN = "stand-in"
_LABELS = {
    STAND_IN: "stand-in's token function",
    "back": "back channel (/token)",
    "back, KMS": "back channel (/token, KMS)",
    "front": "front channel (/authorize)",
    "front, callback": "front channel (/callback)",
    "saml": "SAML function (/saml/login)",
    "saml, acs": "SAML function (/saml/acs)",
}
_LIMITS = {"back": 1.0, "back, KMS": 1.0, "front": 1.3, "front, callback": 1.3}


def _figures(label: str, starts: list[ColdStart]) -> list[Figure]:
    def milliseconds(values: Iterable[float]) -> float:
        return median(values) * 1000

    return [
        noted(f"init of the {label}, CPU", milliseconds(start.init_cpu for start in starts), "ms"),
        noted("  and the first answer, CPU", milliseconds(start.cpu for start in starts), "ms"),
        noted("  both, wall", milliseconds(start.init_wall + start.first_wall for start in starts), "ms"),
        noted("  memory at most", median(start.peak_memory for start in starts) / 2**20, "MiB"),
    ]
