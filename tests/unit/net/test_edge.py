import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    KeyUnavailable,
    OAuthError,
    PayloadTooLarge,
    RequestRefused,
    StoreUnavailable,
    UnknownConnection,
)
from fedbridge.model.http import Request, Response, parse_parameters
from fedbridge.net.edge import serve
from tests.fakes.events import LambdaContext, http_event, rest_event
from tests.fakes.telemetry import RecordingTelemetry

SHARED = Path(__file__).resolve().parents[3] / "shared"
TOKEN = "/{connection}/token"
BOTH = pytest.mark.parametrize("make", [http_event, rest_event], ids=["payload 2.0", "payload 1.0"])


def render(request: Request, error: FedbridgeError) -> Response:
    status = getattr(error, "status", 500)
    headers = dict(getattr(error, "headers", {}))
    return Response(
        status=status, headers=headers, body=f"{error.reason} {request.route} {request.correlation_id}"
    )


class Function:
    """A function with one route, whose endpoint does what the test says."""

    def __init__(
        self, endpoint=lambda request: Response(status=200, body=request.connection), on_error=render
    ):
        self.telemetry = RecordingTelemetry()
        self.endpoint = endpoint
        self.on_error = on_error
        self.seen: list[Request] = []

    def __call__(self, event):
        def answer(request):
            self.seen.append(request)
            return self.endpoint(request)

        return serve(
            event,
            LambdaContext(),
            routes={TOKEN: {"POST": answer, "PUT": answer}},
            telemetry=self.telemetry,
            budget=5.0,
            on_error=self.on_error,
        )


def raising(error):
    def endpoint(request):
        raise error

    return endpoint


@BOTH
def test_a_request_reaches_its_endpoint_and_records_nothing(make):
    function = Function()
    answer = function(make("POST", TOKEN, body=b""))
    assert (answer["statusCode"], answer["body"]) == (200, "acme")
    assert function.telemetry.events == []


@BOTH
def test_an_unknown_path_is_a_404(make):
    function = Function()
    answer = function(make("POST", "/{connection}/nowhere"))
    assert answer["statusCode"] == 404
    assert function.seen == []
    assert function.telemetry.fields("request_refused")["reason"] == "unknown_route"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "post", "BREW"])
@BOTH
def test_another_method_is_a_405_that_names_the_right_ones(make, method):
    function = Function()
    answer = function(make(method, TOKEN))
    assert answer["statusCode"] == 405
    allow = answer["headers"]["allow"] if make is http_event else answer["multiValueHeaders"]["allow"][0]
    assert allow == "POST, PUT"
    assert function.seen == []


@BOTH
def test_a_name_that_no_connection_can_have_never_reaches_an_endpoint(make):
    function = Function()
    answer = function(make("POST", TOKEN, connection="%2e%2e"))
    assert answer["statusCode"] == 404
    assert function.seen == []
    assert function.telemetry.fields("request_refused").get("connection") is None


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "event",
        {},
        {"version": "2.0"},
        {"httpMethod": "POST"},
        {"httpMethod": 7, "resource": TOKEN},
        {"routeKey": f"ANY {TOKEN}"},
        {"routeKey": f"ANY {TOKEN}", "requestContext": None},
        http_event("POST", TOKEN) | {"headers": "x"},
        http_event("POST", TOKEN) | {"body": "%%%", "isBase64Encoded": True},
        rest_event("POST", TOKEN) | {"multiValueHeaders": "x"},
    ],
)
def test_a_malformed_event_is_a_400_or_405_and_never_reaches_an_endpoint(event):
    function = Function()
    answer = function(event)
    assert answer["statusCode"] in {400, 405}
    assert function.seen == []
    assert function.telemetry.names() == ["request_refused"]


def test_the_outline_of_a_refused_request_names_its_route():
    answer = Function()(http_event("POST", TOKEN) | {"body": "%%%", "isBase64Encoded": True})
    assert answer["body"].startswith(f"malformed_encoding {TOKEN} ")


def test_a_body_above_the_cap_is_a_413():
    function = Function()
    assert function(http_event("POST", TOKEN, body=b"x" * (64 * 1024 + 1)))["statusCode"] == 413
    assert function(http_event("POST", TOKEN, body=b"x" * (64 * 1024)))["statusCode"] == 200


@pytest.mark.parametrize(
    "error, event, fields",
    [
        (RequestRefused(reason="no_cookie"), "request_refused", {"reason": "no_cookie", "status": 400}),
        (UnknownConnection(), "request_refused", {"reason": "unknown_connection", "status": 404}),
        (PayloadTooLarge(), "request_refused", {"reason": "payload_too_large", "status": 413}),
        (
            OAuthError("invalid_grant", "no", reason="code_refused"),
            "token_refused",
            {"reason": "code_refused", "error": "invalid_grant", "status": 400},
        ),
        (StoreUnavailable(), "request_failed", {"reason": "store_unavailable"}),
        (KeyUnavailable("key arn:aws:kms:…:secret-name"), "request_failed", {"reason": "key_unavailable"}),
        (DeadlineExceeded(), "request_failed", {"reason": "deadline_exceeded"}),
        (
            ConfigurationError("secret-name"),
            "configuration_error",
            {"reason": "configuration_error", "exception": "fedbridge.errors.ConfigurationError"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_expected_error_is_recorded_once_by_its_reason_and_shown(error, event, fields):
    function = Function(raising(error))
    answer = function(http_event("POST", TOKEN))
    assert function.telemetry.names() == [event]
    recorded = function.telemetry.fields(event)
    assert recorded.items() >= fields.items()
    assert recorded["connection"] == "acme"
    assert answer["body"] == f"{error.reason} {TOKEN} {recorded['correlation_id']}"
    assert "secret-name" not in str(recorded)


def test_an_unexpected_error_is_recorded_by_type_and_place_without_its_message():
    function = Function(lambda request: Response(status=200, body=str(parse_parameters(request))))
    answer = function(http_event("POST", TOKEN))
    assert answer["statusCode"] == 500
    assert answer["body"].startswith("internal_error ")
    recorded = function.telemetry.fields("internal_error")
    assert recorded["exception"] == "AttributeError"
    assert str(recorded["location"]).startswith("fedbridge/model/http.py:")


class LeakyError(Exception):
    pass


@pytest.mark.parametrize(
    "error", [LeakyError("canary"), KeyError("canary"), RecursionError("canary"), MemoryError("canary")]
)
def test_no_message_of_an_unexpected_error_gets_anywhere(error, capsys):
    function = Function(raising(error))
    answer = function(http_event("POST", TOKEN))
    captured = capsys.readouterr()
    assert "canary" not in str(answer) + str(function.telemetry.events) + captured.out + captured.err
    assert str(function.telemetry.fields("internal_error")["exception"]).endswith(type(error).__name__)


def test_a_renderer_that_fails_does_not_escape():
    def broken(request, error):
        raise LeakyError("canary")

    function = Function(raising(RequestRefused()), on_error=broken)
    answer = function(http_event("POST", TOKEN))
    assert answer["statusCode"] == 500
    assert function.telemetry.names() == ["request_refused", "internal_error"]
    assert "canary" not in str(answer)
    assert str(function.telemetry.fields("internal_error")["correlation_id"]) in answer["body"]
    assert answer["headers"] == {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "strict-transport-security": "max-age=31536000",
    }


def test_telemetry_that_fails_does_not_escape():
    class Broken:
        def event(self, name, **fields):
            raise OSError("canary")

    answer = serve(http_event("GET", TOKEN), None, routes={}, telemetry=Broken(), budget=5.0, on_error=render)
    assert answer["statusCode"] == 500
    assert "canary" not in str(answer)


def test_a_response_that_would_split_its_headers_is_an_internal_error():
    function = Function(lambda request: Response(status=302, headers={"location": request.raw_query}))
    answer = function(http_event("POST", TOKEN, query="x\r\nset-cookie: a=b"))
    assert answer["statusCode"] == 500
    assert "set-cookie" not in str(answer)
    assert function.telemetry.fields("internal_error")["exception"] == "ValueError"


def test_an_interrupt_is_not_an_error_to_answer():
    with pytest.raises(KeyboardInterrupt):
        Function(raising(KeyboardInterrupt()))(http_event("POST", TOKEN))


def test_parallel_requests_do_not_see_each_other():
    function = Function(
        lambda request: Response(status=200, body=f"{request.connection} {request.raw_query}")
    )

    def ask(number):
        return function(http_event("POST", TOKEN, connection=f"c{number}", query=f"n={number}"))["body"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(200))) == [f"c{number} n={number}" for number in range(200)]
    assert len({request.correlation_id for request in function.seen}) == 200


def test_the_edge_needs_nothing_but_the_standard_library():
    program = (
        "import sys; before = set(sys.modules); import fedbridge.net.edge;"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(name for name in names if name not in sys.stdlib_module_names and name != 'fedbridge'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SHARED, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
