"""Encrypted ID tokens and userinfo that KMS decrypts: neither these keys nor those of the assertions ever leave it."""

from dataclasses import replace

import pytest

from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import running_bridge
from tests.interop.encryption import SETTINGS, connection, id_token_header, published
from tests.interop.passage import sign_in_twice
from tests.support.kms import create_key, running_ministack

pytestmark = [pytest.mark.interop, pytest.mark.ministack]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    with running_ministack() as account, OidcProvider(oidc_provider=SETTINGS) as op:
        connections = []
        for alg in ("RSA-OAEP", "RSA-OAEP-256"):
            key = f"kms:{create_key(account, 'RSA_2048', 'ENCRYPT_DECRYPT')}"
            signing = f'"kms:{create_key(account, "ECC_NIST_P256")}"'
            declared = connection(f"kms-{alg.lower()}", key, alg, "A256GCM", userinfo=alg == "RSA-OAEP-256")
            connections.append(replace(declared, key=None, yaml=declared.yaml.replace("$key", signing)))
        with running_bridge(op, tmp_path_factory.mktemp("bridge"), connections) as bridge:
            yield bridge


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
def test_an_encrypted_id_token_that_kms_decrypts(bridge, openid_client, browser, alg):
    name = f"kms-{alg.lower()}"
    signing, decryption = published(bridge, browser, name)

    for passage in sign_in_twice(bridge, openid_client, browser, name):
        header, assertion = id_token_header(passage), passage.only("token").assertion

        assert (header["alg"], header["kid"]) == (alg, decryption["kid"])
        assert assertion is not None
        assert assertion.header["kid"] == signing["kid"]
