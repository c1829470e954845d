"""The IdP's metadata (SAML metadata §2.4.3): a URL or a document of the operator's, signed by whom the operator named.

The URL may be a federation's: its metadata query service (MDQ), or an aggregate, out of which this one IdP is read.

A document that was refused changes nothing: the last good one serves on, and no check is ever left out because of what a
document says or leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from fedbridge.errors import ConfigurationError, IssuerMismatch, UpstreamError
from fedbridge.ports import OutboundRequest
from fedbridge.sp import names
from fedbridge.sp.idp import (
    Binding,
    Certificate,
    IdentityProvider,
    UnusableCertificateError,
    certificate_of,
    certificates_of,
    decode_certificate,
)
from fedbridge.sp.names import DS, MD, SAMLP, q
from fedbridge.sp.signature import check_algorithms, signed_element, verify_enveloped
from fedbridge.sp.structure import check_signature
from fedbridge.sp.times import to_seconds
from fedbridge.sp.xml import parse

if TYPE_CHECKING:
    from lxml import etree

    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.saml import Saml, SamlMetadata, SamlProvider
    from fedbridge.ports import Clock, OutboundResponse, Secrets

MAX_BYTES = 1024 * 1024
MAX_ELEMENTS = 50_000
FRESH = 3600.0
STALE = 24 * 3600.0
"""Seconds since the fetch: used without a question, used when a refresh fails."""

_BINDINGS: Mapping[str, Binding] = {names.REDIRECT_BINDING: "redirect", names.POST_BINDING: "post"}


class Cache(Protocol):
    """Keeps what was fetched, fresh and stale, one fetch at a time for one key."""

    def get(
        self,
        key: tuple[str, ...],
        fetch: Callable[[IdentityProvider | None, Deadline], IdentityProvider],
        deadline: Deadline,
    ) -> tuple[IdentityProvider, bool]:
        """Return the value, and whether this call fetched it."""


class Calls(Protocol):
    """Calls an IdP by GET, with one retry, logged and cut short while it is down."""

    def get(
        self, connection: Connection, endpoint: str, request: OutboundRequest, deadline: Deadline
    ) -> OutboundResponse:
        """Return whatever was answered; raises UpstreamError, DeadlineExceeded."""


class IdentityProviders:
    """IdPs by connection; those from metadata are cached per connection and configuration version."""

    def __init__(self, *, calls: Calls, secrets: Secrets, cache: Cache, clock: Clock) -> None:
        self._calls = calls
        self._secrets = secrets
        self._cache = cache
        self._clock = clock

    def get(self, connection: Connection, saml: Saml, deadline: Deadline) -> IdentityProvider:
        """Return the IdP; raises UpstreamError (`saml_metadata_…`, `upstream_…`), ConfigurationError, KeyUnavailable."""
        if saml.provider is not None:
            return self._by_hand(connection, saml.provider, deadline)
        metadata = saml.metadata
        if metadata is None:
            raise ConfigurationError(f"connection {connection.name}: saml has neither metadata nor provider")
        provider, _ = self._cache.get(
            (connection.name, connection.version),
            lambda last_good, within: self._read(connection, metadata, last_good, within),
            deadline,
        )
        return provider

    def _by_hand(
        self, connection: Connection, provider: SamlProvider, deadline: Deadline
    ) -> IdentityProvider:
        return IdentityProvider(
            entity_id=connection.issuer,
            endpoints={provider.binding: provider.single_sign_on_service},
            certificates=self._certificates(provider.certificates, deadline),
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
        document = self._document(connection, metadata.source, deadline)
        signers = self._certificates((metadata.signer,), deadline) if metadata.signer else ()
        provider = parse_metadata(connection, document, signers=signers, now=self._clock())
        if last_good is not None:
            _refuse_moved_hosts(connection, last_good, provider)
        return provider

    def _document(self, connection: Connection, source: str, deadline: Deadline) -> bytes:
        if not source.startswith(("https:", "http:")):
            return self._secrets.get(source, deadline).encode("utf-8")
        request = OutboundRequest(
            method="GET",
            url=source,
            headers={"accept": "application/samlmetadata+xml, application/xml, text/xml"},
            max_bytes=MAX_BYTES,
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


def parse_metadata(
    connection: Connection, document: bytes, *, signers: tuple[Certificate, ...], now: float
) -> IdentityProvider:
    """Read the EntityDescriptor of the connection's IdP.

    With `signers` the document must be signed by one of them, and may then be an aggregate; without, a Signature is not
    looked at, because a key that the document brings along proves nothing. A KeyDescriptor without `use` means signing as well. Raises UpstreamError:
    `saml_metadata_malformed`, `saml_metadata_signature_invalid`, `saml_metadata_entity_mismatch`,
    `saml_metadata_expired`, `saml_metadata_incomplete`.
    """
    root = _root(document)
    if signers:
        root = _verified(root, document, signers)
    entity = _entity(root, connection.issuer, aggregated=bool(signers))
    descriptors = [
        each
        for each in entity.iterchildren(q(MD, "IDPSSODescriptor"))
        if SAMLP in (each.get("protocolSupportEnumeration") or "").split()
    ]
    if len(descriptors) != 1:
        raise UpstreamError(
            "saml_metadata_incomplete", message="there is not one IDPSSODescriptor for SAML 2.0"
        )
    descriptor = descriptors[0]
    for element in (descriptor, *descriptor.iterancestors()):
        _check_validity(element, now)
    endpoints = _endpoints(descriptor)
    certificates = _signing_certificates(descriptor)
    if not endpoints or not certificates:
        missing = "certificate to verify with" if endpoints else "endpoint by Redirect or POST"
        raise UpstreamError("saml_metadata_incomplete", message=f"there is no {missing}")
    return IdentityProvider(
        entity_id=connection.issuer,
        endpoints=endpoints,
        certificates=certificates,
        wants_signed_requests=descriptor.get("WantAuthnRequestsSigned") in {"true", "1"},
    )


def _root(document: bytes) -> etree._Element:
    try:
        return parse(document, max_elements=MAX_ELEMENTS)
    except IssuerMismatch:
        raise UpstreamError("saml_metadata_malformed") from None


def _verified(root: etree._Element, document: bytes, signers: tuple[Certificate, ...]) -> etree._Element:
    """Return the root, read from the bytes that its only Signature covers."""
    signature = root.find(q(DS, "Signature"))
    try:
        if signature is None or len([*root.iter(q(DS, "Signature"))]) != 1:
            raise UpstreamError("saml_metadata_signature_invalid")
        check_signature(signature)
        check_algorithms(root, names.SIGNATURES)
        verify_enveloped(root, signers)
        return signed_element(document, max_elements=MAX_ELEMENTS)
    except IssuerMismatch:
        raise UpstreamError("saml_metadata_signature_invalid") from None


def _entity(root: etree._Element, entity_id: str, *, aggregated: bool) -> etree._Element:
    """Return the IdP's EntityDescriptor: the root, or the only one of this name in an aggregate."""
    tag = q(MD, "EntityDescriptor")
    if root.tag == q(MD, "EntitiesDescriptor") and aggregated:
        found = [each for each in root.iter(tag) if each.get("entityID") == entity_id]
        if len(found) == 1:
            return found[0]
    elif root.tag != tag:
        raise UpstreamError("saml_metadata_malformed", message="the root is not one EntityDescriptor")
    elif root.get("entityID") == entity_id:
        return root
    raise UpstreamError("saml_metadata_entity_mismatch")


def _check_validity(element: etree._Element, now: float) -> None:
    end = element.get("validUntil")
    try:
        expired = end is not None and to_seconds(end) <= now
    except IssuerMismatch:
        raise UpstreamError("saml_metadata_malformed", message="validUntil is not a time in UTC") from None
    if expired:
        raise UpstreamError("saml_metadata_expired")


def _endpoints(descriptor: etree._Element) -> dict[Binding, str]:
    found: dict[Binding, str] = {}
    for service in descriptor.iterchildren(q(MD, "SingleSignOnService")):
        binding, location = _BINDINGS.get(service.get("Binding", "")), service.get("Location", "")
        if binding is not None and binding not in found and _is_url(location):
            found[binding] = location
    return found


def _is_url(location: str) -> bool:
    """Whether browsers may be sent there: https, or http on loopback, which local runs have."""
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
    except ValueError:
        return False
    loopback = host in {"localhost", "127.0.0.1", "::1"}
    plain = location.isascii() and location.isprintable() and " " not in location and "#" not in location
    return (
        plain
        and "@" not in parts.netloc
        and bool(host)
        and (parts.scheme == "https" or (parts.scheme == "http" and loopback))
    )


def _signing_certificates(descriptor: etree._Element) -> tuple[Certificate, ...]:
    """Return the certificates that may sign; one that cannot be used refuses the whole document, for it would be missed."""
    found: dict[str, Certificate] = {}
    for key in descriptor.iterchildren(q(MD, "KeyDescriptor")):
        if key.get("use", "signing") != "signing":
            continue
        for element in key.iter(q(DS, "X509Certificate")):
            try:
                certificate = certificate_of(decode_certificate(element.text or ""))
            except UnusableCertificateError as error:
                raise UpstreamError(
                    "saml_metadata_malformed", message=f"a signing certificate {error}"
                ) from None
            found[certificate.pem] = certificate
    return tuple(found.values())


def _refuse_moved_hosts(
    connection: Connection, last_good: IdentityProvider, provider: IdentityProvider
) -> None:
    """Refuse metadata whose endpoints left their hosts: sign-ins go on with what was good, and the operator is told."""
    known = {_host(url) for url in last_good.endpoints.values()} | set(connection.endpoint_hosts)
    for url in provider.endpoints.values():
        if _host(url) not in known:
            raise UpstreamError("saml_metadata_host_changed", message=f"an endpoint moved to {_host(url)}")


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
