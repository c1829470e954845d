"""`fedbridge check` with keys in KMS, secrets in Secrets Manager and connections in a table: what is wrong there has a name too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from joserfc.jwk import ECKey

from fedbridge.aws import sdk_client
from fedbridge.cli.connections import Quiet
from fedbridge.configuration.document import encode
from fedbridge.configuration.file import load
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.publishing import publishable
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from tests.counterparts.oidc_provider import Client, OidcProvider
from tests.interop.checking import run_check
from tests.support.kms import create_key, running_ministack

pytestmark = [pytest.mark.interop, pytest.mark.ministack]

TABLE = "connections"
SECRET = "a secret of the bridge, long enough for all"
STORED = "fedbridge/interop/bank/secret"
CALLBACK = "https://bridge.example/bank/callback"
NOWHERE = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000"

FILE = """
connections:
  bank:
    issuer: {issuer}
    client_id: {client_id}
    client_authentication: {authentication}
    relying_parties:
      - client_id: cognito
        secret_hashes: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
        redirect_uris: [https://pool.example/oauth2/idpresponse]
        restart_url: https://app.example/
"""


@dataclass(frozen=True, kw_only=True)
class Bank:
    """An account with a key and a secret, and an IdP that knows both. `arn` is the key's."""

    account: Any
    op: OidcProvider
    arn: str


@pytest.fixture(scope="module")
def bank():
    with running_ministack() as account:
        arn = create_key(account, "ECC_NIST_P256")
        der = account.client("kms").get_public_key(KeyId=arn)["PublicKey"]
        public: Any = load_der_public_key(der)
        jwk = ECKey.import_key(public)
        known = {**jwk.as_dict(private=False), "kid": jwk.thumbprint()}
        account.client("secretsmanager").create_secret(Name=STORED, SecretString=SECRET)
        account.client("dynamodb").create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        keyed = Client(
            client_id="keyed",
            redirect_uris=[CALLBACK],
            jwks={"keys": [known]},
            token_endpoint_auth_signing_alg="ES256",
        )
        sharing = Client(
            client_id="sharing",
            redirect_uris=[CALLBACK],
            client_secret=SECRET,
            token_endpoint_auth_method="client_secret_basic",
        )
        with OidcProvider([keyed, sharing]) as op:
            yield Bank(account=account, op=op, arn=arn)


@pytest.fixture
def check(bank, tmp_path, capsys):
    """Write the connection into a file, or publish it, and check it."""

    def run(client_id, authentication, *options, published=False):
        file = tmp_path / "connections.yaml"
        file.write_text(
            FILE.format(issuer=bank.op.issuer, client_id=client_id, authentication=authentication)
        )
        if published:
            publish(load(file, allow_local=True)["bank"])
            file.unlink()
            options = (*options, "--table", TABLE)
        hosts = ["--private-host", bank.op.origin.removeprefix("http://")]
        return run_check(capsys, ["bank", "--file", str(file), "--local", *hosts, *options])

    return run


def publish(connection):
    clients = cache(sdk_client)
    secrets = CachedSecrets(clients, allow_local=False, telemetry=Quiet())
    ready = publishable(connection, CachedKeys(secrets, clients), secrets)
    deadline = Deadline.after(20)
    ConnectionPublisher(clients("dynamodb"), TABLE).publish("bank", encode(ready), ready.version, deadline)


def by_key(arn):
    return f'{{method: private_key_jwt, key: "kms:{arn}"}}'


def by_secret(name):
    return f"{{method: client_secret_basic, secret: secretsmanager:{name}}}"


@pytest.mark.parametrize("published", [False, True], ids=["file", "table"])
def test_nothing_is_found_where_nothing_is_wrong(check, bank, published):
    for client_id, authentication in (("keyed", by_key(bank.arn)), ("sharing", by_secret(STORED))):
        checked = check(client_id, authentication, published=published)
        assert checked.findings == []
        assert checked.exit_code == 0


@pytest.mark.parametrize("published", [False, True], ids=["file", "table"])
def test_a_key_that_is_switched_off(check, bank, published):
    kms = bank.account.client("kms")
    checked = check("keyed", by_key(bank.arn), published=published)
    assert checked.codes == []
    kms.disable_key(KeyId=bank.arn)
    try:
        options = ("--table", TABLE) if published else ()
        checked = check("keyed", by_key(bank.arn), *options)
    finally:
        kms.enable_key(KeyId=bank.arn)
    assert checked.codes == ["key_disabled"]
    assert checked.exit_code == 1


def test_a_key_that_is_to_be_deleted(check, bank):
    arn = create_key(bank.account, "ECC_NIST_P256")
    bank.account.client("kms").schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert check("keyed", by_key(arn)).codes == ["key_disabled"]


def test_a_key_that_does_not_exist(check):
    assert check("keyed", by_key(NOWHERE)).codes == ["key_missing"]


def test_a_key_that_the_idp_does_not_know(check, bank):
    assert check("keyed", by_key(create_key(bank.account, "ECC_NIST_P256"))).codes == ["client_key_unknown"]


def test_a_key_that_is_for_something_else(check, bank):
    arn = create_key(bank.account, "RSA_2048", "ENCRYPT_DECRYPT")
    assert check("keyed", by_key(arn)).codes == ["key_invalid"]


def test_a_secret_that_does_not_exist(check):
    assert check("sharing", by_secret("fedbridge/interop/none")).codes == ["secret_missing"]


def test_a_secret_that_was_changed_at_the_idp_alone(check, bank):
    bank.account.client("secretsmanager").create_secret(
        Name=f"{STORED}-old", SecretString="an old secret, not this"
    )
    assert check("sharing", by_secret(f"{STORED}-old")).codes == ["client_secret_wrong"]


@pytest.mark.usefixtures("bank")
def test_a_connection_that_is_not_published(capsys):
    checked = run_check(capsys, ["nobody", "--table", TABLE])
    assert checked.codes == ["configuration_invalid"]
    assert checked.exit_code == 1
