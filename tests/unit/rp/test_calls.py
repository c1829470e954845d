import pytest

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.ports import OutboundRequest
from fedbridge.rp.calls import (
    BREAKER_PAUSE,
    BREAKER_THRESHOLD,
    HANG,
    LONGEST_CALL,
    MAX_BREAKERS,
    Breakers,
    Calls,
)
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


def open_breaker(clock):
    breakers = Breakers(clock)
    for _ in range(BREAKER_THRESHOLD):
        breakers.ended("acme", down=True, lasted=0.1)
    clock.now += BREAKER_PAUSE
    return breakers


def test_while_one_call_tries_the_others_are_refused(clock):
    breakers = open_breaker(clock)
    breakers.check("acme")
    clock.now += LONGEST_CALL - 1
    with pytest.raises(UpstreamError, match="upstream_circuit_open"):
        breakers.check("acme")
    breakers.ended("acme", down=False, lasted=0.1)
    breakers.check("acme")


def test_a_call_that_tries_and_is_never_heard_of_keeps_nobody_out_for_good(clock):
    breakers = open_breaker(clock)
    breakers.check("acme")
    clock.now += LONGEST_CALL
    breakers.check("acme")


POST = OutboundRequest(method="POST", url="https://idp.example/token", body=b"code=junk")
TIMEOUT = UpstreamError("upstream_timeout", error="temporarily_unavailable")
GARBAGE = UpstreamError("upstream_response_invalid")


@pytest.fixture
def call(http, calls, clock):
    """Make a call that is answered, or fails, after so many seconds; returns the reason, None for an answer."""

    def call(request, answer, lasted):
        spent = FakeClock(0.0)

        def late(_):
            spent.now += lasted
            clock.now += lasted
            if isinstance(answer, Exception):
                raise answer
            return answer

        http.answer(request.method, request.url, late)
        try:
            calls.send(connection(), "token", request, Deadline(22, spent))
        except UpstreamError as failure:
            return failure.reason
        return None

    return call


OK = json_answer({})
OUTAGE = json_answer({}, status=503)


@pytest.mark.parametrize("answer", [TIMEOUT, UNREACHABLE, GARBAGE, OUTAGE, json_answer({}, status=504)])
@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
def test_one_long_outage_is_enough(call, clock, http, answer, request_):
    call(request_, answer, HANG)
    assert [call(each, OK, 0) for each in (GET, POST)] == ["upstream_circuit_open"] * 2
    assert len(http.sent) == 1


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
def test_an_answer_that_took_long_is_an_answer(call, request_):
    for _ in range(BREAKER_THRESHOLD + 1):
        assert call(request_, OK, 20) is None


def test_an_idp_that_hangs_has_at_most_a_third_of_the_time(call, clock):
    assert call(POST, TIMEOUT, 20) == "upstream_timeout"
    clock.now += 39.9
    assert call(POST, OK, 0) == "upstream_circuit_open"
    clock.now += 0.1
    assert call(POST, TIMEOUT, 20) == "upstream_timeout"
    assert call(POST, OK, 0) == "upstream_circuit_open"
    clock.now += 40
    assert call(POST, OK, 0) is None
    assert call(POST, OK, 0) is None


@pytest.mark.parametrize("failure", [TIMEOUT, UNREACHABLE, UpstreamError("upstream_tls_failed")])
def test_posts_without_an_answer_count(call, failure):
    found = [call(POST, failure, 0.1) for _ in range(BREAKER_THRESHOLD + 1)]
    assert found == [failure.reason] * BREAKER_THRESHOLD + ["upstream_circuit_open"]


@pytest.mark.parametrize(
    "answer", [OUTAGE, json_answer({}, status=429), json_answer({}, status=500), GARBAGE]
)
def test_what_a_post_is_answered_shows_that_somebody_is_there(call, clock, answer):
    for _ in range(BREAKER_THRESHOLD + 1):
        assert call(POST, answer, HANG - 0.1) != "upstream_circuit_open"
    for _ in range(BREAKER_THRESHOLD):
        call(POST, UNREACHABLE, 0)
    clock.now += BREAKER_PAUSE
    call(POST, answer, 0)
    assert call(POST, OK, 0) is None


@pytest.mark.parametrize("answer", [OUTAGE, json_answer({}, status=429), GARBAGE])
def test_what_a_get_is_answered_is_about_the_idp(call, answer):
    for _ in range(BREAKER_THRESHOLD):
        call(GET, answer, 0)
    assert call(GET, OK, 0) == "upstream_circuit_open"


def test_a_fault_of_ours_says_nothing_about_the_idp(http, calls, call, clock):
    for _ in range(BREAKER_THRESHOLD):
        call(POST, UNREACHABLE, 0)
    clock.now += BREAKER_PAUSE
    http.answer("GET", URL, ValueError("a header that cannot be sent"))
    with pytest.raises(ValueError, match="header"):
        calls.send(connection(), "userinfo", GET, Deadline.after(20))
    assert call(POST, OK, 0) == "upstream_circuit_open"
    clock.now += LONGEST_CALL
    assert call(POST, OK, 0) is None


def test_time_that_others_spent_is_not_held_against_the_idp(http, calls):
    http.answer("GET", URL, json_answer({}))
    for _ in range(BREAKER_THRESHOLD + 1):
        with pytest.raises(DeadlineExceeded):
            calls.send(connection(), "userinfo", GET, Deadline.after(-1))
    assert calls.send(connection(), "userinfo", GET, Deadline.after(20)).status == 200


def test_the_number_of_breakers_is_bounded(clock):
    breakers = Breakers(clock)
    for number in range(MAX_BREAKERS * 2):
        breakers.ended(number, down=True, lasted=0.1)
    assert len(breakers) <= MAX_BREAKERS
