"""HTTP-Artifact (SAML bindings §3.6): the browser brings a reference, and the bridge fetches the Response by SOAP.

Each artifact is sent to the IdP once: by the callback that claimed its sign-in, and never again if that fails.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as randomness
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from lxml import etree

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.ports import OutboundRequest
from fedbridge.sp import times
from fedbridge.sp.checks import check_answer, failure_of
from fedbridge.sp.errors import response_refused
from fedbridge.sp.names import DS, SAML, SAMLP, SOAP, q
from fedbridge.sp.signature import check_algorithms, signed_element, verify_enveloped
from fedbridge.sp.signing import published_certificate, sign_enveloped
from fedbridge.sp.structure import check_structure
from fedbridge.sp.xml import MAX_RESPONSE, parse

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Parameters
    from fedbridge.ports import Clock, OutboundResponse
    from fedbridge.sp.idp import IdentityProvider
    from fedbridge.sp.response import Reception

TYPE_CODE = 4
"""Of the only kind of artifact that SAML 2.0 has: type, index and source in 2 + 2 + 20 octets, then 20 of the IdP's."""

MAX_DOCUMENT = MAX_RESPONSE * 3 // 4
"""Bytes: what a posted Response may be, without its base64."""

_LENGTH = 44
_ACTION = '"http://www.oasis-open.org/committees/security"'  # SAML bindings §3.2.3.1


class Calls(Protocol):
    """Calls an IdP once, with the connection's client certificate, logged and cut short while it is down."""

    def send(
        self, connection: Connection, endpoint: str, request: OutboundRequest, deadline: Deadline
    ) -> OutboundResponse:
        """Return whatever was answered; raises UpstreamError, DeadlineExceeded, KeyUnavailable, ConfigurationError."""


def check_artifact(artifact: str, provider: IdentityProvider) -> str:
    """Return the URL of the resolution service that an artifact of this IdP names; raises IssuerMismatch.

    `saml_artifact_malformed`; `saml_artifact_source_mismatch` (another IdP's); `saml_artifact_index_unknown`.
    """
    try:
        octets = base64.b64decode(artifact, validate=True)
    except (binascii.Error, ValueError):
        raise response_refused("saml_artifact_malformed") from None
    if len(octets) != _LENGTH or int.from_bytes(octets[:2], "big") != TYPE_CODE:
        raise response_refused("saml_artifact_malformed")
    # SAML bindings §3.6.4: the source is named by SHA-1 of its entityID. A name, not a proof of anything.
    source = hashlib.sha1(provider.entity_id.encode(), usedforsecurity=False).digest()
    if not hmac.compare_digest(octets[4:24], source):
        raise response_refused("saml_artifact_source_mismatch")
    service = provider.artifact_services.get(int.from_bytes(octets[2:4], "big"))
    if service is None:
        raise response_refused("saml_artifact_index_unknown")
    return service


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactResolver:
    """Fetches Responses. `clock` is in seconds since the epoch."""

    calls: Calls
    clock: Clock

    def resolve(self, connection: Connection, reception: Reception, response: Parameters) -> bytes:
        """Return the document of the Response that the artifact stands for; none of its own gates is passed yet.

        Raises IssuerMismatch for what is not known to be the IdP's answer, UpstreamError (`saml_artifact_unavailable`,
        `saml_artifact_refused`, `upstream_…`), KeyUnavailable, ConfigurationError, DeadlineExceeded.
        """
        artifact = response.value("SAMLart")
        if artifact is None or {"SAMLResponse", "SAMLRequest"} & response.keys():
            raise response_refused("saml_response_missing")
        service = check_artifact(artifact, reception.provider)
        asked_at, request_id = self.clock(), f"_{randomness.token_hex(20)}"
        request = _artifact_resolve(connection, artifact, service, request_id, asked_at)
        if reception.saml.signing_keys:
            key, algorithm = reception.saml.signing_keys[0].key, reception.saml.request.signature_algorithm
            signer = reception.keys.signer(key, algorithm, reception.deadline)
            sign_enveloped(request, signer, published_certificate(connection, signer.kid), reception.deadline)
        answer = self.calls.send(connection, "artifact", _soap(service, request), reception.deadline)
        root = _opened(_body(answer), reception)
        expected = replace(reception.expected, request_id=request_id, asked_at=asked_at, now=self.clock())
        check_answer(root, expected)
        return _response_of(root)


def _artifact_resolve(
    connection: Connection, artifact: str, service: str, request_id: str, now: float
) -> etree._Element:
    """Return the ArtifactResolve (SAML core §3.5.1), unsigned."""
    root = etree.Element(
        q(SAMLP, "ArtifactResolve"),
        nsmap={"samlp": SAMLP, "saml": SAML},
        ID=request_id,
        Version="2.0",
        IssueInstant=times.to_text(now),
        Destination=service,
    )
    etree.SubElement(root, q(SAML, "Issuer")).text = connection.client_id
    etree.SubElement(root, q(SAMLP, "Artifact")).text = artifact
    return root


def _soap(service: str, message: etree._Element) -> OutboundRequest:
    envelope = b'<soap:Envelope xmlns:soap="%s"><soap:Body>%s</soap:Body></soap:Envelope>'
    return OutboundRequest(
        method="POST",
        url=service,
        headers={"content-type": "text/xml; charset=utf-8", "accept": "text/xml", "soapaction": _ACTION},
        body=envelope % (SOAP.encode(), etree.tostring(message)),
        max_bytes=MAX_RESPONSE,
    )


def _body(answer: OutboundResponse) -> bytes:
    """Return the one message in the SOAP body, as a document of its own."""
    if answer.status != 200:
        outage = answer.status == 429 or answer.status >= 500
        raise UpstreamError(
            "saml_artifact_unavailable" if outage else "saml_artifact_refused",
            error="temporarily_unavailable" if outage else "server_error",
            upstream_status=answer.status,
        )
    envelope = parse(answer.body)
    parts = [child for child in envelope if child.tag != q(SOAP, "Header")]
    if envelope.tag != q(SOAP, "Envelope") or [part.tag for part in parts] != [q(SOAP, "Body")]:
        raise response_refused("saml_structure_refused")
    for entry in envelope.iterfind(f"{q(SOAP, 'Header')}/*"):
        if entry.get(q(SOAP, "mustUnderstand"), "0") not in {"0", "false"}:
            raise response_refused("saml_structure_refused")
    messages = [*parts[0]]
    if len(messages) != 1:
        raise response_refused("saml_structure_refused")
    if messages[0].tag == q(SOAP, "Fault"):
        raise UpstreamError("saml_artifact_refused", upstream_status=answer.status)
    return _document(messages[0])


def _opened(document: bytes, reception: Reception) -> etree._Element:
    """Return the ArtifactResponse, read from what is signed where it is signed; its structure is checked as a whole."""
    policy, artifact = reception.saml.assertion, reception.saml.artifact
    root = parse(document)
    check_structure(root, expected=q(SAMLP, "ArtifactResponse"))
    check_algorithms(root, policy.algorithms)
    if root.find(q(DS, "Signature")) is not None:
        verify_enveloped(root, reception.certificates())
        return signed_element(document)
    if artifact is not None and artifact.signed:
        raise response_refused("saml_signature_missing")
    return root


def _response_of(root: etree._Element) -> bytes:
    failure = failure_of(root)
    if isinstance(failure, UpstreamError) and not isinstance(failure, IssuerMismatch):
        raise UpstreamError("saml_artifact_refused", upstream_code=failure.upstream_code)
    if failure is not None:
        raise failure
    response = root.find(q(SAMLP, "Response"))
    if (
        response is None
    ):  # What an IdP answers about an artifact that it does not know, or no more (bindings §3.6.5.2).
        raise response_refused("saml_artifact_unknown")
    document = _document(response)
    if len(document) > MAX_DOCUMENT:
        raise response_refused("saml_response_too_large")
    return document


def _document(element: etree._Element) -> bytes:
    """Return the element with all namespaces that are in scope where it stands."""
    document: bytes = etree.tostring(element, with_tail=False)
    return document
