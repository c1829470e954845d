"""The local gateway makes the events that an HTTP API makes."""

import base64
import http.client
import json
import threading

import pytest

from fedbridge.cli.gateway import Gateway


@pytest.fixture
def seen():
    return []


@pytest.fixture
def server(seen):
    def handler(event, context):
        seen.append((event, context))
        return {"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["c=1; Path=/", "d=2"], "body": "hé"}

    with Gateway(("127.0.0.1", 0), {"/{connection}/token": handler, "/{connection}/a.b": handler}) as gateway:
        thread = threading.Thread(target=gateway.serve_forever, args=(0.01,))
        thread.start()
        yield gateway
        gateway.shutdown()
        thread.join()


def _send(server, method, target, body=None, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
    connection.putrequest(method, target)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    answered = response.status, response.headers, response.read()
    connection.close()
    return answered


def test_a_request_becomes_a_payload_2_0_event(server, seen):
    sent = [
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("Cookie", "a=1; b=2"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    status, headers, body = _send(server, "POST", "/ac%20me/token?x=1&x=2&y=%2C", b"code=1%2B2", sent)
    assert (status, body.decode()) == (201, "hé")
    assert headers.get_all("set-cookie") == ["c=1; Path=/", "d=2"]
    event, context = seen[0]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "ANY /{connection}/token"
    assert event["pathParameters"] == {"connection": "ac me"}
    assert event["rawQueryString"] == "x=1&x=2&y=%2C"
    assert event["queryStringParameters"] == {"x": "1,2", "y": ","}
    assert event["headers"]["x-twice"] == "1,2"
    assert "cookie" not in event["headers"]
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"code=1%2B2"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert 28_000 < context.get_remaining_time_in_millis() <= 29_000
    json.dumps(event)


def test_a_path_without_a_route_is_the_gateways_own_404(server, seen):
    for path in ("/", "/acme", "/acme/other", "/acme/token/", "//token", "/acme/aXb"):
        status, _, body = _send(server, "GET", path)
        assert status == 404
        assert json.loads(body) == {"message": "Not Found"}
    assert not seen


def test_a_body_beyond_the_gateways_limit_is_refused(server, seen):
    status, _, _ = _send(server, "POST", "/acme/token", headers=[("content-length", str(11 * 1024 * 1024))])
    assert status == 413
    assert not seen
