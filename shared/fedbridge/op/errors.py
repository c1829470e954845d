"""How each channel shows a failure: pages in the browser, JSON at the back channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.errors import (
    DeadlineExceeded,
    FedbridgeError,
    KeyUnavailable,
    OAuthError,
    RequestRefused,
    StoreError,
    UnknownConnection,
)
from fedbridge.op import pages
from fedbridge.op.answers import bearer_error, json_error, token_error

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.http import Request, Response

_RETRY_AFTER = {"retry-after": "2"}


def browser_error(
    correlation_id: str, error: FedbridgeError, connection: Connection | None = None
) -> Response:
    """Return the page for a failure that may not travel by redirect; a known connection offers a new start."""
    if isinstance(error, UnknownConnection):
        return pages.page(pages.NOT_FOUND, correlation_id=correlation_id, status=404)
    if isinstance(error, RequestRefused):
        message, status, headers = pages.BAD_REQUEST, error.status, error.headers
    elif is_outage(error):
        message, status, headers = pages.UNAVAILABLE, 503, _RETRY_AFTER
    else:
        message, status, headers = pages.FAILED, 500, {}
    return pages.page(
        message, correlation_id=correlation_id, status=status, connection=connection, headers=headers
    )


def back_channel_error(request: Request, error: FedbridgeError) -> Response:
    """Return the RFC-shaped JSON."""
    correlation_id = request.reference
    if isinstance(error, OAuthError):
        is_userinfo = request.route.endswith("/userinfo")
        return bearer_error(error, correlation_id) if is_userinfo else token_error(error, correlation_id)
    if isinstance(error, UnknownConnection):
        return json_error("invalid_request", "there is nothing at this address", correlation_id, status=404)
    if isinstance(error, RequestRefused):
        return json_error(
            "invalid_request",
            "the request is malformed",
            correlation_id,
            status=error.status,
            headers=error.headers,
        )
    if is_outage(error):
        return json_error(
            "temporarily_unavailable", "try again", correlation_id, status=503, headers=_RETRY_AFTER
        )
    return json_error("server_error", "something went wrong on our side", correlation_id, status=500)


def is_outage(error: FedbridgeError) -> bool:
    """Tell what waiting may mend: a 503 rather than a 500."""
    return isinstance(error, (StoreError, DeadlineExceeded, KeyUnavailable))
