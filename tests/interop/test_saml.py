"""Whole SAML sign-ins with identity providers that nobody here wrote: samlify, and pysaml2's Server.

samlify's XML stack shares nothing with ours, so what it signs and encrypts, and that it verifies and reads what the bridge
signs and publishes, is proved by another implementation. pysaml2 signs with libxmlsec, as the bridge verifies; what it
alone proves here: NameIDs and a Response around an encrypted assertion as another implementation of the protocol has them.
"""

import base64
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.counterparts.samlify_idp import (
    AES_128_GCM,
    AES_256_CBC,
    IdpSettings,
    SamlifyError,
    SamlifyIdp,
    SamlUser,
)
from tests.interop.saml_bridge import IDP, SSO, encoded, running_saml_bridge, saml_trip
from tests.support.keys import private_pem, rsa_key
from tests.support.kms import create_key, running_ministack
from tests.unit.sp.idp import certificate

ATTRIBUTES = {"mail": ["ana@example.com"], "groups": ["staff", "admins"]}
USER = SamlUser(name_id="ana-at-samlify", mail="ana@example.com")

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def samlify():
    with SamlifyIdp() as idp:
        yield idp


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    with running_saml_bridge(tmp_path_factory.mktemp("saml")) as bridge:
        yield bridge


def settings(**more):
    key, pem = certificate(31)
    return IdpSettings(entity_id=IDP, url=SSO, key=private_pem(key), certificate=pem, **more)


def declare(bridge, samlify, idp, *, request=None, assertion=None, **more):
    """Write the connection with the IdP's own metadata; encryption brings a decryption key."""
    (bridge.folder / "idp.xml").write_text(samlify.metadata(idp))
    assertion = assertion or {}
    decryption = {"decryption_keys": [bridge.keys("decrypt", 33)]} if "encryption" in assertion else {}
    bridge.declare({
        "metadata": {"source": f"file:{bridge.folder / 'idp.xml'}"},
        "signing_keys": [bridge.keys("sign", 32)],
        "request": request or {},
        "assertion": assertion,
        **decryption,
        **more,
    })  # fmt: skip


def sign_in(trip, samlify, idp, *, message_signed=False, user=USER):
    asked = trip.ask()
    response, request = samlify.respond(
        idp, trip.bridge.metadata(), user, query=asked.query, form=asked.form, message_signed=message_signed
    )
    return trip.finish(response, asked.parameters["RelayState"]), request


def begun(bridge, samlify, idp, **how):
    declare(bridge, samlify, idp, **how)
    return saml_trip(bridge)


@pytest.mark.parametrize("binding", ["redirect", "post"])
def test_samlify_verifies_our_request_and_we_its_assertion(bridge, samlify, binding):
    idp = settings()
    with begun(bridge, samlify, idp, request={"binding": binding}) as trip:
        user, request = sign_in(trip, samlify, idp)
    assert request["request"]["assertionConsumerServiceUrl"] == f"{bridge.url}/saml-idp/saml/acs"
    assert request["nameIDPolicy"]["format"] == "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    assert user.attributes["email"] == "ana@example.com"
    assert user.claims["groups"] == ["staff", "admins"]
    assert user.claims["acr"] == USER.context
    assert user.claims["email_verified"] is False


CASES = [
    (None, "sign-then-encrypt", "assertion", True),
    (AES_128_GCM, "sign-then-encrypt", "assertion", False),
    (AES_128_GCM, "encrypt-then-sign", "both", True),
    (AES_256_CBC, "encrypt-then-sign", "both", True),
]


@pytest.mark.parametrize("case", CASES, ids=["message-too", "gcm", "gcm-in-signed", "cbc"])
def test_samlify_signs_and_encrypts(bridge, samlify, case):
    encryption, order, signed, message_signed = case
    idp = settings(encryption=encryption, order=order)
    assertion = {"signed": signed} | ({"encryption": "required"} if encryption else {})
    if encryption == AES_256_CBC:
        assertion["allow_aes_cbc"] = True
    with begun(bridge, samlify, idp, assertion=assertion) as trip:
        user, _ = sign_in(trip, samlify, idp, message_signed=message_signed)
    assert user.attributes["email"] == "ana@example.com"


def test_aes_cbc_without_the_override_is_refused(bridge, samlify):
    idp = settings(encryption=AES_256_CBC, order="encrypt-then-sign")
    with begun(bridge, samlify, idp, assertion={"signed": "both", "encryption": "required"}) as trip:
        asked = trip.ask()
        response, _ = samlify.respond(idp, bridge.metadata(), USER, query=asked.query, message_signed=True)
        assert trip.answer(response, asked.parameters["RelayState"]).status_code == 400


def test_the_same_person_is_the_same_user_and_another_one_is_not(bridge, samlify):
    idp = settings()
    with begun(bridge, samlify, idp) as trip:
        first, _ = sign_in(trip, samlify, idp)
        again, _ = sign_in(trip, samlify, idp)
        other, _ = sign_in(trip, samlify, idp, user=SamlUser(name_id="bob", mail="b@example.com"))
    assert first.username == again.username != other.username


def test_a_request_that_was_changed_on_the_way_is_refused_by_samlify(bridge, samlify):
    idp = settings()
    with begun(bridge, samlify, idp) as trip:
        asked = trip.ask()
        assert asked.query is not None
        changed = asked.query.replace("RelayState=", "RelayState=x")
        with pytest.raises(SamlifyError):
            samlify.respond(idp, bridge.metadata(), USER, query=changed)


def test_a_response_that_was_changed_on_the_way_is_refused_by_us(bridge, samlify):
    idp = settings()
    with begun(bridge, samlify, idp) as trip:
        asked = trip.ask()
        response, _ = samlify.respond(idp, bridge.metadata(), USER, query=asked.query)
        changed = base64.b64decode(response).replace(b"ana-at-samlify", b"eve-at-samlify")
        answer = trip.answer(base64.b64encode(changed).decode(), asked.parameters["RelayState"])
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_the_context_that_was_asked_for_is_checked_in_the_answer(bridge, samlify):
    idp, mfa = settings(), "https://refeds.org/profile/mfa"
    with begun(bridge, samlify, idp, request={"authn_context": [mfa]}) as trip:
        strong = SamlUser(name_id="ana", mail="ana@example.com", context=mfa)
        user, _ = sign_in(trip, samlify, idp, user=strong)
        assert user.claims["acr"] == mfa
        asked = trip.ask()
        weak, _ = samlify.respond(idp, bridge.metadata(), USER, query=asked.query)
        answer = trip.answer(weak, asked.parameters["RelayState"])
    assert answer.status_code == 303
    assert httpx.URL(answer.headers["location"]).params["error_description"].startswith("assurance_not_met")


@pytest.mark.ministack
def test_the_keys_may_be_in_kms(tmp_path, samlify, monkeypatch):
    """AuthnRequests signed by KMS, by Redirect and by POST, and assertions that KMS helps to decrypt."""
    with running_ministack() as account, running_saml_bridge(tmp_path) as bridge:
        idp = settings(encryption=AES_128_GCM)
        (tmp_path / "idp.xml").write_text(samlify.metadata(idp))
        references = {}
        for name, usage in (("sign", "SIGN_VERIFY"), ("decrypt", "ENCRYPT_DECRYPT")):
            arn = create_key(account, "RSA_2048", usage)
            (tmp_path / f"{name}.pem").write_text(certificate_of_kms_key(account, arn))
            references[name] = {"key": f"kms:{arn}", "certificate": f"file:{tmp_path / f'{name}.pem'}"}
        for binding in ("redirect", "post"):
            bridge.declare({
                "metadata": {"source": f"file:{tmp_path / 'idp.xml'}"},
                "signing_keys": [references["sign"]],
                "decryption_keys": [references["decrypt"]],
                "request": {"binding": binding},
                "assertion": {"encryption": "required", "key_transport": ["RSA-OAEP"]},
            })  # fmt: skip
            with saml_trip(bridge) as trip:
                user, _ = sign_in(trip, samlify, idp)
            assert user.attributes["email"] == "ana@example.com"


def certificate_of_kms_key(account, arn):
    """A certificate that says which key it is; its own signature is of another key, which nobody here looks at."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
    from cryptography.x509.oid import NameOID

    public: Any = load_der_public_key(account.client("kms").get_public_key(KeyId=arn)["PublicKey"])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(
        name, name, public, x509.random_serial_number(), now, now + dt.timedelta(days=1)
    ).sign(rsa_key(2048, 34), hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


class TestPysaml2:
    @pytest.fixture
    def idp(self, bridge, tmp_path):
        from tests.counterparts.pysaml2_idp import Pysaml2Idp

        key, pem = certificate(35)
        (bridge.folder / "pysaml2.pem").write_text(pem)

        def configured(request=None, assertion=None):
            assertion = assertion or {}
            decryption = (
                {"decryption_keys": [bridge.keys("decrypt", 33)]} if "encryption" in assertion else {}
            )
            bridge.declare({
                "provider": {"single_sign_on_service": SSO, "certificates": [f"file:{bridge.folder / 'pysaml2.pem'}"],
                             "binding": (request or {}).get("binding", "redirect")},
                "signing_keys": [bridge.keys("sign", 32)],
                "request": request or {},
                "assertion": assertion,
                **decryption,
            })  # fmt: skip
            return Pysaml2Idp.configured(
                tmp_path,
                entity_id=IDP,
                sso=SSO,
                key=private_pem(key),
                certificate=pem,
                sp_metadata=bridge.metadata(),
            )

        return configured

    @pytest.mark.parametrize("binding", ["redirect", "post"])
    @pytest.mark.parametrize(
        "signed,how",
        [
            ("assertion", {"sign_assertion": True, "sign_response": False}),
            ("response", {"sign_assertion": False, "sign_response": True}),
            ("both", {"sign_assertion": True, "sign_response": True}),
        ],
    )
    def test_a_sign_in(self, bridge, idp, binding, signed, how):
        server = idp({"binding": binding}, {"signed": signed})
        with saml_trip(bridge) as trip:
            asked = trip.ask()
            sent = {"query": asked.parameters} if asked.query is not None else {"form": asked.form}
            document = server.respond(**sent, name_id="ana-at-pysaml2", attributes=ATTRIBUTES, **how)
            user = trip.finish(encoded(document), asked.parameters["RelayState"])
        assert user.attributes["email"] == "ana@example.com"
        assert user.claims["groups"] == ["staff", "admins"]

    def test_pysaml2_encrypts_with_triple_des_alone_which_is_refused_even_under_the_override(
        self, bridge, idp
    ):
        server = idp({}, {"signed": "both", "encryption": "required", "allow_aes_cbc": True})
        with saml_trip(bridge) as trip:
            asked = trip.ask()
            document = server.respond(
                query=asked.parameters,
                name_id="ana-at-pysaml2",
                attributes=ATTRIBUTES,
                sign_assertion=True,
                sign_response=True,
                encrypt_assertion=True,
                encrypt_assertion_self_contained=True,
            )
            assert "ana@example.com" not in document
            assert "tripledes-cbc" in document
            assert trip.answer(encoded(document), asked.parameters["RelayState"]).status_code == 400


def test_the_signature_of_the_query_is_over_the_octets_as_they_travel(bridge, samlify):
    declare(bridge, samlify, settings())
    with saml_trip(bridge) as trip:
        asked = trip.ask()
    assert asked.query is not None
    octets, _, _ = asked.query.partition("&Signature=")
    rsa_key(2048, 32).public_key().verify(
        base64.b64decode(asked.parameters["Signature"]), octets.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
