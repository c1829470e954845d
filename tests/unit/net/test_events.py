import base64
import re
from typing import Any

import pytest

from fedbridge.errors import DeadlineExceeded, PayloadTooLarge, RequestRefused, UnknownConnection
from fedbridge.model.http import Request, Response
from fedbridge.net import events
from tests.fakes.events import LambdaContext, http_event, rest_event

TOKEN = "/{connection}/token"
BOTH = pytest.mark.parametrize("make", [http_event, rest_event], ids=["payload 2.0", "payload 1.0"])


def read(event: dict[str, Any], *, max_body: int = 1000) -> Request:
    return events.read(event, events.outline(event, LambdaContext(), 5.0), max_body)


@BOTH
def test_one_request_is_read_the_same_from_both_payloads(make):
    request = read(
        make(
            "POST",
            TOKEN,
            query="a=1%2C2&b=%C3%A9+x",
            headers=[("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", "Basic abc")],
            cookies=["one=1", "two=2"],
            body=b"grant_type=authorization_code",
        )
    )
    assert (request.method, request.route, request.connection) == ("POST", TOKEN, "acme")
    assert request.query() == {"a": "1,2", "b": "é x"}
    assert request.headers["authorization"] == "Basic abc"
    assert request.cookies == ("one=1", "two=2")
    assert request.form() == {"grant_type": "authorization_code"}


@BOTH
def test_a_repeated_parameter_stays_repeated(make):
    with pytest.raises(RequestRefused) as caught:
        read(make("GET", TOKEN, query="state=1&client_id=x&state=2")).query()
    assert caught.value.reason == "repeated_parameter"


@BOTH
def test_a_parameter_repeated_with_the_same_value_is_repeated_too(make):
    with pytest.raises(RequestRefused):
        read(make("GET", TOKEN, query="state=1&state=1")).query()


@BOTH
def test_a_repeated_authorization_header_is_joined_so_that_endpoints_see_it(make):
    request = read(make("GET", TOKEN, headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")]))
    assert request.headers["authorization"] == "Bearer a,Bearer b"


def test_header_names_that_differ_in_case_are_one_header():
    event = http_event("GET", TOKEN)
    event["headers"] = {"Authorization": "Bearer a", "authorization": "Bearer b"}
    assert read(event).headers == {"authorization": "Bearer a,Bearer b"}


def test_the_raw_query_of_payload_2_is_taken_as_it_is():
    assert read(http_event("GET", TOKEN, query="b=x%2Cy&c=+%2B&d&=e")).raw_query == "b=x%2Cy&c=+%2B&d&=e"


@pytest.mark.parametrize("value", ["", " ", "+", "%", "%2B", "a&b=c", "é", "x,y", "#?/;", "\U0001f511"])
def test_the_query_of_payload_1_decodes_to_the_values_that_the_gateway_decoded(value):
    event = rest_event("GET", TOKEN)
    event["multiValueQueryStringParameters"] = {"a": [value], "é&": ["1"]}
    assert read(event).query() == {"a": value, "é&": "1"}


def test_single_members_of_payload_1_are_read_where_the_lists_are_absent():
    event = rest_event("GET", TOKEN, query="a=1", headers=[("Accept", "*/*")])
    del event["multiValueQueryStringParameters"], event["multiValueHeaders"]
    request = read(event)
    assert request.raw_query == "a=1"
    assert request.headers == {"accept": "*/*"}


def test_a_value_that_utf8_cannot_say_is_refused():
    event = rest_event("GET", TOKEN)
    event["multiValueQueryStringParameters"] = {"a": ["\ud800"]}
    with pytest.raises(RequestRefused) as caught:
        read(event)
    assert caught.value.reason == "malformed_encoding"


@pytest.mark.parametrize(
    "cookies, header, expected",
    [
        (["a=1", "b=2"], None, ("a=1", "b=2")),
        (None, "a=1; b=2", ("a=1", "b=2")),
        ([], "a=1;b=2;", ("a=1", "b=2")),
        (["a=1"], "a=1; b=2", ("a=1", "b=2")),
        (["a=1", "a=2"], None, ("a=1", "a=2")),
        (None, None, ()),
    ],
)
def test_cookies_come_from_the_member_and_from_the_header(cookies, header, expected):
    event = http_event("GET", TOKEN)
    event["cookies"] = cookies
    if header:
        event["headers"]["Cookie"] = header
    request = read(event)
    assert request.cookies == expected
    assert "cookie" not in request.headers


def test_several_cookie_headers_of_payload_1_are_all_read():
    event = rest_event("GET", TOKEN)
    event["multiValueHeaders"] = {"cookie": ["a=1; b=2", "c=3"]}
    assert read(event).cookies == ("a=1", "b=2", "c=3")


@pytest.mark.parametrize("body", [None, ""])
@BOTH
def test_no_body_is_an_empty_one(make, body):
    event = make("GET", TOKEN)
    event["body"] = body
    assert read(event).body == b""


@pytest.mark.parametrize("text", ["%%%", "YQ", "YQ==\n", "Y Q==", "YQ==YQ==", "YQ=\u00e9", "_-8="])
def test_a_body_that_is_flagged_base64_and_is_not_is_refused(text):
    event = http_event("POST", TOKEN) | {"body": text, "isBase64Encoded": True}
    with pytest.raises(RequestRefused) as caught:
        read(event)
    assert caught.value.reason == "malformed_encoding"


def test_a_plain_body_is_utf8():
    assert read(http_event("POST", TOKEN) | {"body": "é", "isBase64Encoded": False}).body == "é".encode()


def test_a_plain_body_with_a_lone_surrogate_is_refused():
    with pytest.raises(RequestRefused):
        read(http_event("POST", TOKEN) | {"body": "\udfff", "isBase64Encoded": False})


@pytest.mark.parametrize("size, too_large", [(999, False), (1000, False), (1001, True), (5000, True)])
@pytest.mark.parametrize("encoded", [True, False])
def test_the_cap_is_on_the_decoded_body(size, too_large, encoded):
    body = b"x" * size
    text = base64.b64encode(body).decode() if encoded else body.decode()
    event = http_event("POST", TOKEN) | {"body": text, "isBase64Encoded": encoded}
    if too_large:
        with pytest.raises(PayloadTooLarge):
            read(event)
    else:
        assert read(event).body == body


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "a/b",
        "%61cme",
        "a%2Fb",
        "acme%00",
        "acme\x00",
        "acme ",
        ".acme",
        "-acme",
        "ac me",
        "ácme",
        "x" * 129,
        "acme\n",
        "a*",
    ],
)
@BOTH
def test_a_name_that_no_connection_has_is_unknown_like_any_other(make, name):
    event = make("GET", TOKEN)
    event["pathParameters"] = {"connection": name}
    with pytest.raises(UnknownConnection):
        read(event)


@pytest.mark.parametrize("parameters", [None, {}, {"other": "acme"}])
def test_a_path_without_a_connection_is_unknown(parameters):
    with pytest.raises(UnknownConnection):
        read(http_event("GET", TOKEN) | {"pathParameters": parameters})


@pytest.mark.parametrize(
    "change",
    [
        {"headers": []},
        {"headers": {"a": 1}},
        {"headers": {"a": None}},
        {"cookies": "a=1"},
        {"cookies": [1]},
        {"body": b"x"},
        {"body": {"a": 1}},
        {"isBase64Encoded": "true"},
        {"isBase64Encoded": 1},
        {"rawQueryString": ["a"]},
        {"pathParameters": "acme"},
        {"pathParameters": {"connection": 7}},
    ],
)
def test_members_of_another_type_are_refused(change):
    with pytest.raises(RequestRefused) as caught:
        read(http_event("GET", TOKEN) | change)
    assert caught.value.reason == "malformed_event"


@pytest.mark.parametrize(
    "change",
    [
        {"multiValueHeaders": [("a", "b")]},
        {"multiValueHeaders": {"a": "b"}},
        {"multiValueHeaders": {"a": [None]}},
        {"multiValueQueryStringParameters": {"a": "b"}},
        {"multiValueQueryStringParameters": {"a": [1]}},
        {"multiValueQueryStringParameters": "a=b"},
    ],
)
def test_members_of_payload_1_of_another_type_are_refused(change):
    with pytest.raises(RequestRefused) as caught:
        read(rest_event("GET", TOKEN) | change)
    assert caught.value.reason == "malformed_event"


@pytest.mark.parametrize(
    "event", [None, [], "x", 3, {}, {"routeKey": 7}, {"requestContext": {"http": []}}, {"httpMethod": None}]
)
def test_the_outline_takes_anything(event):
    outlined = events.outline(event, None, 5.0)
    assert (outlined.method, outlined.route) == ("", "")


def test_a_route_without_a_method_has_no_template():
    assert events.outline({"routeKey": "$default"}, None, 5.0).route == ""


def test_correlation_ids_are_new_for_every_request_and_easy_to_read_aloud():
    ids = {events.outline({}, None, 5.0).correlation_id for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{16}", correlation_id) for correlation_id in ids)


@pytest.mark.parametrize(
    "context, at_most",
    [(None, 5.0), (LambdaContext(29_000), 5.0), (LambdaContext(4_500), 2.5), (object(), 5.0)],
    ids=["local", "plenty", "short", "without a limit"],
)
def test_the_deadline_is_the_budget_or_what_lambda_leaves_less_a_margin(context, at_most):
    deadline = events.outline({}, context, 5.0).deadline
    assert at_most - 2 < deadline.remaining() <= at_most


def test_a_sandbox_about_to_be_stopped_leaves_nothing():
    with pytest.raises(DeadlineExceeded):
        events.outline({}, LambdaContext(1_900), 5.0).deadline.remaining()


RESPONSE = Response(
    status=303, headers={"location": "https://a.example/?x=1"}, cookies=("a=1; Secure", "b=2"), body=""
)


def test_the_result_of_payload_2():
    assert events.result(RESPONSE, rest=False) == {
        "statusCode": 303,
        "headers": {"location": "https://a.example/?x=1"},
        "cookies": ["a=1; Secure", "b=2"],
        "body": "",
        "isBase64Encoded": False,
    }


def test_the_result_of_payload_1():
    assert events.result(RESPONSE, rest=True) == {
        "statusCode": 303,
        "multiValueHeaders": {"location": ["https://a.example/?x=1"], "set-cookie": ["a=1; Secure", "b=2"]},
        "body": "",
        "isBase64Encoded": False,
    }


def test_no_cookie_is_no_header_in_payload_1():
    assert events.result(Response(status=204), rest=True)["multiValueHeaders"] == {}


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b=1", "a\nb", "a\rb", "a\x00b", "é", "a\x7f", "a\tb"])
@pytest.mark.parametrize("rest", [True, False])
def test_a_header_is_never_more_than_one_line(value, rest):
    with pytest.raises(ValueError, match="the header location"):
        events.result(Response(status=302, headers={"location": value}), rest=rest)
    with pytest.raises(ValueError, match="the header set-cookie"):
        events.result(Response(status=302, cookies=("a=1", value)), rest=rest)
