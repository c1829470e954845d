"""Key rings by the commands that operators type, over an account of moto's, and what the functions see of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import time_machine
from cryptography import x509
from moto import mock_aws

from fedbridge.cli import main, parser
from fedbridge.cli.key_rings import open_rings
from fedbridge.cli.registration_desk import opened
from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError
from fedbridge.flows.rotation import rotate, stage
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import Connection
from fedbridge.model.key_ring import CACHED, DAY, SPREAD, StoredRing
from fedbridge.operations import rotation
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from fedbridge.wiring import back_channel, key_rings
from tests.conformance.transactions import soon
from tests.fakes.telemetry import NullTelemetry
from tests.support.dynamodb import CREDENTIALS
from tests.unit.configuration.files import changed

TABLE = "connections"
NOW = 1_800_000_000
BANK = {"use": "client-assertion", "kind": "secretsmanager:P-256"}


@dataclass
class Operator:
    """Somebody with credentials, a file and a clock."""

    folder: Path
    clock: time_machine.Traveller
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.clients.setdefault(service, boto3.client(service))  # type: ignore[call-overload]

    def write(self, rings: Any, **connections: Any) -> Path:
        path = self.folder / "connections.yaml"
        path.write_text(json.dumps({"connections": connections, "key_rings": rings}), "utf-8")
        return path

    def apply(self, rings: Any, *options: str, **connections: Any) -> int:
        path = self.write(rings, **connections)
        return main(["connections", "apply", str(path), "--table", TABLE, "--offline", *options])

    def keys(self, *arguments: str) -> int:
        return main(["keys", *arguments, "--table", TABLE])

    def later(self, seconds: float) -> None:
        self.clock.shift(seconds)

    def published(self, name: str = "acme") -> Connection:
        item = ConnectionPublisher(self.client("dynamodb"), TABLE).read(name, soon())
        assert item is not None
        return decode(item.current.document)

    def ring(self, name: str = "bank") -> StoredRing:
        ring = key_rings(TABLE, self.client).get(name, soon())
        assert ring is not None
        return ring

    def secrets(self) -> list[str]:
        return sorted(secret["Name"] for secret in self.client("secretsmanager").list_secrets()["SecretList"])


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with (
        pytest.MonkeyPatch.context() as environment,
        mock_aws(),
        time_machine.travel(NOW, tick=False) as clock,
    ):
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        operator = Operator(tmp_path, clock)
        operator.client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        )
        yield operator


def ringed(**changes: Any) -> dict[str, Any]:
    return changed(changed(client_authentication__key="ring:bank"), **changes)


@pytest.fixture
def bank(operator: Operator, capsys: pytest.CaptureFixture[str]) -> Operator:
    """An operator who has published a connection with a ring an hour ago."""
    assert operator.apply({"bank": BANK}, "--environment", "prod", acme=ringed()) == 0
    operator.later(3600)
    capsys.readouterr()
    return operator


def test_apply_makes_the_first_key_and_publishes_it(operator, capsys):
    assert operator.apply({"bank": BANK}, "--environment", "prod", acme=ringed()) == 0
    said = capsys.readouterr().out
    reference = "secretsmanager:fedbridge/prod/oidc/rings/bank/1"
    assert f"ring:bank: has its first key, {operator.ring().state.active.kid} ({reference})" in said
    connection = operator.published()
    assert connection.client_authentication.key == reference
    assert connection.rings == {"client_authentication.key": ("bank",)}
    assert [jwk["kid"] for jwk in connection.client_jwks] == [operator.ring().state.active.kid]
    assert operator.ring().state.active.activated_at == NOW
    assert operator.apply({"bank": BANK}, acme=ringed()) == 0
    assert "acme: unchanged" in capsys.readouterr().out
    assert operator.secrets() == ["fedbridge/prod/oidc/rings/bank/1"]


def test_without_the_environment_no_key_is_made(operator, capsys):
    assert operator.apply({"bank": BANK}, acme=ringed()) == 1
    assert "--environment: is missing" in capsys.readouterr().err
    assert operator.secrets() == []


def test_init_makes_keys_before_anything_is_published_and_plan_makes_none(operator, capsys):
    path = operator.write({"bank": BANK}, acme=ringed())
    assert main(["connections", "plan", str(path), "--table", TABLE, "--offline"]) == 1
    assert "ring:bank: has no key yet: fedbridge keys init makes it" in capsys.readouterr().err
    assert operator.keys("init", str(path), "--environment", "prod") == 0
    assert main(["connections", "plan", str(path), "--table", TABLE, "--offline"]) == 0
    assert "acme: new" in capsys.readouterr().out
    assert main(["keys", "export", "ring:bank", "--table", TABLE]) == 0
    (jwk,) = json.loads(capsys.readouterr().out)["keys"]
    assert jwk["kid"] == operator.ring().state.active.kid


def test_a_ring_takes_over_the_key_that_is_there_and_never_switches_it_off(operator, capsys):
    secrets = operator.client("secretsmanager")
    assert main(["keys", "new", str(operator.folder / "key.pem"), "--kind", "P-256"]) == 0
    secrets.create_secret(
        Name="fedbridge/prod/acme", SecretString=(operator.folder / "key.pem").read_text("utf-8")
    )
    assert operator.apply({}, acme=changed()) == 0
    before = operator.published()
    operator.later(DAY)
    assert operator.apply({"bank": BANK}, acme=ringed()) == 0
    assert "ring:bank: begins with the key that is there" in capsys.readouterr().out
    after = operator.published()
    assert after.client_authentication.key == before.client_authentication.key
    assert after.client_jwks == before.client_jwks
    assert operator.ring().state.active.made is False


def test_a_rotation_by_hand_is_finished_first(operator, capsys):
    for name in ("1", "2"):
        file = operator.folder / f"{name}.pem"
        main(["keys", "new", str(file), "--kind", "P-256"])
        operator.client("secretsmanager").create_secret(Name=name, SecretString=file.read_text("utf-8"))
    by_hand = changed(
        client_authentication__key="secretsmanager:1", client_authentication__next_key="secretsmanager:2"
    )
    assert operator.apply({}, acme=by_hand) == 0
    assert operator.apply({"bank": BANK}, "--environment", "prod", acme=ringed()) == 1
    assert "a rotation by hand is under way (next_key)" in capsys.readouterr().err


def test_a_ring_by_another_name_begins_with_the_key_that_providers_know(bank, capsys):
    """A new key, active at once, would be unknown to whoever fetched the keys before."""
    before = bank.published()
    other = changed(client_authentication={"method": "private_key_jwt", "key": "ring:other"})
    assert bank.apply({"other": BANK}, "--environment", "prod", acme=other) == 0
    assert "ring:other: begins with the key that is there" in capsys.readouterr().out
    assert bank.published().client_jwks == before.client_jwks
    assert bank.published().rings == {"client_authentication.key": ("other",)}
    assert (bank.ring("other").state.active.made, len(bank.secrets())) == (False, 1)


def test_a_ring_whose_state_is_gone_begins_with_the_key_that_providers_know(bank):
    before = bank.published()
    bank.client("dynamodb").delete_item(TableName=TABLE, Key={"name": {"S": "ring:bank"}})
    assert bank.apply({"bank": BANK}, "--environment", "prod", acme=ringed()) == 0
    assert bank.published() == before
    assert bank.ring().state.active.kid == before.client_jwks[0]["kid"]


def test_a_policy_may_change_and_a_use_may_not(bank, capsys):
    assert bank.apply({"bank": {**BANK, "kind": "secretsmanager:P-384"}}, acme=ringed()) == 0
    assert "ring:bank: its policy changes" in capsys.readouterr().out
    assert bank.ring().policy.kind == "secretsmanager:P-384"
    jar = changed(authorization={"request_object": {"key": "ring:bank"}})
    assert bank.apply({"bank": {**BANK, "use": "request-object"}}, acme=jar) == 1
    assert "key_rings: bank.use: the ring has keys for client-assertion" in capsys.readouterr().err


def test_by_hand_stage_activate_and_retire(bank, capsys):
    first = bank.ring().state.active.kid
    assert bank.keys("stage", "bank", "--environment", "prod") == 0
    said = capsys.readouterr().out
    second = bank.ring().state.next.kid
    assert f"bank: {second} is next (secretsmanager:fedbridge/prod/oidc/rings/bank/2)" in said
    assert "acme: published" in said
    assert (
        bank.published().client_authentication.next_key == "secretsmanager:fedbridge/prod/oidc/rings/bank/2"
    )
    bank.later(CACHED - 60)
    assert bank.keys("activate", "bank") == 1
    refused = capsys.readouterr().err
    assert "whoever fetched the keys before that may know nothing of it" in refused
    assert "--force" in refused
    bank.later(60)
    assert bank.keys("activate", "bank") == 0
    assert bank.published().client_authentication.key == "secretsmanager:fedbridge/prod/oidc/rings/bank/2"
    assert bank.keys("retire", "bank", first[:8]) == 1
    assert "is accepted until" in capsys.readouterr().err
    bank.later(CACHED)
    assert bank.keys("retire", "bank", first[:8]) == 0
    assert bank.published().client_authentication.retired_keys == ()


def test_what_was_published_a_moment_ago_is_not_published_again_at_once(bank, capsys):
    bank.keys("stage", "bank", "--environment", "prod")
    capsys.readouterr()
    assert bank.keys("activate", "bank", "--force") == 0
    assert "is published by the scheduled function after" in capsys.readouterr().out
    assert bank.published().client_authentication.key == "secretsmanager:fedbridge/prod/oidc/rings/bank/1"


def test_a_key_that_must_be_confirmed_is_not_activated_before(operator, capsys):
    policy = {
        **BANK,
        "confirmation": "required",
        "rotate_every": 365 * DAY,
        "certificate_lifetime": 730 * DAY,
    }
    body = ringed(client_authentication__certificate="ring:bank", client_authentication__x5t_s256=True)
    assert operator.apply({"bank": policy}, "--environment", "prod", acme=body) == 0
    operator.later(DAY)
    assert operator.keys("stage", "bank", "--environment", "prod") == 0
    operator.later(30 * DAY)
    assert operator.keys("activate", "bank") == 1
    assert "is not confirmed" in capsys.readouterr().err
    assert operator.keys("export", "ring:bank", "--format", "certificate") == 0
    certificate = x509.load_pem_x509_certificate(capsys.readouterr().out.encode())
    assert certificate.subject.rfc4514_string() == "CN=fedbridge bank"
    assert certificate.not_valid_after_utc.timestamp() == NOW + DAY + 730 * DAY
    kid = operator.ring().state.next.kid
    assert operator.keys("confirm", "bank", kid) == 0
    assert operator.keys("activate", "bank") == 0
    connection = operator.published()
    assert connection.client_authentication.certificate == (
        "secretsmanager:fedbridge/prod/oidc/rings/bank/2#certificate"
    )
    assert connection.client_jwks[0]["kid"] == kid
    assert len(connection.client_jwks[0]["x5c"]) == 1


def test_list_says_what_there_is_and_what_comes(bank, capsys):
    bank.keys("stage", "bank", "--environment", "prod")
    capsys.readouterr()
    assert bank.keys("list") == 0
    first, second = (key.kid for key in bank.ring().state.keys)
    assert capsys.readouterr().out.splitlines() == [
        "bank: client-assertion, secretsmanager:P-256, fills acme",
        f"  {first}  active for 0.0 days",
        f"  {second}  next for 0.0 days: becomes active on 2027-01-16 10:00 UTC",
    ]
    assert bank.keys("list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)["rings"]
    assert listed["connection"] == "acme"
    assert [key["state"] for key in listed["keys"]] == ["active", "next"]
    assert listed["next"] == [{"action": "activate", "at": NOW + 3600 + CACHED, "kid": second}]


def test_list_of_nothing(operator, capsys):
    assert operator.keys("list") == 0
    assert "There is no key ring" in capsys.readouterr().out


def test_list_tells_a_ring_that_cannot_be_read_beside_the_others(bank, capsys):
    item = {"name": {"S": "ring:damaged"}, "v": {"N": "1"}}
    bank.client("dynamodb").put_item(TableName=TABLE, Item=item)
    assert bank.keys("list") == 1
    said = capsys.readouterr()
    assert "bank: client-assertion" in said.out
    assert "fedbridge: ring damaged" in said.err


def test_what_moved_on_while_it_was_published_is_not_noted(bank):
    keys = CachedKeys(CachedSecrets(bank.client, allow_local=False, telemetry=NullTelemetry()), bank.client)
    desk = open_rings(
        TABLE,
        "prod",
        keys=keys,
        secrets=CachedSecrets(bank.client, allow_local=False, telemetry=NullTelemetry()),
    )
    before = bank.published()
    stage(desk.services, bank.ring(), soon())
    desk.settled(before)
    assert bank.ring().state.next.published_at is None


@pytest.mark.parametrize("action", ["activate", "stage"])
def test_a_ring_that_is_not_there_is_said(operator, capsys, action):
    environment = ["--environment", "prod"] if action == "stage" else []
    assert operator.keys(action, "none", *environment) == 1
    assert "none: there is no such key ring" in capsys.readouterr().err


def test_a_restored_version_has_the_keys_of_today(bank, capsys):
    bank.keys("stage", "bank", "--environment", "prod")
    bank.later(CACHED)
    bank.keys("activate", "bank")
    bank.later(SPREAD)
    assert bank.apply({"bank": BANK}, acme=ringed(user_agent="another")) == 0
    bank.later(CACHED)
    bank.keys("retire", "bank", bank.ring().state.of("retired")[0].kid)
    assert main(["connections", "restore", "acme", "--table", TABLE, "--offline"]) == 0
    connection = bank.published()
    assert connection.user_agent == "another"
    assert connection.client_authentication.key == "secretsmanager:fedbridge/prod/oidc/rings/bank/2"
    assert connection.client_authentication.retired_keys == ()


def test_the_ring_of_id_tokens_signs_once_everybody_knows_its_key(operator, monkeypatch):
    main(["keys", "new", str(operator.folder / "stack.pem")])
    rings = {"id-token": {"use": "id-token", "kind": "secretsmanager:P-256"}}
    monkeypatch.setenv("STACK_KEY", (operator.folder / "stack.pem").read_text("utf-8"))
    environment = {
        "FEDBRIDGE_ENVIRONMENT": "prod",
        "FEDBRIDGE_BASE_URL": "https://bridge.example",
        "FEDBRIDGE_TRANSACTIONS": "memory:rings",
        "FEDBRIDGE_CONNECTIONS": f"dynamodb:{TABLE}",
        "FEDBRIDGE_ID_TOKEN_KEYS": "ring:id-token,env:STACK_KEY",
    }
    keys = back_channel(environment).id_token_keys
    stack = keys.active(soon()).kid
    assert (
        operator.apply(
            rings,
            "--environment",
            "prod",
            acme=changed(
                client_authentication={"method": "client_secret_post", "secret": "secretsmanager:s"}
            ),
        )
        == 0
    )
    operator.later(60)
    assert keys.active(soon()).kid == stack
    (new,) = [jwk["kid"] for jwk in keys.public_jwks(soon()) if jwk["kid"] != stack]
    assert operator.secrets() == ["fedbridge/prod/id-token/id-token-1"]
    services = replace(rotation(TABLE, "prod", operator.client, NullTelemetry()), id_token_ring="id-token")
    assert rotate(services, soon()) == 0
    operator.later(CACHED)

    assert keys.active(soon()).kid == stack
    assert rotate(services, soon()) == 0
    assert keys.active(soon()).kid == stack  # for a minute
    operator.later(60)
    assert keys.active(soon()).kid == new
    assert [jwk["kid"] for jwk in keys.public_jwks(soon())] == [new, stack]


def certified(connection: Connection) -> list[str]:
    """Return the subjects of the certificates that the connection publishes, in their order."""
    return [
        x509.load_der_x509_certificate(base64.b64decode(jwk["x5c"][0])).subject.rfc4514_string()
        for jwk in connection.client_jwks
    ]


def test_a_ring_of_another_files_connection_is_not_shared(operator, bank, capsys):
    with_ring = changed(
        issuer="https://beta.example", client_authentication={"method": "private_key_jwt", "key": "ring:bank"}
    )
    assert operator.apply({"bank": BANK}, "--environment", "prod", beta=with_ring) == 1
    assert "bank: fills acme in this table" in capsys.readouterr().err


def test_a_ring_of_client_certificates_publishes_the_next_and_the_former_one(operator):
    body = changed(client_authentication={"method": "self_signed_tls_client_auth"})
    body["mutual_tls"] = {"certificate": "ring:bank", "key": "ring:bank"}
    rings = {"bank": {"use": "client-tls", "kind": "secretsmanager:P-256"}}
    assert operator.apply(rings, "--environment", "prod", acme=body) == 0
    for published in (2, 2):
        operator.later(CACHED)
        operator.keys("stage", "bank", "--environment", "prod")
        assert len(certified(operator.published())) == published
        operator.later(CACHED)
        assert operator.keys("activate", "bank") == 0
        connection = operator.published()
        assert connection.client_jwks[0]["x5t#S256"] == connection.client_jwks[0]["kid"]
        operator.later(CACHED)
        assert operator.keys("retire", "bank", operator.ring().state.of("retired")[0].kid) == 0
    assert operator.published().mutual_tls is not None
    assert operator.published().mutual_tls.key == "secretsmanager:fedbridge/prod/oidc/rings/bank/3#key"


def test_rings_of_a_saml_connection_have_certificates_in_its_metadata(operator, capsys):
    idp = operator.folder / "idp.pem"
    main(["keys", "new", str(idp)])
    body = changed(
        protocol="saml",
        issuer="https://idp.example/saml",
        client_id="https://bridge.example/acme/saml/metadata",
    )
    del body["client_authentication"]
    body["saml"] = {
        "provider": {
            "single_sign_on_service": "https://idp.example/sso",
            "certificates": ["secretsmanager:fedbridge/prod/saml/acme-idp"],
        },
        "signing_keys": [{"key": "ring:bank"}],
        "decryption_keys": [{"key": "ring:open"}],
        "assertion": {"encryption": "required"},
    }
    rings = {
        "bank": {"use": "saml-signing", "kind": "secretsmanager:P-256", "certificate_subject": "CN=sign"},
        "open": {"use": "saml-decryption", "kind": "kms:RSA_2048", "certificate_subject": "CN=open"},
    }
    assert operator.apply(rings, "--environment", "prod", acme=body) == 0
    assert certified(operator.published()) == ["CN=sign", "CN=open"]
    operator.later(DAY)
    for ring in ("bank", "open"):
        assert operator.keys("stage", ring, "--environment", "prod") == 0
    operator.later(SPREAD)
    assert rotate(rotation(TABLE, "prod", operator.client, NullTelemetry()), soon()) == 0
    connection = operator.published()
    assert certified(connection) == ["CN=sign", "CN=sign", "CN=open"]
    assert connection.saml is not None
    assert len(connection.saml.retired_decryption_keys) == 1
    capsys.readouterr()
    assert operator.keys("export", "ring:open", "--format", "certificate") == 0
    exported = x509.load_pem_x509_certificate(capsys.readouterr().out.encode())
    assert exported.subject.rfc4514_string() == "CN=open"
    assert operator.keys("export", "ring:open", "--format", "pem") == 0
    assert "BEGIN PUBLIC KEY" in capsys.readouterr().out
    assert operator.keys("export", "ring:open", "--format", "csr") == 1
    assert "signs nothing" in capsys.readouterr().err
    assert operator.keys("list") == 0
    assert "waits: upload it at the provider, then fedbridge keys confirm" in capsys.readouterr().out


def test_keys_of_a_ring_are_registered_as_they_are_published(operator):
    path = operator.write({"bank": BANK}, acme=ringed())
    operator.keys("init", str(path), "--environment", "prod")
    options = parser().parse_args(
        [
            "register",
            "acme",
            "--file",
            str(path),
            "--environment",
            "prod",
            "--table",
            TABLE,
            "--state",
            str(operator.folder),
        ]
    )
    with opened(options) as desk:
        assert [jwk["kid"] for jwk in desk.connection.client_jwks] == [operator.ring().state.active.kid]
    options.table = None
    with pytest.raises(ConfigurationError, match="ring:bank: a key ring is filled in"), opened(options):
        pass
