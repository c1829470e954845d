"""The price of a million sign-ins, position by position, against sums done by hand."""

from dataclasses import replace

import pytest

from bench.costs import PRICES, Invocation, SignIn, price, total

ONE = Invocation(cpu=0)
USAGE = SignIn(invocations=(ONE,) * 5, log_bytes=0, log_events=0, metrics=0)


def test_five_requests_four_writes_and_a_read_of_2_kb():
    positions = price(USAGE)
    assert positions["API Gateway"] == pytest.approx(5.00)
    assert positions["Lambda requests"] == pytest.approx(1.00)
    assert positions["DynamoDB"] == pytest.approx(4 * 2 * 0.625 + 0.125)
    assert total(USAGE) == pytest.approx(11.125)


@pytest.mark.parametrize("size,units", [(1024, 1), (1025, 2), (2048, 2), (2049, 3)])
def test_a_write_costs_every_kilobyte_begun(size, units):
    assert price(replace(USAGE, item_bytes=size))["DynamoDB"] == pytest.approx(4 * units * 0.625 + 0.125)


def test_cpu_is_stretched_by_the_share_of_a_core_and_waits_are_not():
    assert Invocation(cpu=0.010).billed_seconds(1769) == 0.010
    assert Invocation(cpu=0.010).billed_seconds(10_240) == 0.010
    assert Invocation(cpu=0.010).billed_seconds(512) == 0.035  # 34.55 ms
    assert Invocation(cpu=0, dynamodb=2, kms=1, upstream=2).billed_seconds(512) == 0.260


def test_every_millisecond_begun_is_billed():
    assert Invocation(cpu=0.000_1).billed_seconds(1769) == 0.001
    assert Invocation(cpu=0.003).billed_seconds(1769) == 0.003


def test_lambda_time_is_gigabyte_seconds():
    usage = replace(USAGE, invocations=(Invocation(cpu=0, upstream=2),))
    assert price(usage)["Lambda time"] == pytest.approx(1e6 * 0.240 * 0.5 * 0.0000133334)


def test_a_kms_signature_each_for_assertion_and_id_token_is_six_dollars():
    assert price(replace(USAGE, kms_signatures=2))["KMS"] == pytest.approx(6.00)


def test_log_events_are_taken_in_with_what_comes_beside_them():
    assert price(replace(USAGE, log_bytes=1000, log_events=0))["Logs"] == pytest.approx(0.4657, abs=1e-4)
    assert price(replace(USAGE, log_bytes=0, log_events=10))["Logs"] == pytest.approx(0.1211, abs=1e-4)


def test_metrics_cost_by_the_month_and_are_shared_by_its_sign_ins():
    assert price(replace(USAGE, metrics=5))["Metrics"] == pytest.approx(1.50)
    assert price(replace(USAGE, metrics=5, monthly=10_000_000))["Metrics"] == pytest.approx(0.15)


def test_the_total_is_the_sum_of_the_positions():
    usage = replace(USAGE, log_bytes=4000, log_events=9, metrics=5, kms_signatures=2, secret_reads=1)
    assert total(usage) == pytest.approx(sum(price(usage).values()))
    assert all(amount > 0 for position, amount in price(usage).items() if position != "Lambda time")


def test_no_price_is_free():
    assert all(amount > 0 for amount, _ in PRICES.values())
