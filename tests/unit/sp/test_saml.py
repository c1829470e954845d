"""What an assertion that is accepted turns into."""

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClaimRule
from fedbridge.model.saml import AssertionPolicy, AuthnRequestProfile
from tests.unit.sp.idp import (
    EMAIL,
    GCM256,
    NAME_ID,
    PASSWORD,
    PERSISTENT,
    SHA256,
    Message,
    SamlIdp,
    at,
    certificate,
    encrypt,
)

MFA = "https://refeds.org/profile/mfa"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
GROUPS = "urn:oid:1.3.6.1.4.1.5923.1.5.1.1"
MAIL = "urn:oid:0.9.2342.19200300.100.1.3"


def attribute(name, *values, friendly=None):
    alias = f' FriendlyName="{friendly}"' if friendly else ""
    texts = "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
    return f'<saml:Attribute Name="{name}"{alias}>{texts}</saml:Attribute>'


def attributes(*each):
    return f"<saml:AttributeStatement>{''.join(each)}</saml:AttributeStatement>"


def name_id(text=NAME_ID, form=PERSISTENT, **more):
    given = {"Format": form, **more}
    return f"<saml:NameID {' '.join(f'{name}={chr(34)}{value}{chr(34)}' for name, value in given.items())}>{text}</saml:NameID>"


def claims_of(claims, *each, policy=None):
    idp = SamlIdp(connection_fields={"claims": claims}, policy=policy or AssertionPolicy())
    return idp.accept(Message(attributes=attributes(*each))).claims


def reason_of(idp, message, **remembered):
    with pytest.raises(UpstreamError) as caught:
        idp.accept(message, **remembered)
    return caught.value.reason


def test_names_uris_and_friendly_names():
    each = (attribute(MAIL, "a@x.example", friendly="mail"), attribute("name", "Ana"))
    claims = {"email": f'"{MAIL}"', "nickname": "friendly_names.mail", "name": "name"}
    assert claims_of(claims, *each) == {
        "email": "a@x.example", "email_verified": False, "nickname": "a@x.example", "name": "Ana",
    }  # fmt: skip


def test_a_friendly_name_does_not_pose_as_a_name_and_is_nothing_where_it_is_ambiguous():
    each = (attribute("urn:evil", "evil@x.example", friendly="email"), attribute("urn:b", "b", friendly="role"),
            attribute("urn:c", "c", friendly="role"))  # fmt: skip
    assert claims_of({"email": "email", "nickname": "friendly_names.role"}, *each) == {}


def test_groups_are_lists_or_joined():
    each = (attribute(GROUPS, "staff", "admins, all"),)
    assert claims_of({"groups": ClaimRule(value=f'"{GROUPS}"', type="list")}, *each) == {
        "groups": ["staff", "admins, all"]
    }
    assert claims_of({"groups": ClaimRule(value=f'"{GROUPS}"', type="joined", separator=";")}, *each) == {
        "groups": "staff;admins, all"
    }
    one = (attribute(GROUPS, "staff"),)
    assert claims_of({"groups": ClaimRule(value=f'"{GROUPS}"', type="list")}, *one) == {"groups": ["staff"]}


def test_attributes_that_stand_there_twice_are_merged_where_the_connection_says_so():
    each = (attribute("Role", "a"), attribute("Role", "b"))
    policy = AssertionPolicy(repeated_attributes="merge")
    assert claims_of({"groups": ClaimRule(value="Role", type="list")}, *each, policy=policy) == {
        "groups": ["a", "b"]
    }


def test_a_name_id_as_a_value_is_its_text():
    value = "<saml:NameID>targeted</saml:NameID>"
    assert claims_of(
        {"nickname": '"urn:oid:1.3.6.1.4.1.5923.1.1.1.10"'},
        attribute("urn:oid:1.3.6.1.4.1.5923.1.1.1.10", value),
    ) == {"nickname": "targeted"}


def test_an_address_is_verified_only_where_the_mapping_says_so():
    each = (attribute("email", EMAIL), attribute("email_verified", "true"))
    assert claims_of(None, *each)["email_verified"] is False
    assert claims_of({"email": "email"}, *each)["email_verified"] is False
    assert claims_of({"email": "email", "email_verified": "email_verified"}, *each)["email_verified"] is True
    assert (
        claims_of({"email": "email", "email_verified": ClaimRule(constant=True)}, *each)["email_verified"]
        is True
    )


def test_attributes_set_nothing_of_the_protocol():
    each = (attribute("acr", "evil"), attribute("auth_time", "1"), attribute("sub", "evil"), attribute("upstream_sub", "evil"),
            attribute("friendly_names", "evil"))  # fmt: skip
    idp = SamlIdp(connection_fields={"claims": {"nickname": "upstream_sub"}})
    identity = idp.accept(Message(attributes=attributes(*each)))
    assert (identity.acr, identity.claims) == (PASSWORD, {"nickname": NAME_ID})
    assert identity.auth_time is not None
    assert identity.auth_time > 1


def test_a_required_claim_that_is_missing():
    idp = SamlIdp(connection_fields={"claims": {"department": ClaimRule(value="department", required=True)}})
    assert reason_of(idp, Message()) == "required_claim_missing"


def test_no_attributes_at_all():
    assert SamlIdp().accept(Message(attributes="")).claims == {}


# --- subjects -------------------------------------------------------------------------------------------------------


def subject(message=None, **fields):
    return SamlIdp(**fields).accept(message).subject


def test_subjects_depend_on_both_qualifiers_and_absent_ones_are_the_parties_own():
    from tests.unit.sp.idp import IDP, SP

    plain = subject()
    assert subject(Message(name_id=name_id(NameQualifier=IDP, SPNameQualifier=SP))) == plain
    assert subject(Message(name_id=name_id(NameQualifier="https://proxied.example"))) != plain
    assert subject(Message(name_id=name_id("somebody-else"))) != plain


def test_raw_subjects_are_the_name_id():
    assert subject(connection_fields={"subject": "raw"}) == NAME_ID


def test_an_attribute_may_name_the_person():
    name = "urn:oasis:names:tc:SAML:attribute:pairwise-id"
    idp = SamlIdp(policy=AssertionPolicy(subject_attribute=name))
    message = Message(
        attributes=attributes(attribute(name, "ana@scope.example")), name_id=name_id("x", TRANSIENT)
    )
    found = SamlIdp(policy=AssertionPolicy(subject_attribute=name, transient_subjects=True)).accept(message)
    assert found.subject == idp.accept(message).subject
    assert reason_of(idp, Message()) == "saml_subject_attribute_missing"
    twice = attributes(attribute(name, "a@x", "b@x"))
    assert reason_of(idp, Message(attributes=twice)) == "saml_subject_attribute_missing"


def test_transient_subjects_only_where_the_connection_wants_them():
    message = Message(name_id=name_id("x", TRANSIENT))
    free = AuthnRequestProfile(name_id_format=None)
    assert reason_of(SamlIdp(request=free), message) == "saml_name_id_transient"
    assert subject(message, request=free, policy=AssertionPolicy(transient_subjects=True))


def test_any_format_where_none_was_asked_for():
    email = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    free = AuthnRequestProfile(name_id_format=None)
    assert subject(Message(name_id=name_id("ana@x.example", email)), request=free)
    assert subject(Message(name_id="<saml:NameID>ana</saml:NameID>"), request=free)


# --- assurance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "comparison,answered,met",
    [
        ("exact", "two", True), ("exact", "three", False), ("exact", "unknown", False),
        ("minimum", "one", False), ("minimum", "two", True), ("minimum", "three", True), ("minimum", "unknown", False),
        ("maximum", "one", True), ("maximum", "two", True), ("maximum", "three", False),
        ("better", "two", False), ("better", "three", True), ("better", "unknown", False),
    ],
)  # fmt: skip
def test_the_answered_context_is_compared_as_was_asked(comparison, answered, met):
    request = AuthnRequestProfile(authn_context=("two",), comparison=comparison)
    idp = SamlIdp(request=request, policy=AssertionPolicy(authn_context_order=("one", "two", "three")))
    message = Message(context=answered)
    if met:
        assert idp.accept(message, authn_context="two").acr == answered
    else:
        assert reason_of(idp, message, authn_context="two") == "saml_authn_context_unmet"


def test_a_context_that_is_missing_is_not_met():
    statement = f'<saml:AuthnStatement AuthnInstant="{at()}"><saml:AuthnContext><saml:AuthnContextDeclRef>x</saml:AuthnContextDeclRef></saml:AuthnContext></saml:AuthnStatement>'
    assert (
        reason_of(SamlIdp(), Message(authn_statement=statement), authn_context="two")
        == "saml_authn_context_unmet"
    )
    assert SamlIdp().accept(Message(authn_statement=statement)).acr is None


@pytest.mark.parametrize(
    "remembered,seconds,met",
    [
        ({"force_authn": "true"}, 0, True), ({"force_authn": "true"}, -120, False),
        ({"max_age": "600"}, -500, True), ({"max_age": "600"}, -700, False), ({}, -86_000, True),
    ],
)  # fmt: skip
def test_how_long_ago_the_person_signed_in(remembered, seconds, met):
    message = Message(authn={"AuthnInstant": at(seconds)})
    if met:
        assert SamlIdp().accept(message, **remembered).subject
    else:
        assert reason_of(SamlIdp(), message, **remembered) == "saml_auth_time_unmet"


# --- signatures and encryption --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "algorithm",
    ["2001/04/xmldsig-more#rsa-sha256", "2001/04/xmldsig-more#rsa-sha384", "2001/04/xmldsig-more#rsa-sha512",
     "2007/05/xmldsig-more#sha256-rsa-MGF1"],
)  # fmt: skip
def test_rsa_signatures(algorithm):
    assert SamlIdp().accept(Message(algorithm=f"http://www.w3.org/{algorithm}")).subject


def test_ecdsa_signatures():
    idp = SamlIdp(number=3, kind="EC")
    assert idp.accept(Message(algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")).subject


@pytest.mark.parametrize(
    "digest",
    [SHA256, "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512"],
)
def test_digests(digest):
    assert SamlIdp().accept(Message(digest=digest)).subject


def test_both_certificates_are_trusted_while_the_idp_rotates():
    _, old = certificate(2)
    _, new = certificate(1)
    assert SamlIdp(trusted=old + new).accept().subject
    assert SamlIdp(number=2, trusted=old + new).accept().subject


@pytest.mark.parametrize(
    "how",
    [
        {}, {"content": "http://www.w3.org/2009/xmlenc11#aes128-gcm"}, {"content": "http://www.w3.org/2009/xmlenc11#aes192-gcm"},
        {"digest": "http://www.w3.org/2000/09/xmldsig#sha1"},
        {"transport": "http://www.w3.org/2009/xmlenc11#rsa-oaep", "digest": SHA256, "mask": "http://www.w3.org/2009/xmlenc11#mgf1sha256"},
    ],
)  # fmt: skip
def test_encryption_of_the_assertion_and_of_the_name_id(how):
    idp = SamlIdp(policy=AssertionPolicy(encryption="required"))

    def after(root):
        encrypt(root.find("{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"), **how)

    def before(root):
        found = root.find(".//{urn:oasis:names:tc:SAML:2.0:assertion}NameID")
        encrypt(found, container="saml:EncryptedID", **how)

    assert idp.accept(Message(after=after)).subject == SamlIdp().accept().subject
    assert idp.ports.unwraps == 1
    if "mask" in how:
        # Within what is signed nothing can be taken out, and python3-saml's schema has no word for it.
        assert reason_of(idp, Message(before=before, after=after)) == "saml_rejected"
    else:
        assert idp.accept(Message(before=before, after=after)).subject == SamlIdp().accept().subject
        assert idp.ports.unwraps == 3


def test_a_key_that_was_retired_still_decrypts():
    from dataclasses import replace

    from tests.unit.sp.idp import decryption_key

    idp = SamlIdp(policy=AssertionPolicy(encryption="required"))
    given = idp.connection.saml
    assert given is not None
    saml = replace(given, retired_decryption_keys=("env:RETIRED",))
    idp.connection_fields["saml"] = saml

    def after(root):
        encrypt(root.find("{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"), key=decryption_key(8))

    assert idp.accept(Message(after=after)).subject
    assert idp.ports.unwraps == 2


def test_no_key_is_used_for_what_is_refused():
    idp = SamlIdp(policy=AssertionPolicy(encryption="required", signed="response"))
    with pytest.raises(UpstreamError):
        idp.accept(Message(encrypt=GCM256, signed="none"))
    assert idp.ports.unwraps == 0
