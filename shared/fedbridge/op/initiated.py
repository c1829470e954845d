"""What the browser carries between the assertion that an IdP sent of its own accord and the flow that the app begins.

The cookie holds a handle and nothing else. `SameSite=Lax`: only a page that the person sees can set or use it, no frame.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.http import Request

NAME = "__Host-fedbridge-initiated"

_VALUE = re.compile(r"[0-9A-Za-z]{43}")


def read(request: Request) -> str | None:
    """Return the handle, None when it is absent, malformed or sent twice with different values."""
    values = {value for value in request.cookie_values(NAME) if _VALUE.fullmatch(value)}
    return values.pop() if len(values) == 1 else None


def write(handle: str, max_age: int) -> str:
    """Return the Set-Cookie value; `max_age` is in seconds."""
    return f"{NAME}={handle}; Path=/; Max-Age={max_age}; Secure; HttpOnly; SameSite=Lax"


def clear() -> str:
    """Return the Set-Cookie value that takes it back."""
    return write("", 0)


def with_parameters(url: str, parameters: Mapping[str, str | None]) -> str:
    """Return a registered URL with the parameters that have a value behind its own query."""
    query = urlencode(
        [(name, value) for name, value in parameters.items() if value is not None], quote_via=quote, safe=""
    )
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"
