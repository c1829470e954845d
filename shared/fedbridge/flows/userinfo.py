"""`/{connection}/userinfo`: the normalized claims by one consistent read. No upstream call."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from fedbridge.flows.handles import Purpose, digest, parse_handle
from fedbridge.flows.redeem import identity_of, open_with_token
from fedbridge.flows.sealing import SealBroken
from fedbridge.model.transaction import Phase
from fedbridge.op.answers import json_response
from fedbridge.op.bearer import invalid_token, token_of

if TYPE_CHECKING:
    from fedbridge.flows.services import BackChannel
    from fedbridge.model.http import Request, Response


def userinfo(services: BackChannel, request: Request) -> Response:
    """Answer the userinfo request (OpenID Connect Core §5.3); raises OAuthError, StoreUnavailable."""
    connection = services.connections.get(request.connection, request.deadline)
    token = parse_handle(token_of(request))
    if token is None:
        raise invalid_token("access_token_malformed")
    transaction = services.transactions.read(token.id, request.deadline)
    if (
        transaction is None
        or transaction.phase is not Phase.REDEEMED
        or transaction.connection != connection.name
    ):
        raise invalid_token("access_token_unknown")
    presented = digest(Purpose.ACCESS_TOKEN, services.scope(connection), token.id, token.secret)
    if not hmac.compare_digest(presented, transaction.token_hash or b""):
        raise invalid_token("access_token_unknown")
    request.deadline.continues(transaction.correlation_id)
    if services.now() >= (transaction.token_expires_at or 0):
        raise invalid_token("access_token_expired")
    try:
        identity = identity_of(open_with_token(services, connection, transaction, token))
    except SealBroken:
        raise invalid_token("seal_broken") from None
    services.telemetry.event(
        "userinfo_read", connection=connection.name, correlation_id=transaction.correlation_id
    )
    return json_response({**identity.claims, "sub": identity.subject})
