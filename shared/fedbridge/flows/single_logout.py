"""`/{connection}/saml/slo`: SAML's single logout, the IdP's own requests and its answers to ours (SAML profiles §4.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    IssuerMismatch,
    KeyUnavailable,
    RequestRefused,
    StoreError,
    UnknownConnection,
    UpstreamError,
    UserPoolError,
)
from fedbridge.flows.ended_sessions import end_sessions
from fedbridge.flows.handles import Purpose, digest
from fedbridge.model.deadline import MARGIN
from fedbridge.op import logout_cookies, pages
from fedbridge.op.answers import authorization_response, redirect
from fedbridge.op.form_post import form_post
from fedbridge.ports import DeliveredMessage

if TYPE_CHECKING:
    from fedbridge.flows.services import FrontChannel
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Request, Response
    from fedbridge.model.session import EndedSession
    from fedbridge.ports import ReplayGuard, SingleLogout

MAX_RELAY_STATE = 80
"""Bytes (SAML bindings §3.4.3); the IdP's is handed back, and nothing is done with it."""

Outcome = Literal["ended", "unknown", "failed"]

_UNFINISHED = (StoreError, UserPoolError, DeadlineExceeded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """One message, and who has to do with it."""

    services: FrontChannel
    request: Request
    connection: Connection
    message: DeliveredMessage
    protocol: SingleLogout
    replays: ReplayGuard

    def note(self, event: str, **fields: str | None) -> None:
        """Record an event of this request."""
        self.services.telemetry.event(
            event, connection=self.connection.name, correlation_id=self.request.correlation_id, **fields
        )


def single_logout(services: FrontChannel, request: Request) -> Response:
    """Answer a LogoutRequest with a LogoutResponse, and a LogoutResponse by going on to where the sign-out ends.

    Whatever is not known to be the IdP's ends on a page, and ends nobody's session. Raises RequestRefused.
    """
    arrival = _arrival(services, request)
    try:
        if "SAMLRequest" in arrival.message.parameters:
            return _end(arrival)
        return _go_on(arrival)
    except (UpstreamError, KeyUnavailable, ConfigurationError, StoreError, DeadlineExceeded) as failure:
        return _fail(arrival, failure)


def _arrival(services: FrontChannel, request: Request) -> _Arrival:
    connection = services.connection_of(request)
    if connection.saml is None or connection.saml.logout is None:
        raise UnknownConnection(reason="logout_not_offered")
    if services.single_logout is None or services.replays is None:
        raise ConfigurationError(f"connection {connection.name}: no SAML messages are taken here")
    posted = request.method == "POST"
    if not posted and not request.query_is_raw:
        raise RequestRefused(reason="saml_query_lost")
    parameters = request.form(services.max_form) if posted else request.query()
    if len({"SAMLRequest", "SAMLResponse"} & parameters.keys()) != 1:
        raise RequestRefused(reason="saml_message_missing")
    return _Arrival(
        services=services,
        request=request,
        connection=connection,
        message=DeliveredMessage(
            here=f"{services.issuer(connection)}/saml/slo",
            parameters=parameters,
            raw_query=None if posted else request.raw_query,
        ),
        protocol=services.single_logout,
        replays=services.replays(),
    )


def _end(arrival: _Arrival) -> Response:
    """End what the IdP's request names, and answer it."""
    if len(arrival.message.parameters.get("RelayState", "").encode(errors="replace")) > MAX_RELAY_STATE:
        raise RequestRefused(reason="saml_relay_state_refused")
    deadline = arrival.request.deadline
    sessions = arrival.protocol.ended(arrival.connection, arrival.message, deadline)
    outcome = _end_once(arrival, sessions)
    way = arrival.protocol.answer(
        arrival.connection,
        arrival.message,
        request_id=sessions[0].jti,
        outcome=outcome,
        deadline=_time_to_finish(deadline),
    )
    cookies = (logout_cookies.forget_session(arrival.connection.name),) if outcome == "ended" else ()
    if way.form is not None:
        return form_post(way.url, way.form, cookies=cookies)
    return redirect(way.url, after_post=arrival.request.method == "POST", cookies=cookies)


def _end_once(arrival: _Arrival, sessions: tuple[EndedSession, ...]) -> Outcome:
    """Take the request, and end its sessions; a request that could not be carried out may be sent again.

    Raises IssuerMismatch (`saml_logout_replayed`), StoreUnavailable, OutcomeUnknown, DeadlineExceeded.
    """
    services, first, deadline = arrival.services, sessions[0], arrival.request.deadline
    scope = services.scope(arrival.connection)
    mark = digest(Purpose.LOGOUT_REQUEST, scope, first.issuer, first.jti).hex()
    if not arrival.replays.take(mark, until=first.until, now=services.now(), deadline=deadline):
        raise IssuerMismatch("saml_logout_replayed")
    parties: list[str] = []
    try:
        for ended in sessions:
            parties += end_sessions(services, arrival.connection, ended, deadline)
    except UpstreamError as failure:
        arrival.note("logout_ignored", reason=failure.reason)
        return "unknown"
    except _UNFINISHED as failure:
        arrival.replays.release(mark, _time_to_finish(deadline))
        arrival.note("sign_out_failed", reason=failure.reason)
        return "failed"
    if not parties:
        arrival.note("logout_ignored", reason="logout_session_unknown")
        return "unknown"
    arrival.note("sessions_ended", client_id=",".join(dict.fromkeys(parties)))
    return "ended"


def _go_on(arrival: _Arrival) -> Response:
    """Send the browser to where the sign-out ends, which looks at the cookie: a POST from the IdP's site brings none."""
    state = arrival.protocol.check_response(arrival.connection, arrival.message, arrival.request.deadline)
    url = f"{arrival.services.issuer(arrival.connection)}/logout/callback"
    return redirect(
        authorization_response(url, {"state": state}), after_post=arrival.request.method == "POST"
    )


def _time_to_finish(deadline: Deadline) -> Deadline:
    """Return the deadline, or a moment of the margin behind it: the IdP is told also what ran out of time."""
    return replace(deadline, at=max(deadline.at, deadline.monotonic() + MARGIN / 2))


def _fail(arrival: _Arrival, failure: FedbridgeError) -> Response:
    arrival.note(
        "sign_out_failed", reason=failure.reason, upstream_code=getattr(failure, "upstream_code", None)
    )
    forged = isinstance(failure, IssuerMismatch)
    return pages.page(
        pages.BAD_LOGOUT if forged else pages.LOGOUT_FAILED,
        correlation_id=arrival.request.correlation_id,
        status=400 if forged else 503,
        connection=arrival.connection,
    )
