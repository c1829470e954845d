"""`/{connection}/logout`: end the session at the IdP, and come back to where the application may be left.

Nothing is written on the way: the browser carries, in a cookie, which registered address it will be sent to.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    KeyUnavailable,
    RequestRefused,
    StoreError,
    UnknownConnection,
    UpstreamError,
)
from fedbridge.flows.handles import Purpose, digest, new_handle
from fedbridge.flows.sessions import recall_for_browser
from fedbridge.op import logout_cookies, pages
from fedbridge.op.answers import authorization_response, redirect
from fedbridge.op.form_post import form_post
from fedbridge.op.logout_cookies import Trip
from fedbridge.op.logout_request import Landing, landing_of, landings, refuse_embedded
from fedbridge.ports import UpstreamRedirect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.flows.services import FrontChannel
    from fedbridge.model.connection import Connection
    from fedbridge.model.http import Request, Response

_FAILURES = (UpstreamError, KeyUnavailable, ConfigurationError, DeadlineExceeded)


def logout(services: FrontChannel, request: Request) -> Response:
    """Send the browser to the IdP, or straight to where the sign-out ends if there is nothing to end there.

    Raises UnknownConnection, also at SAML's own address for a connection that speaks something else.
    """
    connection = services.connections.get(request.connection, request.deadline)
    if connection.protocol not in services.protocols:
        return _hand_on(services, request, connection)
    try:
        refuse_embedded(request.headers)
        landing = landing_of(connection, request.form() if request.method == "POST" else request.query())
    except RequestRefused as refused:
        return _refuse(services, request, connection, refused)
    state, issuer = str(new_handle()), services.issuer(connection)
    try:
        url = services.upstream(connection).logout(
            connection,
            state=state,
            return_url=f"{issuer}/logout/callback",
            remembered=_remembered(services, request, connection),
            deadline=request.deadline,
        )
    except _FAILURES as failure:
        return _fail(services, request, connection, failure)
    _note(services, request, "sign_out_started", landing)
    forget = logout_cookies.forget_session(connection.name)
    if url is None:
        return _land(request, connection, landing, cookies=(forget,))
    trip = Trip(landing=_digest(services, connection, state, landing), client_state=landing.state)
    cookies = (forget, logout_cookies.write_trip(connection.name, trip))
    if isinstance(url, UpstreamRedirect):
        if url.form is not None:
            return form_post(url.url, url.form, cookies=cookies)
        url = url.url
    return redirect(url, after_post=request.method == "POST", cookies=cookies)


def _hand_on(services: FrontChannel, request: Request, connection: Connection) -> Response:
    """Send the browser on to the function that speaks the connection's protocol: to `logout_uri` there is but one address.

    Nobody is sent back: SAML's own address is only for SAML.
    """
    if connection.protocol != "saml":
        raise UnknownConnection(reason="other_protocol")
    sent = request.form() if request.method == "POST" else request.query()
    url = f"{services.issuer(connection)}/saml/logout"
    return redirect(authorization_response(url, sent) if sent else url, after_post=request.method == "POST")


def logged_out(services: FrontChannel, request: Request) -> Response:
    """Answer `/{connection}/logout/callback`: only this browser, with the state that it was given, is sent on.

    Where it goes is looked up among the addresses that are registered now; everybody else gets a page.
    """
    connection = services.connections.get(request.connection, request.deadline)
    trip, state = logout_cookies.read_trip(request), request.query().value("state") or ""
    landing = None if trip is None else _registered(services, connection, state, trip)
    if trip is None or landing is None:
        _note(services, request, "logout_ignored", reason="logout_state_unknown")
        return _page(pages.SIGNED_OUT, request, connection)
    _note(services, request, "sign_out_ended", landing)
    cookies = (logout_cookies.forget_trip(connection.name),)
    return _land(request, connection, replace(landing, state=trip.client_state), cookies=cookies)


def _registered(services: FrontChannel, connection: Connection, state: str, trip: Trip) -> Landing | None:
    """Return the landing that this state and this cookie were made for, None if there is none (any more)."""
    for landing in landings(connection):
        if hmac.compare_digest(_digest(services, connection, state, landing), trip.landing):
            return landing
    return None


def _remembered(services: FrontChannel, request: Request, connection: Connection) -> Mapping[str, str]:
    """Return what was kept for this browser; without the store the sign-out goes by the client id."""
    try:
        return recall_for_browser(services, request, connection)
    except StoreError as failure:
        _note(services, request, "store_failed", reason=failure.reason)
        return {}


def _digest(services: FrontChannel, connection: Connection, state: str, landing: Landing) -> str:
    party = landing.relying_party.client_id if landing.relying_party else ""
    where = f"{len(party)}:{party}{landing.uri or ''}"
    return digest(Purpose.LANDING, services.scope(connection), state, where).hex()


def _land(
    request: Request, connection: Connection, landing: Landing, *, cookies: tuple[str, ...]
) -> Response:
    if landing.uri is None:
        client_id = landing.relying_party.client_id if landing.relying_party else None
        return _page(pages.SIGNED_OUT, request, connection, client_id=client_id, cookies=cookies)
    url = landing.uri
    if landing.state is not None:
        url = authorization_response(url, {"state": landing.state})
    return redirect(url, after_post=request.method == "POST", cookies=cookies)


def _refuse(
    services: FrontChannel, request: Request, connection: Connection, refused: RequestRefused
) -> Response:
    _note(services, request, "request_refused", reason=refused.reason, status=refused.status)
    return _page(pages.BAD_LOGOUT, request, connection, status=refused.status)


def _fail(
    services: FrontChannel, request: Request, connection: Connection, failure: FedbridgeError
) -> Response:
    services.telemetry.event(
        "sign_out_failed",
        connection=connection.name,
        correlation_id=request.correlation_id,
        reason=failure.reason,
        upstream_code=getattr(failure, "upstream_code", None),
        upstream_status=getattr(failure, "upstream_status", None),
    )
    return _page(pages.LOGOUT_FAILED, request, connection, status=503)


def _note(
    services: FrontChannel,
    request: Request,
    event: str,
    landing: Landing | None = None,
    *,
    reason: str | None = None,
    status: int | None = None,
) -> None:
    party = landing.relying_party if landing else None
    services.telemetry.event(
        event,
        connection=request.connection,
        client_id=party.client_id if party else None,
        correlation_id=request.correlation_id,
        reason=reason,
        status=status,
    )


def _page(
    message: pages.Message,
    request: Request,
    connection: Connection,
    *,
    status: int = 200,
    client_id: str | None = None,
    cookies: tuple[str, ...] = (),
) -> Response:
    page = pages.page(
        message,
        correlation_id=request.correlation_id,
        status=status,
        connection=connection,
        client_id=client_id,
    )
    return replace(page, cookies=cookies)
