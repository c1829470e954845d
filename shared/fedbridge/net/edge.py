"""The way in: from a Lambda event through the routes to a result, and one boundary that no exception crosses.

Standard library only, because the back channel's cold start pays for every import.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.errors import (
    ConfigurationError,
    FedbridgeError,
    MethodNotAllowed,
    OAuthError,
    RequestRefused,
    UnknownConnection,
)
from fedbridge.model.http import MAX_FORM, SECURITY_HEADERS, Request, Response
from fedbridge.net import events

if TYPE_CHECKING:
    from fedbridge.ports import Telemetry

Endpoint = Callable[[Request], Response]

Routes = Mapping[str, Mapping[str, Endpoint]]
"""Path template (`/{connection}/token`) → method → what answers it."""

ErrorRenderer = Callable[[Request, FedbridgeError], Response]
"""How a channel shows a failure. The request may be an outline: route and correlation id, the rest empty."""

_PACKAGE = str(Path(__file__).parents[1]) + "/"


def serve(
    event: Any,
    context: Any,
    *,
    routes: Routes,
    telemetry: Telemetry,
    budget: float,
    on_error: ErrorRenderer,
    max_body: int = MAX_FORM,
) -> dict[str, Any]:
    """Answer one event of payload 2.0 or 1.0 with a result of the same payload. Never raises.

    `budget` is in seconds, `max_body` in bytes. Every exception is recorded once, here, and shown by `on_error`; one
    that is not a FedbridgeError is shown as a bare FedbridgeError (`internal_error`), so that its text goes nowhere.
    """
    request = events.outline(event, context, budget)
    rest = events.is_rest(event)
    try:
        endpoint = _find(request, routes)
        request = events.read(event, request, max_body)
        return events.result(endpoint(request), rest=rest)
    except Exception as error:  # noqa: BLE001  the boundary: the platform would log the message and answer 502
        return _fail(request, error, telemetry=telemetry, on_error=on_error, rest=rest)


def _find(request: Request, routes: Routes) -> Endpoint:
    if not request.route:
        raise RequestRefused(reason="malformed_event")
    methods = routes.get(request.route)
    if methods is None:
        raise UnknownConnection(reason="unknown_route")
    endpoint = methods.get(request.method)
    if endpoint is None:
        raise MethodNotAllowed(headers={"allow": ", ".join(sorted(methods))})
    return endpoint


def _fail(
    request: Request, error: Exception, *, telemetry: Telemetry, on_error: ErrorRenderer, rest: bool
) -> dict[str, Any]:
    try:
        _record(request, error, telemetry)
        shown = error if isinstance(error, FedbridgeError) else FedbridgeError()
        return events.result(on_error(request, shown), rest=rest)
    except Exception as second:  # noqa: BLE001  what shows failures has failed itself
        # If it is the telemetry that is broken there is nobody left to tell; the caller still gets an answer.
        with contextlib.suppress(Exception):
            _record(request, second, telemetry)
        return events.result(_last_resort(request), rest=rest)


def _last_resort(request: Request) -> Response:
    return Response(
        status=500,
        headers={**SECURITY_HEADERS, "content-type": "text/plain; charset=utf-8"},
        body=f"Something went wrong. Reference: {request.reference}\n",
    )


def _record(request: Request, error: Exception, telemetry: Telemetry) -> None:
    """Record the failure: the reason of an expected one, type and place of any other, the message of neither."""
    fields: dict[str, str | int | None] = {
        "reason": error.reason if isinstance(error, FedbridgeError) else FedbridgeError.reason,
        "correlation_id": request.reference,
        "connection": request.connection or None,
        "route": request.route or None,
        "method": request.method or None,
        "calls": request.deadline.trail.calls,
    }
    match error:
        case RequestRefused():
            telemetry.event("request_refused", **fields, status=error.status)
        case OAuthError():
            telemetry.event("token_refused", **fields, error=error.error, status=error.status)
        case ConfigurationError():
            telemetry.event("configuration_error", **fields, **place(error))
        case FedbridgeError():
            telemetry.event("request_failed", **fields)
        case _:
            telemetry.event("internal_error", **fields, **place(error), status=500)


def place(error: Exception) -> dict[str, str]:
    """Return the exception's type, and file and line of the innermost frame in fedbridge."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    location = "unknown"
    frame = error.__traceback__
    while frame is not None:
        path = frame.tb_frame.f_code.co_filename
        if path.startswith(_PACKAGE):
            location = f"fedbridge/{path.removeprefix(_PACKAGE)}:{frame.tb_lineno}"
        frame = frame.tb_next
    return {"exception": name, "location": location}
