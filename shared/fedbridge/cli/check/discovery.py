"""What the IdP says of itself, read as the runtime reads it, and everything for which the runtime refuses it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedbridge.cli.check.codes import found
from fedbridge.cli.check.network import DIAGNOSED, way_to, why
from fedbridge.cli.check.observed import one_line
from fedbridge.errors import DeadlineExceeded, FedbridgeError, UpstreamError
from fedbridge.rp.metadata import (
    ALIASED,
    OPTIONAL,
    REQUIRED,
    discovery_url,
    fetch_metadata,
    from_endpoints,
    own_endpoint,
    parse_metadata,
)
from fedbridge.rp.tenants import metadata_issuer
from fedbridge.strict_json import InvalidJson, decode_object

if TYPE_CHECKING:
    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.connection import Connection
    from fedbridge.model.metadata import ProviderMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The IdP's metadata, and the whole document that they are from: empty where the operator wrote them down."""

    metadata: ProviderMetadata
    document: Mapping[str, Any]

    def strings(self, name: str) -> tuple[str, ...] | None:
        """Return a list of strings that the IdP advertises, None where it does not, or not as such a list."""
        value = self.document.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return None
        return tuple(value)


def discover(context: CheckContext) -> Generator[Finding, None, Provider | None]:
    """Yield what is wrong with the metadata; return them, None where the runtime could not use them."""
    connection = context.connection
    if connection.endpoints is not None:
        metadata = from_endpoints(connection.issuer, connection.endpoints)
        yield from way_to(context, _urls(metadata))
        return Provider(metadata=metadata, document={})
    url = discovery_url(connection.issuer)
    on_the_way = [*way_to(context, [url])]
    yield from on_the_way
    if any(each.severity == "error" for each in on_the_way):
        return None
    try:
        body = fetch_metadata(connection, context.calls(), context.deadline())
    except UpstreamError as failure:
        if failure.reason in DIAGNOSED:
            yield from why(context, url, failure)
        else:
            yield found("discovery_unavailable", f"{url} answered {failure.upstream_status}.")
        return None
    except DeadlineExceeded:
        yield found("host_slow", f"{url} did not answer in time.")
        return None
    except FedbridgeError:
        return None  # Our own certificate, which is a finding about our keys.
    return (yield from _read(context, url, body))


def _read(context: CheckContext, url: str, body: bytes) -> Generator[Finding, None, Provider | None]:
    connection = context.connection
    try:
        document = decode_object(body)
    except InvalidJson:
        yield found("discovery_malformed", f"{url} answered no JSON object.")
        return None
    problems = [*_issuer(connection, document), *_endpoints(connection, document)]
    yield from problems
    try:
        metadata = parse_metadata(connection, body)
    except UpstreamError as failure:
        if not problems:
            yield found("discovery_malformed", f"{url}: {failure}.")
        return None
    yield from way_to(context, _urls(metadata), besides=url)
    return Provider(metadata=metadata, document=document)


def _issuer(connection: Connection, document: Mapping[str, Any]) -> Iterator[Finding]:
    expected = metadata_issuer(connection.issuer, connection.tenants)
    issuer = document.get("issuer")
    if issuer != expected:
        said = one_line(issuer) or "nothing"
        yield found(
            "issuer_mismatch", f"The document calls itself {said}; the connection expects {expected}."
        )


def _endpoints(connection: Connection, document: dict[str, Any]) -> Iterator[Finding]:
    """Yield every endpoint that the runtime would stop at, not the first alone."""
    needed = set(REQUIRED) - ({"jwks_uri"} if connection.id_token.symmetric else set())
    for name in REQUIRED:
        if name in needed and document.get(name) is None:
            yield found("endpoint_missing", f"The document names no {name}.")
    for name in (*REQUIRED, *(name for name in OPTIONAL if _is_used(connection, document, name))):
        yield from _endpoint(connection, document, name, name)
    aliases = document.get("mtls_endpoint_aliases")
    if connection.mutual_tls is not None and isinstance(aliases, dict):
        for name in ALIASED:
            yield from _endpoint(connection, aliases, name, f"mtls_endpoint_aliases.{name}")


def _is_used(connection: Connection, document: Mapping[str, Any], name: str) -> bool:
    """Tell whether the runtime looks at an optional endpoint of this connection."""
    par = connection.authorization.par
    demanded = par == "auto" and document.get("require_pushed_authorization_requests") is True
    return {
        "pushed_authorization_request_endpoint": demanded or par == "required",
        "end_session_endpoint": connection.logout.mode != "none",
        "revocation_endpoint": connection.logout.revoke_tokens,
    }.get(name, True)


def _endpoint(connection: Connection, members: dict[str, Any], member: str, name: str) -> Iterator[Finding]:
    try:
        own_endpoint(connection, members, member)
    except UpstreamError as failure:
        shown = one_line(members[member]) or "no text"
        if failure.reason != "metadata_host_refused":
            yield found("endpoint_malformed", f"{name} is no plain URL: {shown}.")
        elif shown.startswith("http://"):
            yield found("endpoint_not_https", f"{name} is {shown}.")
        else:
            yield found("endpoint_host_unknown", f"{name} is {shown}, on another host than the issuer's.")


def _urls(metadata: ProviderMetadata) -> Iterator[str]:
    """Yield what the bridge itself calls first: these must work for a sign-in."""
    for name in ("token_endpoint", "jwks_uri", "userinfo_endpoint", "pushed_authorization_request_endpoint"):
        url = getattr(metadata, name)
        if url is not None:
            yield metadata.mtls_endpoint_aliases.get(name, url)
