"""Pushed requests, request objects and signed responses with keys that never leave KMS."""

import json

import httpx
import pytest

from fedbridge.rp.base64url import decode_base64url
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import running_bridge
from tests.interop.passage import sign_in_twice
from tests.interop.requests import PUSHED, SETTINGS, SIGNED, connection, received
from tests.support.keys import private_pem, rsa_key
from tests.support.kms import create_key, running_ministack

pytestmark = [pytest.mark.interop, pytest.mark.ministack]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    (folder / "enc").write_text(private_pem(rsa_key(number=73)))
    with running_ministack() as account, OidcProvider(decrypts=True, oidc_provider=SETTINGS) as op:

        def in_kms(spec):
            return f'"kms:{create_key(account, spec)}"'

        def asserting():
            return f"client_authentication: {{method: private_key_jwt, key: {in_kms('ECC_NIST_P256')}}}"

        own = f"request_object: {{key: {in_kms('RSA_2048')}, algorithm: PS256}}"
        encrypted = "request_object: {encryption_algorithm: RSA-OAEP-256}"
        connections = [
            connection("pushed", "par: required", authentication=asserting(), **PUSHED),
            connection("signed", "request_object: {}", authentication=asserting(), **SIGNED),
            connection(
                "signed-pushed", f"{own}, par: required", authentication=asserting(), **SIGNED, **PUSHED
            ),
            connection("encrypted", encrypted, authentication=asserting(), **SIGNED),
            connection("answered", "response_mode: form_post.jwt", authentication=asserting()),
            connection(
                "sealed",
                "response_mode: jwt",
                "authorization_response: {encryption: required}",
                f"token_decryption: {{keys: ['file:{folder / 'enc'}']}}",
                authentication=asserting(),
                authorization_signed_response_alg="RS256",
                authorization_encrypted_response_alg="RSA-OAEP-256",
                authorization_encrypted_response_enc="A256GCM",
            ),
        ]
        with running_bridge(op, folder, connections) as bridge:
            yield bridge


def published(bridge, name):
    return httpx.get(f"{bridge.issuer(name)}/client-jwks.json", trust_env=False).json()["keys"]


@pytest.mark.parametrize("name", ["pushed", "answered", "sealed"])
def test_assertions_from_kms(bridge, openid_client, browser, name):
    kid = published(bridge, name)[0]["kid"]
    for passage in sign_in_twice(bridge, openid_client, browser, name):
        asserted = [entry for entry in passage.upstream if entry.assertion is not None]
        assert {received(entry.assertion).header["kid"] for entry in asserted} == {kid}
        assert len(asserted) == (2 if name == "pushed" else 1)


def test_request_objects_from_the_kms_key_of_assertions(bridge, openid_client, browser):
    (key,) = published(bridge, "signed")
    for passage in sign_in_twice(bridge, openid_client, browser, "signed"):
        header = received(passage.authorization.request_object).header
        assert (header["alg"], header["kid"]) == ("ES256", key["kid"])
        assert received(passage.only("token").assertion).header["kid"] == key["kid"]


def test_request_objects_from_a_kms_key_of_their_own(bridge, openid_client, browser):
    assertions, requests = published(bridge, "signed-pushed")
    for passage in sign_in_twice(bridge, openid_client, browser, "signed-pushed"):
        pushed = passage.only("pushed_authorization_request")
        header = received(pushed.request_object).header
        assert (header["alg"], header["kid"]) == ("PS256", requests["kid"])
        assert received(pushed.assertion).header["kid"] == assertions["kid"]
        assert requests["alg"] == "PS256"


def test_request_objects_that_kms_signs_are_encrypted_here(bridge, openid_client, browser):
    for passage in sign_in_twice(bridge, openid_client, browser, "encrypted"):
        header = json.loads(decode_base64url(passage.authorization.query["request"].split(".")[0]))
        assert (header["alg"], header["cty"]) == ("RSA-OAEP-256", "JWT")
