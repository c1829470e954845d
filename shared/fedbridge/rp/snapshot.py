"""Taking a snapshot of what an OpenID provider publishes: the members that sign-ins read, checked as they check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import OutboundRequest
from fedbridge.rp import jwk_set, jwks, metadata
from fedbridge.rp.calls import Calls
from fedbridge.rp.errors import upstream_error
from fedbridge.strict_json import decode_object

METADATA = (
    "issuer",
    *metadata.REQUIRED,
    *metadata.OPTIONAL,
    "require_pushed_authorization_requests",
    "registration_endpoint",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "authorization_response_iss_parameter_supported",
    "mtls_endpoint_aliases",
)
"""Members of the discovery document that are read."""

JWK = ("kty", "kid", "alg", "use", "key_ops", "issuer", "n", "e", "crv", "x", "y")
"""Members of a public key that are read."""


def take(connection: Connection, calls: Calls, deadline: Deadline) -> dict[str, Any]:
    """Return the documents `metadata` and `jwks`, as far as the connection asks the IdP for them.

    Raises UpstreamError (`metadata_…`, `jwks_…`, `upstream_…`), DeadlineExceeded, ConfigurationError, KeyUnavailable.
    """
    parts: dict[str, Any] = {}
    if connection.endpoints is not None:
        found = metadata.from_endpoints(connection.issuer, connection.endpoints)
    else:
        body = metadata.fetch_metadata(connection, calls, deadline)
        found = metadata.parse_metadata(connection, body)
        parts["metadata"] = _only(METADATA, decode_object(body))
    if found.jwks_uri is not None and not connection.id_token.symmetric:
        parts["jwks"] = _keys(connection, found.jwks_uri, calls, deadline)
    return parts


def refuse_moved(connection: Connection, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise UpstreamError `metadata_host_changed` where endpoints left their hosts: only an operator takes that for good."""
    if "metadata" in before and "metadata" in after:
        metadata.refuse_moved_hosts(_read(connection, before), _read(connection, after))


def _read(connection: Connection, parts: Mapping[str, Any]) -> ProviderMetadata:
    return metadata.read_metadata(connection, parts["metadata"])


def _keys(connection: Connection, uri: str, calls: Calls, deadline: Deadline) -> dict[str, Any]:
    request = OutboundRequest(
        method="GET", url=uri, headers={"accept": jwks.JWK_SET.accept}, max_bytes=jwks.MAX_BYTES
    )
    response = calls.get(connection, jwks.JWK_SET.name, request, deadline)
    if response.status != 200:
        raise upstream_error("jwks_unavailable", status=response.status)
    jwk_set.parse_jwk_set(response.body)
    members = decode_object(response.body)["keys"]
    return {"uri": uri, "keys": [_only(JWK, each) for each in members if _is_public(each)]}


def _is_public(member: Any) -> bool:
    """Tell whether a key may be stored at all: what is private or symmetric was published by mistake."""
    return isinstance(member, dict) and not jwk_set.PRIVATE & member.keys()


def _only(names: tuple[str, ...], document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in names if name in document}
