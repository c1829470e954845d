"""What runs brought becomes what the table says: hops summed by sign-in, medians of runs, log bytes, the bill."""

import json

import pytest

from bench import bills, warm
from bench.cold import ColdStart
from bench.cold import figures as cold_figures
from bench.trip import HOPS
from bench.worker import Took


def trip_of(**milliseconds):
    """Return a sign-in whose hops took this much CPU, 1 ms where nothing is said, and logged 100 bytes each."""
    return [
        Took(hop=hop, cpu=milliseconds.get(hop, 1) / 1000, wall=1.0, log_lines=1, log_bytes=100)
        for hop in HOPS
        if milliseconds.get(hop, 1)
    ]


def by_name(figures):
    found = {figure.name: figure for figure in figures}
    assert len(found) == len(figures)
    return found


def runs(*trips):
    """Return five runs, alike."""
    return [list(trips)] * 5


def measured(**changes):
    given = {
        "memory": runs(trip_of()),
        "local": runs(trip_of()),
        "kms": runs(trip_of()),
        "by_hop": runs(trip_of(callback=4, token=2)),
        "stand_in": runs(trip_of(callback=3, token=60, jwks=0, userinfo=0)),
        "floors": [0.001] * 5,
        "metrics": 3,
    }
    return warm.Warm(**(given | changes))


def test_a_sign_in_is_the_median_of_the_sums_of_its_hops():
    trips = [trip_of(token=2), trip_of(token=4), trip_of(token=90)]
    assert warm.cpu(trips) == pytest.approx(0.008)
    assert warm.cpu(trips, ["token"]) == pytest.approx(0.004)
    assert warm.cpu(trips, ["callback", "token"]) == pytest.approx(0.005)


@pytest.mark.parametrize("callback,held", [(4, True), (4.3, True), (4.31, False), (9, False)])
def test_the_ratio_is_of_both_hops_together(callback, held):
    found = by_name(warm.figures(measured(by_hop=runs(trip_of(callback=callback, token=2)))))
    both = found["callback and /token: stand-in's CPU against ours"]
    assert both.value == pytest.approx(63 / (callback + 2))
    assert both.held is held
    assert found["/token: stand-in's CPU against ours"].value == pytest.approx(30)


def test_a_slow_run_does_not_move_the_ratio():
    by_hop = [*runs(trip_of(token=2))[:4], [trip_of(token=50)]]
    found = by_name(warm.figures(measured(by_hop=by_hop)))
    assert found["/token: stand-in's CPU against ours"].value == pytest.approx(30)


@pytest.mark.parametrize("floor,held", [(0.000, True), (0.001, True), (-0.001, False)])
def test_the_floor_is_taken_off_run_by_run(floor, held):
    found = by_name(warm.figures(measured(floors=[floor] * 5)))
    above = found["CPU of a sign-in above its floor"]
    assert above.value == pytest.approx(5 - floor * 1000)
    assert above.held is held


def test_a_core_carries_the_inverse_of_the_mean():
    found = by_name(warm.figures(measured(local=runs(trip_of(), trip_of(token=11)))))
    assert found["sign-ins a second and core, DynamoDB, local keys"].value == pytest.approx(100)
    assert found["token exchanges a second and core"].value == pytest.approx(1000 / 6)


def test_the_bill_has_every_line_and_byte_of_a_sign_in():
    usage = bills.usage(measured().local, measured(), access="x" * 200)
    assert usage.log_bytes == 5 * 100 + 5 * 200
    assert usage.log_events == 5 + 5
    assert usage.metrics == 3
    assert (usage.writes, usage.reads, usage.kms_signatures) == (4, 1, 0)
    assert [invocation.dynamodb for invocation in usage.invocations] == [1, 2, 1, 0, 1]
    assert [invocation.upstream for invocation in usage.invocations] == [0, 2, 0, 0, 0]


def test_kms_is_waited_for_where_it_signs():
    usage = bills.usage(measured().kms, measured(), access="", kms=True)
    assert [invocation.kms for invocation in usage.invocations] == [0, 1, 1, 0, 0]
    assert usage.kms_signatures == 2


@pytest.mark.parametrize("largest,held", [(2048, True), (2049, False)])
def test_an_item_that_has_outgrown_the_price_is_a_budget_missed(largest, held):
    found = by_name(bills.figures(measured(), largest_item=largest))
    assert found["largest item of a transaction, longest state of Cognito's"].held is held


def test_the_access_log_is_the_templates():
    line = json.loads(bills.access_log_line())
    assert line["status"] == "200"
    assert "$" not in bills.access_log_line()
    assert {"routeKey", "requestId", "latency"} <= line.keys()


def starts(*milliseconds):
    return [
        ColdStart(
            init_cpu=each / 1000 - 0.05, init_wall=9, first_cpu=0.05, first_wall=9, peak_memory=64 << 20
        )
        for each in milliseconds
    ]


def test_the_cold_path_is_init_and_first_answer_against_the_stand_ins():
    found = by_name_of_budgets(
        cold_figures(
            {
                "stand-in": starts(400, 400, 900),
                "back": starts(300, 400, 410),
                "back, KMS": starts(401, 401, 401),
                "front": starts(520, 520, 520),
                "front, callback": starts(521, 521, 521),
                "saml": starts(900, 900, 900),
                "saml, acs": starts(900, 900, 900),
            }
        )
    )
    assert {name: (round(figure.value, 4), figure.held) for name, figure in found.items()} == {
        "cold path of the back channel (/token) against it": (1.0, True),
        "cold path of the back channel (/token, KMS) against it": (1.0025, False),
        "cold path of the front channel (/authorize) against it": (1.3, True),
        "cold path of the front channel (/callback) against it": (1.3025, False),
    }


def by_name_of_budgets(figures):
    return by_name([figure for figure in figures if figure.held is not None])
