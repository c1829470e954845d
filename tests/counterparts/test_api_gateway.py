"""Events have the shapes that AWS documents, and answers become HTTP as they do there."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.counterparts.api_gateway import ApiGateway, LambdaContext, in_process
from tests.counterparts.api_gateway_events import (
    HttpRequest,
    Match,
    http_api_event,
    http_api_response,
    match_route,
    rest_api_event,
    rest_api_response,
)

ROUTES = [
    "ANY /{connection}/token",
    "GET /{connection}/token",
    "ANY /health/token",
    "ANY /{connection}/.well-known/jwks.json",
]


def echo(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    assert 28_000 < context.get_remaining_time_in_millis() <= 29_000
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


@pytest.fixture
def gateway() -> Iterator[ApiGateway]:
    with ApiGateway({"ANY /{connection}/token": in_process(echo)}) as gateway:
        yield gateway


def test_routes_match_by_path_and_method() -> None:
    assert match_route(ROUTES, "POST", "/bank/token") == Match(
        key=ROUTES[0], parameters={"connection": "bank"}
    )
    assert match_route(ROUTES, "GET", "/bank/token") == Match(
        key=ROUTES[1], parameters={"connection": "bank"}
    )
    assert match_route(ROUTES, "GET", "/health/token") == Match(key=ROUTES[2], parameters={})
    assert match_route(ROUTES, "GET", "/b%C3%BC/token") == Match(
        key=ROUTES[1], parameters={"connection": "bü"}
    )
    assert match_route(ROUTES, "PUT", "/x/.well-known/jwks.json") is not None
    for path in ("/bank/token/", "/token", "//token", "/a/b/token", "/bank/tokens"):
        assert match_route(ROUTES, "GET", path) is None


def test_payload_2_joins_what_is_repeated_and_leaves_out_what_is_absent(gateway: ApiGateway) -> None:
    headers = [("Cookie", "a=1; b=2"), ("Cookie", "c=3"), ("X-Twice", "one"), ("X-Twice", "two")]
    event = httpx.get(
        f"{gateway.url}/b%20k/token?a=1&b=%2B%2C&a=2&c=", headers=headers, trust_env=False
    ).json()
    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "ANY /{connection}/token"
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/b k/token"
    assert event["rawQueryString"] == "a=1&b=%2B%2C&a=2&c="
    assert event["queryStringParameters"] == {"a": "1,2", "b": "+,", "c": ""}
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert event["headers"]["x-twice"] == "one,two"
    assert "cookie" not in event["headers"]
    assert event["pathParameters"] == {"connection": "b k"}
    http = event["requestContext"]["http"]
    assert (http["method"], http["protocol"], http["sourceIp"]) == ("GET", "HTTP/1.1", "127.0.0.1")
    assert event["requestContext"]["stage"] == "$default"
    assert event["isBase64Encoded"] is False
    assert "body" not in event

    bare = httpx.get(f"{gateway.url}/bank/token", trust_env=False).json()
    assert not {"cookies", "queryStringParameters", "body", "stageVariables"} & set(bare)
    assert bare["rawQueryString"] == ""


def test_payload_2_encodes_forms_and_not_json(gateway: ApiGateway) -> None:
    form = httpx.post(f"{gateway.url}/bank/token", data={"code": "ü+%"}, trust_env=False).json()
    assert form["isBase64Encoded"] is True
    assert base64.b64decode(form["body"]) == b"code=%C3%BC%2B%25"
    plain = httpx.post(f"{gateway.url}/bank/token", json={"code": "ü"}, trust_env=False).json()
    assert (plain["isBase64Encoded"], json.loads(plain["body"])) == (False, {"code": "ü"})


def test_payload_2_with_a_stage_has_it_in_the_path() -> None:
    with ApiGateway({"ANY /{connection}/token": in_process(echo)}, stage="v1") as gateway:
        assert gateway.url.endswith("/v1")
        event = httpx.get(f"{gateway.url}/bank/token", trust_env=False).json()
        assert httpx.get(gateway.url.replace("/v1", "/v2/bank/token"), trust_env=False).status_code == 403
    assert (event["rawPath"], event["requestContext"]["stage"]) == ("/v1/bank/token", "v1")


def test_payload_1_keeps_names_and_says_null() -> None:
    with ApiGateway({"ANY /{connection}/token": in_process(echo)}, payload="1.0") as gateway:
        url = f"{gateway.url}/bank/token"
        headers = [("Cookie", "a=1"), ("X-Twice", "one"), ("X-Twice", "two")]
        event = httpx.post(f"{url}?a=1&a=2", headers=headers, data={"code": "ü"}, trust_env=False).json()
        bare = httpx.get(url, trust_env=False).json()
        assert httpx.get(f"{gateway.url}/bank/nothing", trust_env=False).json() == {
            "message": "Missing Authentication Token"
        }
    assert "version" not in event
    assert (event["resource"], event["path"], event["httpMethod"]) == (
        "/{connection}/token",
        "/bank/token",
        "POST",
    )
    assert event["requestContext"]["path"] == "/prod/bank/token"
    assert event["queryStringParameters"] == {"a": "2"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert (event["headers"]["X-Twice"], event["multiValueHeaders"]["X-Twice"]) == ("two", ["one", "two"])
    assert event["headers"]["Cookie"] == "a=1"
    assert (event["isBase64Encoded"], event["body"]) == (False, "code=%C3%BC")
    assert bare["body"] is bare["queryStringParameters"] is bare["multiValueQueryStringParameters"] is None


def test_payload_1_encodes_binary_media_types_only() -> None:
    form = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")]
    request = HttpRequest(method="POST", target="/bank/token", headers=form, body=b"a=\xff")
    match = Match(key="ANY /{connection}/token", parameters={"connection": "bank"})
    assert rest_api_event(request, match)["body"] == "a=\ufffd"
    encoded = rest_api_event(request, match, binary_media_types=["application/x-www-form-urlencoded"])
    assert (encoded["isBase64Encoded"], encoded["body"]) == (True, base64.b64encode(b"a=\xff").decode())
    assert http_api_event(request, match)["body"] == base64.b64encode(b"a=\xff").decode()


def test_answers_of_payload_2() -> None:
    answer = {
        "statusCode": 302,
        "headers": {"Location": "/x", "X-Number": 3},
        "cookies": ["a=1; Secure", "b=2"],
        "body": base64.b64encode(b"\x00\xff").decode(),
        "isBase64Encoded": True,
    }
    response = http_api_response(answer)
    assert (response.status, response.body) == (302, b"\x00\xff")
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1; Secure", "b=2"]
    assert dict(response.headers)["x-number"] == "3"
    assert http_api_response({"statusCode": "204", "body": None}).body == b""
    inferred = http_api_response({"hello": "world"})
    assert (inferred.status, json.loads(inferred.body)) == (200, {"hello": "world"})


def test_answers_of_payload_1() -> None:
    several = {"Set-Cookie": ["a=1", "b=2"]}
    response = rest_api_response({"statusCode": 200, "headers": {"X-A": "1"}, "multiValueHeaders": several})
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "answer", [None, {"hello": "world"}, {"statusCode": "200"}, {"statusCode": 200, "body": {}}]
)
def test_malformed_answers_of_payload_1_are_a_502(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with ApiGateway({"GET /{connection}/x": lambda _: answer}, payload="1.0") as gateway:
        response = httpx.get(f"{gateway.url}/bank/x", trust_env=False)
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})
    assert "MalformedResponseError" in capsys.readouterr().err


def test_an_exception_is_a_500_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        raise LookupError("secret text")

    with ApiGateway({"GET /{connection}/x": in_process(fail)}) as gateway:
        response = httpx.get(f"{gateway.url}/bank/x", trust_env=False)
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})
    assert "secret text" in capsys.readouterr().err


def test_what_json_cannot_say_fails_as_in_lambda(capsys: pytest.CaptureFixture[str]) -> None:
    def answer_bytes(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        return {"statusCode": 200, "body": b"bytes"}

    with ApiGateway({"GET /{connection}/x": in_process(answer_bytes)}) as gateway:
        assert httpx.get(f"{gateway.url}/bank/x", trust_env=False).status_code == 500
    assert "not JSON serializable" in capsys.readouterr().err


def test_an_unknown_route_or_a_long_request_never_reaches_the_function(gateway: ApiGateway) -> None:
    missing = httpx.get(f"{gateway.url}/bank/tokens", trust_env=False)
    assert (missing.status_code, missing.json()) == (404, {"message": "Not Found"})
    assert httpx.get(f"{gateway.url}/bank/token?state={'s' * 1_250}", trust_env=False).status_code == 200
    assert httpx.get(f"{gateway.url}/bank/token?state={'s' * 10_240}", trust_env=False).status_code == 431


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_arrives(gateway: ApiGateway, method: str) -> None:
    event = httpx.request(method, f"{gateway.url}/bank/token", trust_env=False).json()
    assert event["requestContext"]["http"]["method"] == method
    assert httpx.head(f"{gateway.url}/bank/token", trust_env=False).content == b""


def test_listens_on_loopback_alone_and_ends(gateway: ApiGateway) -> None:
    port = httpx.URL(gateway.url).port
    assert port is not None
    assert gateway._server.server_address[0] == "127.0.0.1"
    gateway._server.shutdown()
    gateway._server.server_close()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_serves_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trust)
    with ApiGateway({"ANY /{connection}/token": in_process(echo)}, tls=server) as gateway:
        assert gateway.url.startswith("https://localhost:")
        assert httpx.get(f"{gateway.url}/bank/token", verify=trust, trust_env=False).status_code == 200
