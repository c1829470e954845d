"""`/{connection}/token`: authenticate Cognito, consume the code, sign an ID token. No upstream call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.errors import OutcomeUnknown, TransitionRefused
from fedbridge.flows.handles import Handle, Purpose, digest, parse_handle
from fedbridge.flows.sealing import Label, SealBroken, unseal
from fedbridge.flows.services import ACCESS_TOKEN_LIFETIME
from fedbridge.model.identity import Identity
from fedbridge.model.transaction import Phase, Redeem, Transaction
from fedbridge.op import id_token
from fedbridge.op.answers import json_response
from fedbridge.op.client_authentication import authenticate
from fedbridge.op.token_request import check_binding, invalid_grant, parse

if TYPE_CHECKING:
    from fedbridge.flows.services import BackChannel
    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.http import Request, Response


def redeem(services: BackChannel, request: Request) -> Response:
    """Answer the token request; raises OAuthError, StoreUnavailable, KeyUnavailable."""
    connection = services.connections.get(request.connection, request.deadline)
    form = request.form()
    relying_party = authenticate(connection, request, form)
    asked = parse(form)
    code = parse_handle(asked.code)
    if code is None:
        raise invalid_grant("code_malformed")
    signer = services.id_token_keys.active(request.deadline) if connection.tokens == "reissue" else None
    transaction = _consume(services, request, connection, relying_party, code)
    request.deadline.continues(transaction.correlation_id)
    access_token, grant = open_with_code(services, connection, transaction, code)
    check_binding(asked, redirect_uri=grant["redirect_uri"], code_challenge=grant["code_challenge"])
    identity = identity_of(grant)
    token, kid = identity.upstream_id_token, None
    if token is None:  # Not what the connection says now, but the version that the sign-in began with.
        signer = signer or services.id_token_keys.active(request.deadline)
        kid = signer.kid
        token = id_token.issue(
            identity,
            issuer=services.issuer(connection),
            client_id=relying_party.client_id,
            nonce=grant["nonce"],
            access_token=str(access_token),
            now=services.now(),
            signer=signer,
            deadline=request.deadline,
            lifetime=relying_party.id_token_lifetime,
        )
    services.telemetry.event(
        "sign_in_redeemed",
        connection=connection.name,
        client_id=relying_party.client_id,
        correlation_id=transaction.correlation_id,
        kid=kid,
        calls=request.deadline.trail.calls,
    )
    return json_response(
        {
            "access_token": str(access_token),
            "token_type": "Bearer",
            "expires_in": ACCESS_TOKEN_LIFETIME,
            "id_token": token,
        }
    )


def _consume(
    services: BackChannel, request: Request, connection: Connection, relying_party: RelyingParty, code: Handle
) -> Transaction:
    presented = digest(Purpose.CODE, services.scope(connection), code.id, code.secret)
    try:
        return services.transactions.redeem(
            Redeem(
                id=code.id,
                connection=connection.name,
                client_id=relying_party.client_id,
                code_hash=presented,
                now=services.now(),
            ),
            request.deadline,
        )
    except TransitionRefused as refused:
        current = refused.current
        if current is not None and current.code_hash == presented:
            request.deadline.continues(current.correlation_id)
            if current.phase is Phase.REDEEMED:
                services.telemetry.event(
                    "code_replayed", connection=connection.name, correlation_id=current.correlation_id
                )
        raise invalid_grant("code_refused") from None
    except OutcomeUnknown:
        # The write may have happened; answering with tokens could make it twice.
        raise invalid_grant("store_outcome_unknown") from None


def open_with_code(
    services: BackChannel, connection: Connection, transaction: Transaction, code: Handle
) -> tuple[Handle, dict[str, Any]]:
    """Return the access token and what it opens; raises OAuthError invalid_grant where a seal does not hold."""
    scope = services.scope(connection)
    try:
        label = Label(
            scope=scope, purpose="token", transaction_id=code.id, expires_at=transaction.code_expires_at or 0
        )
        access_token = Handle(code.id, unseal(code.secret, label, transaction.sealed_token))
        return access_token, open_with_token(services, connection, transaction, access_token)
    except SealBroken:
        raise invalid_grant("seal_broken") from None


def open_with_token(
    services: BackChannel, connection: Connection, transaction: Transaction, access_token: Handle
) -> dict[str, Any]:
    """Return the grant: redirect URI, nonce, challenge, identity. Raises SealBroken."""
    label = Label(
        scope=services.scope(connection),
        purpose="grant",
        transaction_id=access_token.id,
        expires_at=transaction.token_expires_at or 0,
    )
    grant: dict[str, Any] = unseal(access_token.secret, label, transaction.sealed_grant)
    return grant


def identity_of(grant: dict[str, Any]) -> Identity:
    """Return the identity as it was sealed."""
    stored = grant["identity"]
    return Identity(**{**stored, "amr": tuple(stored["amr"])})
