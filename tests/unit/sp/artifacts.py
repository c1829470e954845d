"""An IdP that hands out artifacts, and its resolution service; what it answers is right unless a test says what is wrong."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lxml import etree

from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.saml_profiles import ArtifactResolution
from fedbridge.ports import OutboundRequest, OutboundResponse
from fedbridge.sp.artifact import ArtifactResolver
from fedbridge.sp.signature import verify_enveloped
from fedbridge.sp.structure import check_signature
from tests.support.canaries import watch_upstream
from tests.unit.sp.idp import IDP, NS, SP, SUCCESS, Message, SamlIdp, _timed, at, certificate, sign

SERVICE = "https://idp.example/artifact"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"

BRIDGE_KEY, BRIDGE_CERTIFICATE = certificate(6)
"""What `FakePorts` signs with."""


def artifact(entity_id: str = IDP, index: int = 0, *, type_code: int = 4, handle: bytes | None = None) -> str:
    """Return a new artifact (SAML bindings §3.6.4)."""
    source = hashlib.sha1(entity_id.encode(), usedforsecurity=False).digest()
    octets = type_code.to_bytes(2, "big") + index.to_bytes(2, "big") + source + (handle or os.urandom(20))
    return base64.b64encode(octets).decode()


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What an ArtifactResponse says; None leaves an attribute out. `soap` replaces the whole answer."""

    issuer: str = f"<saml:Issuer>{IDP}</saml:Issuer>"
    version: str = "2.0"
    in_response_to: str | None = "§request§"
    issue_instant: str | None = field(default_factory=at)
    status: str = f'<samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status>'
    extra: str = ""
    header: str = ""
    signed: bool = True
    number: int = 1
    http_status: int = 200
    after: Callable[[etree._Element], object] | None = None
    soap: str | None = None

    def build(self, request_id: str, response: str) -> bytes:
        """Return the SOAP envelope."""
        if self.soap is not None:
            return self.soap.encode()
        given = {
            "ID": "_artifact-response",
            "Version": self.version,
            "InResponseTo": self.in_response_to,
            "IssueInstant": self.issue_instant,
        }
        attributes = "".join(f' {name}="{value}"' for name, value in given.items() if value is not None)
        text = (
            f'<samlp:ArtifactResponse xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}"{attributes}>{self.issuer}'
            f"{self.status}§response§{self.extra}</samlp:ArtifactResponse>"
        )
        text = _timed(text.replace("§request§", request_id)).replace("§response§", response)
        if self.signed or self.after is not None:
            root = etree.fromstring(text)
            if self.signed:
                sign(root, *certificate(self.number))
            if self.after is not None:
                self.after(root)
            text = etree.tostring(root, encoding="unicode")
        return (
            f'<soap:Envelope xmlns:soap="{SOAP}">{self.header}<soap:Body>{text}</soap:Body></soap:Envelope>'
        ).encode()


class ResolutionService:
    """Knows each artifact once, verifies who asks, and keeps what was asked."""

    def __init__(self) -> None:
        self.responses: dict[str, str] = {}
        self.answered = Answered()
        self.asked: list[etree._Element] = []
        self.requests: list[OutboundRequest] = []
        self.failure: Exception | None = None

    def hold(self, response: str) -> str:
        """Return an artifact for a Response."""
        found = artifact()
        self.responses[found] = response
        return found

    def send(
        self, connection: Connection, endpoint: str, request: OutboundRequest, deadline: Deadline
    ) -> OutboundResponse:
        assert endpoint == "artifact"
        assert (request.method, request.url) == ("POST", SERVICE)
        self.requests.append(request)
        envelope = etree.fromstring(request.body or b"")
        assert envelope.tag == f"{{{SOAP}}}Envelope"
        ((message,),) = envelope
        resolve = etree.fromstring(etree.tostring(message))
        _check_resolve(resolve)
        self.asked.append(resolve)
        if self.failure is not None:
            raise self.failure
        named = resolve.findtext("samlp:Artifact", None, NS)
        body = self.answered.build(resolve.get("ID", ""), self.responses.pop(named or "", ""))
        watch_upstream(request.body, request.headers, body)
        return OutboundResponse(status=self.answered.http_status, headers={}, body=body)


def _check_resolve(resolve: etree._Element) -> None:
    """Check the ArtifactResolve as an IdP does: the bridge's own signature, over all of it, and who it says it is."""
    assert resolve.tag == f"{{{NS['samlp']}}}ArtifactResolve"
    assert resolve.get("Destination") == SERVICE
    assert resolve.get("Version") == "2.0"
    assert (resolve.findtext("saml:Issuer", None, NS) or "").startswith("https://bridge.example/")
    assert [child.tag.rpartition("}")[2] for child in resolve] == ["Issuer", "Signature", "Artifact"]
    from fedbridge.sp.idp import certificates_of

    signature = resolve.find("ds:Signature", NS)
    assert signature is not None
    check_signature(signature)
    verify_enveloped(resolve, certificates_of(BRIDGE_CERTIFICATE))


@dataclass
class ArtifactIdp(SamlIdp):
    """An IdP by hand whose Responses are fetched."""

    artifact: ArtifactResolution = field(default_factory=lambda: ArtifactResolution(services=(SERVICE,)))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.service = ResolutionService()
        self.upstream = replace(
            self.upstream, artifacts=ArtifactResolver(calls=self.service, clock=self.clock)
        )

    @property
    def connection(self) -> Connection:
        plain = super().connection
        assert plain.saml is not None
        return replace(plain, saml=replace(plain.saml, artifact=self.artifact))

    def form(self, message: Message) -> Any:
        form = super().form(message)
        del form["SAMLResponse"]
        return type(form)(form | {"SAMLart": self.service.hold(self.document(message))})


def bridge_metadata(name: str) -> Mapping[str, str]:
    """Return what identifies the bridge at this connection."""
    return {"acs": f"https://bridge.example/{name}/saml/acs", "sp": SP.replace("acme", name)}
