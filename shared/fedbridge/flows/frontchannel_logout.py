"""`/{connection}/frontchannel-logout`: the IdP's logout page loads ours in a frame (OpenID Connect Front-Channel Logout 1.0).

Nothing in the request is signed, and browsers withhold our cookies there. What proves it is the IdP's own name for the
session, which it and that browser alone know: only a session that was kept by that name is ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fedbridge.errors import DeadlineExceeded, StoreError, UnknownConnection, UpstreamError, UserPoolError
from fedbridge.flows.ended_sessions import end_sessions, receives_logouts
from fedbridge.model.http import SECURITY_HEADERS, Response
from fedbridge.model.session import EndedSession

if TYPE_CHECKING:
    from fedbridge.flows.services import FrontChannel
    from fedbridge.model.connection import Connection
    from fedbridge.model.http import Request

_PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Signed out</title></html>'
_FAILURES = (StoreError, UserPoolError, UpstreamError, DeadlineExceeded)


def frontchannel_logout(services: FrontChannel, request: Request) -> Response:
    """End the session that `iss` and `sid` name; the page is the same whatever happened, and empty.

    Raises UnknownConnection, RequestRefused.
    """
    connection = services.connections.get(request.connection, request.deadline)
    if not connection.logout.front_channel or not receives_logouts(connection):
        raise UnknownConnection(reason="logout_not_offered")
    query = request.query()
    issuer, sid = query.value("iss"), query.value("sid")
    if issuer is None or sid is None:
        _note(services, request, "logout_ignored", reason="logout_session_unnamed")
    elif issuer not in _issuers(connection):
        _note(services, request, "logout_ignored", reason="logout_issuer_mismatch")
    else:
        _end(services, request, connection, issuer, sid)
    return Response(status=200, headers=_headers(connection), body=_PAGE)


def _end(services: FrontChannel, request: Request, connection: Connection, issuer: str, sid: str) -> None:
    ended = EndedSession(issuer=issuer, subject=None, sid=sid, jti="", until=0)
    try:
        parties = end_sessions(services, connection, ended, request.deadline)
    except _FAILURES as failure:
        _note(services, request, "sign_out_failed", reason=failure.reason)
        return
    if parties:
        _note(services, request, "sessions_ended", client_id=",".join(parties))
    else:
        _note(services, request, "logout_ignored", reason="logout_session_unknown")


def _issuers(connection: Connection) -> frozenset[str]:
    return connection.tenants.issuers() if connection.tenants else frozenset({connection.issuer})


def _headers(connection: Connection) -> dict[str, str]:
    """Return the headers of a page that the IdP alone may frame."""
    parts = urlsplit(connection.issuer)
    hosts = [f"{parts.scheme}://{parts.netloc}", *(f"https://{host}" for host in connection.endpoint_hosts)]
    return {
        **SECURITY_HEADERS,
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": f"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors {' '.join(hosts)}",
    }


def _note(
    services: FrontChannel,
    request: Request,
    event: str,
    *,
    reason: str | None = None,
    client_id: str | None = None,
) -> None:
    services.telemetry.event(
        event,
        connection=request.connection,
        client_id=client_id,
        correlation_id=request.correlation_id,
        reason=reason,
    )
