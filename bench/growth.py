"""What a sign-in takes while the table of connections grows."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from bench.figures import Figure, at_most, noted
from bench.worker import worker
from bench.world import World, connection
from fedbridge.configuration.document import encode, version_of
from fedbridge.model.connection import Connection, Endpoints

SIZES = (1, 10, 1_000, 10_000)
SEEN = 1_000
"""Connections that the warm sandbox has in its cache, of tables that have as many."""

_CHUNK = 1_000


def table(size: int) -> str:
    """Return the name of the table with so many connections."""
    return f"connections-{size}"


def name(index: int) -> str:
    """Return the name of a connection."""
    return f"bank-{index:05}"


def measure(world: World, times: int, progress: Callable[[], None]) -> list[Figure]:
    """Look up and authorize at random connections of each table, the tables taking turns."""
    for size in SIZES:
        _fill(world, size)
    progress()
    with worker(world, world.functions()) as host:
        host.ask("prepare_growth", sizes=SIZES, seen=SEEN)
        progress()
        before = world.calls()
        first = {int(size): took for size, took in host.ask("first_sight", times=times).items()}
        looked_up = world.calls() - before
        progress()
        again = {int(size): took for size, took in host.ask("warm_authorize", times=times).items()}
        authorized = world.calls() - before - looked_up
        progress()
    reads = [looked_up[f"dynamodb:{table(size)}:GetItem"] / times for size in SIZES]
    later = sum(count for call, count in authorized.items() if "connections-" in call)
    scans = sum(count for call, count in world.calls().items() if call.endswith(("Scan", "Query")))
    return [
        noted("CPU of the first look at one of 10,000 connections", median(first[SIZES[-1]]) * 1000, "ms"),
        at_most("  from 1 to 10,000 connections (worst of all against 1)", _worst(first), "times", 1.2),
        noted("CPU of authorize among 10,000 connections, warm", median(again[SIZES[-1]]) * 1000, "ms"),
        at_most("  from 1 to 10,000 connections (worst of all against 1)", _worst(again), "times", 1.2),
        at_most("reads for the first look, any size", max(reads), "reads", 1),
        at_most("connection reads of a warm authorize, any size", later / (times * len(SIZES)), "reads", 0),
        at_most("Scan and Query calls of the whole run", scans, "calls", 0),
    ]


def _worst(took: dict[int, list[float]]) -> float:
    alone = median(took[SIZES[0]])
    return max(median(took[size]) for size in SIZES) / alone


def _fill(world: World, size: int) -> None:
    """Publish so many connections, in bulk; they differ in their names. Endpoints by hand: discovery is not of interest."""
    model = connection(name(0), world.issuer, "secretsmanager:fedbridge/bench/client-key")
    endpoints = Endpoints(
        authorization_endpoint=f"{world.issuer}/authorize",
        token_endpoint=f"{world.issuer}/token",
        jwks_uri=f"{world.issuer}/jwks",
        userinfo_endpoint=f"{world.issuer}/userinfo",
    )
    for start in range(0, size, _CHUNK):
        items = [
            _item(replace(model, name=name(index), endpoints=endpoints))
            for index in range(start, min(start + _CHUNK, size))
        ]
        world.aws("fill", {"table": table(size), "items": items})


def _item(published: Connection) -> dict[str, object]:
    document = base64.b64encode(encode(published)).decode()
    return {
        "name": {"S": published.name},
        "v": {"N": "1"},
        "current": {"M": {"version": {"S": version_of(published)}, "document": {"B": document}}},
        "previous": {"NULL": True},
    }
