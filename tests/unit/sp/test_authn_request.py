import base64
import zlib
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import xmlsec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from fedbridge.errors import OAuthError, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile
from fedbridge.model.deadline import Deadline
from fedbridge.model.saml import AssertionPolicy, AuthnRequestProfile, SamlProvider
from tests.support.keys import rsa_key
from tests.unit.sp.idp import ACS, NS, PASSWORD, PERSISTENT, SP, SSO, STATE, SamlIdp, certificate, der_text

MFA = "https://refeds.org/profile/mfa"


def begin(idp, **parameters):
    return idp.upstream.begin(
        idp.connection, state=STATE, callback_url=ACS, parameters=parameters, deadline=Deadline.after(20)
    )


def passing(*names):
    return {"authorization": AuthorizationRequestProfile(pass_through=names)}


def redirected(redirect):
    query = {name: values[0] for name, values in parse_qs(urlsplit(redirect.url).query).items()}
    return query, etree.fromstring(zlib.decompress(base64.b64decode(query["SAMLRequest"]), -15))


def asked(idp, **parameters):
    return redirected(begin(idp, **parameters))[1]


def test_by_redirect_the_signature_covers_the_octets_of_the_query():
    redirect = begin(SamlIdp())
    query, request = redirected(redirect)
    assert redirect.form is None
    assert redirect.url.startswith(SSO + "?SAMLRequest=")
    assert query["RelayState"] == STATE
    assert query["SigAlg"] == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    raw = urlsplit(redirect.url).query
    octets, _, _ = raw.partition("&Signature=")
    assert [piece.partition("=")[0] for piece in octets.split("&")] == ["SAMLRequest", "RelayState", "SigAlg"]
    rsa_key(2048, 6).public_key().verify(
        base64.b64decode(query["Signature"]), octets.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    assert request.find("ds:Signature", NS) is None


def test_the_request_says_who_asks_where_and_for_what():
    redirect = begin(SamlIdp())
    request = redirected(redirect)[1]
    assert request.tag == f"{{{NS['samlp']}}}AuthnRequest"
    attributes = dict(request.attrib)
    assert attributes.pop("ID") == redirect.remembered["request_id"]
    assert attributes.pop("IssueInstant").endswith("Z")
    assert attributes == {
        "Version": "2.0",
        "Destination": SSO,
        "AssertionConsumerServiceURL": ACS,
        "ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
    }
    assert [child.tag.rpartition("}")[2] for child in request] == ["Issuer", "NameIDPolicy"]
    assert request.findtext("saml:Issuer", namespaces=NS) == SP
    policy = request.find("samlp:NameIDPolicy", NS)
    assert policy is not None
    assert dict(policy.attrib) == {"Format": PERSISTENT, "AllowCreate": "true"}


def test_no_two_requests_share_an_id():
    idp = SamlIdp()
    assert len({begin(idp).remembered["request_id"] for _ in range(50)}) == 50


def test_everything_that_can_be_asked_stands_in_the_schemas_order():
    profile = AuthnRequestProfile(
        authn_context=(PASSWORD, MFA),
        comparison="minimum",
        force_authn=True,
        name_id_format=None,
        allow_create=False,
        sp_name_qualifier="https://affiliation.example",
        provider_name="The app",
        attribute_consuming_service_index=2,
        extensions='<e:a xmlns:e="urn:e">x</e:a><e:b xmlns:e="urn:e"/>',
    )
    idp = SamlIdp(request=profile, policy=AssertionPolicy(authn_context_order=(PASSWORD, MFA)))
    request = asked(idp)
    assert [child.tag.rpartition("}")[2] for child in request] == [
        "Issuer", "Extensions", "NameIDPolicy", "RequestedAuthnContext",
    ]  # fmt: skip
    assert [child.tag for child in request.find("samlp:Extensions", NS)] == ["{urn:e}a", "{urn:e}b"]
    assert (request.get("ForceAuthn"), request.get("IsPassive")) == ("true", None)
    assert (request.get("ProviderName"), request.get("AttributeConsumingServiceIndex")) == ("The app", "2")
    assert dict(request.find("samlp:NameIDPolicy", NS).attrib) == {
        "SPNameQualifier": "https://affiliation.example", "AllowCreate": "false",
    }  # fmt: skip
    context = request.find("samlp:RequestedAuthnContext", NS)
    assert context.get("Comparison") == "minimum"
    assert [each.text for each in context] == [PASSWORD, MFA]
    schema_check(request)


def schema_check(request):
    """Validate by the OASIS schema that python3-saml brings."""
    from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

    assert not isinstance(OneLogin_Saml2_XML.validate_xml(request, "saml-schema-protocol-2.0.xsd"), str)


def test_by_post_the_signature_is_enveloped_and_names_the_certificate():
    idp = SamlIdp(request=AuthnRequestProfile(binding="post"))
    _, pem = certificate(6)
    connection = idp.connection
    assert connection.saml is not None
    provider = SamlProvider(single_sign_on_service=SSO, certificates=("env:IDP",), binding="post")
    signer = idp.ports.signer("env:SIGN", None, Deadline.after(1))
    connection = replace(
        connection,
        saml=replace(connection.saml, provider=provider),
        client_jwks=({**signer.public_jwk, "x5c": [der_text(pem)]},),
    )
    redirect = idp.upstream.begin(
        connection, state=STATE, callback_url=ACS, parameters={}, deadline=Deadline.after(20)
    )
    assert redirect.url == SSO
    assert redirect.form is not None
    assert redirect.form["RelayState"] == STATE
    request = etree.fromstring(base64.b64decode(redirect.form["SAMLRequest"]))
    schema_check(request)
    assert [child.tag.rpartition("}")[2] for child in request][:2] == ["Issuer", "Signature"]
    assert request.findtext(
        "ds:Signature/ds:KeyInfo/ds:X509Data/ds:X509Certificate", namespaces=NS
    ) == der_text(pem)
    xmlsec.tree.add_ids(request, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    signature = request.find("ds:Signature", NS)
    assert signature is not None
    context.verify(signature)


def test_unsigned_where_the_connection_says_so():
    query, _ = redirected(begin(SamlIdp(request=AuthnRequestProfile(signed=False))))
    assert query.keys() == {"SAMLRequest", "RelayState"}


def test_a_binding_that_the_idp_does_not_offer():
    with pytest.raises(UpstreamError) as caught:
        begin(SamlIdp(request=AuthnRequestProfile(binding="post")))
    assert caught.value.reason == "saml_binding_not_offered"


@pytest.mark.parametrize(
    "parameters,attribute",
    [
        ({"prompt": "login"}, "ForceAuthn"),
        ({"prompt": "none"}, "IsPassive"),
        ({"max_age": "0"}, "ForceAuthn"),
    ],
)
def test_what_an_app_asks_for_through_cognito(parameters, attribute):
    idp = SamlIdp(connection_fields=passing("prompt", "max_age"))
    assert asked(idp, **parameters).get(attribute) == "true"
    assert asked(SamlIdp(connection_fields=passing()), **parameters).get(attribute) is None


def test_an_app_may_choose_among_the_connections_contexts():
    idp = SamlIdp(
        request=AuthnRequestProfile(authn_context=(PASSWORD, MFA)), connection_fields=passing("acr_values")
    )
    context = asked(idp, acr_values=f"{MFA} urn:unknown").find("samlp:RequestedAuthnContext", NS)
    assert [each.text for each in context] == [MFA]
    with pytest.raises(OAuthError, match="nothing that this connection offers"):
        begin(idp, acr_values="urn:unknown")


@pytest.mark.parametrize("parameters", [{"max_age": "-1"}, {"max_age": "1e3"}, {"prompt": "none login"}])
def test_what_cannot_be_asked(parameters):
    with pytest.raises(OAuthError) as caught:
        begin(SamlIdp(connection_fields=passing("prompt", "max_age")), **parameters)
    assert caught.value.error == "invalid_request"
