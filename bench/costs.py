"""AWS list price of a million sign-ins: the formula of docs/cost.md. `python -m bench.costs` prints its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MILLION = 1_000_000
GIB = 2**30

PRICES: Mapping[str, tuple[float, str]] = {
    "http_api_request": (1.00 / MILLION, "API Gateway, HTTP API, a request"),
    "lambda_request": (0.20 / MILLION, "Lambda, a request"),
    "lambda_gb_second": (0.000_013_333_4, "Lambda, a GB-second, arm64"),
    "dynamodb_write_unit": (0.625 / MILLION, "DynamoDB, on demand, a write request unit (1 KB)"),
    "dynamodb_read_unit": (0.125 / MILLION, "DynamoDB, on demand, a read request unit (4 KB, consistent)"),
    "kms_rsa_2048": (0.03 / 10_000, "KMS, a request with an RSA_2048 key"),
    "logs_gib": (0.50, "CloudWatch Logs, a GB taken in"),
    "metric_month": (0.30, "CloudWatch, a custom metric a month"),
    "secret_read": (0.05 / 10_000, "Secrets Manager, a request"),
}
"""USD, us-east-1, first tier, without the free tier; what it is for."""

LOG_EVENT_OVERHEAD = 26
"""Bytes that CloudWatch Logs counts beside each event's text."""

FULL_CPU_MB = 1769
"""Lambda gives CPU by memory; this much is one vCPU."""

DYNAMODB_WAIT = 0.005
KMS_WAIT = 0.010
UPSTREAM_WAIT = 0.120
"""Seconds that a function waits for one answer. Assumed: nothing here is as far away as the real ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One invocation: CPU in seconds on a whole core, and the calls that it waits for."""

    cpu: float
    dynamodb: int = 0
    kms: int = 0
    upstream: int = 0

    def billed_seconds(self, memory_mb: int) -> float:
        """Return what Lambda bills: CPU stretched by the function's share of a core, waits as they are, whole ms."""
        stretch = max(1.0, FULL_CPU_MB / memory_mb)
        waits = self.dynamodb * DYNAMODB_WAIT + self.kms * KMS_WAIT + self.upstream * UPSTREAM_WAIT
        return math.ceil(round((self.cpu * stretch + waits) * 1000, 6)) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What one warm sign-in uses. Each invocation is a request to the API and to Lambda.

    `item_bytes` is the size of the transaction at each write, `log_bytes` of all lines, `log_events` their number, both
    with the gateway's access log; `metrics` is how many a deployment publishes, `monthly` sign-ins share their price.
    """

    invocations: Sequence[Invocation]
    memory_mb: int = 512
    writes: int = 4
    reads: int = 1
    item_bytes: int = 2048
    kms_signatures: int = 0
    secret_reads: int = 0
    log_bytes: int
    log_events: int
    metrics: int
    monthly: int = MILLION


def price(usage: SignIn) -> dict[str, float]:
    """Return USD for a million sign-ins by position; their sum is the price."""
    cost = {name: amount for name, (amount, _) in PRICES.items()}
    requests = len(usage.invocations)
    seconds = sum(invocation.billed_seconds(usage.memory_mb) for invocation in usage.invocations)
    logged = (usage.log_bytes + LOG_EVENT_OVERHEAD * usage.log_events) / GIB
    write_units, read_units = math.ceil(usage.item_bytes / 1024), math.ceil(usage.item_bytes / 4096)
    each = {
        "API Gateway": requests * cost["http_api_request"],
        "Lambda requests": requests * cost["lambda_request"],
        "Lambda time": seconds * usage.memory_mb / 1024 * cost["lambda_gb_second"],
        "DynamoDB": usage.writes * write_units * cost["dynamodb_write_unit"]
        + usage.reads * read_units * cost["dynamodb_read_unit"],
        "KMS": usage.kms_signatures * cost["kms_rsa_2048"],
        "Secrets Manager": usage.secret_reads * cost["secret_read"],
        "Logs": logged * cost["logs_gib"],
        "Metrics": usage.metrics * cost["metric_month"] / usage.monthly,
    }
    return {position: amount * MILLION for position, amount in each.items()}


def total(usage: SignIn) -> float:
    """Return USD for a million sign-ins."""
    return sum(price(usage).values())


# --- what docs/cost.md shows ----------------------------------------------------------------------------------------

_INVOCATIONS = (
    Invocation(cpu=0.0016, dynamodb=1),
    Invocation(cpu=0.0059, dynamodb=2, upstream=2),
    Invocation(cpu=0.0022, dynamodb=1),
    Invocation(cpu=0.0001),
    Invocation(cpu=0.0016, dynamodb=1),
)
EXAMPLE = SignIn(invocations=_INVOCATIONS, log_bytes=2_650, log_events=9, metrics=4)
"""A sign-in with local keys as one run of the bench measured it: authorize, callback, token, keys, userinfo."""

EXAMPLE_KMS = replace(
    EXAMPLE,
    invocations=tuple(
        replace(invocation, cpu=invocation.cpu + 0.001, kms=1) if number in {1, 2} else invocation
        for number, invocation in enumerate(_INVOCATIONS)
    ),
    kms_signatures=2,
)
"""The same with client assertion and ID token signed by KMS."""

EXAMPLES = {"local keys": EXAMPLE, "KMS, RSA_2048": EXAMPLE_KMS}


def price_table() -> str:
    """Return the prices as Markdown."""
    rows = [f"| {what} | {_dollars(amount)} |" for amount, what in PRICES.values()]
    return "\n".join(["| what | USD |", "| --- | --- |", *rows])


def example_table() -> str:
    """Return what a million sign-ins of the examples cost, by position, as Markdown."""
    priced = {name: price(usage) for name, usage in EXAMPLES.items()}
    heads = f"| position | {' | '.join(priced)} |\n| --- |{' ---: |' * len(priced)}"
    rows = [
        f"| {position} | {' | '.join(f'{each[position]:.2f}' for each in priced.values())} |"
        for position in price(EXAMPLE)
    ]
    sums = " | ".join(f"**{total(usage):.2f}**" for usage in EXAMPLES.values())
    return "\n".join([heads, *rows, f"| **USD a million** | {sums} |"])


def _dollars(amount: float) -> str:
    """Return an amount as price lists write it: for a million of what is sold by the piece, else for one."""
    if amount < 0.000_01:
        return f"{amount * MILLION:.3f} a million"
    return f"{amount:.2f}" if amount >= 0.01 else f"{amount:.10f}"


if __name__ == "__main__":
    print(price_table(), example_table(), sep="\n\n")
