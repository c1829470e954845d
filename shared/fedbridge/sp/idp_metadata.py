"""The IdP's metadata (SAML metadata §2.4.3): a URL or a document of the operator's, signed by whom the operator named.

The URL may be a federation's: its metadata query service (MDQ), or an aggregate, out of which this one IdP is read.

A document that was refused changes nothing: the last good one serves on, and no check is ever left out because of what a
document says or leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

from fedbridge.errors import ConfigurationError, DeadlineExceeded, UpstreamError
from fedbridge.ports import OutboundRequest
from fedbridge.sp.idp import Certificate, IdentityProvider, UnusableCertificateError, certificates_of
from fedbridge.sp.metadata_document import parse_metadata
from fedbridge.sp.snapshot import seed

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.saml import Saml, SamlMetadata, SamlProvider
    from fedbridge.model.snapshot import Seed
    from fedbridge.ports import Clock, OutboundResponse, Secrets
    from fedbridge.sp.idp import Binding

MAX_BYTES = 1024 * 1024
MAX_AGGREGATE_BYTES = 4 * 1024 * 1024
"""Of one entity, and of a whole federation; a larger federation is asked by MDQ."""

FRESH = 3600.0
STALE = 24 * 3600.0
"""Seconds since the fetch: used without a question, used when a refresh fails; never beyond `validUntil`."""

REFRESH_BUDGET = 3.0
REFRESH_BACK_OFF = 60.0
"""Seconds: what a refresh that metadata ask for before FRESH may take, and the pause until the next one."""


class Cache(Protocol):
    """Keeps what was fetched, fresh and stale, one fetch at a time for one key."""

    def get(
        self,
        key: tuple[str, ...],
        fetch: Callable[[IdentityProvider | None, Deadline], IdentityProvider],
        deadline: Deadline,
        *,
        seed: Seed[IdentityProvider] | None = None,
    ) -> tuple[IdentityProvider, bool]:
        """Return the value, and whether this call fetched it."""

    def refetch(
        self,
        key: tuple[str, ...],
        fetch: Callable[[IdentityProvider | None, Deadline], IdentityProvider],
        deadline: Deadline,
        *,
        cooldown: float,
        seed: Seed[IdentityProvider] | None = None,
    ) -> IdentityProvider | None:
        """Return the value anew, or what is there if that was done `cooldown` seconds ago."""


class Calls(Protocol):
    """Calls an IdP by GET, with one retry, logged and cut short while it is down."""

    def get(
        self, connection: Connection, endpoint: str, request: OutboundRequest, deadline: Deadline
    ) -> OutboundResponse:
        """Return whatever was answered; raises UpstreamError, DeadlineExceeded."""


class IdentityProviders:
    """IdPs by connection; those from metadata are cached per connection and configuration version."""

    def __init__(
        self,
        *,
        calls: Calls,
        secrets: Secrets,
        cache: Cache,
        clock: Clock,
        on_stale: Callable[[tuple[str, ...], UpstreamError], None],
    ) -> None:
        self._calls = calls
        self._secrets = secrets
        self._cache = cache
        self._clock = clock
        self._on_stale = on_stale

    def get(
        self, connection: Connection, saml: Saml, deadline: Deadline, *, endpoints_only: bool = False
    ) -> IdentityProvider:
        """Return the IdP; raises UpstreamError (`saml_metadata_…`, `upstream_…`), ConfigurationError, KeyUnavailable.

        With `endpoints_only` nothing will be verified by its certificates, and an older snapshot does.
        """
        if saml.provider is not None:
            services = saml.artifact.services if saml.artifact is not None else ()
            return self._by_hand(connection, saml.provider, services, deadline)
        metadata = saml.metadata
        if metadata is None:
            raise ConfigurationError(f"connection {connection.name}: saml has neither metadata nor provider")

        def fetch(last_good: IdentityProvider | None, within: Deadline) -> IdentityProvider:
            return self._read(connection, metadata, last_good, within)

        key, known = (connection.name, connection.version), seed(connection, endpoints_only=endpoints_only)
        provider, fetched = self._cache.get(key, fetch, deadline, seed=known)
        if fetched or self._clock() < provider.refresh_at:
            return provider
        return self._anew(key, fetch, provider, deadline, known)

    def fetch(self, connection: Connection, metadata: SamlMetadata, deadline: Deadline) -> IdentityProvider:
        """Return the IdP as its metadata describe it now, whatever is cached; raises as `get` does."""
        return self._read(connection, metadata, None, deadline)

    def _anew(
        self,
        key: tuple[str, ...],
        fetch: Callable[[IdentityProvider | None, Deadline], IdentityProvider],
        provider: IdentityProvider,
        deadline: Deadline,
        known: Seed[IdentityProvider] | None,
    ) -> IdentityProvider:
        """Return newer metadata, or those that ask for a refresh as long as they have not ended."""
        short = replace(deadline, at=min(deadline.at, deadline.monotonic() + REFRESH_BUDGET))
        newer: IdentityProvider | None = None
        try:
            newer = self._cache.refetch(key, fetch, short, cooldown=REFRESH_BACK_OFF, seed=known)
        except UpstreamError as failure:
            self._on_stale(key, failure)
        except DeadlineExceeded:
            self._on_stale(key, UpstreamError("upstream_timeout"))
        latest = newer or provider
        if latest.valid_until is not None and latest.valid_until <= self._clock():
            raise UpstreamError("saml_metadata_expired", error="temporarily_unavailable")
        return latest

    def _by_hand(
        self, connection: Connection, provider: SamlProvider, services: tuple[str, ...], deadline: Deadline
    ) -> IdentityProvider:
        url = provider.single_logout_service
        logout: dict[Binding, str] = {provider.binding: url} if url is not None else {}
        return IdentityProvider(
            entity_id=connection.issuer,
            endpoints={provider.binding: provider.single_sign_on_service},
            certificates=self._certificates(provider.certificates, deadline),
            artifact_services=dict(enumerate(services)),
            logout_endpoints=logout,
            logout_response_endpoints=logout,
        )

    def _certificates(self, references: tuple[str, ...], deadline: Deadline) -> tuple[Certificate, ...]:
        found: list[Certificate] = []
        for reference in references:
            try:
                found += certificates_of(self._secrets.get(reference, deadline))
            except UnusableCertificateError as error:
                raise ConfigurationError(f"{reference}: {error}") from None
        return tuple(found)

    def _read(
        self,
        connection: Connection,
        metadata: SamlMetadata,
        last_good: IdentityProvider | None,
        deadline: Deadline,
    ) -> IdentityProvider:
        document = self._document(connection, metadata, deadline)
        signers = self._certificates((metadata.signer,), deadline) if metadata.signer else ()
        provider = parse_metadata(
            connection, document, signers=signers, now=self._clock(), kind=metadata.kind
        )
        if last_good is not None:
            refuse_moved(connection, last_good, provider)
        return provider

    def _document(self, connection: Connection, metadata: SamlMetadata, deadline: Deadline) -> bytes:
        source = metadata.source
        if metadata.kind == "mdq":  # draft-young-md-query-saml §3.2: the entityID is one path segment.
            source = f"{source.rstrip('/')}/entities/{quote(connection.issuer, safe='')}"
        if not source.startswith(("https:", "http:")):
            return self._secrets.get(source, deadline).encode("utf-8")
        request = OutboundRequest(
            method="GET",
            url=source,
            headers={"accept": "application/samlmetadata+xml, application/xml, text/xml"},
            max_bytes=MAX_AGGREGATE_BYTES if metadata.kind == "aggregate" else MAX_BYTES,
        )
        response = self._calls.get(connection, "metadata", request, deadline)
        if response.status != 200:
            outage = response.status == 429 or response.status >= 500
            raise UpstreamError(
                "saml_metadata_unavailable",
                error="temporarily_unavailable" if outage else "server_error",
                upstream_status=response.status,
            )
        return response.body


def refuse_moved(connection: Connection, last_good: IdentityProvider, provider: IdentityProvider) -> None:
    """Raise UpstreamError for what an operator has to look at before it replaces what was good."""
    _refuse_moved_hosts(connection, last_good, provider)
    _refuse_older(last_good, provider)


def _refuse_moved_hosts(
    connection: Connection, last_good: IdentityProvider, provider: IdentityProvider
) -> None:
    """Refuse metadata whose endpoints left their hosts: sign-ins go on with what was good, and the operator is told."""
    known = {_host(url) for url in _urls(last_good)} | set(connection.endpoint_hosts)
    for url in _urls(provider):
        if _host(url) not in known:
            raise UpstreamError("saml_metadata_host_changed", message=f"an endpoint moved to {_host(url)}")


def _refuse_older(last_good: IdentityProvider, provider: IdentityProvider) -> None:
    """Refuse metadata that end before those that are there, or never: somebody may play back what was withdrawn."""
    if last_good.valid_until is not None and (
        provider.valid_until is None or provider.valid_until < last_good.valid_until
    ):
        raise UpstreamError("saml_metadata_older")


def _urls(provider: IdentityProvider) -> tuple[str, ...]:
    return (
        *provider.endpoints.values(),
        *provider.artifact_services.values(),
        *provider.logout_endpoints.values(),
        *provider.logout_response_endpoints.values(),
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
