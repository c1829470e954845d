"""A sign-in that the IdP begins: nothing that Cognito would take comes of it before the app has begun a flow of its own.

1. `/{connection}/saml/acs` verifies a Response that nobody asked for, takes its assertion once, seals who it is about
   under a new handle and the browser's value, and sends the browser to the app's registered `initiate_login_uri`.
2. The app begins its flow at Cognito, as ever, with its own state, nonce and PKCE.
3. `/{connection}/saml/login` finds the handle in the browser's cookie, and answers with that identity, once, what it would
   have asked the IdP for.

Both are moves of one transaction, put pending at 1, claimed and authorized at 3: one write more than a sign-in that the app
begins, for the assertion. See docs/adr/0021.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    IssuerMismatch,
    KeyUnavailable,
    RequestRefused,
    StoreError,
    TransitionRefused,
    UpstreamError,
)
from fedbridge.flows.begin import begin_by, start_upstream
from fedbridge.flows.failure import to_oauth_error
from fedbridge.flows.finish import EXCHANGE_MARGIN, authorize_move, finish
from fedbridge.flows.handles import (
    COOKIE_LENGTH,
    SECRET_LENGTH,
    Handle,
    Purpose,
    code_for,
    digest,
    draw,
    new_handle,
    parse_handle,
)
from fedbridge.flows.sealing import Label, Scope, frame, seal, unseal
from fedbridge.model.session import UpstreamSession
from fedbridge.model.transaction import Claim, Phase, Transaction
from fedbridge.op import cookie, initiated, pages
from fedbridge.op.answers import authorization_response, redirect
from fedbridge.op.authorization_request import validate
from fedbridge.op.errors import browser_error

if TYPE_CHECKING:
    from fedbridge.flows.services import FrontChannel
    from fedbridge.model.connection import Connection
    from fedbridge.model.http import Parameters, Request, Response
    from fedbridge.model.saml_profiles import InitiatedSignIn, InitiatedTarget
    from fedbridge.op.authorization_request import ProvenClient
    from fedbridge.ports import Unsolicited

INITIATED_LIFETIME = 120
"""Seconds from the assertion to the app's flow: time for redirects, and for an app that asks the person first."""

MAX_SKEW = 300
"""Seconds by which a connection may let an assertion outlive its end, at most."""

_PROMISES = frozenset({"acr_values", "prompt", "max_age"})
"""What an app asks of an authentication that is still to come: an identity that is there already cannot promise it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An identity that waits: what opens it. `hint` is empty unless the app must bring it back."""

    scope: Scope
    client_id: str
    handle: Handle = field(repr=False)
    browser: str = field(repr=False)
    hint: str = field(repr=False)

    def hashes(self) -> dict[str, Any]:
        """Return what the transaction is put with, and what its moves present: for one client, and no state of a trip."""
        known = f"{self.handle.secret}.{self.hint}.{self.client_id}"
        return {
            "id": self.handle.id,
            "connection": self.scope.connection,
            "state_hash": digest(Purpose.INITIATED, self.scope, self.handle.id, known),
            "browser_hash": digest(Purpose.BROWSER, self.scope, self.handle.id, self.browser),
        }

    @property
    def secret(self) -> str:
        """What the identity is sealed under."""
        return f"{self.handle.secret}{self.browser}{self.hint}"

    def label(self, expires_at: int) -> Label:
        """Return what the seal is bound to."""
        return Label(
            scope=self.scope, purpose="initiated", transaction_id=self.handle.id, expires_at=expires_at
        )


def receive(services: FrontChannel, request: Request) -> Response:
    """Answer the assertion consumer service: what names a sign-in of ours finishes it, the rest may begin one."""
    connection = services.connection_of(request)
    policy = _policy(connection)
    if policy is None or request.method != "POST":
        return finish(services, request)
    response = request.form(services.max_form)
    if "SAMLResponse" not in response or parse_handle(response.get("RelayState")) is not None:
        return finish(services, request)
    target = policy.targets.get(response.value("RelayState") or policy.default_target or "")
    if target is None:
        raise RequestRefused(reason="saml_target_unknown")
    return _receive(services, request, connection, target, response)


def _policy(connection: Connection) -> InitiatedSignIn | None:
    return connection.saml.initiated if connection.saml is not None else None


def _receive(
    services: FrontChannel,
    request: Request,
    connection: Connection,
    target: InitiatedTarget,
    response: Parameters,
) -> Response:
    """Take the assertion and send the browser on; whatever goes wrong ends on a page, because nobody has asked yet."""
    if services.unsolicited is None:
        raise ConfigurationError(f"connection {connection.name}: no IdP may begin sign-ins here")
    try:
        unsolicited = services.unsolicited.receive(
            connection,
            callback_url=services.return_url(connection),
            response=response,
            deadline=request.deadline,
        )
        services.transactions.put(_taken(services, request, connection, unsolicited), request.deadline)
    except TransitionRefused:
        return _not_signed_in(services, request, connection, UpstreamError("saml_assertion_replayed"))
    except (UpstreamError, KeyUnavailable, ConfigurationError, StoreError, DeadlineExceeded) as failure:
        return _not_signed_in(services, request, connection, failure)
    return _send_to_app(services, request, connection, target, unsolicited)


def _not_signed_in(
    services: FrontChannel, request: Request, connection: Connection, failure: FedbridgeError
) -> Response:
    error = to_oauth_error(failure)
    if isinstance(failure, IssuerMismatch):
        # Nobody knows that it was the IdP's: anybody can post here, and must not raise the alarm of broken sign-ins.
        services.telemetry.event(
            "request_refused",
            connection=connection.name,
            correlation_id=request.correlation_id,
            route=request.route,
            reason=error.reason,
        )
    else:
        services.telemetry.event(
            "sign_in_failed",
            connection=connection.name,
            correlation_id=request.correlation_id,
            route=request.route,
            reason=error.reason,
            error=error.error,
            upstream_code=getattr(failure, "upstream_code", None),
            upstream_status=getattr(failure, "upstream_status", None),
            calls=request.deadline.trail.calls,
        )
    if not isinstance(failure, UpstreamError):
        return browser_error(request.correlation_id, failure, connection)
    return pages.page(pages.FAILED, correlation_id=request.correlation_id, status=400, connection=connection)


def _taken(
    services: FrontChannel, request: Request, connection: Connection, unsolicited: Unsolicited
) -> Transaction:
    """Return the mark that an assertion was taken: a transaction that is over, under an id that it alone has.

    It stays as long as the assertion could be accepted again. Nothing moves it: it is in the last phase, and its hashes
    are of nothing that anybody holds.
    """
    scope = services.scope(connection)
    known = frame("fedbridge/assertion/v1", scope.environment, scope.connection, unsolicited.assertion_id)
    mark = hashlib.sha256(known)
    return Transaction(
        id=f"assertion:{mark.hexdigest()}",
        connection=connection.name,
        connection_version=connection.version,
        client_id="",
        correlation_id=request.correlation_id,
        phase=Phase.FAILED,
        expires_at=services.now(),
        state_hash=mark.digest(),
        browser_hash=mark.digest(),
        token_expires_at=math.ceil(unsolicited.expires_at) + MAX_SKEW,
    )


def _send_to_app(
    services: FrontChannel,
    request: Request,
    connection: Connection,
    target: InitiatedTarget,
    unsolicited: Unsolicited,
) -> Response:
    policy = _policy(connection)
    arrival = Arrival(
        scope=services.scope(connection),
        client_id=target.client_id,
        handle=new_handle(),
        browser=cookie.read(request) or draw(COOKIE_LENGTH),
        hint=draw(SECRET_LENGTH) if policy is not None and policy.require_login_hint else "",
    )
    expires_at = services.now() + INITIATED_LIFETIME
    services.transactions.put(
        Transaction(
            **arrival.hashes(),
            connection_version=connection.version,
            client_id=target.client_id,
            correlation_id=request.correlation_id,
            phase=Phase.PENDING,
            expires_at=expires_at,
            sealed_request=seal(arrival.secret, arrival.label(expires_at), asdict(unsolicited.identity)),
        ),
        request.deadline,
    )
    services.telemetry.event(
        "sign_in_initiated",
        connection=connection.name,
        client_id=target.client_id,
        correlation_id=request.correlation_id,
        calls=request.deadline.trail.calls,
    )
    return redirect(
        _destination(target, services.issuer(connection), arrival.hint or None),
        after_post=True,
        cookies=(cookie.write(arrival.browser), initiated.write(str(arrival.handle), INITIATED_LIFETIME)),
    )


def _destination(target: InitiatedTarget, issuer: str, hint: str | None) -> str:
    """Return where the app begins its flow (OpenID Connect Core §4), or Cognito's endpoint in its place."""
    if target.initiate_login_uri is None:
        return initiated.with_parameters(target.cognito_authorize_url or "", {"login_hint": hint})
    parameters = {
        "iss": target.issuer or issuer,
        "target_link_uri": target.target_link_uri,
        "login_hint": hint,
    }
    return initiated.with_parameters(target.initiate_login_uri, parameters)


def login(services: FrontChannel, request: Request) -> Response:
    """Answer the authorization request: with an identity that waits for it in this browser, else by asking the IdP."""
    return begin_by(_answer, services, request)


def _answer(
    services: FrontChannel, request: Request, connection: Connection, client: ProvenClient, query: Parameters
) -> Response:
    arrival = _arrival(services, request, connection, client, query)
    if arrival is None:
        return start_upstream(services, request, connection, client, query)
    asked = validate(connection, client, query)
    if _PROMISES & asked.parameters.keys():
        return start_upstream(services, request, connection, client, query)
    now = services.now()
    presented = {**arrival.hashes(), "now": now}
    budget = math.ceil(request.deadline.remaining()) + EXCHANGE_MARGIN
    try:
        transaction = services.transactions.claim(
            Claim(**presented, exchange_deadline=now + budget), request.deadline
        )
    except TransitionRefused:  # Used, expired, another client's, or no such thing: the IdP is asked as ever.
        return start_upstream(services, request, connection, client, query)
    request.deadline.continues(transaction.correlation_id)
    identity = unseal(arrival.secret, arrival.label(transaction.expires_at), transaction.sealed_request)
    session = identity.pop("session", None)
    code = code_for(arrival.scope, arrival.handle, arrival.browser)
    grant = {
        "redirect_uri": client.redirect_uri,
        "nonce": asked.nonce,
        "code_challenge": asked.code_challenge,
        "identity": identity,
    }
    move = authorize_move(arrival.scope, presented, code=code, token_secret=draw(SECRET_LENGTH), grant=grant)
    services.transactions.authorize(move, request.deadline)
    services.telemetry.event(
        "sign_in_authorized",
        connection=connection.name,
        client_id=client.relying_party.client_id,
        correlation_id=transaction.correlation_id,
        calls=request.deadline.trail.calls,
        upstream_ms=request.deadline.trail.upstream_ms,
        store_ms=request.deadline.trail.store_ms,
    )
    answer = authorization_response(client.redirect_uri, {"code": str(code), "state": client.state})
    if session is None:
        return redirect(answer, cookies=(initiated.clear(),))
    from fedbridge.flows.sessions import keep_session  # noqa: PLC0415  few connections keep anything

    kept = keep_session(
        services,
        connection,
        UpstreamSession(**session),
        subject=identity["subject"],
        client_id=transaction.client_id,
        deadline=request.deadline,
    )
    return redirect(answer, cookies=(initiated.clear(), *kept))


def _arrival(
    services: FrontChannel, request: Request, connection: Connection, client: ProvenClient, query: Parameters
) -> Arrival | None:
    """Return what the browser presents, None where no identity can wait for this request; the store is not asked."""
    policy, handle, browser = _policy(connection), parse_handle(initiated.read(request)), cookie.read(request)
    if policy is None or handle is None or browser is None:
        return None
    hint = query.get("login_hint", "") if policy.require_login_hint else ""
    if policy.require_login_hint and len(hint) != SECRET_LENGTH:
        return None
    return Arrival(
        scope=services.scope(connection),
        client_id=client.relying_party.client_id,
        handle=handle,
        browser=browser,
        hint=hint,
    )
