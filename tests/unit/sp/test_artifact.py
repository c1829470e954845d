"""A Response fetched for an artifact: what is sent, what is taken, and what is not."""

import base64
from dataclasses import replace

import pytest
from lxml import etree

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.saml_profiles import ArtifactResolution
from fedbridge.sp.sp_metadata import sp_metadata
from tests.unit.sp.artifacts import SERVICE, SOAP, Answered, ArtifactIdp, artifact
from tests.unit.sp.idp import ACS, IDP, NAME_ID, NS, STATE, SUCCESS, Message, SamlIdp, at, encode
from tests.unit.sp.test_authn_request import asked

ARTIFACT_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"


def reason_of(idp, message=None, *, kind=UpstreamError):
    with pytest.raises(kind) as caught:
        idp.accept(message)
    return caught.value.reason


def test_the_identity_is_that_of_the_response_inside():
    assert ArtifactIdp().accept().subject == SamlIdp().accept().subject


def test_the_request_is_signed_names_the_artifact_and_is_sent_once():
    idp = ArtifactIdp()
    form = idp.form(Message())
    idp.finish(form)
    (resolve,), (request,) = idp.service.asked, idp.service.requests
    assert resolve.findtext("samlp:Artifact", None, NS) == form["SAMLart"]
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    assert request.headers["soapaction"] == '"http://www.oasis-open.org/committees/security"'
    assert request.max_bytes == 100_000


def test_every_request_has_an_id_of_its_own():
    idp = ArtifactIdp()
    idp.accept()
    idp.accept()
    first, second = (each.get("ID", "") for each in idp.service.asked)
    assert first != second
    assert len(first) == 41


def test_the_authn_request_and_the_metadata_ask_for_artifacts():
    assert asked(ArtifactIdp()).get("ProtocolBinding") == ARTIFACT_BINDING
    service = etree.fromstring(sp_metadata(ArtifactIdp().connection, ACS)).find(
        ".//md:AssertionConsumerService", NS
    )
    assert service is not None
    assert (service.get("Binding"), service.get("Location")) == (ARTIFACT_BINDING, ACS)


def test_an_unsigned_answer_will_do_unless_the_connection_demands_a_signature():
    idp = ArtifactIdp()
    idp.service.answered = Answered(signed=False)
    assert idp.accept().subject
    strict = ArtifactIdp(artifact=ArtifactResolution(services=(SERVICE,), signed=True))
    assert strict.accept().subject
    strict.service.answered = Answered(signed=False)
    assert reason_of(strict) == "saml_signature_missing"


def test_an_answer_need_not_say_who_answers():
    """SAML core §3.2.2: Issuer is optional, and pysaml2 leaves it out. That of the Response inside is not."""
    idp = ArtifactIdp()
    idp.service.answered = Answered(issuer="")
    assert idp.accept().subject
    assert reason_of(idp, Message(issuer=""), kind=IssuerMismatch) in {
        "saml_issuer_mismatch",
        "saml_rejected",
    }


def test_namespaces_that_are_declared_around_the_response_stay_with_it():
    idp = ArtifactIdp()
    form = idp.form(Message())

    class Fetched(Answered):
        def build(self, request_id, response):
            bare = response.replace(f' xmlns:samlp="{NS["samlp"]}"', "", 1)
            assert bare != response
            return Answered(signed=False).build(request_id, bare)

    idp.service.answered = Fetched()
    assert idp.finish(form).subject


# --- the artifact itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given,reason",
    [
        ("AAQ=", "saml_artifact_malformed"),
        ("not base64", "saml_artifact_malformed"),
        (artifact()[:-1], "saml_artifact_malformed"),
        (artifact() + "A", "saml_artifact_malformed"),
        (artifact() + "AAAA", "saml_artifact_malformed"),
        (base64.urlsafe_b64encode(base64.b64decode(artifact(handle=b"\xff" * 20))).decode(), "saml_artifact_malformed"),
        (f" {artifact()}", "saml_artifact_malformed"),
        (artifact(type_code=1), "saml_artifact_malformed"),
        (artifact(type_code=3), "saml_artifact_malformed"),
        (artifact("https://other-idp.example"), "saml_artifact_source_mismatch"),
        (artifact(IDP + "/"), "saml_artifact_source_mismatch"),
        (artifact(index=1), "saml_artifact_index_unknown"),
        (artifact(index=65535), "saml_artifact_index_unknown"),
    ],
    ids=[
        "short", "no-base64", "cut", "longer", "four-longer", "base64url", "padded", "type-1", "type-3", "another-idp",
        "a-slash-more", "index-1", "index-65535",
    ],
)  # fmt: skip
def test_an_artifact_that_is_not_the_idps_is_sent_nowhere(given, reason):
    idp = ArtifactIdp()
    with pytest.raises(IssuerMismatch) as caught:
        idp.finish(Parameters(SAMLart=given, RelayState=STATE))
    assert caught.value.reason == reason
    assert idp.service.requests == []


@pytest.mark.parametrize("beside", ["SAMLResponse", "SAMLRequest"])
def test_an_artifact_beside_a_message_is_sent_nowhere(beside):
    idp = ArtifactIdp()
    form = idp.form(Message())
    form[beside] = encode(idp.document(Message()))
    with pytest.raises(IssuerMismatch) as caught:
        idp.finish(form)
    assert caught.value.reason == "saml_response_missing"
    assert idp.service.requests == []


def test_a_posted_response_is_none_where_artifacts_are_asked_for_and_the_reverse():
    fetching, posting = ArtifactIdp(), SamlIdp()
    with pytest.raises(IssuerMismatch) as caught:
        fetching.finish(posting.form(Message()))
    assert caught.value.reason == "saml_response_missing"
    with pytest.raises(IssuerMismatch) as caught:
        posting.finish(fetching.form(Message()))
    assert caught.value.reason == "saml_response_missing"


# --- what the service answers ----------------------------------------------------------------------------------------


ENVELOPE = f'<soap:Envelope xmlns:soap="{SOAP}">{{}}</soap:Envelope>'

REFUSED = {
    "another-request": (Answered(in_response_to="_another"), "saml_in_response_to_mismatch"),
    "no-request": (Answered(in_response_to=None), "saml_in_response_to_mismatch"),
    "another-issuer": (Answered(issuer="<saml:Issuer>https://evil.example</saml:Issuer>"), "saml_issuer_mismatch"),
    "padded-issuer": (Answered(issuer=f"<saml:Issuer> {IDP}</saml:Issuer>"), "saml_issuer_mismatch"),
    "two-issuers": (Answered(issuer=f"<saml:Issuer>{IDP}</saml:Issuer>" * 2), "saml_structure_refused"),
    "version": (Answered(version="1.1"), "saml_version_refused"),
    "issued-before-we-asked": (Answered(issue_instant=at(-90)), "saml_issue_instant_refused"),
    "issued-ahead": (Answered(issue_instant=at(90)), "saml_issue_instant_refused"),
    "no-time": (Answered(issue_instant=None), "saml_time_malformed"),
    "no-status": (Answered(status=""), "saml_status_malformed"),
    "empty-status": (
        Answered(status='<samlp:Status><samlp:StatusCode Value=""/></samlp:Status>'), "saml_status_malformed",
    ),
    "another-signer": (Answered(number=2), "saml_signature_invalid"),
    "changed-after-signing": (
        Answered(after=lambda root: root.set("IssueInstant", "2026-01-01T00:00:00Z")), "saml_signature_invalid",
    ),
    "an-element-of-nobody": (Answered(extra="<x/>"), "saml_structure_refused"),
    "an-assertion-beside": (
        Answered(extra='<saml:Assertion ID="_evil" Version="2.0"/>'), "saml_structure_refused",
    ),
    "a-response-in-extensions": (
        Answered(extra="<samlp:Extensions><samlp:Response/></samlp:Extensions>"), "saml_structure_refused",
    ),
    "two-responses": (
        Answered(extra='<samlp:Response ID="_evil" Version="2.0"/>'), "saml_structure_refused",
    ),
    "the-id-twice": (
        Answered(extra='<samlp:Extensions><x:y xmlns:x="urn:x" ID="_artifact-response"/></samlp:Extensions>'),
        "saml_structure_refused",
    ),
    "must-understand": (
        Answered(header='<soap:Header><x:y xmlns:x="urn:x" soap:mustUnderstand="1"/></soap:Header>'),
        "saml_structure_refused",
    ),
    "doctype": (Answered(soap="<!DOCTYPE x>" + ENVELOPE.format("<soap:Body/>")), "saml_markup_refused"),
    "no-xml": (Answered(soap="SAML"), "saml_response_malformed"),
    "no-envelope": (Answered(soap="<x/>"), "saml_structure_refused"),
    "no-body": (Answered(soap=ENVELOPE.format("")), "saml_structure_refused"),
    "empty-body": (Answered(soap=ENVELOPE.format("<soap:Body/>")), "saml_structure_refused"),
    "two-bodies": (Answered(soap=ENVELOPE.format("<soap:Body/>" * 2)), "saml_structure_refused"),
    "two-messages": (Answered(soap=ENVELOPE.format("<soap:Body><x/><x/></soap:Body>")), "saml_structure_refused"),
    "another-message": (Answered(soap=ENVELOPE.format("<soap:Body><x/></soap:Body>")), "saml_structure_refused"),
    "soap-1.2": (
        Answered(soap='<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>'),
        "saml_structure_refused",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_that_is_not_known_to_be_the_idps(name):
    answered, reason = REFUSED[name]
    idp = ArtifactIdp()
    idp.service.answered = answered
    assert reason_of(idp, kind=IssuerMismatch) == reason
    idp.service.answered = Answered()
    assert idp.accept().subject


def test_an_artifact_that_the_idp_does_not_know():
    idp = ArtifactIdp()
    with pytest.raises(IssuerMismatch) as caught:
        idp.finish(Parameters(SAMLart=artifact(), RelayState=STATE))
    assert caught.value.reason == "saml_artifact_unknown"


@pytest.mark.parametrize(
    "answered,reason,error",
    [
        (Answered(http_status=503), "saml_artifact_unavailable", "temporarily_unavailable"),
        (Answered(http_status=500), "saml_artifact_unavailable", "temporarily_unavailable"),
        (Answered(http_status=429), "saml_artifact_unavailable", "temporarily_unavailable"),
        (Answered(http_status=403), "saml_artifact_refused", "server_error"),
        (Answered(http_status=302), "saml_artifact_refused", "server_error"),
        (Answered(soap=ENVELOPE.format("<soap:Body><soap:Fault/></soap:Body>")), "saml_artifact_refused", "server_error"),
        (
            Answered(status='<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Requester">'
                     '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:RequestDenied"/></samlp:StatusCode></samlp:Status>'),
            "saml_artifact_refused", "server_error",
        ),
    ],
)  # fmt: skip
def test_a_service_that_does_not_answer_or_does_not_want_to(answered, reason, error):
    idp = ArtifactIdp()
    idp.service.answered = answered
    with pytest.raises(UpstreamError) as caught:
        idp.accept()
    assert not isinstance(caught.value, IssuerMismatch)
    assert (caught.value.reason, caught.value.error) == (reason, error)
    assert len(idp.service.requests) == 1


def test_what_the_person_did_is_in_the_response_inside():
    cancelled = (
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder">'
        '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode></samlp:Status>'
    )
    idp = ArtifactIdp()
    with pytest.raises(UpstreamError) as caught:
        idp.accept(Message(status=cancelled, assertions="", signed="none"))
    assert (caught.value.reason, caught.value.error) == ("saml_status_refused", "access_denied")


def test_a_signature_around_it_replaces_none_inside():
    """The gates are those of a posted Response: what `assertion.signed` names must be signed, whoever signed the envelope."""
    assert reason_of(ArtifactIdp(), Message(signed="none"), kind=IssuerMismatch) == "saml_signature_missing"
    assert (
        reason_of(ArtifactIdp(), Message(in_response_to="_x"), kind=IssuerMismatch)
        == "saml_in_response_to_mismatch"
    )
    assert (
        reason_of(ArtifactIdp(), Message(destination=None), kind=IssuerMismatch)
        == "saml_destination_mismatch"
    )


def test_a_service_that_cannot_be_reached():
    idp = ArtifactIdp()
    idp.service.failure = UpstreamError("upstream_timeout", error="temporarily_unavailable")
    with pytest.raises(UpstreamError, match="upstream_timeout"):
        idp.upstream.finish(
            idp.connection,
            remembered={"request_id": "_x", "asked_at": repr(idp.clock())},
            callback_url=ACS,
            response=idp.form(Message()),
            deadline=Deadline.after(20),
        )


def test_without_signing_keys_the_request_goes_unsigned_for_mutual_tls_to_vouch_for():
    idp = ArtifactIdp()
    sent = []

    class Service:
        def send(self, connection, endpoint, request, deadline):
            sent.append(etree.fromstring(request.body))
            raise UpstreamError("upstream_unreachable")

    idp.upstream = replace(idp.upstream, artifacts=replace(idp.upstream.artifacts, calls=Service()))
    given = idp.connection.saml
    assert given is not None
    connection = replace(idp.connection, saml=replace(given, signing_keys=()))
    with pytest.raises(UpstreamError, match="upstream_unreachable"):
        idp.upstream.finish(
            connection,
            remembered={"request_id": "_x", "asked_at": repr(idp.clock())},
            callback_url=ACS,
            response=idp.form(Message()),
            deadline=Deadline.after(20),
        )
    assert sent[0].find(".//ds:Signature", NS) is None
    assert NAME_ID not in str(etree.tostring(sent[0]))
    assert SUCCESS not in str(etree.tostring(sent[0]))
