from dataclasses import replace

import pytest
from botocore.exceptions import NoCredentialsError

from fedbridge.errors import KeyUnavailable
from fedbridge.keys.calls import call
from fedbridge.model.deadline import Deadline, Trail


def test_what_was_waited_for_adds_up_in_the_order_in_which_it_began():
    trail = Trail()
    assert (trail.calls, trail.upstream_ms, trail.store_ms) == (None, 0, 0)
    for what, seconds in (
        ("store", 0.004),
        ("token", 0.1184),
        ("kms", 0.012),
        ("store", 0.0051),
        ("jwks", 0.02),
    ):
        trail.waited(what, seconds)
    assert trail.calls == "store=9 token=118 kms=12 jwks=20"
    assert (trail.upstream_ms, trail.store_ms) == (138.4, 9.1)


def test_a_deadline_that_is_changed_leaves_the_same_trail():
    deadline = Deadline.after(20, correlation_id="A")
    later = replace(deadline, at=deadline.at + 1)
    later.continues("B")
    later.trail.waited("token", 1)
    assert (deadline.correlation_id, deadline.trail.calls) == ("B", "token=1000")


def test_two_requests_leave_two_trails():
    first, second = Deadline.after(20, correlation_id="A"), Deadline.after(20)
    first.trail.waited("token", 1)
    assert (second.correlation_id, second.trail.calls) == (None, None)


def test_calls_of_kms_count_and_failed_ones_too():
    now = 0.0

    def operation():
        nonlocal now
        now += 0.25
        return "signed"

    deadline = Deadline(at=100.0, monotonic=lambda: now)
    assert call(operation, subject="k", prefix="kms", reasons={}, deadline=deadline) == "signed"
    assert deadline.trail.calls == "kms=250"

    def failing():
        operation()
        raise NoCredentialsError

    with pytest.raises(KeyUnavailable):
        call(failing, subject="k", prefix="kms", reasons={}, deadline=deadline)
    assert deadline.trail.calls == "kms=500"
