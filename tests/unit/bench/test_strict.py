"""Strict scenarios: each a sound connection, each with a floor of operations that can be measured."""

import pytest

from bench import floor
from bench.scenarios import SCENARIOS
from bench.world import connection
from fedbridge.configuration.rules import problems_of
from fedbridge.configuration.urls import Allowed

PLAIN = connection("bank-file", "https://localhost:8443", "file:/keys/client.json")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_is_a_connection_that_could_be_published(scenario, tmp_path):
    changed = scenario.change(PLAIN, tmp_path)
    assert changed != PLAIN
    assert problems_of(changed, Allowed(local=True, private_hosts=frozenset({"localhost:8443"}))) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_its_floor_lies_above_that_of_a_plain_sign_in(scenario):
    took = dict.fromkeys(floor.operations(), 0.001)
    plain = floor.total(took, floor.PLAIN)
    assert plain == pytest.approx(0.003)
    assert floor.total(took, floor.PLAIN, scenario.extra) > plain


def test_every_operation_runs():
    assert min(floor.measure(floor.operations(), 1).values()) > 0
