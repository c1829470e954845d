"""An IdP's metadata, discovered (OpenID Connect Discovery 1.0 §4) or written down by the operator."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection, Endpoints
from fedbridge.model.deadline import Deadline
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.model.snapshot import Seed
from fedbridge.ports import Clock, OutboundRequest, Telemetry
from fedbridge.rp.cache import StaleCache
from fedbridge.rp.calls import Calls
from fedbridge.rp.errors import upstream_error
from fedbridge.rp.tenants import metadata_issuer
from fedbridge.strict_json import InvalidJson, decode_object

FRESH = 3600.0
STALE = 24 * 3600.0
"""Seconds since the fetch: used without a question, used when a refresh fails."""

MAX_BYTES = 256 * 1024

REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
OPTIONAL = (
    "userinfo_endpoint",
    "pushed_authorization_request_endpoint",
    "end_session_endpoint",
    "revocation_endpoint",
)
ALIASED = (
    "token_endpoint",
    "pushed_authorization_request_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
)
"""Members of `mtls_endpoint_aliases` that are called."""

_DEFAULT_PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,2048}")


class MetadataSource:
    """Metadata by connection, cached per connection and configuration version."""

    def __init__(self, calls: Calls, telemetry: Telemetry, clock: Clock) -> None:
        self._calls = calls
        self._cache = StaleCache[ProviderMetadata](
            fresh=FRESH,
            stale=STALE,
            clock=clock,
            on_stale=lambda key, failure: telemetry.event(
                "metadata_stale",
                connection=key[0],
                reason=failure.reason,
                upstream_status=failure.upstream_status,
            ),
        )

    def get(self, connection: Connection, deadline: Deadline) -> ProviderMetadata:
        """Return the metadata; what the operator wrote down goes before discovery.

        Raises UpstreamError (`metadata_…`, `upstream_…`) and DeadlineExceeded.
        """
        if connection.endpoints is not None:
            return from_endpoints(connection.issuer, connection.endpoints)
        metadata, _ = self._cache.get(
            (connection.name, connection.version),
            lambda last_good, within: self._discover(connection, last_good, within),
            deadline,
            seed=_seed(connection),
        )
        return metadata

    def _discover(
        self, connection: Connection, last_good: ProviderMetadata | None, deadline: Deadline
    ) -> ProviderMetadata:
        metadata = parse_metadata(connection, fetch_metadata(connection, self._calls, deadline))
        if last_good is not None:
            refuse_moved_hosts(last_good, metadata)
        return metadata


def _seed(connection: Connection) -> Seed[ProviderMetadata] | None:
    """Return what the connection's snapshot says; endpoints stay on the hosts that the connection names all the same."""
    snapshot = connection.snapshot
    if snapshot is None:
        return None

    def read() -> ProviderMetadata | None:
        document = snapshot.part("metadata")
        return None if document is None else read_metadata(connection, document)

    return Seed(taken_at=snapshot.taken_at, read=read, stands_in=True)


def fetch_metadata(connection: Connection, calls: Calls, deadline: Deadline) -> bytes:
    """Return the discovery document as it was answered; raises UpstreamError `metadata_unavailable`, `upstream_…`."""
    request = OutboundRequest(
        method="GET",
        url=discovery_url(connection.issuer),
        headers={"accept": "application/json"},
        max_bytes=MAX_BYTES,
    )
    response = calls.get(connection, "discovery", request, deadline)
    if response.status != 200:
        raise upstream_error("metadata_unavailable", status=response.status)
    return response.body


def discovery_url(issuer: str) -> str:
    """Return where the metadata is; a terminating slash of the issuer goes first (Discovery 1.0 §4.1)."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


def from_endpoints(issuer: str, endpoints: Endpoints) -> ProviderMetadata:
    """Return what the operator wrote down as metadata; it is pinned, so hosts are not compared."""
    return ProviderMetadata(
        issuer=issuer, **{field.name: getattr(endpoints, field.name) for field in fields(endpoints)}
    )


def parse_metadata(connection: Connection, body: bytes) -> ProviderMetadata:
    """Read a discovery document for this connection.

    The issuer must equal the configured one (for many tenants the template) byte for byte, and every endpoint lie on its
    host or one of `endpoint_hosts`, over https (plain http only where the issuer itself is plain http, which configuration
    allows on loopback alone). Raises UpstreamError: `metadata_malformed`, `metadata_issuer_mismatch`, `metadata_incomplete`,
    `metadata_host_refused`.
    """
    try:
        document = decode_object(body)
    except InvalidJson:
        raise UpstreamError("metadata_malformed") from None
    return read_metadata(connection, document)


def read_metadata(connection: Connection, document: dict[str, Any]) -> ProviderMetadata:
    """Return what `parse_metadata` makes of a document that is plain data already; raises UpstreamError as it does."""
    if document.get("issuer") != metadata_issuer(connection.issuer, connection.tenants):
        raise UpstreamError("metadata_issuer_mismatch")
    par = connection.authorization.par
    demanded = par == "auto" and _boolean(document, "require_pushed_authorization_requests")
    return ProviderMetadata(
        issuer=connection.issuer,
        authorization_endpoint=_required_endpoint(connection, document, "authorization_endpoint"),
        token_endpoint=_required_endpoint(connection, document, "token_endpoint"),
        jwks_uri=_jwks_uri(connection, document),
        userinfo_endpoint=own_endpoint(connection, document, "userinfo_endpoint"),
        # Only connections that push their requests are refused for where it lies: nobody else's sign-in goes there.
        pushed_authorization_request_endpoint=own_endpoint(
            connection, document, "pushed_authorization_request_endpoint"
        )
        if demanded or par == "required"
        else None,
        require_pushed_authorization_requests=demanded,
        # Only connections that register are refused for where it lies: nobody's sign-in goes there.
        registration_endpoint=own_endpoint(connection, document, "registration_endpoint")
        if connection.registration is not None
        else None,
        # Likewise for connections that sign out there, and for those that revoke.
        end_session_endpoint=own_endpoint(connection, document, "end_session_endpoint")
        if connection.logout.mode != "none"
        else None,
        revocation_endpoint=own_endpoint(connection, document, "revocation_endpoint")
        if connection.logout.revoke_tokens
        else None,
        token_endpoint_auth_methods_supported=_strings(
            document, "token_endpoint_auth_methods_supported", default=("client_secret_basic",)
        ),
        token_endpoint_auth_signing_alg_values_supported=_strings(
            document, "token_endpoint_auth_signing_alg_values_supported", default=()
        ),
        authorization_response_iss_parameter_supported=_boolean(
            document, "authorization_response_iss_parameter_supported"
        ),
        mtls_endpoint_aliases=_aliases(connection, document),
    )


def _aliases(connection: Connection, document: dict[str, Any]) -> dict[str, str]:
    """Return the endpoints for mutual TLS (RFC 8705 §5), under the rules of every endpoint, if they are to be called."""
    aliases = document.get("mtls_endpoint_aliases")
    if connection.mutual_tls is None or aliases is None:
        return {}
    if not isinstance(aliases, dict):
        raise UpstreamError("metadata_malformed", message="mtls_endpoint_aliases is not an object")
    found = {name: own_endpoint(connection, aliases, name) for name in ALIASED}
    return {name: url for name, url in found.items() if url is not None}


def _jwks_uri(connection: Connection, document: dict[str, Any]) -> str | None:
    """Return where the IdP's keys are; one that signs with the client secret may have none."""
    find = own_endpoint if connection.id_token.symmetric else _required_endpoint
    return find(connection, document, "jwks_uri")


def _required_endpoint(connection: Connection, document: dict[str, Any], name: str) -> str:
    url = own_endpoint(connection, document, name)
    if url is None:
        raise UpstreamError("metadata_incomplete", message=f"{name} is missing")
    return url


def own_endpoint(connection: Connection, document: dict[str, Any], name: str) -> str | None:
    """Return the URL in this member if it lies where the connection allows, None without one; raises UpstreamError."""
    url = document.get(name)
    if url is None:
        return None
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise UpstreamError("metadata_malformed", message=f"{name} is not a URL")
    origin = _origin(url, name)
    own = _origin(connection.issuer, "issuer")
    allowed = origin == own or (
        origin[0] == "https" and (origin[1] == own[1] or origin[1] in _lower(connection.endpoint_hosts))
    )
    if not allowed:
        raise UpstreamError(
            "metadata_host_refused",
            message=f"{name} names {origin[0]}://{origin[1]}, which is neither the issuer's host nor in endpoint_hosts",
        )
    return url


def _origin(url: str, name: str) -> tuple[str, str]:
    """Return scheme and host, with the port where it is not the scheme's own; raises UpstreamError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UpstreamError("metadata_malformed", message=f"{name} is not a URL") from None
    if not host or "@" in parts.netloc or "#" in url:
        raise UpstreamError("metadata_malformed", message=f"{name} is not a plain URL")
    own_port = port is None or port == _DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, host if own_port else f"{host}:{port}"


def _lower(hosts: tuple[str, ...]) -> set[str]:
    return {host.lower() for host in hosts}


def refuse_moved_hosts(last_good: ProviderMetadata, metadata: ProviderMetadata) -> None:
    """Refuse a document whose endpoints left their hosts: the operator is told, sign-ins go on with what was good."""
    endpoints = {
        name: (getattr(last_good, name), getattr(metadata, name)) for name in (*REQUIRED, *OPTIONAL)
    } | {
        f"mtls_endpoint_aliases.{name}": (
            last_good.mtls_endpoint_aliases.get(name),
            metadata.mtls_endpoint_aliases.get(name),
        )
        for name in ALIASED
    }
    for name, (before, after) in endpoints.items():
        if before and after and _origin(before, name) != _origin(after, name):
            raise UpstreamError(
                "metadata_host_changed",
                message=f"{name} moved from {_origin(before, name)[1]} to {_origin(after, name)[1]}",
            )


def _strings(document: dict[str, Any], name: str, *, default: tuple[str, ...]) -> tuple[str, ...]:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UpstreamError("metadata_malformed", message=f"{name} is not a list of strings")
    return tuple(value)


def _boolean(document: dict[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise UpstreamError("metadata_malformed", message=f"{name} is not true or false")
    return value
