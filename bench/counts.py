"""What one sign-in calls: every request that reaches the canned endpoints, cold, warm, and hop by hop."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from bench.figures import Figure, at_most, noted
from bench.saml_trip import begin
from bench.worker import Worker, worker
from bench.world import KMS, LOCAL, World

TRANSACTIONS = "dynamodb:transactions:"
CONNECTIONS = "dynamodb:connections:"
UPSTREAM = "idp:"
FETCHES = (f"{UPSTREAM}/.well-known/openid-configuration", f"{UPSTREAM}/jwks")


def measure(world: World) -> list[Figure]:
    """Count a cold and a warm sign-in with local keys, a warm one with KMS, and one of the stand-in."""
    with worker(world, world.functions()) as local:
        cold = total(sign_in(world, local, LOCAL))
        hops = sign_in(world, local, LOCAL)
    with worker(world, world.functions(kms=True)) as kms:
        sign_in(world, kms, KMS)
        with_kms = sign_in(world, kms, KMS)
    with worker(world, world.stand_in(), host="stand-in") as stand_in:
        before = world.calls()
        stand_in.trips(1)
        stand_in_calls = world.calls() - before
    return [
        *_cold(cold),
        *_warm(hops),
        at_most("KMS calls, warm, KMS keys", matching(total(with_kms), "kms:"), "calls", 2),
        at_most("  of these in /token", matching(with_kms["token"], "kms:"), "calls", 1),
        noted("AWS calls of the stand-in, warm", aws(stand_in_calls), "calls"),
    ]


def _cold(calls: Counter[str]) -> list[Figure]:
    return [
        at_most("DynamoDB calls on transactions, cold", matching(calls, TRANSACTIONS), "calls", 5),
        at_most("connection reads, cold (one a function)", matching(calls, CONNECTIONS), "calls", 2),
        noted("Secrets Manager calls, cold (one a key)", matching(calls, "secretsmanager:"), "calls"),
        noted("upstream calls, cold", matching(calls, UPSTREAM), "calls"),
    ]


def _warm(hops: dict[str, Counter[str]]) -> list[Figure]:
    calls = total(hops)
    token, userinfo = hops["token"], hops["userinfo"]
    return [
        at_most("DynamoDB calls, warm", matching(calls, "dynamodb:"), "calls", 5),
        at_most("other AWS calls, warm, local keys", aws(calls) - matching(calls, "dynamodb:"), "calls", 0),
        at_most("upstream calls, warm (token, userinfo)", matching(calls, UPSTREAM), "calls", 2),
        at_most("discovery and JWKS fetches, warm", sum(calls[name] for name in FETCHES), "calls", 0),
        at_most("AWS calls in /token, local keys", aws(token), "calls", 1),
        at_most("AWS calls in /userinfo", aws(userinfo), "calls", 1),
        at_most("upstream calls in /token and /userinfo", matching(token + userinfo, UPSTREAM), "calls", 0),
    ]


def sign_in(world: World, host: Worker, connection: str) -> dict[str, Counter[str]]:
    """Make a sign-in; returns the calls of each hop."""
    walk = begin(connection, world.folder)
    state, calls, before = asdict(walk), {}, world.calls()
    for hop in walk.hops:
        state = host.ask("hop", name=hop, state=state)["trip"]
        after = world.calls()
        calls[hop], before = after - before, after
    return calls


def total(hops: dict[str, Counter[str]]) -> Counter[str]:
    """Return the calls of all hops."""
    return sum(hops.values(), Counter())


def matching(calls: Counter[str], prefix: str) -> int:
    """Return how many calls have names that begin so."""
    return sum(times for name, times in calls.items() if name.startswith(prefix))


def aws(calls: Counter[str]) -> int:
    """Return how many calls are not the identity provider's."""
    return calls.total() - matching(calls, UPSTREAM)
