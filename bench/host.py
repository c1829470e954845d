"""What runs in a worker: functions, measured from outside their handlers.

`python -m bench.host fedbridge` (or `saml`, `stand-in`) reads one JSON command a line and answers with one. What the functions
print goes to the file BENCH_LOG, as Lambda takes it, so that log lines cost what they cost and can be counted.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from bench import floor, growth, trip
from bench.saml_trip import begin, resume
from bench.worker import PATIENCE, Took
from bench.world import LOCAL, ROOT
from fedbridge.aws import sdk_client
from fedbridge.configuration.document import decode
from fedbridge.model.deadline import Deadline
from fedbridge.store.connections_dynamodb import DynamoDBConnections
from fedbridge.store.registry import CachingConnectionRegistry
from tests.counterparts.api_gateway import LambdaContext

Handler = Callable[[Any, Any], Any]

_STAND_IN_HOPS = ("authorize", "callback", "token")


def load(path: Path) -> Handler:
    """Run an entry point as a module of its own, in this process' environment, and return its handler."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{time.monotonic_ns()}", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler


def channel(name: str) -> Handler:
    """Return the handler of one of fedbridge's functions."""
    os.environ["POWERTOOLS_SERVICE_NAME"] = name
    return load(ROOT / "functions" / name / "app.py")


class Host:
    """Measured functions. Subclasses say which, and how they are walked through."""

    handlers: dict[str, Handler]

    def __init__(self, log: Path) -> None:
        self.log = log

    def trips(self, times: int, connection: str, *, hop_by_hop: bool) -> list[list[dict[str, Any]]]:
        """Make sign-ins, one after the other, or the first hop of each, then the next; returns what each hop took.

        Hop by hop is how a function runs whose hops are functions of their own: it does one thing over and over.
        """
        walks = [self.walk(connection) for _ in range(times)]
        if hop_by_hop:
            hops = [[asdict(next(walk)) for walk in walks] for _ in self.handlers]
            return [list(trip) for trip in zip(*hops, strict=True)]
        return [[asdict(took) for took in walk] for walk in walks]

    def walk(self, connection: str) -> Iterator[Took]:
        """Make one, hop by hop."""
        raise NotImplementedError

    def measure(self, hop: str, event: Mapping[str, Any]) -> tuple[Any, Took]:
        """Invoke the hop's function. JSON on both sides, as Lambda has it, is outside of what is measured."""
        handler, arriving, context = self.handlers[hop], json.loads(json.dumps(event)), LambdaContext()
        before = self.log.stat().st_size
        wall, cpu = time.perf_counter(), time.process_time()
        answer = handler(arriving, context)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        with self.log.open("rb") as log:
            log.seek(before)
            written = log.read()
        return json.loads(json.dumps(answer)), Took(
            hop=hop, cpu=cpu, wall=wall, log_lines=written.count(b"\n"), log_bytes=len(written)
        )


class Fedbridge(Host):
    """Both channels of fedbridge."""

    def __init__(self, log: Path) -> None:
        super().__init__(log)
        front, back = channel("front_channel"), channel("back_channel")
        self.handlers = {hop: front if hop in trip.FRONT else back for hop in trip.HOPS}
        self.grown: dict[int, Handler] = {}
        self.folder = log.parent
        self.operations = floor.operations()

    def walk(self, connection: str) -> Iterator[Took]:
        """Make a sign-in."""
        walk = begin(connection, self.folder)
        for hop in walk.hops:
            yield self._step(walk, hop)

    def hop(self, name: str, state: dict[str, Any]) -> dict[str, Any]:
        """Make one hop of a sign-in that whoever asks keeps; returns it as it is then, and what the hop took."""
        walk = resume(state, self.folder)
        took = self._step(walk, name)
        return {"trip": asdict(walk), "took": asdict(took)}

    def _step(self, walk: trip.Trip, hop: str) -> Took:
        answer, took = self.measure(hop, walk.event(hop))
        walk.took(hop, answer)
        return took

    def metrics(self) -> int:
        """Return how many metrics the log lines have published: names by namespace and dimensions, as they are billed."""
        published = set()
        for line in self.log.read_text().splitlines():
            entry = json.loads(line)
            for directive in entry.get("_aws", {}).get("CloudWatchMetrics", ()):
                dimensions = [tuple((key, entry[key]) for key in keys) for keys in directive["Dimensions"]]
                names = [metric["Name"] for metric in directive["Metrics"]]
                published |= {(directive["Namespace"], *pair) for pair in product(dimensions, names)}
        return len(published)

    def floor(self, times: int) -> dict[str, float]:
        """Return CPU seconds (medians) of each operation of the crypto floor."""
        return floor.measure(self.operations, times)

    def prepare_growth(self, sizes: list[int], seen: int) -> None:
        """Make a sandbox for each size of table, and let it see that many connections."""
        for size in sizes:
            os.environ["FEDBRIDGE_CONNECTIONS"] = f"dynamodb:{growth.table(size)}"
            self.grown[size] = handler = channel("front_channel")
            services = getattr(handler, "__globals__")["services"]  # noqa: B009  no type has it
            for index in range(min(size, seen)):
                services.connections.get(growth.name(index), Deadline.after(PATIENCE))

    def first_sight(self, times: int) -> dict[int, list[float]]:
        """Return the CPU seconds of looking up a connection that a sandbox does not know yet, by size."""
        client = sdk_client("dynamodb")
        took: dict[int, list[float]] = {size: [] for size in self.grown}
        for _ in range(times):
            for size, found in took.items():
                source = DynamoDBConnections(client, growth.table(size), decode)
                registry, name = CachingConnectionRegistry(source), _any_name(size)
                began = time.process_time()
                registry.get(name, Deadline.after(PATIENCE))
                found.append(time.process_time() - began)
        return took

    def warm_authorize(self, times: int) -> dict[int, list[float]]:
        """Return the CPU seconds of `/authorize` of a connection that the sandbox has seen, by size."""
        took: dict[int, list[float]] = {size: [] for size in self.grown}
        for _ in range(times):
            for size, found in took.items():
                self.handlers["authorize"] = self.grown[size]
                found.append(self._step(trip.Trip(_any_name(min(size, growth.SEEN))), "authorize").cpu)
        return took


class FedbridgeSaml(Fedbridge):
    """All three functions of fedbridge. The others are measured without this one, and so without lxml and xmlsec."""

    def __init__(self, log: Path) -> None:
        super().__init__(log)
        from bench import saml_floor  # noqa: PLC0415

        self.handlers |= dict.fromkeys(trip.SAML, channel("saml"))
        self.operations |= saml_floor.operations()


class StandIn(Host):
    """The three functions of the stand-in."""

    def __init__(self, log: Path) -> None:
        super().__init__(log)
        folder = ROOT / "bench" / "stand_in"
        self.handlers = {hop: load(folder / f"{hop}_function.py") for hop in _STAND_IN_HOPS}

    def walk(self, connection: str) -> Iterator[Took]:  # noqa: ARG002  it knows only one
        """Make a sign-in; Cognito's state and the identity provider's code travel through the stand-in."""
        walk = trip.Trip(LOCAL)
        sent, took = self.measure("authorize", walk.event("authorize"))
        yield took
        walk.upstream_state = trip.location(sent)["state"]
        walk.upstream_code = secrets.token_hex(16)
        back, took = self.measure("callback", walk.event("callback"))
        yield took
        walk.code = trip.location(back)["code"]
        tokens, took = self.measure("token", walk.event("token"))
        if "id_token" not in json.loads(tokens):
            raise trip.WrongAnswer(tokens)
        yield took


def _any_name(size: int) -> str:
    return growth.name(secrets.randbelow(size))


def _main() -> None:
    answers, log = os.fdopen(os.dup(1), "w"), Path(os.environ["BENCH_LOG"])
    with log.open("w") as sys.stdout:
        host = {"fedbridge": Fedbridge, "saml": FedbridgeSaml, "stand-in": StandIn}[sys.argv[1]](log)
        for line in sys.stdin:
            command = json.loads(line)
            answer = getattr(host, command.pop("do"))(**command)
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _main()
