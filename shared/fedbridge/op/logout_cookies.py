"""Two cookies of signing out, a pair for each connection: the session that was kept, and a sign-out under way.

`SameSite=Lax`: both are read when the browser itself comes here, never when another site loads or posts something.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedbridge.model.http import Request

TRIP_LIFETIME = 600
"""Seconds that a person may take at the IdP, which often asks once more."""

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"
_HANDLE = re.compile(r"[0-9A-Za-z]{43}")
_TRIP = re.compile(r"[0-9a-f]{64}(?:\.[0-9A-Za-z_-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A sign-out under way: a digest of our `state` and of where it ends, and the application's own state."""

    landing: str
    client_state: str | None = field(repr=False)


def read_session(request: Request) -> str | None:
    """Return the handle of the session that was kept, None when it is absent, malformed or sent twice."""
    return _only(request, _session(request.connection), _HANDLE)


def write_session(connection: str, handle: str, lifetime: int) -> str:
    """Return the Set-Cookie value; `lifetime` in seconds."""
    return f"{_session(connection)}={handle}; Max-Age={lifetime}; {_ATTRIBUTES}"


def forget_session(connection: str) -> str:
    """Return the Set-Cookie value that removes it."""
    return f"{_session(connection)}=; Max-Age=0; {_ATTRIBUTES}"


def read_trip(request: Request) -> Trip | None:
    """Return the sign-out under way in this browser, if there is one."""
    value = _only(request, _trip(request.connection), _TRIP)
    if value is None:
        return None
    landing, *encoded = value.split(".")
    try:
        client_state = base64.urlsafe_b64decode(encoded[0] + "==").decode("ascii") if encoded else None
    except ValueError:
        return None
    return Trip(landing=landing, client_state=client_state)


def write_trip(connection: str, trip: Trip) -> str:
    """Return the Set-Cookie value."""
    value = trip.landing
    if trip.client_state is not None:
        encoded = base64.urlsafe_b64encode(trip.client_state.encode("ascii")).rstrip(b"=").decode("ascii")
        value = f"{value}.{encoded}"
    return f"{_trip(connection)}={value}; Max-Age={TRIP_LIFETIME}; {_ATTRIBUTES}"


def forget_trip(connection: str) -> str:
    """Return the Set-Cookie value that removes it."""
    return f"{_trip(connection)}=; Max-Age=0; {_ATTRIBUTES}"


def _session(connection: str) -> str:
    return f"__Host-fedbridge-session-{connection}"


def _trip(connection: str) -> str:
    return f"__Host-fedbridge-logout-{connection}"


def _only(request: Request, name: str, shape: re.Pattern[str]) -> str | None:
    values = {value for value in request.cookie_values(name) if shape.fullmatch(value)}
    return values.pop() if len(values) == 1 else None
