"""Lambda events of API Gateway, and its HTTP responses out of what functions answer; nothing here does any I/O.

`http_api_event` is payload 2.0 as an HTTP API makes it, `rest_api_event` payload 1.0 as a REST API does.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

Event = dict[str, Any]
_TEXTUAL = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as it came in: `target` is path and query as they were sent, header names in their own spelling."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        return ",".join(value for each, value in self.headers if each.lower() == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The route that a request met."""

    key: str
    parameters: Mapping[str, str]

    @property
    def template(self) -> str:
        return self.key.partition(" ")[2]


def match_route(keys: Sequence[str], method: str, path: str) -> Match | None:
    """The most specific route key, such as `ANY /{connection}/token`, that takes this request."""
    best: tuple[tuple[int, bool], Match] | None = None
    segments = path.split("/")
    for key in keys:
        allowed, _, template = key.partition(" ")
        parts = template.split("/")
        if allowed not in {"ANY", method} or len(parts) != len(segments):
            continue
        pairs = list(zip(parts, segments, strict=True))
        if not all(bool(segment) if part.startswith("{") else part == segment for part, segment in pairs):
            continue
        parameters = {part[1:-1]: unquote(segment) for part, segment in pairs if part.startswith("{")}
        rank = (-len(parameters), allowed != "ANY")
        if best is None or rank > best[0]:
            best = rank, Match(key=key, parameters=parameters)
    return best[1] if best else None


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _added_headers(request: HttpRequest) -> list[tuple[str, str]]:
    return [
        ("X-Amzn-Trace-Id", "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e"),
        ("X-Forwarded-For", request.source_ip),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]


def http_api_event(request: HttpRequest, match: Match, *, stage: str = "$default") -> Event:
    """Payload 2.0: lower-case header names, repeated values joined by commas, cookies apart, absent means absent.

    The path is decoded, which is what API Gateway's `rawPath` is in spite of its name. Bodies that are not text or
    JSON, forms among them, arrive in base64.
    """
    headers = _joined(
        [
            (name.lower(), value)
            for name, value in [*request.headers, *_added_headers(request)]
            if name.lower() != "cookie"
        ]
    )
    cookies = [
        cookie.strip()
        for name, value in request.headers
        if name.lower() == "cookie"
        for cookie in value.split(";")
    ]
    query = _joined(parse_qsl(request.query, keep_blank_values=True))
    prefix = "" if stage == "$default" else f"/{stage}"
    path = prefix + unquote(request.path)
    domain = request.header("host")
    now = time.time()
    event: Event = {
        "version": "2.0",
        "routeKey": match.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api0example",
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
            "requestId": uuid.uuid4().hex[:15] + "=",
            "routeKey": match.key,
            "stage": stage,
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    optional = {"cookies": cookies, "queryStringParameters": query, "pathParameters": dict(match.parameters)}
    event |= {name: value for name, value in optional.items() if value}
    if request.body:
        textual = request.header("content-type").startswith(_TEXTUAL)
        event["isBase64Encoded"] = not textual
        event["body"] = request.body.decode() if textual else base64.b64encode(request.body).decode()
    return event


def rest_api_event(
    request: HttpRequest, match: Match, *, stage: str = "prod", binary_media_types: Sequence[str] = ()
) -> Event:
    """Payload 1.0 of a REST API: names as sent, the last of repeated values beside all of them, absent means null.

    A body is text unless its type is one of the API's binary media types, `*/*` for all.
    """
    headers = [*request.headers, *_added_headers(request)]
    query = parse_qsl(request.query, keep_blank_values=True)
    kind = request.header("content-type").partition(";")[0]
    binary = kind in binary_media_types or "*/*" in binary_media_types
    body = base64.b64encode(request.body).decode() if binary else request.body.decode(errors="replace")
    now = time.time()
    path = unquote(request.path)
    return {
        "resource": match.template,
        "path": path,
        "httpMethod": request.method,
        "headers": dict(headers),
        "multiValueHeaders": _grouped(headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _grouped(query) or None,
        "pathParameters": dict(match.parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api0example",
            "domainName": request.header("host"),
            "domainPrefix": request.header("host").partition(".")[0],
            "extendedRequestId": uuid.uuid4().hex[:15] + "=",
            "httpMethod": request.method,
            "identity": {"sourceIp": request.source_ip, "userAgent": request.header("user-agent")},
            "path": f"/{stage}{path}",
            "protocol": "HTTP/1.1",
            "requestId": str(uuid.uuid4()),
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": "res0ex",
            "resourcePath": match.template,
            "stage": stage,
        },
        "body": body if request.body else None,
        "isBase64Encoded": bool(request.body) and binary,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


class MalformedResponseError(Exception):
    """The function's answer is none that API Gateway can make a response of."""


def _body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponseError(f"body is a {type(body).__name__}")
    return base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()


def http_api_response(answer: Any) -> HttpResponse:
    """A response from payload 2.0. Without `statusCode` the whole answer is a JSON body. `cookies` become headers."""
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        body = answer if isinstance(answer, str) else json.dumps(answer)
        return HttpResponse(status=200, headers=[("content-type", "application/json")], body=body.encode())
    headers = {"content-type": "text/plain; charset=utf-8"}
    headers |= {name.lower(): str(value) for name, value in (answer.get("headers") or {}).items()}
    cookies = [("set-cookie", cookie) for cookie in answer.get("cookies") or ()]
    return HttpResponse(
        status=int(answer["statusCode"]), headers=[*headers.items(), *cookies], body=_body(answer)
    )


def rest_api_response(answer: Any) -> HttpResponse:
    """A response from payload 1.0. An answer without an integer `statusCode` is malformed."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("statusCode"), int):
        raise MalformedResponseError(f"no statusCode: {answer!r:.200}")
    several = {name.lower(): values for name, values in (answer.get("multiValueHeaders") or {}).items()}
    single = {name.lower(): [str(value)] for name, value in (answer.get("headers") or {}).items()}
    headers = {"content-type": ["application/json"]} | single | several
    pairs = [(name, str(value)) for name, values in headers.items() for value in values]
    return HttpResponse(status=answer["statusCode"], headers=pairs, body=_body(answer))
