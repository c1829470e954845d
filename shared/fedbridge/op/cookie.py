"""The cookie that ties a sign-in to the browser that began it.

One random value a browser, reused while well-formed, so that tabs and connections live side by side; what is stored is
bound to value, connection and transaction. `SameSite=None` because a form_post callback is a cross-site POST.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedbridge.model.http import Request

NAME = "__Host-fedbridge"
MAX_AGE = 3600
"""Seconds; renewed by every authorize."""

_VALUE = re.compile(r"[0-9A-Za-z]{43}")


def read(request: Request) -> str | None:
    """Return the browser's value, None when it is absent, malformed or sent twice with different values."""
    values = {value for value in request.cookie_values(NAME) if _VALUE.fullmatch(value)}
    return values.pop() if len(values) == 1 else None


def write(value: str) -> str:
    """Return the Set-Cookie value (RFC 6265bis §4.1.3.2 for the prefix)."""
    return f"{NAME}={value}; Path=/; Max-Age={MAX_AGE}; Secure; HttpOnly; SameSite=None"
