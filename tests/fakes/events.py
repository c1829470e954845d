"""API Gateway events as the service sends them, payload 2.0 and 1.0, for one and the same request."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

Pairs = Sequence[tuple[str, str]]


@dataclass
class LambdaContext:
    """What handlers ask of the context. `remaining` in milliseconds."""

    remaining: int = 29_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


def http_event(
    method: str,
    template: str,
    connection: str = "acme",
    *,
    query: str = "",
    headers: Pairs = (),
    cookies: Sequence[str] = (),
    body: bytes | None = None,
) -> dict[str, Any]:
    """Return an HTTP API event (payload format 2.0). `template` is the route's path, `query` the raw query."""
    path = template.replace("{connection}", connection)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"ANY {template}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": _joined(headers),
        "pathParameters": {"connection": connection},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "routeKey": f"ANY {template}",
            "stage": "$default",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": body is not None,
    }
    if query:
        event["queryStringParameters"] = _joined(parse_qsl(query, keep_blank_values=True))
    if cookies:
        event["cookies"] = list(cookies)
    if body is not None:
        event["body"] = base64.b64encode(body).decode("ascii")
    return event


def rest_event(
    method: str,
    template: str,
    connection: str = "acme",
    *,
    query: str = "",
    headers: Pairs = (),
    cookies: Sequence[str] = (),
    body: bytes | None = None,
) -> dict[str, Any]:
    """Return the REST API event (payload format 1.0) of the same request; header names keep their case there."""
    path = template.replace("{connection}", connection)
    lines = [*headers, *([("Cookie", "; ".join(cookies))] if cookies else [])]
    pairs = parse_qsl(query, keep_blank_values=True)
    return {
        "resource": template,
        "path": path,
        "httpMethod": method,
        "headers": dict(lines) or None,
        "multiValueHeaders": _several(lines),
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": _several(pairs),
        "pathParameters": {"connection": connection},
        "requestContext": {
            "resourcePath": template,
            "httpMethod": method,
            "path": f"/prod{path}",
            "stage": "prod",
        },
        "body": None if body is None else body.decode("utf-8"),
        "isBase64Encoded": False,
    }


def _joined(pairs: Pairs) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _several(pairs: Pairs) -> Mapping[str, list[str]] | None:
    several: dict[str, list[str]] = {}
    for name, value in pairs:
        several.setdefault(name, []).append(value)
    return several or None
