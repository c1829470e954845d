"""Userinfo that is signed, signed and encrypted, or holds another issuer's token, from an IdP that nobody here wrote."""

import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError, UserPool
from tests.counterparts.faults import Answer, Fault
from tests.counterparts.identity_issuer import IdentityIssuer
from tests.counterparts.oidc_provider import ALICE, OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import sign_in_at_pool, sign_in_twice
from tests.support.keys import ec_key, private_pem, rsa_key

pytestmark = pytest.mark.interop

ALGORITHMS = ["RSA-OAEP-256", "ECDH-ES+A128KW"]
SETTINGS = {
    "claims": {"identity": ["core"]},
    "features": {"encryption": {"enabled": True}, "jwtUserinfo": {"enabled": True}},
    "enabledJWA": {"userinfoEncryptionAlgValues": ALGORITHMS, "userinfoEncryptionEncValues": ["A256GCM"]},
}


def connection(name, yaml, *, signed=None, encrypted=None, **others):
    metadata = {}
    if signed is not None:
        metadata["userinfo_signed_response_alg"] = signed
    if encrypted is not None:
        metadata |= {
            "userinfo_encrypted_response_alg": encrypted,
            "userinfo_encrypted_response_enc": "A256GCM",
        }
    return Declared(
        name=name,
        key="P-256",
        yaml=f"client_authentication: {{key: $key}}\n{yaml}",
        client={"token_endpoint_auth_signing_alg": "ES256", "metadata": metadata},
        **others,
    )


@pytest.fixture(scope="module")
def identity():
    with IdentityIssuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def op():
    with OidcProvider(oidc_provider=SETTINGS) as op:
        yield op


@pytest.fixture(scope="module")
def bridge(op, identity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    (folder / "rsa").write_text(private_pem(rsa_key(number=80)))
    (folder / "ec").write_text(private_pem(ec_key("P-256", number=81)))
    nested = (
        f"userinfo: {{nested: {{core: {{issuer: '{identity.issuer}', did: '{identity.document_url}', required: true,"
        " claims: {vot: [P2]}}}}\n"
        'claims: {birthdate: "core.vc.credentialSubject.birthDate[0].value"}'
    )
    connections = [
        connection("signed", "userinfo: {format: jws}", signed="RS256"),
        connection("posted", "userinfo: {format: jws, method: POST}", signed="RS256"),
        connection("ps256", "userinfo: {format: jws, algorithms: [PS256]}", signed="PS256"),
        connection("pinned", "userinfo: {format: jws, algorithms: [PS256]}", signed="RS256"),
        connection("plain", "", signed="RS256"),
        connection("downgraded", "userinfo: {format: jws}"),
        connection(
            "rsa",
            f"userinfo: {{format: jwe}}\ntoken_decryption: {{keys: ['file:{folder / 'rsa'}']}}",
            signed="RS256",
            encrypted="RSA-OAEP-256",
        ),
        connection(
            "ec",
            "userinfo: {format: jws_or_jwe, method: POST, algorithms: [PS256]}\n"
            f"token_decryption: {{keys: ['file:{folder / 'ec'}']}}",
            signed="PS256",
            encrypted="ECDH-ES+A128KW",
        ),
        connection("identity", nested, authorization="{scope: openid email identity}"),
    ]
    with running_bridge(op, folder, connections, private_hosts=[identity.host]) as bridge:
        yield bridge


@pytest.fixture
def sign_in(bridge):
    def sign_in(name, user="alice"):
        with UserPool() as pool, new_browser() as browser:
            pool.create_identity_provider(bridge.identity_provider(name))
            return sign_in_at_pool(bridge, pool, browser, user)

    return sign_in


@pytest.mark.parametrize(("name", "method"), [("signed", "GET"), ("posted", "POST"), ("ps256", "GET")])
def test_signed_userinfo(bridge, openid_client, browser, name, method):
    for passage in sign_in_twice(bridge, openid_client, browser, name):
        call = passage.only("userinfo")
        assert call.method == method
        assert call.answer_headers["content-type"].startswith("application/jwt")
        assert (call.answer or "").count(".") == 2


@pytest.mark.parametrize(("name", "alg"), [("rsa", "RSA-OAEP-256"), ("ec", "ECDH-ES+A128KW")])
def test_signed_and_encrypted_userinfo(bridge, openid_client, browser, name, alg):
    for passage in sign_in_twice(bridge, openid_client, browser, name):
        protected, *rest = (passage.only("userinfo").answer or "").split(".")
        header = json.loads(base64.urlsafe_b64decode(protected + "=="))
        assert len(rest) == 4
        assert (header["alg"], header["enc"], header["cty"]) == (alg, "A256GCM", "JWT")


def test_what_was_signed_reaches_cognito(sign_in):
    for name in ("signed", "rsa"):
        user, _ = sign_in(name)
        assert user.attributes["email"] == "alice@example.com"


@pytest.mark.parametrize("name", ["downgraded", "plain", "pinned"])
def test_another_format_or_algorithm_than_configured(sign_in, name):
    """Plain where signed is wanted, signed where plain is, RS256 where PS256 is."""
    with pytest.raises(SignInError, match="could not be completed"):
        sign_in(name)


def test_a_signature_that_was_taken_off_on_the_way(op, sign_in):
    body = '{"sub":"Nb-4711.Alice","email":"eve@example.com"}'
    for content_type in ("application/json", "application/jwt"):
        op.set_fault("userinfo", Fault(answer=Answer(status=200, body=body, content_type=content_type)))
        try:
            with pytest.raises(SignInError, match="could not be completed"):
                sign_in("signed")
        finally:
            op.clear_faults()
    assert sign_in("signed")[0].attributes["email"] == "alice@example.com"


# --- a token within userinfo ----------------------------------------------------------------------------------------


@pytest.fixture
def proved(op, bridge, identity):
    """Let userinfo hold this token about Alice."""

    def proved(**claims):
        about = {"sub": ALICE.sub, "aud": bridge.connections["identity"].upstream_client_id}
        token = identity.token(**{**about, **claims})
        op.set_users(replace(ALICE, claims={**ALICE.claims, "core": token}))

    yield proved
    op.set_users(ALICE)


def test_its_claims_reach_cognito_and_its_document_is_fetched_once(sign_in, proved, identity):
    proved()
    before = len(identity.fetched())
    for _ in range(2):
        user, _ = sign_in("identity")
        assert user.userinfo["birthdate"] == "1985-02-01"
    assert len(identity.fetched()) <= before + 1
    call = identity.fetched()[0]
    assert call.headers["user-agent"] == "fedbridge"
    assert "authorization" not in call.headers


def test_a_new_key_is_found(sign_in, proved, identity):
    proved()
    sign_in("identity")
    identity.rotate()
    proved()
    assert sign_in("identity")[0].userinfo["birthdate"] == "1985-02-01"


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "somebody-else"},
        {"aud": "another-client"},
        {"iss": "http://127.0.0.1:1/"},
        {"exp": 1},
        {"key": ec.generate_private_key(ec.SECP256R1())},
    ],
    ids=["sub", "aud", "iss", "exp", "key"],
)
def test_a_token_about_somebody_or_something_else(sign_in, proved, claims):
    proved(**claims)
    with pytest.raises(SignInError, match="could not be completed"):
        sign_in("identity")


def test_a_proof_that_is_too_weak(sign_in, proved):
    proved(vot="P1")
    with pytest.raises(SignInError, match="assurance_not_met"):
        sign_in("identity")


def test_no_proof_at_all(sign_in):
    with pytest.raises(SignInError, match="assurance_not_met"):
        sign_in("identity")
