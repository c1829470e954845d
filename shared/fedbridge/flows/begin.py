"""`/{connection}/authorize`: prove who asks, start the upstream request, remember it sealed, send the browser on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    KeyUnavailable,
    OAuthError,
    StoreError,
    UpstreamError,
)
from fedbridge.flows.failure import redirect_with_error, to_oauth_error
from fedbridge.flows.handles import COOKIE_LENGTH, Handle, Purpose, digest, draw, new_handle
from fedbridge.flows.sealing import Label, Scope, seal
from fedbridge.flows.services import TRIP_LIFETIME
from fedbridge.model.transaction import Phase, Transaction
from fedbridge.op import cookie
from fedbridge.op.answers import redirect
from fedbridge.op.authorization_request import prove_client, validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedbridge.flows.services import FrontChannel, Services
    from fedbridge.model.connection import Connection
    from fedbridge.model.http import Parameters, Request, Response
    from fedbridge.op.authorization_request import ProvenClient
    from fedbridge.ports import UpstreamRedirect

    Start = Callable[[FrontChannel, Request, Connection, ProvenClient, Parameters], Response]


def begin(services: FrontChannel, request: Request) -> Response:
    """Answer the authorization request. Before client and redirect URI are proven nothing is written or called."""
    return begin_by(start_upstream, services, request)


def begin_by(start: Start, services: FrontChannel, request: Request) -> Response:
    """Answer the authorization request: by `start`, once client and redirect URI are proven."""
    connection = services.connection_of(request)
    query = request.query()
    client = prove_client(connection, query)
    try:
        return start(services, request, connection, client, query)
    except (
        OAuthError,
        UpstreamError,
        KeyUnavailable,
        ConfigurationError,
        StoreError,
        DeadlineExceeded,
    ) as failure:
        error = to_oauth_error(failure)
        services.telemetry.event(
            "sign_in_failed",
            connection=connection.name,
            client_id=client.relying_party.client_id,
            correlation_id=request.reference,
            route=request.route,
            reason=error.reason,
            error=error.error,
            upstream_code=getattr(failure, "upstream_code", None),
            upstream_status=getattr(failure, "upstream_status", None),
            calls=request.deadline.trail.calls,
        )
        return redirect_with_error(client.redirect_uri, client.state, error, request.reference)


def start_upstream(
    services: FrontChannel, request: Request, connection: Connection, client: ProvenClient, query: Parameters
) -> Response:
    """Send the browser to the IdP, with a new transaction."""
    asked = validate(connection, client, query)
    browser = cookie.read(request) or draw(COOKIE_LENGTH)
    state = new_handle()
    upstream = services.upstream(connection).begin(
        connection,
        state=str(state),
        callback_url=services.return_url(connection),
        parameters=asked.parameters,
        deadline=request.deadline,
    )
    transaction = pending_transaction(
        services,
        connection,
        client_id=client.relying_party.client_id,
        correlation_id=request.correlation_id,
        state=state,
        browser=browser,
        sealed={
            "redirect_uri": client.redirect_uri,
            "state": client.state,
            "nonce": asked.nonce,
            "code_challenge": asked.code_challenge,
            "upstream": dict(upstream.remembered),
        },
    )
    services.transactions.put(transaction, request.deadline)
    services.telemetry.event(
        "sign_in_started",
        connection=connection.name,
        client_id=client.relying_party.client_id,
        correlation_id=request.correlation_id,
        calls=request.deadline.trail.calls,
    )
    return _send_on(upstream, cookie.write(browser))


def _send_on(upstream: UpstreamRedirect, browser_cookie: str) -> Response:
    if upstream.form is None:
        return redirect(upstream.url, cookies=(browser_cookie,))
    from fedbridge.op.form_post import form_post  # noqa: PLC0415  SAML's POST binding alone

    return form_post(upstream.url, upstream.form, cookies=(browser_cookie,))


def pending_transaction(
    services: Services,
    connection: Connection,
    *,
    client_id: str,
    correlation_id: str,
    state: Handle,
    browser: str,
    sealed: dict[str, Any],
) -> Transaction:
    """Return the transaction as it begins: what is sealed opens with this state in this browser."""
    scope, expires_at = services.scope(connection), services.now() + TRIP_LIFETIME
    label = request_label(scope, state.id, expires_at)
    return Transaction(
        id=state.id,
        connection=connection.name,
        connection_version=connection.version,
        client_id=client_id,
        correlation_id=correlation_id,
        phase=Phase.PENDING,
        expires_at=expires_at,
        state_hash=digest(Purpose.STATE, scope, state.id, state.secret),
        browser_hash=digest(Purpose.BROWSER, scope, state.id, browser),
        sealed_request=seal(state.secret + browser, label, sealed),
    )


def request_label(scope: Scope, transaction_id: str, expires_at: int) -> Label:
    """Return what the sealed request is bound to."""
    return Label(scope=scope, purpose="request", transaction_id=transaction_id, expires_at=expires_at)
