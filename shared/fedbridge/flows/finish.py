"""`/{connection}/callback`: claim the transaction, redeem the upstream code here, hand Cognito a code of our own."""

from __future__ import annotations

import hmac
import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    IssuerMismatch,
    KeyUnavailable,
    RequestRefused,
    StoreError,
    TransitionRefused,
    UnknownConnection,
    UpstreamError,
)
from fedbridge.flows.begin import request_label
from fedbridge.flows.failure import redirect_with_error, to_oauth_error
from fedbridge.flows.handles import SECRET_LENGTH, Handle, Purpose, code_for, digest, draw, parse_handle
from fedbridge.flows.sealing import Label, Scope, seal, unseal
from fedbridge.flows.services import ACCESS_TOKEN_LIFETIME, CODE_LIFETIME
from fedbridge.model.deadline import MARGIN
from fedbridge.model.transaction import Authorize, Claim, Fail, Phase, Transaction
from fedbridge.op import cookie, pages
from fedbridge.op.answers import authorization_response, redirect

if TYPE_CHECKING:
    from fedbridge.flows.services import FrontChannel
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Parameters, Request, Response
    from fedbridge.model.identity import Identity

EXCHANGE_MARGIN = 5
"""Seconds that an exchange is given beyond the request's own budget before it counts as dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One callback: who is back, with what, in which browser."""

    services: FrontChannel
    request: Request
    connection: Connection
    response: Parameters
    state: Handle = field(repr=False)
    browser: str = field(repr=False)

    @property
    def after_post(self) -> bool:
        """Whether the browser arrived by POST, so that the answer must be 303."""
        return self.request.method == "POST"

    def hashes(self) -> dict[str, Any]:
        """Return what every move of this sign-in presents."""
        scope = self.services.scope(self.connection)
        return {
            "id": self.state.id,
            "connection": self.connection.name,
            "state_hash": digest(Purpose.STATE, scope, self.state.id, self.state.secret),
            "browser_hash": digest(Purpose.BROWSER, scope, self.state.id, self.browser),
            "now": self.services.now(),
        }

    def remembered(self, transaction: Transaction) -> dict[str, Any]:
        """Open what authorize sealed; only this state in this browser can. Raises SealBroken."""
        label = request_label(self.services.scope(self.connection), transaction.id, transaction.expires_at)
        opened: dict[str, Any] = unseal(self.state.secret + self.browser, label, transaction.sealed_request)
        return opened


def finish(services: FrontChannel, request: Request) -> Response:
    """Answer the authorization response. Only the browser that began, with the state that it was given, moves anything."""
    connection = services.connection_of(request)
    response = request.form(services.max_form) if request.method == "POST" else request.query()
    _check_delivery(connection, request, response)
    browser = cookie.read(request)
    if browser is None:
        return _page(services, request, connection, pages.LOST_BROWSER, "browser_cookie_missing")
    state = parse_handle(services.upstream(connection).state_of(connection, response, request.deadline))
    if state is None:
        raise RequestRefused(reason="state_unknown")
    callback = Callback(
        services=services,
        request=request,
        connection=connection,
        response=response,
        state=state,
        browser=browser,
    )
    try:
        budget = math.ceil(request.deadline.remaining()) + EXCHANGE_MARGIN
        presented = callback.hashes()
        transaction = services.transactions.claim(
            Claim(**presented, exchange_deadline=presented["now"] + budget), request.deadline
        )
    except TransitionRefused as refused:
        return _repeated(callback, refused.current)
    return _exchange(callback, transaction)


def _check_delivery(connection: Connection, request: Request, response: Parameters) -> None:
    """Refuse a response that came another way than it was asked for; a bare `state` is our own reloading page.

    Plain parameters in the place of a signed response (JARM) would be a downgrade. A SAML Response comes by POST, or,
    where the connection says so, an artifact in its place, by either method.
    """
    if connection.protocol == "saml":
        by_artifact = connection.saml is not None and connection.saml.artifact is not None
        posted, referred = "SAMLResponse" in response, "SAMLart" in response
        if (posted and (by_artifact or request.method != "POST")) or (referred and not by_artifact):
            raise RequestRefused(reason="response_mode_mismatch")
        return
    plain, signed = bool({"code", "error"} & response.keys()), "response" in response
    if not plain and not signed:
        return
    profile = connection.authorization
    as_asked = signed == profile.signed_response and plain != profile.signed_response
    if request.method != profile.response_method or not as_asked:
        raise RequestRefused(reason="response_mode_mismatch")


def _exchange(callback: Callback, transaction: Transaction) -> Response:
    services, deadline = callback.services, callback.request.deadline
    deadline.continues(transaction.correlation_id)
    started = deadline.monotonic()
    remembered = callback.remembered(transaction)
    try:
        began = _connection_of(callback, transaction)
        identity = services.upstream(began).finish(
            began,
            remembered=remembered["upstream"],
            callback_url=services.return_url(began),
            response=callback.response,
            deadline=deadline,
        )
        code = _authorize(callback, remembered, identity)
    except (UpstreamError, KeyUnavailable, ConfigurationError, StoreError, DeadlineExceeded) as failure:
        return _failed(callback, transaction, remembered, failure, started)
    services.telemetry.event(
        "sign_in_authorized",
        connection=callback.connection.name,
        client_id=transaction.client_id,
        correlation_id=transaction.correlation_id,
        duration_ms=_milliseconds_since(started, deadline),
        calls=deadline.trail.calls,
        upstream_ms=deadline.trail.upstream_ms,
        store_ms=deadline.trail.store_ms,
    )
    return _send_code(
        callback, remembered, code, cookies=_keep_session(callback, transaction, identity, began)
    )


def _milliseconds_since(started: float, deadline: Deadline) -> float:
    return round((deadline.monotonic() - started) * 1000, 1)


def _keep_session(
    callback: Callback, transaction: Transaction, identity: Identity, began: Connection
) -> tuple[str, ...]:
    """Keep what signing out will take, where the connection says so; returns the cookies that find it again."""
    if identity.session is None:
        return ()
    from fedbridge.flows.sessions import keep_session  # noqa: PLC0415  few connections keep anything

    return keep_session(
        callback.services,
        began,
        identity.session,
        subject=identity.subject,
        client_id=transaction.client_id,
        deadline=callback.request.deadline,
    )


def _connection_of(callback: Callback, transaction: Transaction) -> Connection:
    """Return the configuration that the sign-in began with: it ends on that version, or not at all."""
    if transaction.connection_version == callback.connection.version:
        return callback.connection
    try:
        return callback.services.connections.get(
            transaction.connection, callback.request.deadline, version=transaction.connection_version
        )
    except UnknownConnection:
        raise UpstreamError("connection_version_gone", error="temporarily_unavailable") from None


def _authorize(callback: Callback, remembered: dict[str, Any], identity: Identity) -> Handle:
    """Move on to `authorized`; returns the code for Cognito."""
    scope = callback.services.scope(callback.connection)
    code = code_for(scope, callback.state, callback.browser)
    grant = {
        "redirect_uri": remembered["redirect_uri"],
        "nonce": remembered["nonce"],
        "code_challenge": remembered["code_challenge"],
        "identity": {name: value for name, value in asdict(identity).items() if name != "session"},
    }
    move = authorize_move(scope, callback.hashes(), code=code, token_secret=draw(SECRET_LENGTH), grant=grant)
    callback.services.transactions.authorize(move, callback.request.deadline)
    return code


def authorize_move(
    scope: Scope, presented: dict[str, Any], *, code: Handle, token_secret: str, grant: dict[str, Any]
) -> Authorize:
    """Return the move that seals the grant under a new access token, and that under the code."""
    code_expires_at = presented["now"] + CODE_LIFETIME
    token_expires_at = code_expires_at + ACCESS_TOKEN_LIFETIME
    token_label = Label(scope=scope, purpose="token", transaction_id=code.id, expires_at=code_expires_at)
    grant_label = Label(scope=scope, purpose="grant", transaction_id=code.id, expires_at=token_expires_at)
    return Authorize(
        **presented,
        code_hash=digest(Purpose.CODE, scope, code.id, code.secret),
        code_expires_at=code_expires_at,
        sealed_token=seal(code.secret, token_label, token_secret),
        token_hash=digest(Purpose.ACCESS_TOKEN, scope, code.id, token_secret),
        token_expires_at=token_expires_at,
        sealed_grant=seal(token_secret, grant_label, grant),
    )


def _failed(
    callback: Callback,
    transaction: Transaction,
    remembered: dict[str, Any],
    failure: FedbridgeError,
    started: float,
) -> Response:
    """Tell Cognito, and mark the transaction, so that a reload is offered a new start at once.

    A response that may be another IdP's is not passed on in any form: the person is told, and offered a new start.
    """
    services, error, deadline = callback.services, to_oauth_error(failure), callback.request.deadline
    services.telemetry.event(
        "sign_in_failed",
        connection=callback.connection.name,
        client_id=transaction.client_id,
        correlation_id=transaction.correlation_id,
        route=callback.request.route,
        reason=error.reason,
        error=error.error,
        upstream_code=getattr(failure, "upstream_code", None),
        upstream_status=getattr(failure, "upstream_status", None),
        duration_ms=_milliseconds_since(started, deadline),
        calls=deadline.trail.calls,
    )
    if not isinstance(failure, StoreError):
        try:
            services.transactions.fail(Fail(**callback.hashes()), _time_to_mark(deadline))
        except (StoreError, DeadlineExceeded) as unmarked:
            # The exchange's own deadline ends the transaction anyway; the user must not wait for that.
            services.telemetry.event(
                "store_failed", correlation_id=transaction.correlation_id, reason=unmarked.reason
            )
    if isinstance(failure, IssuerMismatch):
        return pages.page(
            pages.FAILED,
            correlation_id=transaction.correlation_id,
            status=400,
            connection=callback.connection,
            client_id=transaction.client_id,
        )
    return redirect_with_error(
        remembered["redirect_uri"],
        remembered["state"],
        error,
        transaction.correlation_id,
        after_post=callback.after_post,
    )


def _time_to_mark(deadline: Deadline) -> Deadline:
    """Return the deadline, or a moment of the margin behind it: an exchange that used up its budget has failed, too."""
    return replace(deadline, at=max(deadline.at, deadline.monotonic() + MARGIN / 2))


def _send_code(
    callback: Callback, remembered: dict[str, Any], code: Handle, *, cookies: tuple[str, ...] = ()
) -> Response:
    parameters = {"code": str(code), "state": remembered["state"]}
    url = authorization_response(remembered["redirect_uri"], parameters)
    return redirect(url, after_post=callback.after_post, cookies=cookies)


def _repeated(callback: Callback, current: Transaction | None) -> Response:
    """Answer a reload or double click: the same browser gets on, anybody else learns and changes nothing."""
    services, connection = callback.services, callback.connection
    presented = callback.hashes()
    if current is None or current.connection != connection.name:
        return _page(services, callback.request, connection, pages.BAD_REQUEST, "state_unknown")
    if not hmac.compare_digest(current.state_hash, presented["state_hash"]):
        return _page(services, callback.request, connection, pages.BAD_REQUEST, "state_unknown")
    callback.request.deadline.continues(current.correlation_id)
    if not hmac.compare_digest(current.browser_hash, presented["browser_hash"]):
        return _page(services, callback.request, connection, pages.LOST_BROWSER, "browser_mismatch")
    now: int = presented["now"]
    if current.phase is Phase.AUTHORIZED and now < (current.code_expires_at or 0):
        _note_repeat(callback, current)
        scope = services.scope(connection)
        return _send_code(
            callback, callback.remembered(current), code_for(scope, callback.state, callback.browser)
        )
    if current.phase is Phase.EXCHANGING and now < (current.exchange_deadline or 0):
        _note_repeat(callback, current)
        again = (
            f"{services.return_url(connection)}?{urlencode({services.state_parameter: str(callback.state)})}"
        )
        return pages.page(
            pages.WORKING,
            correlation_id=current.correlation_id,
            status=200,
            connection=connection,
            refresh_to=again,
        )
    message, reason = _ENDED.get(current.phase, _EXPIRED)
    _note_repeat(callback, current, reason)
    return pages.page(
        message,
        correlation_id=current.correlation_id,
        status=400,
        connection=connection,
        client_id=current.client_id,
    )


_EXPIRED = (pages.EXPIRED, "sign_in_expired")
_ENDED = {
    Phase.REDEEMED: (pages.FINISHED, "sign_in_already_complete"),
    Phase.FAILED: (pages.FAILED, "sign_in_already_failed"),
}


def _note_repeat(callback: Callback, current: Transaction, reason: str | None = None) -> None:
    callback.services.telemetry.event(
        "callback_repeated",
        connection=current.connection,
        client_id=current.client_id,
        correlation_id=current.correlation_id,
        phase=current.phase,
        reason=reason,
    )


def _page(
    services: FrontChannel, request: Request, connection: Connection, message: pages.Message, reason: str
) -> Response:
    services.telemetry.event(
        "request_refused",
        connection=connection.name,
        correlation_id=request.reference,
        route=request.route,
        reason=reason,
    )
    return pages.page(message, correlation_id=request.reference, status=400, connection=connection)
