"""The way out, watched: what the runtime forgets of an answer tells an operator what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from fedbridge.strict_json import InvalidJson, decode_object

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Clock, HttpClient, OutboundRequest, OutboundResponse

MOST = 200
"""Characters of an IdP's own words that are shown."""

_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer. `ahead` is by how many seconds its server's clock is ahead of ours, None where it has no Date.

    `description` is the IdP's `error_description` (RFC 6749 §5.2), bounded and in one line; `body` is of a GET alone.
    """

    method: str
    url: str
    status: int
    ahead: float | None
    description: str | None = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)


class Observed:
    """An `HttpClient` that notes in `seen` what came back."""

    def __init__(self, http: HttpClient, clock: Clock, seen: list[Seen]) -> None:
        self._http = http
        self._clock = clock
        self._seen = seen

    def send(self, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        """Send as the client within does."""
        response = self._http.send(request, deadline)
        self._seen.append(
            Seen(
                method=request.method,
                url=request.url,
                status=response.status,
                ahead=_ahead(response, self._clock()),
                description=_description(response),
                body=response.body if request.method == "GET" else b"",
            )
        )
        return response


def one_line(text: Any) -> str | None:
    """Return what somebody else wrote as it may be printed, None where it is no text."""
    if not isinstance(text, str) or not text.strip():
        return None
    return printable(text[:MOST]).strip()


def printable(text: str) -> str:
    """Return a text without what a terminal would obey instead of showing it: control codes, line ends, marks of direction."""
    return "".join(char if char.isprintable() else " " for char in text)


def _ahead(response: OutboundResponse, now: float) -> float | None:
    """Return the server's time less ours; a cache on the way says for how long it kept the answer (RFC 9111 §5.1)."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    age = response.headers.get("age", "")
    return date + (int(age) if _SECONDS.fullmatch(age) else 0) - now


def _description(response: OutboundResponse) -> str | None:
    if response.status < 400:
        return None
    try:
        return one_line(decode_object(response.body).get("error_description"))
    except InvalidJson:
        return None
