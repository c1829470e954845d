import pytest

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.ports import OutboundRequest
from fedbridge.rp.calls import BREAKER_PAUSE, BREAKER_THRESHOLD, MAX_BREAKERS, Breakers, Calls
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.telemetry import RecordingTelemetry
from tests.unit.rp.idp import FakeClock, FakeKeys, connection

URL = "https://idp.example/userinfo"
GET = OutboundRequest(method="GET", url=URL)
UNREACHABLE = UpstreamError("upstream_unreachable", error="temporarily_unavailable")


@pytest.fixture
def http():
    return FakeHttpClient()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def slept():
    return []


@pytest.fixture
def telemetry():
    return RecordingTelemetry()


@pytest.fixture
def calls(http, clock, slept, telemetry):
    return Calls(http, telemetry, keys=FakeKeys(), clock=clock, sleep=slept.append)


def test_a_get_is_tried_again_once_when_the_connection_fails(http, calls, slept):
    http.answer("GET", URL, UNREACHABLE, json_answer({}))
    assert calls.get(connection(), "userinfo", GET, Deadline.after(20)).status == 200
    assert len(http.sent) == 2
    assert 0.05 <= slept[0] < 0.15


def test_a_get_is_not_tried_a_third_time(http, calls):
    http.answer("GET", URL, UNREACHABLE)
    with pytest.raises(UpstreamError, match="upstream_unreachable"):
        calls.get(connection(), "userinfo", GET, Deadline.after(20))
    assert len(http.sent) == 2


@pytest.mark.parametrize(
    "answer",
    [
        UpstreamError("upstream_timeout"),
        UpstreamError("upstream_tls_failed"),
        UpstreamError("upstream_response_invalid"),
        UpstreamError("upstream_target_refused"),
        json_answer({}, status=503),
        json_answer({}, status=429),
    ],
)
def test_nothing_else_is_tried_again(http, calls, slept, answer):
    http.answer("GET", URL, answer)
    if isinstance(answer, UpstreamError):
        with pytest.raises(UpstreamError):
            calls.get(connection(), "userinfo", GET, Deadline.after(20))
    else:
        calls.get(connection(), "userinfo", GET, Deadline.after(20))
    assert len(http.sent) == 1
    assert slept == []


def test_there_is_no_second_try_that_the_deadline_has_no_time_for(http, calls):
    http.answer("GET", URL, UNREACHABLE)
    with pytest.raises(UpstreamError, match="upstream_unreachable"):
        calls.get(connection(), "userinfo", GET, Deadline(0.04, lambda: 0.0))
    assert len(http.sent) == 1


def test_a_failure_is_logged_with_its_reason(http, calls, telemetry):
    http.answer("GET", URL, UNREACHABLE, json_answer({}))
    calls.get(connection(), "userinfo", GET, Deadline.after(20))
    assert [(fields.get("upstream_status"), fields.get("reason")) for _, fields in telemetry.events] == [
        (None, "upstream_unreachable"),
        (200, None),
    ]


def fail(http, calls, times, at=None):
    http.answer("GET", URL, json_answer({}, status=503))
    for _ in range(times):
        calls.send(at or connection(), "userinfo", GET, Deadline.after(20))


def test_after_five_outages_calls_are_refused_without_being_made(http, calls):
    fail(http, calls, BREAKER_THRESHOLD)
    with pytest.raises(UpstreamError) as refused:
        calls.send(connection(), "userinfo", GET, Deadline.after(20))
    assert (refused.value.reason, refused.value.error) == ("upstream_circuit_open", "temporarily_unavailable")
    assert len(http.sent) == BREAKER_THRESHOLD


def test_four_outages_and_an_answer_count_for_nothing(http, calls):
    for _ in range(3):
        fail(http, calls, BREAKER_THRESHOLD - 1)
        http.answer("GET", URL, json_answer({}, status=400))
        calls.send(connection(), "userinfo", GET, Deadline.after(20))


def test_another_connection_is_not_affected(http, calls):
    fail(http, calls, BREAKER_THRESHOLD)
    assert calls.send(connection(name="other"), "userinfo", GET, Deadline.after(20)).status == 503


def test_after_a_pause_one_call_tries_and_its_success_lets_all_through(http, calls, clock):
    fail(http, calls, BREAKER_THRESHOLD)
    clock.now += BREAKER_PAUSE
    http.answer("GET", URL, json_answer({}))
    for _ in range(3):
        assert calls.send(connection(), "userinfo", GET, Deadline.after(20)).status == 200


def test_after_a_pause_a_failed_try_opens_the_circuit_again(http, calls, clock):
    fail(http, calls, BREAKER_THRESHOLD)
    clock.now += BREAKER_PAUSE
    fail(http, calls, 1)
    with pytest.raises(UpstreamError, match="upstream_circuit_open"):
        calls.send(connection(), "userinfo", GET, Deadline.after(20))


def test_while_one_call_tries_the_others_are_refused(clock):
    breakers = Breakers(clock)
    for _ in range(BREAKER_THRESHOLD):
        breakers.failed("acme")
    clock.now += BREAKER_PAUSE
    breakers.check("acme")
    with pytest.raises(UpstreamError, match="upstream_circuit_open"):
        breakers.check("acme")


def test_time_that_others_spent_is_not_held_against_the_idp(http, calls):
    http.answer("GET", URL, json_answer({}))
    for _ in range(BREAKER_THRESHOLD + 1):
        with pytest.raises(DeadlineExceeded):
            calls.send(connection(), "userinfo", GET, Deadline.after(-1))
    assert calls.send(connection(), "userinfo", GET, Deadline.after(20)).status == 200


def test_the_number_of_breakers_is_bounded(clock):
    breakers = Breakers(clock)
    for number in range(MAX_BREAKERS * 2):
        breakers.failed(number)
    assert len(breakers) <= MAX_BREAKERS
