import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbridge.telemetry.events import EVENTS, FIELDS, MAX_LENGTH, check, clean
from tests.fakes.telemetry import NullTelemetry, RecordingTelemetry


def test_every_field_of_every_event_has_a_type():
    assert {field for event in EVENTS.values() for field in event.fields} == set(FIELDS)


def test_every_event_can_be_found_by_its_correlation_id():
    assert all({"correlation_id", "reason"} <= event.fields for event in EVENTS.values())
    assert all({"connection", "provider"} & event.fields for event in EVENTS.values())


def test_no_two_events_share_a_metric():
    metrics = [metric for event in EVENTS.values() for metric in event.metrics]
    assert len(metrics) == len(set(metrics))


def test_no_field_has_the_name_of_something_secret():
    forbidden = (
        "token",
        "code",
        "secret",
        "cookie",
        "state",
        "assertion",
        "verifier",
        "nonce",
        "email",
        "subject",
        "query",
        "body",
    )
    assert [
        field for field in FIELDS if field != "upstream_code" and any(word in field for word in forbidden)
    ] == []


def test_what_is_measured_is_a_measure_of_the_event():
    measured = [(name, field) for name, event in EVENTS.items() for field in event.measured]
    assert measured
    assert all(field in EVENTS[name].fields and float in FIELDS[field] for name, field in measured)


def test_fields_that_are_none_are_left_out():
    _, fields = check("sign_in_failed", {"connection": "acme", "error": None, "upstream_status": 403})
    assert fields == {"connection": "acme", "upstream_status": 403}


@pytest.mark.parametrize(
    "telemetry", [NullTelemetry(), RecordingTelemetry()], ids=lambda fake: type(fake).__name__
)
def test_what_is_not_registered_is_refused_by_the_fakes_too(telemetry):
    with pytest.raises(TypeError, match="no event is named 'sign_in_begun'"):
        telemetry.event("sign_in_begun")
    with pytest.raises(TypeError, match="has no field 'access_token'"):
        telemetry.event("sign_in_redeemed", access_token="x")
    with pytest.raises(TypeError, match="has no field 'exception'"):
        telemetry.event("sign_in_started", exception="KeyError")


@pytest.mark.parametrize(
    "field, value",
    [
        ("status", "200"),
        ("status", True),
        ("status", 200.0),
        ("duration_ms", "12"),
        ("duration_ms", False),
        ("connection", 7),
        ("connection", b"acme"),
        ("reason", ["a"]),
        ("reason", ValueError("secret")),
    ],
)
def test_values_of_another_type_are_refused_without_being_repeated(field, value):
    with pytest.raises(TypeError, match=f"the field {field} of request_refused does not take") as caught:
        check("request_refused", {field: value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("plain", "plain"),
        ("Grüße, 世界", "Grüße, 世界"),
        ("a\r\nb\tc\x00d", "abcd"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07seen", "seen"),
        ("\x1b]8;;https://evil.example\x1b\\link", "link"),
        ("\x1b(Bplain\x1bc", "plain"),
        ("\x9b2Jcleared", "cleared"),
        ("left\u202eright\u2066\u200b", "leftright"),
        ("line\u2028separator\u2029", "lineseparator"),
        ("sur\ud800rogate", "surrogate"),
        ("x" * 201, "x" * 200),
        ("\x1b" * 10_000_000, ""),
    ],
)
def test_values_become_one_short_printable_line(text, expected):
    assert clean(text) == expected


@settings(deadline=None)
@given(
    st.text(st.characters(), max_size=400)
    | st.text(st.sampled_from("\x1b[]0;m\x07\\\x9b\r\nab"), max_size=300)
)
def test_nothing_unprintable_survives_and_printable_text_is_kept(text):
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert len(cleaned) <= MAX_LENGTH
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")
