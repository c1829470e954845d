"""`fedbridge secrets rotate` as it is called: its options, the bridge that it asks, what it says, and the file afterwards."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest

from fedbridge.aws import sdk_client
from fedbridge.cli import main, parser
from fedbridge.cli.secrets.rotate import rotate
from fedbridge.configuration.document import decode
from fedbridge.errors import FedbridgeError
from fedbridge.model.client_secret import SETTLED
from fedbridge.op.client_authentication import secret_hash
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from tests.conformance.transactions import soon
from tests.counterparts.api_gateway import ApiGateway
from tests.rotation.aws import running_aws
from tests.rotation.bridge import TABLE, Bridge
from tests.support.canaries import canary, observe
from tests.support.keys import ec_key, private_pem
from tests.unit.configuration.files import REMOVED, changed, write

FIRST = canary("the-secret-that-cognito-had-until-now-00000", "client secret")
REGION = "eu-central-1"


@dataclass
class Ahead:
    """A clock that is ahead of the real one, by however long somebody has slept."""

    seconds: float = SETTLED

    def __call__(self) -> float:
        return time.time() + self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Operator:
    """Somebody with credentials and a file, and a bridge on loopback."""

    clients: Callable[[str], Any]
    clock: Ahead
    url: str
    pool_id: str
    folder: Any
    capsys: Any

    def apply(self, *options: str, table: str = TABLE, **changes: Any) -> int:
        body = {
            "client_authentication__key": f"file:{self.folder / 'key.pem'}",
            "relying_parties__0__secret_hashes": [secret_hash(FIRST)],
            **changes,
        }
        file = write(self.folder, {"acme": changed(**body)})
        return main(["connections", "apply", "--offline", "--local", "--table", table, *options, str(file)])

    def rotate(self, *options: str, table: str = TABLE, pool: bool = True) -> tuple[int, str]:
        """Run the command with a clock that a sleep only moves; returns its code, and what it printed."""
        host = self.url.removeprefix("http://")
        named = ["--user-pool", self.pool_id, "--provider", "Bank"] if pool else []
        arguments = ["secrets", "rotate", "acme", "--table", table, "--private-host", host, *named, *options]
        self.capsys.readouterr()
        try:
            code, said = rotate(parser().parse_args(arguments), clock=self.clock, sleep=self.clock.sleep), ""
        except FedbridgeError as error:
            code, said = 1, str(error)
        printed = self.capsys.readouterr()
        observe(printed.out + printed.err + said, "secrets rotate")
        return code, printed.out + printed.err + said

    def hashes(self, table: str = TABLE) -> tuple[str, ...]:
        document = ConnectionPublisher(self.clients("dynamodb"), table).current("acme", soon())
        assert document is not None
        return decode(document).relying_parties[0].secret_hashes

    @property
    def secret(self) -> str:
        told = boto3.client("cognito-idp", region_name=REGION).describe_identity_provider(
            UserPoolId=self.pool_id, ProviderName="Bank"
        )
        return str(told["IdentityProvider"]["ProviderDetails"]["client_secret"])


@pytest.fixture
def clients():
    with running_aws(TABLE):
        yield functools.cache(sdk_client)


@pytest.fixture
def operator(clients, tmp_path, capsys):
    clients("secretsmanager").create_secret(Name="id-token", SecretString=private_pem(ec_key()))
    (tmp_path / "key.pem").write_text(private_pem(ec_key()))
    (tmp_path / "key.pem").chmod(0o600)
    clock = Ahead()
    bridge = Bridge(clock, clients, _Unreachable(), ("secretsmanager:id-token",))
    with ApiGateway(bridge.sandbox()) as gateway:
        cognito = boto3.client("cognito-idp", region_name=REGION)
        pool_id = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
        cognito.create_identity_provider(
            UserPoolId=pool_id,
            ProviderName="Bank",
            ProviderType="OIDC",
            ProviderDetails={
                "client_id": "cognito",
                "client_secret": FIRST,
                "authorize_scopes": "openid",
                "attributes_request_method": "GET",
                "oidc_issuer": f"{gateway.url}/acme",
            },
            AttributeMapping={"email": "email"},
        )
        yield Operator(clients, clock, gateway.url, pool_id, tmp_path, capsys)


class _Unreachable:
    def send(self, request: Any, deadline: Any) -> Any:
        raise AssertionError("no IdP is asked")


def rests(operator: Operator) -> bool:
    """Whether Cognito has one new secret, which is the only one that the bridge accepts."""
    return operator.secret != FIRST and operator.hashes() == (secret_hash(operator.secret),)


def test_one_command_from_begin_to_end(operator):
    assert operator.apply() == 0
    code, printed = operator.rotate()
    assert code == 0
    assert rests(operator)
    assert operator.secret not in printed
    assert "The bridge accepts the new secret." in printed
    (written,) = re.findall("- (sha256:[0-9a-f]{64})", printed)
    assert operator.apply(relying_parties__0__secret_hashes=[written]) == 0
    assert rests(operator)


def test_in_two_steps(operator):
    operator.apply()
    code, printed = operator.rotate("--no-wait")
    assert code == 0
    assert "run this command again with --finish" in printed.lower()
    assert operator.hashes() == (secret_hash(FIRST), secret_hash(operator.secret))
    assert re.findall("- (sha256:[0-9a-f]{64})", printed) == list(operator.hashes())
    assert operator.rotate("--finish")[0] == 0
    assert rests(operator)
    secret = operator.secret
    assert operator.rotate("--finish")[0] == 0
    assert operator.secret == secret


def test_a_managed_secret_needs_nothing_in_the_file(operator):
    managed = {
        "relying_parties__0__secret_hashes": REMOVED,
        "relying_parties__0__managed_secret": {},
        "relying_parties__0__user_pool": {"id": operator.pool_id, "identity_provider": "Bank"},
    }
    operator.apply()
    operator.clock.sleep(SETTLED)
    assert operator.apply(**managed) == 0
    assert operator.hashes() == (secret_hash(FIRST),)
    for _ in range(2):
        code, printed = operator.rotate(pool=False)
        assert (code, "connections.yaml" in printed) == (0, False)
        assert rests(operator)
        assert operator.apply(**managed) == 0
        assert rests(operator)
        operator.clock.sleep(SETTLED)


def test_the_table_of_another_bridge(operator, clients):
    operator.apply()
    clients("dynamodb").create_table(
        TableName="other",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
    )
    operator.apply(table="other")
    code, printed = operator.rotate(table="other")
    assert code == 1
    assert "refuses the new secret" in printed
    assert "ConnectionsTable" in printed
    assert operator.secret == FIRST


def test_a_bridge_that_is_out_of_reach_is_not_tried(operator):
    operator.apply()
    unreachable = replace(operator, url="http://127.0.0.1:9")
    code, printed = unreachable.rotate()
    assert code == 0
    assert "not tried there" in printed
    assert rests(operator)


def test_what_is_missing_is_named(operator):
    code, printed = operator.rotate()
    assert (code, "no connection 'acme' is published" in printed) == (1, True)
    operator.apply()
    code, printed = operator.rotate(pool=False)
    assert code == 1
    assert "--user-pool and --provider" in printed
    code, printed = operator.rotate("--relying-party", "nobody")
    assert (code, "there are cognito" in printed) == (1, True)
    assert operator.secret == FIRST
