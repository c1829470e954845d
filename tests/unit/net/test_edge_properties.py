"""Whatever arrives is answered, and nothing that could be read in two ways is read at all."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbridge.errors import FedbridgeError, RequestRefused
from fedbridge.model.http import Request, Response, parse_parameters
from fedbridge.net.edge import serve
from tests.fakes.events import LambdaContext, http_event, rest_event
from tests.fakes.telemetry import RecordingTelemetry

AUTHORIZE = "/{connection}/authorize"

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)

# Control characters are refused by parse_parameters, and a lone surrogate has no UTF-8.
value = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
parameters = st.dictionaries(value, value, max_size=8)


def answer_of(event: Any) -> tuple[dict[str, Any], list[Request]]:
    seen: list[Request] = []

    def endpoint(request: Request) -> Response:
        seen.append(request)
        request.query()
        if request.method == "POST":
            request.form()
        return Response(status=200, body="ok")

    def render(request: Request, error: FedbridgeError) -> Response:
        return Response(status=getattr(error, "status", 500), body=error.reason)

    result = serve(
        event,
        LambdaContext(),
        routes={AUTHORIZE: {"GET": endpoint, "POST": endpoint}},
        telemetry=RecordingTelemetry(),
        budget=5.0,
        on_error=render,
    )
    return result, seen


def assert_well_formed(result: dict[str, Any]) -> None:
    assert result["statusCode"] in {200, 400, 404, 405, 413}
    assert isinstance(result["body"], str)
    assert ("headers" in result) != ("multiValueHeaders" in result)
    json.dumps(result)


@settings(deadline=None)
@given(anything)
def test_any_event_gets_a_response(event):
    result, _ = answer_of(event)
    assert_well_formed(result)
    assert result["statusCode"] in {400, 404, 405}


_MEMBERS = sorted(
    {*http_event("GET", AUTHORIZE), *rest_event("GET", AUTHORIZE), "cookies", "queryStringParameters"}
)


@settings(deadline=None)
@given(
    make=st.sampled_from([http_event, rest_event]),
    method=st.sampled_from(["GET", "POST", "HEAD"]),
    changes=st.dictionaries(st.sampled_from(_MEMBERS), anything, min_size=1, max_size=3),
)
def test_any_change_to_an_event_gets_a_response(make, method, changes):
    result, _ = answer_of(make(method, AUTHORIZE, query="a=1", headers=[("Accept", "*/*")]) | changes)
    assert_well_formed(result)


@settings(deadline=None)
@given(make=st.sampled_from([http_event, rest_event]), connection=st.text(st.characters(), max_size=30))
def test_only_plain_names_reach_an_endpoint(make, connection):
    result, seen = answer_of(make("GET", AUTHORIZE, connection=connection))
    assert_well_formed(result)
    for request in seen:
        assert request.connection == connection
        assert connection.isascii()
        assert not set(connection) & set("/%\\:#?@ ")


@settings(deadline=None)
@given(make=st.sampled_from([http_event, rest_event]), pairs=parameters)
def test_a_query_is_read_as_it_was_written(make, pairs):
    result, seen = answer_of(make("GET", AUTHORIZE, query=urlencode(pairs)))
    assert result["statusCode"] == 200
    assert seen[0].query() == pairs


@settings(deadline=None)
@given(
    make=st.sampled_from([http_event, rest_event]),
    pairs=st.lists(st.tuples(st.sampled_from("abc"), value), min_size=2, max_size=6),
)
def test_no_repeated_parameter_passes(make, pairs):
    result, seen = answer_of(make("GET", AUTHORIZE, query=urlencode(pairs)))
    names = [name for name, _ in pairs]
    assert result["statusCode"] == (200 if len(set(names)) == len(names) else 400)
    if result["statusCode"] == 200:
        assert seen[0].query() == dict(pairs)


@settings(deadline=None)
@given(pairs=parameters)
def test_decoding_undoes_encoding_in_either_style(pairs):
    assert parse_parameters(urlencode(pairs)) == pairs
    assert parse_parameters(urlencode(pairs, quote_via=quote)) == pairs


@settings(deadline=None)
@given(st.text(st.sampled_from("ab=&%+;0fF\x00\n,é\ud800"), max_size=40))
def test_the_parser_refuses_or_returns_every_name_once(encoded):
    try:
        parsed = parse_parameters(encoded)
    except RequestRefused:
        return
    names = [piece.partition("=")[0] for piece in encoded.split("&") if piece]
    assert len(parsed) == len(names)


@settings(deadline=None)
@given(name=value, spellings=st.lists(st.booleans(), min_size=2, max_size=2))
def test_two_spellings_of_one_name_are_one_name(name, spellings):
    plain, escaped = quote(name, safe=""), "".join(f"%{byte:02X}" for byte in name.encode())
    encoded = "&".join(f"{escaped if spelling else plain}=1" for spelling in spellings)
    with pytest.raises(RequestRefused) as caught:
        parse_parameters(encoded)
    assert caught.value.reason == "repeated_parameter"


@settings(deadline=None)
@given(body=st.binary(max_size=200))
def test_any_body_gets_a_response(body):
    event = http_event(
        "POST", AUTHORIZE, headers=[("content-type", "application/x-www-form-urlencoded")], body=body
    )
    result, seen = answer_of(event)
    assert_well_formed(result)
    assert seen[0].body == body
