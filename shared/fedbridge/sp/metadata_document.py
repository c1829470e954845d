"""One IdP as metadata describe it: found by its entityID in a document that was checked first, as a whole.

A document that was refused changes nothing, and no check is ever left out because of what a document says or leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.sp import names
from fedbridge.sp.idp import (
    Binding,
    Certificate,
    IdentityProvider,
    UnusableCertificateError,
    certificate_of,
    decode_certificate,
)
from fedbridge.sp.metadata_lifetime import lifetime_of
from fedbridge.sp.names import DS, MD, SAMLP, q
from fedbridge.sp.signature import check_algorithms, signed_element, verify_enveloped
from fedbridge.sp.structure import check_signature
from fedbridge.sp.xml import parse

if TYPE_CHECKING:
    from lxml import etree

    from fedbridge.model.connection import Connection

MAX_METADATA_ELEMENTS = 50_000
MAX_AGGREGATE_ELEMENTS = 100_000
"""Of one entity, and of a whole federation; a larger federation is asked by MDQ."""

_INDEX = re.compile(r"[0-9]{1,5}")
_BINDINGS: Mapping[str, Binding] = {names.REDIRECT_BINDING: "redirect", names.POST_BINDING: "post"}


def parse_metadata(
    connection: Connection,
    document: bytes,
    *,
    signers: tuple[Certificate, ...],
    now: float,
    kind: Literal["entity", "aggregate", "mdq"] = "entity",
) -> IdentityProvider:
    """Read the EntityDescriptor of the connection's IdP.

    With `signers` the whole document must be signed by one of them; without, a Signature is not looked at, because a key
    that the document brings along proves nothing, and an aggregate is not read at all. A KeyDescriptor without `use`
    means signing as well. Raises UpstreamError: `saml_metadata_malformed`, `saml_metadata_signature_invalid`,
    `saml_metadata_entity_mismatch`, `saml_metadata_expired`, `saml_metadata_unlimited`, `saml_metadata_incomplete`.
    """
    max_elements = MAX_AGGREGATE_ELEMENTS if kind == "aggregate" else MAX_METADATA_ELEMENTS
    root = _root(document, max_elements)
    if signers or kind != "entity":
        root = _verified(root, document, signers, max_elements)
    entity = _entity_of(root, connection.issuer, aggregate=kind == "aggregate")
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
    chain = (descriptor, entity, *entity.iterancestors())
    lifetime = lifetime_of(chain, now, must_end=kind != "entity")
    endpoints = _endpoints(descriptor, "SingleSignOnService")
    certificates = _signing_certificates(descriptor)
    if not endpoints or not certificates:
        missing = "certificate to verify with" if endpoints else "endpoint by Redirect or POST"
        raise UpstreamError("saml_metadata_incomplete", message=f"there is no {missing}")
    return IdentityProvider(
        entity_id=connection.issuer,
        endpoints=endpoints,
        certificates=certificates,
        wants_signed_requests=descriptor.get("WantAuthnRequestsSigned") in {"true", "1"},
        artifact_services=_artifact_services(descriptor),
        logout_endpoints=_endpoints(descriptor, "SingleLogoutService"),
        logout_response_endpoints=_endpoints(descriptor, "SingleLogoutService", "ResponseLocation"),
        valid_until=lifetime.valid_until,
        refresh_at=lifetime.refresh_at,
    )


def _root(document: bytes, max_elements: int) -> etree._Element:
    try:
        return parse(document, max_elements=max_elements, comments=True)
    except IssuerMismatch:
        raise UpstreamError("saml_metadata_malformed") from None


def _verified(
    root: etree._Element, document: bytes, signers: tuple[Certificate, ...], max_elements: int
) -> etree._Element:
    """Return the root, read from the bytes that its own Signature, which is one of the signers', covers.

    In an aggregate other Signatures may stand on entities, as they came from their owners: they are data, and no key of
    theirs is known. Those are all that xmlsec leaves alone, and none takes part in what is verified here.
    """
    signature = root.find(q(DS, "Signature"))
    try:
        if signature is None or not _are_only_data(root, signature):
            raise UpstreamError("saml_metadata_signature_invalid")
        check_signature(signature)
        check_algorithms(signature, names.SIGNATURES)
        verify_enveloped(root, signers)
        return signed_element(document, max_elements=max_elements, comments=True)
    except IssuerMismatch:
        raise UpstreamError("saml_metadata_signature_invalid") from None


def _are_only_data(root: etree._Element, signature: etree._Element) -> bool:
    """Return whether the root's ID is nobody else's, and every other Signature stands on an entity within."""
    aggregate = root.tag == q(MD, "EntitiesDescriptor")
    holders = {q(MD, "EntityDescriptor"), q(MD, "EntitiesDescriptor")} if aggregate else set()
    for other in root.iter(q(DS, "Signature")):
        parent = other.getparent()
        if other is not signature and (parent is None or parent is root or parent.tag not in holders):
            return False
    return not any(each.get("ID") == root.get("ID") for each in root.iterdescendants())


def _entity_of(root: etree._Element, entity_id: str, *, aggregate: bool) -> etree._Element:
    """Return the EntityDescriptor of this entityID, of which there must be one."""
    expected = q(MD, "EntitiesDescriptor" if aggregate else "EntityDescriptor")
    if root.tag != expected:
        raise UpstreamError(
            "saml_metadata_malformed", message=f"the root is not one {expected.rpartition('}')[2]}"
        )
    found = [root] if not aggregate else [*_entities(root)]
    matching = [entity for entity in found if entity.get("entityID") == entity_id]
    if len(matching) != 1:
        raise UpstreamError("saml_metadata_entity_mismatch")
    return matching[0]


def _entities(group: etree._Element) -> Iterator[etree._Element]:
    """Yield the entities of a group and of the groups in it: those that stand where an entity may."""
    yield from group.iterchildren(q(MD, "EntityDescriptor"))
    for inner in group.iterchildren(q(MD, "EntitiesDescriptor")):
        yield from _entities(inner)


def _artifact_services(descriptor: etree._Element) -> dict[int, str]:
    """Return the SOAP endpoints by index; an index that is there twice, or is none, names nobody's endpoint."""
    found: dict[int, str] = {}
    for service in descriptor.iterchildren(q(MD, "ArtifactResolutionService")):
        index, location = service.get("index", ""), service.get("Location", "")
        if service.get("Binding") != names.SOAP_BINDING or not _is_url(location):
            continue
        if not _INDEX.fullmatch(index) or int(index) in found:
            raise UpstreamError(
                "saml_metadata_malformed", message="an artifact resolution service has no index of its own"
            )
        found[int(index)] = location
    return found


def _endpoints(descriptor: etree._Element, name: str, attribute: str = "Location") -> dict[Binding, str]:
    """Return the first usable URL of each binding; answers go to the Location where they have no other one."""
    found: dict[Binding, str] = {}
    for service in descriptor.iterchildren(q(MD, name)):
        binding = _BINDINGS.get(service.get("Binding", ""))
        location = service.get(attribute) or service.get("Location") or ""
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
