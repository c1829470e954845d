"""The documents that Cognito and the IdP fetch: discovery, ID-token keys, client keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.errors import UnknownConnection
from fedbridge.op.answers import json_response
from fedbridge.op.metadata import discovery_document

if TYPE_CHECKING:
    from fedbridge.flows.services import BackChannel
    from fedbridge.model.connection import Connection
    from fedbridge.model.http import Request, Response

DISCOVERY_MAX_AGE = 300
"""Seconds."""

JWKS_MAX_AGE = 300
"""Seconds; a new ID-token key is published at least this long before it signs."""

CLIENT_JWKS_MAX_AGE = 3600
"""Seconds: itsme wants 30 minutes to 24 hours, GOV.UK at most 24 hours."""


def discovery(services: BackChannel, request: Request) -> Response:
    """Answer the discovery document; 404 where tokens are relayed, because the issuer is then the upstream's."""
    connection = _reissuing(services, request)
    algorithms = [str(jwk["alg"]) for jwk in services.id_token_keys.public_jwks(request.deadline)]
    document = discovery_document(
        services.issuer(connection),
        list(dict.fromkeys(algorithms)),
        authorization_path="/saml/login" if connection.protocol == "saml" else "/authorize",
    )
    return json_response(document, headers=_cached(DISCOVERY_MAX_AGE))


def jwks(services: BackChannel, request: Request) -> Response:
    """Answer the ID-token keys (RFC 7517 §5); an outage of the key service is a 503, never an empty set."""
    _reissuing(services, request)
    keys = services.id_token_keys.public_jwks(request.deadline)
    return json_response({"keys": keys}, headers=_cached(JWKS_MAX_AGE))


def client_jwks(services: BackChannel, request: Request) -> Response:
    """Answer the public keys of this connection's client assertions, for the IdP."""
    connection = services.connections.get(request.connection, request.deadline)
    return json_response({"keys": list(connection.client_jwks)}, headers=_cached(CLIENT_JWKS_MAX_AGE))


def _reissuing(services: BackChannel, request: Request) -> Connection:
    connection = services.connections.get(request.connection, request.deadline)
    if connection.tokens != "reissue":
        raise UnknownConnection(reason="tokens_are_relayed")
    return connection


def _cached(seconds: int) -> dict[str, str]:
    return {"cache-control": f"public, max-age={seconds}"}
