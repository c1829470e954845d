"""Requests that reach the bridge and the answers it gives, independent of API Gateway's event shapes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from fedbridge.errors import PayloadTooLarge, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fedbridge.model.deadline import Deadline

MAX_QUERY = 8 * 1024
"""Characters. API Gateway takes 10,240 bytes of request line and headers together."""

MAX_FORM = 64 * 1024
"""Bytes of a form body: an authorization response with its tokens is far below."""

MAX_PARAMETERS = 64

SECURITY_HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=31536000",
}
"""What every answer carries, whoever makes it (documents that may be cached replace `cache-control`)."""

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Parameters(dict[str, str]):
    """Decoded parameters of a query or form, each name once; `value` treats an empty one as absent (RFC 6749 §3.1)."""

    def value(self, name: str) -> str | None:
        """Return the parameter, None when it is absent or empty."""
        return self.get(name) or None


def parse_parameters(encoded: str) -> Parameters:
    """Parse `application/x-www-form-urlencoded` text, refusing what could be read in two ways.

    Repeated names, broken percent escapes, bytes that are not UTF-8 and control characters raise RequestRefused. CR
    and LF are kept here, because a value may hold them; the endpoints refuse them where they matter. RFC 6749 §3.1:
    "Request and response parameters MUST NOT be included more than once."
    """
    parameters = Parameters()
    pieces = [piece for piece in encoded.split("&") if piece]
    if len(pieces) > MAX_PARAMETERS:
        raise RequestRefused(reason="too_many_parameters")
    for piece in pieces:
        name, _, value = piece.partition("=")
        decoded = _decode(name)
        if decoded in parameters:
            raise RequestRefused(reason="repeated_parameter")
        parameters[decoded] = _decode(value)
    return parameters


def _decode(text: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise RequestRefused(reason="malformed_encoding")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeError:
        raise RequestRefused(reason="malformed_encoding") from None
    if _CONTROL.search(decoded):
        raise RequestRefused(reason="control_character")
    return decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. Header names are lower-case; `route` is the path template (`/{connection}/authorize`).

    `authorization` headers sent more than once arrive joined with a comma, as API Gateway joins them. `cookies` are raw
    `name=value` pieces. `correlation_id` is new for every request (see `reference`). `query_is_raw` says whether `raw_query` is what was sent,
    octet for octet: a REST API hands over decoded pairs alone.
    """

    method: str
    route: str
    connection: str
    raw_query: str = ""
    query_is_raw: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    body: bytes = b""
    correlation_id: str
    deadline: Deadline

    @property
    def reference(self) -> str:
        """What is logged and shown: the id of the sign-in that the request continues, once that is known, else its own."""
        return self.deadline.correlation_id or self.correlation_id

    def query(self) -> Parameters:
        """Return the parsed query; raises RequestRefused, PayloadTooLarge."""
        if len(self.raw_query) > MAX_QUERY:
            raise PayloadTooLarge(reason="query_too_long")
        return parse_parameters(self.raw_query)

    def form(self, max_bytes: int = MAX_FORM) -> Parameters:
        """Return the parsed `application/x-www-form-urlencoded` body; raises RequestRefused, PayloadTooLarge."""
        content_type, _, parameters = self.headers.get("content-type", "").partition(";")
        if content_type.strip().lower() != "application/x-www-form-urlencoded":
            raise RequestRefused(reason="unsupported_content_type")
        charset = parameters.strip().lower().replace('"', "")
        if charset not in {"", "charset=utf-8"}:
            raise RequestRefused(reason="unsupported_charset")
        if len(self.body) > max_bytes:
            raise PayloadTooLarge(reason="body_too_large")
        try:
            return parse_parameters(self.body.decode("ascii"))
        except UnicodeDecodeError:
            raise RequestRefused(reason="malformed_encoding") from None

    def cookie_values(self, name: str) -> Iterator[str]:
        """Yield every value that the browser sent for this cookie (RFC 6265 §5.4 allows several)."""
        for piece in self.cookies:
            key, _, value = piece.strip().partition("=")
            if key == name:
                yield value


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer. `cookies` are whole `Set-Cookie` values."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    body: str = ""
