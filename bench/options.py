"""AWS list price of what a deployment may opt in to: the table of docs/cost.md. `python -m bench.options` prints it."""

from __future__ import annotations

from collections.abc import Mapping

from bench.costs import EXAMPLE, MILLION

HOURS = 720
"""A month of thirty days."""

PRICES: Mapping[str, tuple[float, str]] = {
    "rest_api_request": (3.50 / MILLION, "API Gateway, REST API, a request"),
    "waf_acl_month": (5.00, "AWS WAF, a web ACL a month"),
    "waf_rule_month": (1.00, "AWS WAF, a rule or group of AWS's a month"),
    "waf_request": (0.60 / MILLION, "AWS WAF, a request"),
    "provisioned_gb_second": (0.000_003_333_4, "Lambda, a GB-second of provisioned concurrency, arm64"),
    "snapshot_gb_second": (0.000_001_504_6, "Lambda SnapStart, a GB-second of a cached snapshot"),
    "snapshot_gb_restored": (0.000_139_799_8, "Lambda SnapStart, a GB restored"),
    "nat_hour": (0.045, "NAT gateway, an hour"),
    "nat_gb": (0.045, "NAT gateway, a GB"),
    "address_hour": (0.005, "public IPv4 address, an hour"),
    "endpoint_hour": (0.01, "interface endpoint, an hour in a zone"),
    "kms_key_month": (1.00, "KMS, a key a month"),
    "health_check_month": (0.50, "Route 53, a health check a month"),
}
"""USD, us-east-1, first tier, without the free tier; 2026-11."""

WEB_ACL_RULES = 4
FUNCTIONS = 3


def monthly() -> list[tuple[str, str, float, float]]:
    """Return (option, parameter, USD a month, USD a million sign-ins) at the memory of the examples."""
    cost = {name: amount for name, (amount, _) in PRICES.items()}
    requests, gb = len(EXAMPLE.invocations), EXAMPLE.memory_mb / 1024
    seconds = HOURS * 3600
    http = 1.00 / MILLION
    return [
        ("REST API in place of the HTTP API", "`ApiType`", 0, requests * (cost["rest_api_request"] - http) * MILLION),
        (
            "the stack's web ACL", "`WebAclArn`",
            cost["waf_acl_month"] + WEB_ACL_RULES * cost["waf_rule_month"],
            requests * cost["waf_request"] * MILLION,
        ),
        (
            "one warm execution of each of the three functions", "`ProvisionedConcurrency=1`",
            FUNCTIONS * gb * seconds * cost["provisioned_gb_second"], 0,
        ),
        (
            "snapshots, for each published version of the three functions", "`SnapStart`",
            FUNCTIONS * gb * seconds * cost["snapshot_gb_second"], 0,
        ),
        ("a NAT gateway with its address, for each zone", "`SubnetIds`", HOURS * (cost["nat_hour"] + cost["address_hour"]), 0),
        ("an interface endpoint, for each service and zone", "`SubnetIds`", HOURS * cost["endpoint_hour"], 0),
        ("a key of one's own for logs", "`LogsKeyArn`", cost["kms_key_month"], 0),
        (
            "a second region that stands by: two keys and a health check", "`Failover`",
            2 * cost["kms_key_month"] + cost["health_check_month"], 0,
        ),
    ]  # fmt: skip


def option_table() -> str:
    """Return what options cost as Markdown."""
    rows = [
        f"| {what} | {parameter} | {_or_nothing(fixed)} | {_or_nothing(each)} |"
        for what, parameter, fixed, each in monthly()
    ]
    heads = "| option | parameter | USD a month | USD a million sign-ins |\n| --- | --- | ---: | ---: |"
    return "\n".join([heads, *rows])


def _or_nothing(amount: float) -> str:
    return f"{amount:.2f}" if amount else "0"


if __name__ == "__main__":
    print(option_table())
