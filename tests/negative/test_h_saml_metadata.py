"""Group H of the checklist, without signing out: unsolicited Responses, the IdP's metadata, and our own."""

from dataclasses import replace

import pytest
from lxml import etree

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.model.saml import Saml, SamlMetadata
from fedbridge.ports import OutboundResponse
from fedbridge.rp.cache import StaleCache
from fedbridge.sp.idp import certificates_of
from fedbridge.sp.idp_metadata import FRESH, STALE, IdentityProviders
from fedbridge.sp.metadata_document import parse_metadata
from tests.negative.saml import ACS_PATH, METADATA, SamlGateway, SamlVisitor, assert_page, signs_in
from tests.support.bridge import SettableClock
from tests.support.gateway import assert_refused
from tests.unit.sp.idp import IDP, NS, FakePorts, Message, SamlIdp, certificate, der_text, encode, sign

URL = "https://idp.example/metadata"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
NOW = 1_800_000_000.0
_, PEM = certificate(1)


def key(pem=PEM, use='use="signing"'):
    return (
        f"<md:KeyDescriptor {use}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{der_text(pem)}</ds:X509Certificate>"
        "</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
    )


def service(location="https://idp.example/sso", binding=REDIRECT):
    return f'<md:SingleSignOnService Binding="{binding}" Location="{location}"/>'


EVIL = "https://evil.example/slo"


def leaving(location="https://idp.example/slo", answers="https://idp.example/slo"):
    return (
        f'<md:SingleLogoutService Binding="{REDIRECT}" Location="{location}" ResponseLocation="{answers}"/>'
    )


def metadata(
    *, entity_id=IDP, keys=None, services=None, attributes="", protocol=NS["samlp"], more="", wrap=False
):
    body = (
        f'<md:EntityDescriptor xmlns:md="{NS["md"]}" xmlns:ds="{NS["ds"]}" ID="_m" entityID="{entity_id}"{attributes}>'
        f'<md:IDPSSODescriptor protocolSupportEnumeration="{protocol}">{key() if keys is None else keys}'
        f"{service() if services is None else services}</md:IDPSSODescriptor>{more}</md:EntityDescriptor>"
    )
    return (
        f'<md:EntitiesDescriptor xmlns:md="{NS["md"]}">{body * 2}</md:EntitiesDescriptor>' if wrap else body
    )


def signed(document, number=2):
    root = etree.fromstring(document)
    sign(root, *certificate(number), at_index=0)
    return etree.tostring(root, encoding="unicode")


def parsed(document, *, signers=(), now=NOW):
    connection = SamlIdp().connection
    return parse_metadata(connection, document.encode(), signers=signers, now=now)


def reason_of(document, **how):
    with pytest.raises(UpstreamError) as caught:
        parsed(document, **how)
    return caught.value.reason


# --- 73, 74: unsolicited -------------------------------------------------------------------------------------------


def test_case_73_an_unsolicited_response_is_refused():
    gateway = SamlGateway()
    document = gateway.saml_idp.document(Message(in_response_to=None, confirmation={"InResponseTo": None}))
    answer = gateway.send("POST", ACS_PATH, form={"SAMLResponse": encode(document)})
    assert_page(gateway, answer, "browser_cookie_missing")


@pytest.mark.parametrize("relay_state", ["", "https://elsewhere.example/app", "Z" * 43])
def test_case_73_an_unsolicited_response_in_a_browser_that_was_here(relay_state):
    gateway = SamlGateway()
    visitor = SamlVisitor(gateway).start()
    document = gateway.saml_idp.document(Message(in_response_to=None, confirmation={"InResponseTo": None}))
    answer = visitor.post(SAMLResponse=encode(document), RelayState=relay_state)
    assert_page(gateway, answer, "state_unknown")


def test_case_74_a_disabled_connection():
    gateway = SamlGateway()
    visitor = SamlVisitor(gateway).start()
    form = {"SAMLResponse": encode(visitor.document(Message())), "RelayState": visitor.relay_state}
    gateway.bridge.registry.remove("acme", "v1")
    answer = gateway.send("POST", ACS_PATH, form=form, cookies=visitor.cookies)
    assert answer.status == 404
    assert_refused(answer, "unknown_connection")
    assert signs_in(gateway, "other")["sub"]


# --- 77: the IdP's metadata ----------------------------------------------------------------------------------------


def test_metadata_that_are_right():
    provider = parsed(metadata(services=service(binding=POST) + service()))
    assert provider.endpoints == {"redirect": "https://idp.example/sso", "post": "https://idp.example/sso"}
    assert [each.pem for each in provider.certificates] == [PEM]


def test_case_77_a_key_without_use_means_signing_and_one_for_encryption_does_not():
    _, other = certificate(2)
    provider = parsed(metadata(keys=key(use="") + key(other, 'use="encryption"')))
    assert [each.pem for each in provider.certificates] == [PEM]


def test_two_signing_keys_are_both_trusted():
    _, other = certificate(2)
    assert len(parsed(metadata(keys=key() + key(other) + key())).certificates) == 2


@pytest.mark.parametrize(
    "document,reason",
    [
        (metadata(keys=""), "saml_metadata_incomplete"),
        (metadata(keys=key(use='use="encryption"')), "saml_metadata_incomplete"),
        (metadata(services=""), "saml_metadata_incomplete"),
        (metadata(services=service(binding="urn:x")), "saml_metadata_incomplete"),
        (metadata(services=service("http://idp.example/sso")), "saml_metadata_incomplete"),
        (metadata(services=service("javascript:alert(1)")), "saml_metadata_incomplete"),
        (metadata(services=service("https://a@idp.example/sso")), "saml_metadata_incomplete"),
        (metadata(protocol="urn:oasis:names:tc:SAML:1.1:protocol"), "saml_metadata_incomplete"),
        (metadata(entity_id="https://other.example"), "saml_metadata_entity_mismatch"),
        (metadata(entity_id=IDP + "/"), "saml_metadata_entity_mismatch"),
        (metadata(wrap=True), "saml_metadata_malformed"),
        (metadata(attributes=' validUntil="2020-01-01T00:00:00Z"'), "saml_metadata_expired"),
        (metadata(attributes=' validUntil="soon"'), "saml_metadata_malformed"),
        ("<!DOCTYPE x>" + metadata(), "saml_metadata_malformed"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + metadata(), "saml_metadata_malformed"),
        (metadata()[:-3], "saml_metadata_malformed"),
        ("<html><body>404</body></html>", "saml_metadata_malformed"),
        ("", "saml_metadata_malformed"),
        (metadata(keys=key(certificate(3, bits=1024)[1])), "saml_metadata_malformed"),
        (metadata(keys=key("x" * 40)), "saml_metadata_malformed"),
        (metadata(more="<x/>" * 50_001), "saml_metadata_malformed"),
    ],
)  # fmt: skip
def test_case_77_metadata_that_are_refused(document, reason):
    assert reason_of(document) == reason


_, SIGNER = certificate(2)
SIGNERS = certificates_of(SIGNER)


def test_case_77_the_pinned_signer():
    assert parsed(signed(metadata()), signers=SIGNERS).entity_id == IDP


@pytest.mark.parametrize(
    "document",
    [
        metadata(),
        signed(metadata(), number=1),
        signed(metadata()).replace("https://idp.example/sso", "https://evil.example/sso"),
        signed(metadata()).replace(NS["ds"] + "enveloped-signature", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        signed(metadata()).replace('URI="#_m"', 'URI="file:///dev/zero"'),
        signed(metadata()).replace('URI="#_m"', 'URI=""'),
        signed(metadata()).replace("rsa-sha256", "rsa-sha1"),
    ],
    ids=["unsigned", "another-signer", "changed", "xslt", "file", "whole-document", "sha-1"],
)  # fmt: skip
def test_case_77_metadata_that_the_pinned_signer_did_not_sign(document):
    assert reason_of(document, signers=SIGNERS) == "saml_metadata_signature_invalid"


def test_case_77_a_wrapped_entity_is_not_the_signed_one():
    evil = etree.fromstring(metadata(services=service("https://evil.example/sso")))
    evil.set("ID", "_evil")
    original = etree.fromstring(signed(metadata()))
    signature = original.find("ds:Signature", NS)
    assert signature is not None
    evil.insert(0, signature)
    evil.append(original)
    document = etree.tostring(evil, encoding="unicode")
    assert reason_of(document, signers=SIGNERS) == "saml_metadata_signature_invalid"


class Published:
    """A metadata URL, and how often it was called."""

    def __init__(self):
        self.answer: OutboundResponse | Exception = OutboundResponse(
            status=200, headers={}, body=metadata().encode()
        )
        self.calls = 0

    def get(self, connection, endpoint, request, deadline):
        assert (endpoint, request.url, request.max_bytes) == ("metadata", URL, 1024 * 1024)
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def remote():
    published, clock, stale = Published(), SettableClock(NOW), []

    def on_stale(_, failure):
        stale.append(failure.reason)

    providers = IdentityProviders(
        calls=published,
        secrets=FakePorts({}),
        cache=StaleCache(fresh=FRESH, stale=STALE, clock=clock, on_stale=on_stale),
        clock=clock,
        on_stale=on_stale,
    )
    saml = Saml(metadata=SamlMetadata(source=URL))
    connection = replace(SamlIdp().connection, saml=saml)

    def read():
        return providers.get(connection, saml, Deadline.after(20))

    return published, clock, stale, read


def test_metadata_are_fetched_once_an_hour(remote):
    published, clock, stale, read = remote
    assert read() is read()
    assert published.calls == 1
    clock.now += FRESH + 1
    read()
    assert published.calls == 2
    assert stale == []


@pytest.mark.parametrize(
    "body,reason",
    [
        (metadata(keys=""), "saml_metadata_incomplete"),
        (metadata(services=service("https://evil.example/sso")), "saml_metadata_host_changed"),
        (metadata(services=f"{leaving(location=EVIL)}{service()}"), "saml_metadata_host_changed"),
        (metadata(services=f"{leaving(answers=EVIL)}{service()}"), "saml_metadata_host_changed"),
        (metadata(entity_id="https://evil.example"), "saml_metadata_entity_mismatch"),
        ("<html/>", "saml_metadata_malformed"),
    ],
)
def test_case_77_a_refresh_that_is_refused_leaves_the_last_good(remote, body, reason):
    published, clock, stale, read = remote
    good = read()
    published.answer = OutboundResponse(status=200, headers={}, body=body.encode())
    clock.now += FRESH + 1
    assert read() is good
    assert stale == [reason]
    if reason != "saml_metadata_host_changed":  # There is nothing left that it could have moved from.
        clock.now += STALE
        with pytest.raises(UpstreamError) as caught:
            read()
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    "status,error", [(404, "server_error"), (503, "temporarily_unavailable"), (302, "server_error")]
)
def test_metadata_that_are_not_there(remote, status, error):
    published, _, _, read = remote
    published.answer = OutboundResponse(status=status, headers={}, body=b"")
    with pytest.raises(UpstreamError) as caught:
        read()
    assert (caught.value.reason, caught.value.error) == ("saml_metadata_unavailable", error)


def test_metadata_from_a_reference():
    saml = Saml(metadata=SamlMetadata(source="env:METADATA", signer="env:SIGNER"))
    connection = replace(SamlIdp().connection, saml=saml)
    from tests.unit.sp.idp import NoCache, NoCalls, unheard

    ports = FakePorts({"env:METADATA": signed(metadata()), "env:SIGNER": SIGNER})
    providers = IdentityProviders(
        calls=NoCalls(), secrets=ports, cache=NoCache(), clock=lambda: NOW, on_stale=unheard
    )
    assert providers.get(connection, saml, Deadline.after(20)).entity_id == IDP


def test_an_idp_whose_certificate_has_expired_is_not_believed():
    """m8: a certificate past its end verifies nothing."""
    _, expired = certificate(1, begins=-20, ends=-1)
    idp = SamlIdp(trusted=expired)
    with pytest.raises(UpstreamError) as caught:
        idp.accept()
    assert caught.value.reason == "saml_idp_certificate_expired"
    both = SamlIdp(trusted=expired + PEM)
    assert both.accept().subject


def test_a_deadline_that_has_passed_ends_the_fetch(remote):
    published, _, _, read = remote
    published.answer = DeadlineExceeded()
    with pytest.raises(DeadlineExceeded):
        read()


# --- 78: our own metadata ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "bridge.example:444"])
def test_case_78_urls_are_the_configured_ones(host):
    gateway = SamlGateway()
    headers = [
        ("host", host),
        ("x-forwarded-host", host),
        ("x-forwarded-proto", "http"),
        ("forwarded", f"host={host}"),
    ]
    answer = gateway.send("GET", METADATA, headers=headers)
    assert answer.body == gateway.send("GET", METADATA).body
    root = etree.fromstring(answer.body.encode())
    assert root.get("entityID") == "https://bridge.example/acme/saml/metadata"
    (service_,) = root.iter(f"{{{NS['md']}}}AssertionConsumerService")
    assert service_.get("Location") == "https://bridge.example/acme/saml/acs"


def test_case_78_nothing_of_another_connection_and_no_private_key():
    gateway = SamlGateway()
    body = gateway.send("GET", METADATA).body
    assert "other" not in body
    assert "PRIVATE" not in body
    assert all(element.tag != f"{{{NS['ds']}}}KeyValue" for element in etree.fromstring(body.encode()).iter())
