"""From a failure to what Cognito is told: registered codes, our own words, one correlation id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.errors import (
    DeadlineExceeded,
    FedbridgeError,
    KeyUnavailable,
    OAuthError,
    StoreError,
    UpstreamError,
)
from fedbridge.op.answers import authorization_response, describe, redirect
from fedbridge.op.errors import browser_error

if TYPE_CHECKING:
    from fedbridge.flows.services import Services
    from fedbridge.model.http import Request, Response

_TRY_AGAIN = "Sign-in is not available right now. Try again."
_OUR_FAULT = "The sign-in could not be completed because of a problem on our side."


def to_oauth_error(failure: FedbridgeError) -> OAuthError:
    """Return the error for the relying party; the reason stays the failure's own."""
    if isinstance(failure, OAuthError):
        return failure
    if isinstance(failure, UpstreamError):
        return OAuthError(failure.error, failure.description, reason=failure.reason)
    transient = isinstance(failure, (StoreError, DeadlineExceeded)) or (
        isinstance(failure, KeyUnavailable) and failure.transient
    )
    if transient:
        return OAuthError("temporarily_unavailable", _TRY_AGAIN, reason=failure.reason, status=503)
    return OAuthError("server_error", _OUR_FAULT, reason=failure.reason, status=500)


def redirect_with_error(
    redirect_uri: str, state: str | None, error: OAuthError, correlation_id: str, *, after_post: bool = False
) -> Response:
    """Return the error response (RFC 6749 §4.1.2.1): `error`, a description with the id, and the client's own state."""
    parameters = {
        "error": error.error,
        "error_description": describe(error.description, correlation_id),
        "state": state,
    }
    return redirect(authorization_response(redirect_uri, parameters), after_post=after_post)


def refuse_browser(services: Services, request: Request, error: FedbridgeError) -> Response:
    """Return the page for what may not travel by redirect, with a way back to the application where one is known."""
    try:
        connection = services.connections.get(request.connection, request.deadline)
    except FedbridgeError:
        # The page then offers no way back; the failure that it tells of is logged already.
        connection = None
    return browser_error(request.reference, error, connection)
