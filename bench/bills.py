"""From what warm sign-ins took to what a million of them cost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from statistics import mean, median
from typing import Any

from bench.costs import Invocation, SignIn, total
from bench.figures import Figure, at_most, noted
from bench.trip import HOPS
from bench.warm import Trips, Warm, cpu
from tests.infra import template

WAITS: Mapping[str, Mapping[str, int]] = {
    "authorize": {"dynamodb": 1},
    "callback": {"dynamodb": 2, "upstream": 2},
    "token": {"dynamodb": 1},
    "jwks": {},
    "userinfo": {"dynamodb": 1},
}
"""Hop → the calls that it waits for, as the counts show them; with KMS keys, callback and token wait for it too."""

_KMS_HOPS = ("callback", "token")

_CONTEXT = {
    "requestId": "BcJ3Yh1wDoEEPzQ=",
    "httpMethod": "GET",
    "routeKey": "ANY /{connection}/authorize",
    "status": "200",
    "responseLatency": "123",
    "responseLength": "1234",
    "integrationLatency": "119",
    "integrationErrorMessage": "-",
    "error.responseType": "-",
}
"""API Gateway's context variables as they come."""


def figures(warm: Warm, *, largest_item: int) -> list[Figure]:
    """Return log bytes, item size (`largest_item` in bytes), and the price with local keys and with KMS."""
    logged = [(took.log_bytes, took.log_lines) for run in warm.local for trip in run for took in trip]
    sign_ins = sum(len(run) for run in warm.local)
    log_bytes = sum(size for size, _ in logged) / sign_ins
    access = access_log_line()
    local = usage(warm.local, warm, access=access)
    with_kms = usage(warm.kms, warm, access=access, kms=True)
    return [
        noted(
            "log lines of a sign-in, the functions'", sum(lines for _, lines in logged) / sign_ins, "lines"
        ),
        noted("log bytes of a sign-in, the functions'", log_bytes, "bytes"),
        noted("log bytes of a sign-in, with the access log", local.log_bytes, "bytes"),
        noted("metrics that sign-ins publish", warm.metrics, "metrics"),
        at_most(
            "largest item of a transaction, longest state of Cognito's",
            largest_item,
            "bytes",
            local.item_bytes,
        ),
        noted(
            "billed Lambda time of a sign-in, 512 MB",
            sum(invocation.billed_seconds(local.memory_mb) for invocation in local.invocations) * 1000,
            "ms",
        ),
        at_most("AWS list price of a million sign-ins, local keys", total(local), "USD", 16),
        at_most("AWS list price of a million sign-ins, KMS RSA_2048", total(with_kms), "USD", 22),
    ]


def usage(runs: Sequence[Trips], warm: Warm, *, access: str, kms: bool = False) -> SignIn:
    """Return what a sign-in of these runs uses: CPU as medians of the runs' medians, log bytes as a mean."""
    trips = [trip for run in runs for trip in run]
    invocations = tuple(
        Invocation(
            cpu=median(cpu(run, [hop]) for run in runs), kms=int(kms and hop in _KMS_HOPS), **WAITS[hop]
        )
        for hop in HOPS
    )
    return SignIn(
        invocations=invocations,
        log_bytes=round(mean(sum(took.log_bytes for took in trip) for trip in trips))
        + len(access) * len(HOPS),
        log_events=round(mean(sum(took.log_lines for took in trip) for trip in trips)) + len(HOPS),
        metrics=warm.metrics,
        kms_signatures=len(_KMS_HOPS) if kms else 0,
    )


def access_log_line() -> str:
    """Return a line of the gateway's access log as the template formats it; raises KeyError on an unknown variable."""
    stage: Mapping[str, Any] = template.load()["Resources"]["DefaultStage"]["Properties"]
    line = re.sub(
        r"\$context\.([A-Za-z.]+)", lambda found: _CONTEXT[found[1]], stage["AccessLogSettings"]["Format"]
    )
    json.loads(line)
    return line
