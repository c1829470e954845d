"""Dynamic registration with keys in KMS and credentials in Secrets Manager: neither is ever on this disk."""

from dataclasses import replace

import pytest

from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import sign_in_at_openid_client
from tests.interop.registering import INITIAL, REGISTRATION, Operator, header_of_assertion
from tests.support.kms import create_key, running_ministack

pytestmark = [pytest.mark.interop, pytest.mark.ministack]

TOKEN = "fedbridge/interop/registration/{}"
REGISTERED = "registration: {initial_access_token: secretsmanager:fedbridge/interop/registration/initial}"
CONNECTIONS = [
    Declared(
        name="kms-key",
        yaml=f"client_authentication: {{method: private_key_jwt, key: $arn}}\n{REGISTERED}",
        client={"jwks_uri": "http://127.0.0.1:9/of-nobody"},
    ),
    Declared(
        name="stored-secret",
        yaml="client_authentication: {method: client_secret_post, secret: secretsmanager:fedbridge/interop/secret}"
        f"\n{REGISTERED}",
        client={"token_endpoint_auth_method": "client_secret_post", "client_secret": "s" * 32},
    ),
]


@pytest.fixture(scope="module")
def account():
    with running_ministack() as account:
        account.client("secretsmanager").create_secret(
            Name="fedbridge/interop/registration/initial", SecretString=INITIAL
        )
        yield account


@pytest.fixture(scope="module")
def bridge(account, tmp_path_factory):
    arn = f'"kms:{create_key(account, "ECC_NIST_P256")}"'
    declared = [replace(each, yaml=each.yaml.replace("$arn", arn)) for each in CONNECTIONS]
    with (
        OidcProvider(oidc_provider={"features": REGISTRATION}) as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), declared) as bridge,
    ):
        yield bridge


@pytest.fixture
def operator(account, bridge, capsys):
    before = bridge.file.read_text()
    secrets = account.client("secretsmanager")

    def token(name):
        return lambda: secrets.get_secret_value(SecretId=TOKEN.format(name))["SecretString"]

    yield lambda name: Operator(bridge, name, capsys, token(name))
    bridge.file.write_text(before)


def test_a_key_in_kms_from_registration_to_rotation(operator, account, bridge, browser, openid_client):
    at = operator("kms-key")
    at.register("--environment", "interop")
    rp = bridge.relying_party("kms-key")
    signed_in, passage = sign_in_at_openid_client(bridge, openid_client, browser, rp)
    assert signed_in.claims["email"] == "alice@example.com"
    old_kid, old_token = header_of_assertion(passage)["kid"], at.token()

    key = f"kms:{create_key(account, 'RSA_2048')}"
    at.change(client_authentication={"method": "private_key_jwt", "key": key})
    at.run("--environment", "interop", "--update")
    assert at.token() != old_token
    _, passage = sign_in_at_openid_client(bridge, openid_client, browser, rp)
    assert header_of_assertion(passage)["alg"] == "RS256"
    assert header_of_assertion(passage)["kid"] != old_kid
    at.run("--environment", "interop", "--delete")
    assert list((at.folder / "state").iterdir()) == []


def test_a_secret_that_is_issued_into_secrets_manager(operator, account, bridge, browser, openid_client):
    at = operator("stored-secret")
    at.register("--environment", "interop")
    sign_in_at_openid_client(bridge, openid_client, browser, bridge.relying_party("stored-secret"))
    stored = account.client("secretsmanager").get_secret_value(SecretId="fedbridge/interop/secret")
    assert len(stored["SecretString"]) > 32
    at.run("--environment", "interop", "--update")
    sign_in_at_openid_client(bridge, openid_client, browser, bridge.relying_party("stored-secret"))
    at.run("--environment", "interop", "--delete")
