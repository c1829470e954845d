"""A Response fetched over a real connection: TLS that asks for the bridge's certificate, and servers that misbehave."""

import ssl
from dataclasses import replace

import pytest
from cryptography import x509
from lxml import etree

from fedbridge.errors import UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import MutualTls
from fedbridge.model.saml_profiles import ArtifactResolution
from fedbridge.ports import ClientCertificate
from fedbridge.rp.calls import Calls
from fedbridge.sp.artifact import ArtifactResolver
from tests.fakes.certificates import Authority
from tests.fakes.peers import Peer, Visit, answer
from tests.support.mutual_tls import asking, certificate_of
from tests.support.outbound import HOST, client_for
from tests.unit.sp.artifacts import Answered, ArtifactIdp
from tests.unit.sp.idp import NS, FakePorts, Message


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class Service:
    """The resolution service of an IdP on a socket; `names` are the subjects that it was shown."""

    def __init__(self) -> None:
        self.responses: dict[str, str] = {}
        self.names: list[str] = []
        self.answer = lambda body: answer(body, headers=b"content-type: text/xml\r\n")

    def __call__(self, visit: Visit) -> None:
        assert isinstance(visit.socket, ssl.SSLSocket)
        der = visit.socket.getpeercert(binary_form=True)
        if der is not None:
            self.names.append(x509.load_der_x509_certificate(der).subject.rfc4514_string())
        while request := visit.read_request():
            resolve = etree.fromstring(request.partition(b"\r\n\r\n")[2])[0][0]
            response = self.responses.pop(resolve.findtext("samlp:Artifact", "", NS), "")
            visit.send(self.answer(Answered().build(resolve.get("ID", ""), response)))


class Certified(FakePorts):
    """The bridge's keys, with a client certificate."""

    def __init__(self, certificate: ClientCertificate) -> None:
        super().__init__({})
        self.certificate = certificate

    def client_certificate(self, mutual_tls: MutualTls, deadline: Deadline) -> ClientCertificate:
        assert mutual_tls == MutualTls(certificate="env:TLS", key="env:TLS-KEY")
        assert deadline.remaining() > 0
        return self.certificate


class World:
    """An IdP whose service listens on a port, and the bridge's own way out to it."""

    def __init__(self, service, port, client, certificate):
        self.service = service
        url = f"https://{HOST}:{port}/artifact"
        self.idp = ArtifactIdp(artifact=ArtifactResolution(services=(url,), signed=True))
        keys = Certified(certificate)
        calls = Calls(client, self.idp.telemetry, keys=keys, clock=self.idp.clock)
        self.idp.upstream = replace(
            self.idp.upstream, artifacts=ArtifactResolver(calls=calls, clock=self.idp.clock)
        )
        self.idp.connection_fields["mutual_tls"] = MutualTls(certificate="env:TLS", key="env:TLS-KEY")

    def sign_in(self):
        form = self.idp.form(Message())
        self.service.responses = self.idp.service.responses
        return self.idp.finish(form)

    def reason(self):
        with pytest.raises(UpstreamError) as caught:
            self.sign_in()
        return caught.value.reason


@pytest.fixture
def world(authority):
    service = Service()
    with (
        Peer(service, asking(authority)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        yield World(service, peer.port, client, certificate_of("acme")), peer


def test_the_service_sees_the_connections_certificate(world):
    bridge, peer = world
    assert bridge.sign_in().claims["email"] == "ana.saml@example.com"
    assert bridge.service.names == ["CN=acme,O=fedbridge"]
    (request,) = peer.requests
    assert request.startswith(b"POST /artifact HTTP/1.1\r\n")
    assert ("upstream_call", "artifact") in [
        (name, fields.get("upstream_endpoint")) for name, fields in bridge.idp.telemetry.events
    ]


def test_a_service_whose_certificate_nobody_vouches_for_gets_nothing(authority, tmp_path):
    service = Service()
    with (
        Peer(service, asking(Authority(tmp_path))) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        assert World(service, peer.port, client, certificate_of("acme")).reason() == "upstream_tls_failed"
    assert peer.requests == []


def test_a_redirect_is_not_followed(world):
    bridge, peer = world
    bridge.service.answer = lambda _: answer(
        b"", status=b"307 Temporary Redirect", headers=b"location: https://evil.example/\r\n"
    )
    assert bridge.reason() == "saml_artifact_refused"
    assert len(peer.requests) == 1


def test_more_than_a_response_may_be_is_not_read(world):
    bridge, _ = world
    bridge.service.answer = lambda _: answer(b" " * 100_001)
    assert bridge.reason() == "upstream_response_invalid"


def test_a_connection_that_breaks_is_not_tried_again(world):
    """An artifact is for one time: what was sent may have been taken."""
    bridge, peer = world

    def broken(visit):
        visit.read_request()
        visit.reset()

    peer._behaviour = broken
    assert bridge.reason() in {"upstream_unreachable", "upstream_response_invalid"}
    assert len(peer.requests) == 1
    peer._behaviour = bridge.service
    assert bridge.sign_in().subject
