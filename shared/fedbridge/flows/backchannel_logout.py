"""`/{connection}/backchannel-logout`: the IdP tells us that a session has ended (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fedbridge.errors import (
    DeadlineExceeded,
    FedbridgeError,
    OAuthError,
    StoreError,
    UnknownConnection,
    UpstreamError,
    UserPoolError,
)
from fedbridge.flows.ended_sessions import end_sessions, receives_logouts
from fedbridge.flows.handles import Purpose, digest
from fedbridge.model.deadline import MARGIN
from fedbridge.model.http import SECURITY_HEADERS, Response

if TYPE_CHECKING:
    from fedbridge.flows.services import BackChannel
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Request
    from fedbridge.model.session import EndedSession

_FAILURES = (StoreError, UserPoolError, DeadlineExceeded)


def backchannel_logout(services: BackChannel, request: Request) -> Response:
    """Answer a logout token: 200 when nobody of that session is signed in any more, 400 otherwise (§2.8).

    The token is taken once, by a conditional write, and given back if what it asks for could not be done, so that the
    IdP may send it again. Raises OAuthError, UnknownConnection, RequestRefused.
    """
    connection = services.connections.get(request.connection, request.deadline)
    if not connection.logout.back_channel or not receives_logouts(connection):
        raise UnknownConnection(reason="logout_not_offered")
    token = request.form().value("logout_token")
    if token is None:
        raise _refused("logout_token_missing")
    try:
        ended = services.logout_tokens().verify(connection, token, request.deadline)
        parties = _end_once(services, request, connection, ended)
    except UpstreamError as failure:
        raise _refusal(failure) from failure
    except _FAILURES as failure:
        raise _unavailable(failure) from failure
    services.telemetry.event(
        "sessions_ended" if parties else "logout_ignored",
        connection=connection.name,
        client_id=",".join(parties) or None,
        correlation_id=request.correlation_id,
        reason=None if parties else "logout_session_unknown",
    )
    return Response(status=200, headers=dict(SECURITY_HEADERS))


def _end_once(
    services: BackChannel, request: Request, connection: Connection, ended: EndedSession
) -> list[str]:
    """Take the token and end what it says; returns the client ids of the pools that knew the user."""
    replays, scope = services.replays(), services.scope(connection)
    message = digest(Purpose.LOGOUT_TOKEN, scope, ended.issuer, ended.jti).hex()
    if not replays.take(message, until=ended.until, now=services.now(), deadline=request.deadline):
        raise _refused("logout_token_replayed")
    try:
        return end_sessions(services, connection, ended, request.deadline)
    except FedbridgeError:
        replays.release(message, _time_to_release(request.deadline))
        raise


def _time_to_release(deadline: Deadline) -> Deadline:
    """Return the deadline, or a moment of the margin behind it: what ran out of time may be sent again, too."""
    return replace(deadline, at=max(deadline.at, deadline.monotonic() + MARGIN / 2))


def _refused(reason: str) -> OAuthError:
    return OAuthError("invalid_request", "the logout token is refused", reason=reason)


def _refusal(failure: UpstreamError) -> OAuthError:
    if failure.error == "temporarily_unavailable":
        return _unavailable(failure)
    return _refused(failure.reason)


def _unavailable(failure: FedbridgeError) -> OAuthError:
    """Return the answer for what did not happen; 400 as the specification has it, whosever fault it is."""
    return OAuthError("temporarily_unavailable", "nobody was signed out; try again", reason=failure.reason)
