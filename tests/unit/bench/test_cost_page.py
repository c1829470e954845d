"""docs/cost.md says what bench/costs.py computes."""

from dataclasses import replace

import pytest

from bench import costs
from tests.support.machine import ROOT

PAGE = (ROOT / "docs" / "cost.md").read_text()


def test_the_page_has_the_tables_of_the_code():
    assert costs.price_table() in PAGE, "python -m bench.costs prints what belongs there"
    assert costs.example_table() in PAGE


@pytest.mark.parametrize("name,budget", [("local keys", 16), ("KMS, RSA_2048", 22)])
def test_its_examples_are_within_the_budgets(name, budget):
    assert costs.total(costs.EXAMPLES[name]) <= budget


def test_what_it_says_of_a_slow_provider_follows_from_the_formula():
    slower = [
        replace(invocation, cpu=invocation.cpu + invocation.upstream * (1 - costs.UPSTREAM_WAIT) * 512 / 1769)
        for invocation in costs.EXAMPLE.invocations
    ]
    more = costs.total(replace(costs.EXAMPLE, invocations=slower)) - costs.total(costs.EXAMPLE)
    assert f"costs {more:.2f} more" in PAGE


def test_what_it_says_of_metrics_and_a_rest_api_follows_from_the_prices():
    many = costs.price(replace(costs.EXAMPLE, monthly=10 * costs.MILLION))["Metrics"]
    assert f"bring it to {many:.2f} a million" in PAGE
    assert f"so {len(costs.EXAMPLE.invocations) * (3.50 - 1.00):.2f} more" in PAGE
    assert "five times as much: 30.00" in PAGE
    assert costs.price(costs.EXAMPLES["KMS, RSA_2048"])["KMS"] * 5 == pytest.approx(30)
