"""Sessions that are kept for signing out: written at the end of a sign-in, found by the browser or by the IdP.

An item holds two seals. What the IdP wants to be told opens with a secret that only the browser's cookie has; who it is in
the user pool opens with the IdP's own name for the session, of which the store knows a hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedbridge.errors import DeadlineExceeded, StoreError
from fedbridge.flows.handles import ID_LENGTH, SECRET_LENGTH, Handle, draw, parse_handle, session_id
from fedbridge.flows.sealing import Label, Scope, SealBroken, seal, unseal
from fedbridge.model.session import Session, UpstreamSession
from fedbridge.op import logout_cookies

if TYPE_CHECKING:
    from fedbridge.flows.services import FrontChannel, Services
    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Request

MIN_SID = 16
"""Characters. A session's name opens what is sealed under it, so a short one is not kept by name."""


def keep_session(
    services: FrontChannel,
    connection: Connection,
    upstream: UpstreamSession,
    *,
    subject: str,
    client_id: str,
    deadline: Deadline,
) -> tuple[str, ...]:
    """Keep it by one write; returns the cookie. A session that cannot be kept fails no sign-in, and is an event."""
    reason = "session_store_missing"
    if services.sessions is not None:
        session, handle = new_session(services, connection, upstream, subject=subject, client_id=client_id)
        try:
            services.sessions.put(session, deadline)
        except (StoreError, DeadlineExceeded) as failure:
            reason = failure.reason
        else:
            lifetime = connection.logout.session_lifetime
            return (logout_cookies.write_session(connection.name, str(handle), lifetime),)
    services.telemetry.event(
        "session_not_kept",
        connection=connection.name,
        client_id=client_id,
        correlation_id=deadline.correlation_id,
        reason=reason,
    )
    return ()


def new_session(
    services: Services, connection: Connection, upstream: UpstreamSession, *, subject: str, client_id: str
) -> tuple[Session, Handle]:
    """Return the item, and the handle that finds and opens it from the browser."""
    scope, expires_at = services.scope(connection), services.now() + connection.logout.session_lifetime
    sid = upstream.sid if upstream.sid is not None and len(upstream.sid) >= MIN_SID else None
    key = draw(ID_LENGTH) if sid is None else session_id(scope, upstream.issuer, sid, client_id)
    handle = Handle(key, draw(SECRET_LENGTH))
    session = Session(
        id=key,
        connection=connection.name,
        expires_at=expires_at,
        sealed_logout=seal(
            handle.secret, _label(scope, key, expires_at, "logout"), dict(upstream.remembered)
        ),
        sealed_subject=seal(sid, _label(scope, key, expires_at, "subject"), subject) if sid else None,
    )
    return session, handle


def recall_for_browser(services: FrontChannel, request: Request, connection: Connection) -> Mapping[str, str]:
    """Return what the IdP wants to be told about this browser's session; empty where nothing was kept, or nothing opens.

    Raises StoreUnavailable, DeadlineExceeded.
    """
    handle = parse_handle(logout_cookies.read_session(request))
    if handle is None or services.sessions is None:
        return {}
    session = _live(services, connection, services.sessions.read(handle.id, request.deadline))
    return (session and _open(services, connection, session, handle.secret, "logout")) or {}


def recall_by_name(
    services: Services,
    connection: Connection,
    party: RelyingParty,
    *,
    issuer: str,
    sid: str,
    deadline: Deadline,
) -> tuple[str, str] | None:
    """Return the session's id and whose it is (what Cognito got as `sub`), None where it is not known.

    Raises StoreUnavailable, DeadlineExceeded.
    """
    if services.sessions is None or len(sid) < MIN_SID:
        return None
    key = session_id(services.scope(connection), issuer, sid, party.client_id)
    session = _live(services, connection, services.sessions.read(key, deadline))
    subject = session and _open(services, connection, session, sid, "subject")
    return (key, subject) if subject else None


def _live(services: Services, connection: Connection, session: Session | None) -> Session | None:
    """Return the session if it is this connection's and has not expired: the table's TTL only cleans up."""
    if session is None or session.connection != connection.name or session.expires_at <= services.now():
        return None
    return session


def _label(scope: Scope, key: str, expires_at: int, purpose: str) -> Label:
    return Label(scope=scope, purpose=f"session/{purpose}", transaction_id=key, expires_at=expires_at)


def _open(services: Services, connection: Connection, session: Session, secret: str, purpose: str) -> Any:
    """Return what is sealed for this purpose, None where the secret is another one's."""
    label = _label(services.scope(connection), session.id, session.expires_at, purpose)
    try:
        return unseal(secret, label, session.sealed_logout if purpose == "logout" else session.sealed_subject)
    except SealBroken:
        return None
