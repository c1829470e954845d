"""`fedbridge connections apply` on the connections table: what it refuses to publish over what is there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedbridge.cli import main
from fedbridge.cli.keys import write_private_key
from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection
from fedbridge.store.connections_dynamodb import ConnectionPublisher, DynamoDBConnections
from fedbridge.wiring import front_channel
from tests.conformance.transactions import soon
from tests.support.dynamodb import DynamoDBServer, running_dynamodb
from tests.unit.configuration.files import changed, write


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


@dataclass
class Operator:
    """Publishes files to a table of the test's own; `key` is a private key that is there already."""

    server: DynamoDBServer
    table: str
    folder: Path
    key: Path

    def apply(self, connections: dict[str, Any], *options: str) -> int:
        file = write(self.folder, connections)
        given = ["--local", "--offline", "--table", self.table, *options]
        return main(["connections", "apply", *given, str(file)])

    @property
    def publisher(self) -> ConnectionPublisher:
        return ConnectionPublisher(self.server.client, self.table)

    def published(self, name: str = "acme") -> Connection | None:
        found = DynamoDBConnections(self.server.client, self.table, decode).find(name, soon())
        return found.current if found else None


@pytest.fixture
def operator(server: DynamoDBServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Path) -> Operator:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
    return Operator(server, server.create_table("name"), tmp_path, key)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key-1.pem")


def new_key(file: Path) -> Path:
    write_private_key(file, "P-256")
    return file


def with_key(key: Path, **changes: Any) -> dict[str, Any]:
    return changed(client_authentication__key=f"file:{key}", **changes)


def beside(key: Path) -> dict[str, Any]:
    """Return a connection that shares nothing with the first but, if it is the same one, its key."""
    return with_key(
        key,
        issuer="https://login.beta.example",
        client_id="fedbridge-beta",
        relying_parties__0__secret_hashes=["sha256:" + "b2" * 32],
    )


@pytest.fixture
def one_key_twice(tmp_path: Path, key: Path) -> dict[str, Any]:
    copy = tmp_path / "key-2.pem"
    copy.write_bytes(key.read_bytes())
    return {"acme": with_key(key), "beta": beside(copy)}


SHARED = "beta: client_jwks[0]: is the same public key as in acme: connections share none"


def test_154_one_key_behind_two_references_is_not_published(operator, one_key_twice, capsys) -> None:
    assert operator.apply(one_key_twice) == 1
    assert SHARED in capsys.readouterr().err
    assert operator.published("acme") is None
    assert operator.published("beta") is None


def test_154_nor_is_it_when_its_kids_differ(operator, one_key_twice, capsys) -> None:
    one_key_twice["acme"]["client_authentication"]["kid"] = "ours-at-acme"
    assert operator.apply(one_key_twice) == 1
    assert SHARED in capsys.readouterr().err


def test_154_two_keys_may_have_one_kid_at_two_providers(operator, tmp_path) -> None:
    both = {"acme": with_key(operator.key), "beta": beside(new_key(tmp_path / "key-2.pem"))}
    for body in both.values():
        body["client_authentication"]["kid"] = "1"
    assert operator.apply(both) == 0
    assert operator.published("beta") is not None


def test_154_nor_is_it_served_locally(tmp_path, one_key_twice) -> None:
    services = front_channel(
        {
            "FEDBRIDGE_ENVIRONMENT": "local",
            "FEDBRIDGE_BASE_URL": "http://localhost:8080",
            "FEDBRIDGE_TRANSACTIONS": "memory:publish",
            "FEDBRIDGE_CONNECTIONS": f"file:{write(tmp_path, one_key_twice)}",
            "FEDBRIDGE_ID_TOKEN_KEYS": "env:NONE",
        }
    )
    with pytest.raises(ConfigurationError, match="same public key"):
        services.connections.get("acme", soon())


def decrypting(key: Path, body: dict[str, Any], **policy: Any) -> dict[str, Any]:
    """Return the connection with ID tokens that are encrypted to this key."""
    return changed(
        body, id_token__encryption="required", token_decryption={"keys": [f"file:{key}"], **policy}
    )


@pytest.mark.parametrize("at_other", ["decrypts", "signs"])
def test_154_a_decryption_key_behind_two_references_is_not_published(
    operator, tmp_path, capsys, key, at_other
) -> None:
    decryption = new_key(tmp_path / "decryption.pem")
    copy = tmp_path / "copy.pem"
    copy.write_bytes(decryption.read_bytes())
    other = decrypting(copy, beside(new_key(tmp_path / "key-2.pem")))
    both = {
        "acme": decrypting(decryption, with_key(key)),
        "beta": other if at_other == "decrypts" else beside(copy),
    }
    assert operator.apply(both) == 1
    at = "client_jwks[1]" if at_other == "decrypts" else "client_jwks[0]"
    assert f"beta: {at}: is the same public key as in acme: connections share none" in capsys.readouterr().err
    assert operator.published("acme") is None


@pytest.mark.parametrize("retired", [False, True])
def test_154_a_key_that_signs_behind_another_reference_does_not_decrypt(
    operator, tmp_path, capsys, key, retired
) -> None:
    copy = tmp_path / "copy.pem"
    copy.write_bytes(key.read_bytes())
    body = decrypting(copy, with_key(key))
    if retired:
        body["token_decryption"] = {
            "keys": [f"file:{new_key(tmp_path / 'new.pem')}"],
            "retired_keys": [f"file:{copy}"],
        }
    assert operator.apply({"acme": body}) == 1
    assert "this key signs as well" in capsys.readouterr().err
    assert operator.published("acme") is None


def test_published_decryption_keys_are_public_and_retired_ones_are_not_there(operator, tmp_path, key) -> None:
    new, old = new_key(tmp_path / "new.pem"), new_key(tmp_path / "old.pem")
    body = decrypting(
        new, with_key(key), retired_keys=[f"file:{old}"], algorithms=["ECDH-ES+A256KW", "RSA-OAEP"]
    )
    assert operator.apply({"acme": body}) == 0
    published = operator.published()
    assert published is not None
    signing, decryption = published.client_jwks
    assert (signing["use"], signing["alg"]) == ("sig", "ES256")
    assert (decryption["use"], decryption["alg"]) == ("enc", "ECDH-ES+A256KW")
    assert set(decryption) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    version = published.version

    body["token_decryption"]["retired_keys"] = []
    assert operator.apply({"acme": body}) == 0
    after = operator.published()
    assert after is not None
    assert (after.client_jwks, after.version != version) == (published.client_jwks, True)


OTHER_PEOPLE = {
    "another issuer": {"issuer": "https://login.other.example"},
    "raw": {"subject": "raw"},
    "another namespace": {"subject_namespace": "another"},
    "relay": {"tokens": "relay", "client_id": "cognito"},
}


@pytest.mark.parametrize("changes", OTHER_PEOPLE.values(), ids=OTHER_PEOPLE)
@pytest.mark.parametrize("disabled", [False, True])
def test_what_would_make_everybody_somebody_else_is_refused_unless_it_is_meant(
    operator, capsys, changes, disabled
) -> None:
    assert operator.apply({"acme": with_key(operator.key)}) == 0
    before = operator.published()
    if disabled:
        operator.publisher.disable("acme", soon())
    assert operator.apply({"acme": with_key(operator.key, **changes)}) == 1
    said = capsys.readouterr().err
    assert "acme: makes everybody a new user" in said
    assert "--new-subjects" in said
    operator.publisher.enable("acme", soon())
    assert operator.published() == before

    assert operator.apply({"acme": with_key(operator.key, **changes)}, "--new-subjects") == 0
    after = operator.published()
    assert before is not None
    assert after is not None
    assert after.version != before.version


def test_of_a_file_with_one_such_change_nothing_is_published(operator, tmp_path) -> None:
    assert operator.apply({"beta": with_key(operator.key)}) == 0
    both = {
        "acme": beside(new_key(tmp_path / "key-2.pem")),
        "beta": with_key(operator.key, subject="raw"),
    }
    assert operator.apply(both) == 1
    assert operator.published("acme") is None


def test_what_changes_nobody_is_published(operator, capsys) -> None:
    assert operator.apply({"acme": with_key(operator.key)}) == 0
    renamed = {"case_sensitive_pool": True, "subject_namespace": "acme", "client_id": "another"}
    assert operator.apply({"acme": with_key(operator.key, **renamed)}) == 0
    assert capsys.readouterr().out.count("acme: published") == 2


@pytest.mark.parametrize("document", [b"{", json.dumps({"of": "another release"}).encode()])
def test_what_cannot_be_compared_is_refused_unless_it_is_meant(operator, capsys, document) -> None:
    operator.publisher.publish("acme", document, "v0", soon())
    assert operator.apply({"acme": with_key(operator.key)}) == 1
    assert "--new-subjects" in capsys.readouterr().err
    assert operator.apply({"acme": with_key(operator.key)}, "--new-subjects") == 0
