"""API Gateway's events and results: payload 2.0 (HTTP API) and 1.0 (REST API), told apart by their shape.

Everything is read raw, because the convenient members lie: 2.0 joins repeated parameters with a comma, REST drops all
but the last. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fedbridge.errors import PayloadTooLarge, RequestRefused, UnknownConnection
from fedbridge.model.deadline import MARGIN, Deadline
from fedbridge.model.http import Request

if TYPE_CHECKING:
    from fedbridge.model.http import Response

# What may be looked up at all; the registry knows the exact shape. A percent sign here was encoded twice.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # nobody mistakes I, L, O or U
_CORRELATION_ID_LENGTH = 16  # 80 bits


def outline(event: Any, context: Any, budget: float) -> Request:
    """Return what is certain before anything can be refused: method, route, a new correlation id, the deadline.

    What the event does not say is empty. `budget` is in seconds; Lambda's own limit, less a margin, shortens it.
    """
    parts = _mapping(event)
    if is_rest(event):
        method, route = parts.get("httpMethod"), parts.get("resource")
    else:
        method = _mapping(_mapping(parts.get("requestContext")).get("http")).get("method")
        _, _, route = _text(parts.get("routeKey")).partition(" ")
    correlation_id = new_correlation_id()
    return Request(
        method=_text(method),
        route=_text(route),
        connection="",
        correlation_id=correlation_id,
        deadline=Deadline.after(min(budget, _time_left(context)), correlation_id=correlation_id),
    )


def is_rest(event: Any) -> bool:
    """Tell whether the event, and so its result, has the shape of payload 1.0."""
    return "httpMethod" in _mapping(event)


def read(event: Any, outlined: Request, max_body: int) -> Request:
    """Return the whole request of either payload; raises RequestRefused, PayloadTooLarge, UnknownConnection."""
    rest = is_rest(event)
    lines = list(_rest_header_lines(event) if rest else _strings(event.get("headers")))
    headers: dict[str, str] = {}
    for name, value in lines:
        # As API Gateway does: who needs one value sees that there were two.
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    cookie_lines = _cookie_member(event) + [value for name, value in lines if name == "cookie"]
    headers.pop("cookie", None)
    return replace(
        outlined,
        connection=_connection(event),
        raw_query=_rest_query(event) if rest else _optional_text(event, "rawQueryString"),
        query_is_raw=not rest,
        headers=headers,
        cookies=_cookies(cookie_lines),
        body=_body(event, max_body),
    )


def result(response: Response, *, rest: bool) -> dict[str, Any]:
    """Return the response as API Gateway takes it; raises ValueError where a header would be more than one line."""
    for name, value in (*response.headers.items(), *(("set-cookie", cookie) for cookie in response.cookies)):
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"the value of the header {name} is not one line of ASCII")
    answer: dict[str, Any] = {"statusCode": response.status, "body": response.body, "isBase64Encoded": False}
    if rest:
        several = {name: [value] for name, value in response.headers.items()}
        if response.cookies:
            several["set-cookie"] = list(response.cookies)
        return answer | {"multiValueHeaders": several}
    return answer | {"headers": dict(response.headers), "cookies": list(response.cookies)}


def new_correlation_id() -> str:
    """Return a reference that people can read out: 80 random bits."""
    bits = secrets.randbits(5 * _CORRELATION_ID_LENGTH)
    return "".join(_CROCKFORD[bits >> 5 * place & 31] for place in range(_CORRELATION_ID_LENGTH))


def _time_left(context: Any) -> float:
    """Return the seconds that Lambda leaves for work; endless where no platform sets a limit."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    left = ask() if callable(ask) else None
    return left / 1000 - MARGIN if isinstance(left, (int, float)) else float("inf")


def _connection(event: Mapping[str, Any]) -> str:
    """Return the path parameter, which API Gateway has decoded once: nothing is left to decode in a name."""
    name = dict(_strings(event.get("pathParameters"))).get("connection", "")
    if not _NAME.fullmatch(name):
        raise UnknownConnection
    return name


def _rest_header_lines(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    several = event.get("multiValueHeaders")
    return _several_strings(several) if several is not None else _strings(event.get("headers"))


def _rest_query(event: Mapping[str, Any]) -> str:
    """Return a query that decodes to exactly the pairs that API Gateway decoded, each as often as it was sent."""
    several = event.get("multiValueQueryStringParameters")
    pairs = (
        _several_strings(several, lower=False)
        if several is not None
        else _strings(event.get("queryStringParameters"), lower=False)
    )
    try:
        return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can carry and UTF-8 cannot
        raise RequestRefused(reason="malformed_encoding") from None


def _cookie_member(event: Mapping[str, Any]) -> list[str]:
    """Return what 2.0 has apart from the headers; absent or null where there are none, and in some emulators always."""
    cookies = event.get("cookies")
    if cookies is None:
        return []
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise _malformed()
    return cookies


def _cookies(lines: list[str]) -> tuple[str, ...]:
    pieces = (piece.strip() for line in lines for piece in line.split(";"))
    return tuple(dict.fromkeys(piece for piece in pieces if piece))


def _body(event: Mapping[str, Any], max_body: int) -> bytes:
    text = _optional_text(event, "body")
    encoded = event.get("isBase64Encoded") or False
    if not isinstance(encoded, bool):
        raise _malformed()
    if len(text) > (max_body + 2) // 3 * 4 if encoded else len(text) > max_body:
        raise PayloadTooLarge(reason="body_too_large")
    try:
        body = base64.b64decode(text.encode("ascii"), validate=True) if encoded else text.encode("utf-8")
    except (binascii.Error, UnicodeEncodeError):
        raise RequestRefused(reason="malformed_encoding") from None
    if len(body) > max_body:
        raise PayloadTooLarge(reason="body_too_large")
    return body


def _strings(member: Any, *, lower: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the pairs of an object of strings; absent and null are empty."""
    if member is None:
        return
    if not isinstance(member, Mapping):
        raise _malformed()
    for name, value in member.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise _malformed()
        yield name.lower() if lower else name, value


def _several_strings(member: Any, *, lower: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the pairs of an object of lists of strings, repeats included."""
    if not isinstance(member, Mapping):
        raise _malformed()
    for name, values in member.items():
        if not isinstance(values, list):
            raise _malformed()
        for value in values:
            yield from _strings({name: value}, lower=lower)


def _optional_text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed()
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _malformed() -> RequestRefused:
    return RequestRefused(reason="malformed_event")
