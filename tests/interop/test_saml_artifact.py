"""Whole sign-ins by artifact with pysaml2's Server, which reads and verifies what the bridge sends by SOAP, and answers it.

samlify knows no artifacts. pysaml2 verifies and signs with libxmlsec, as the bridge does: what it proves alone is how another
implementation of the protocol makes artifacts, reads ArtifactResolve and writes ArtifactResponse.
"""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.counterparts.pysaml2_idp import Pysaml2Idp
from tests.interop.saml_bridge import IDP, SSO, encoded, running_saml_bridge, saml_trip
from tests.support.keys import private_pem
from tests.unit.sp.idp import NS, certificate, der_text

pytestmark = pytest.mark.interop

SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"

INDEX = 0x3030
"""What pysaml2 makes of the index 0: two digits of text, where SAML bindings §3.6.4 has two octets."""


class Service(ThreadingHTTPServer):
    """pysaml2's answers on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.idp: Pysaml2Idp | None = None
        self.asked: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/artifact"

    def resolve(self, envelope: str) -> str:
        """Verify the ArtifactResolve, and hand the Response out, once."""
        assert self.idp is not None
        server = self.idp.server
        # As it was sent: what pysaml2 takes out of an envelope has other prefixes, and so another digest.
        text = envelope.partition("<soap:Body>")[2].partition("</soap:Body>")[0]
        resolve = server.parse_artifact_resolve(envelope)
        assert server.sec.correctly_signed_message(text, "artifact_resolve", must=True).id == resolve.id
        self.asked.append(resolve)
        artifact = resolve.artifact.text
        response = server.artifact.pop(artifact)
        from saml2 import samlp

        # pysaml2 would write the signed Response anew, with other prefixes; it goes in as it was signed.
        server.artifact[artifact] = samlp.Artifact(text="here")
        answer = str(server.create_artifact_response(resolve, artifact, [SOAP]))
        del server.artifact[artifact]
        message, found = re.subn(
            r"<(\w+):Artifact( [^>]*)?>here</\1:Artifact>", lambda _: bare(response), bare(answer)
        )
        assert found == 1
        return f"{ENVELOPE_BEGIN}{message}{ENVELOPE_END}"


ENVELOPE_BEGIN = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
ENVELOPE_END = "</s:Body></s:Envelope>"


def bare(text: str) -> str:
    """Return a document without its declaration."""
    return text.partition("?>")[2] if text.startswith("<?") else text


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        assert self.headers["content-type"].startswith("text/xml")
        body = self.server.resolve(self.rfile.read(int(self.headers["content-length"])).decode()).encode()
        self.send_response(200)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Say nothing."""


@pytest.fixture(scope="module")
def service():
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        yield service
        service.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def bridge(tmp_path_factory, service):
    host = f"127.0.0.1:{service.server_address[1]}"
    with running_saml_bridge(tmp_path_factory.mktemp("artifact"), FEDBRIDGE_PRIVATE_HOSTS=host) as bridge:
        yield bridge


@pytest.fixture
def idp(bridge, service, tmp_path):
    key, pem = certificate(36)
    (bridge.folder / "idp.xml").write_text(
        f'<md:EntityDescriptor xmlns:md="{NS["md"]}" xmlns:ds="{NS["ds"]}" entityID="{IDP}">'
        f'<md:IDPSSODescriptor protocolSupportEnumeration="{NS["samlp"]}"><md:KeyDescriptor><ds:KeyInfo><ds:X509Data>'
        f"<ds:X509Certificate>{der_text(pem)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        f'<md:ArtifactResolutionService Binding="{SOAP}" Location="{service.url}" index="{INDEX}"/>'
        f'<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{SSO}"/>'
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )
    bridge.declare(
        {
            "metadata": {"source": f"file:{bridge.folder / 'idp.xml'}"},
            "signing_keys": [bridge.keys("sign", 32)],
            "artifact": {},
        }
    )
    service.idp = Pysaml2Idp.configured(
        tmp_path, entity_id=IDP, sso=SSO, key=private_pem(key), certificate=pem, sp_metadata=bridge.metadata()
    )
    service.asked.clear()
    return service.idp


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_sign_in_by_artifact(bridge, idp, service, method):
    with saml_trip(bridge) as trip:
        asked = trip.ask()
        document = idp.respond(
            query=asked.parameters,
            name_id="ana-at-pysaml2",
            attributes={"mail": ["ana@example.com"], "groups": ["staff", "admins"]},
            sign_assertion=True,
            sign_response=False,
        )
        sent = {
            "SAMLart": idp.server.use_artifact(document, 0), "RelayState": asked.parameters["RelayState"],
        }  # fmt: skip
        acs = f"{bridge.url}/saml-idp/saml/acs"
        answer = trip.browser.get(acs, params=sent) if method == "GET" else trip.browser.post(acs, data=sent)
        assert answer.status_code == (302 if method == "GET" else 303), answer.text
        user = trip.pool.redeem(trip.pool.idpresponse(answer.headers["location"]).code)
    assert user.attributes["email"] == "ana@example.com"
    assert user.claims["groups"] == ["staff", "admins"]
    (resolve,) = service.asked
    assert resolve.issuer.text == bridge.sp_entity_id
    assert resolve.destination == service.url


def test_a_posted_response_is_refused_where_artifacts_are_asked_for(bridge, idp, service):
    with saml_trip(bridge) as trip:
        asked = trip.ask()
        document = idp.respond(
            query=asked.parameters, name_id="x", attributes={}, sign_assertion=True, sign_response=False
        )
        assert trip.answer(encoded(document), asked.parameters["RelayState"]).status_code == 400
    assert service.asked == []
