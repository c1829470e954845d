"""The bench cannot flatter: what is held is held by what was measured, not by what is shown."""

import json
import math
from itertools import permutations

import pytest

from bench.figures import Figure, at_least, at_most, noted, ratio, table, verdict, write


@pytest.mark.parametrize(
    "value,held", [(5, True), (4.99, True), (0, True), (5.000_001, False), (6, False), (500, False)]
)
def test_a_ceiling_may_be_reached_and_not_passed(value, held):
    assert at_most("calls", value, "calls", 5).held is held


@pytest.mark.parametrize("value,held", [(25, True), (31, True), (24.999_999, False), (0, False)])
def test_a_floor_may_be_reached_and_not_missed(value, held):
    assert at_least("ratio", value, "times", 25).held is held


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_no_figure(value):
    with pytest.raises(ValueError, match="was not measured"):
        at_most("calls", value, "calls", 5)


@pytest.mark.parametrize("budget,held", [("≤ 5", None), ("", True), ("", False)])
def test_a_budget_and_its_verdict_belong_together(budget, held):
    with pytest.raises(ValueError, match="nothing else"):
        Figure(name="calls", value=5, unit="calls", budget=budget, held=held)


def test_a_ratio_is_of_the_medians_whatever_the_order_of_the_runs():
    for slow in permutations([60.0, 62.0, 900.0]):
        assert ratio(slow, [2.0, 1.0, 40.0]) == 31.0


def test_one_slow_run_moves_no_ratio():
    assert ratio([60, 60, 60, 60, 60], [2, 2, 2, 2, 2]) == ratio([60, 60, 60, 60, 600], [2, 0.1, 2, 2, 2])


@pytest.mark.parametrize(
    "slow,quick",
    [([], []), ([1.0], []), ([1.0, 2.0], [1.0]), ([1.0], [0.0]), ([0.0], [1.0]), ([1.0], [-1.0])],
)
def test_runs_that_cannot_have_alternated_give_no_ratio(slow, quick):
    with pytest.raises(ValueError, match=r"runs against|took no time"):
        ratio(slow, quick)


FIGURES = [
    at_most("DynamoDB calls", 5, "calls", 5),
    at_least("callback and /token", 9.96, "times", 10),
    noted("log bytes", 1234.5, "bytes"),
]


def test_the_table_shows_a_line_a_figure_and_which_budget_is_missed():
    assert table(FIGURES).splitlines() == [
        "what                 value  unit   budget  held",
        "───────────────────  ─────  ─────  ──────  ────",
        "DynamoDB calls           5  calls  ≤ 5     yes",
        "callback and /token   9.96  times  ≥ 10    NO",
        "log bytes            1,234  bytes",
    ]


def test_the_verdict_names_what_is_missed():
    assert verdict(FIGURES) == "1 of 2 budgets held; missed: callback and /token"
    assert verdict(FIGURES[:1]) == "1 of 1 budgets held."


def test_the_file_holds_name_value_unit_budget_and_held_as_measured(tmp_path):
    path = tmp_path / "build" / "bench.json"
    write(FIGURES, path)
    assert json.loads(path.read_text()) == [
        {"name": "DynamoDB calls", "value": 5, "unit": "calls", "budget": "≤ 5", "held": True},
        {"name": "callback and /token", "value": 9.96, "unit": "times", "budget": "≥ 10", "held": False},
        {"name": "log bytes", "value": 1234.5, "unit": "bytes", "budget": None, "held": None},
    ]


@pytest.mark.parametrize(
    "value,shown",
    [(0.0612, "0.0612"), (0.5, "0.500"), (9.994, "9.99"), (99.96, "100.0"), (1234.5, "1,234"), (0, "0")],
)
def test_numbers_are_shown_with_three_digits(value, shown):
    assert f" {shown} " in table([noted("x", value, "ms")]).splitlines()[-1] + " "
