import json

import pytest

from fedbridge.cli.rescue import Rescue
from fedbridge.cli.secret_store import SecretStore, write_private
from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.model.deadline import Deadline
from tests.fakes.kms import client_error


def soon():
    return Deadline.after(20)


class FakeManager:
    """Secrets Manager, as far as it is written to; `failure` is raised by the next call."""

    def __init__(self):
        self.values = {}
        self.tokens = []
        self.failures = []

    def clients(self, service):
        assert service == "secretsmanager"
        return self

    def get_secret_value(self, *, SecretId, VersionStage):  # noqa: N803
        if SecretId not in self.values:
            raise client_error("ResourceNotFoundException", "GetSecretValue")
        return {"SecretString": self.values[SecretId]}

    def put_secret_value(self, *, SecretId, SecretString, ClientRequestToken):  # noqa: N803
        self.tokens.append(ClientRequestToken)
        if self.failures:
            raise self.failures.pop(0)
        if SecretId not in self.values:
            raise client_error("ResourceNotFoundException", "PutSecretValue")
        self.values[SecretId] = SecretString

    def create_secret(self, *, Name, SecretString, ClientRequestToken):  # noqa: N803
        self.tokens.append(ClientRequestToken)
        self.values[Name] = SecretString


@pytest.fixture
def manager():
    return FakeManager()


@pytest.fixture
def store(manager):
    return SecretStore(manager.clients, allow_local=True)


def test_a_secret_that_is_not_there_is_made_with_the_token_of_the_first_try(store, manager):
    store.write("secretsmanager:name", "value", soon())
    assert manager.values == {"name": "value"}
    assert len(manager.tokens) == 2
    assert len(set(manager.tokens)) == 1


def test_a_write_whose_answer_was_lost_is_the_same_write_again(store, manager):
    manager.values["name"] = "before"
    manager.failures = [client_error("InternalServiceError", "PutSecretValue", 500)]
    store.write("secretsmanager:name", "value", soon())
    assert manager.values == {"name": "value"}
    assert len(manager.tokens) == 2
    assert len(set(manager.tokens)) == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidRequestException"])
def test_a_refusal_is_not_taken_for_an_absence(store, manager, code):
    manager.values["name"] = "before"
    manager.failures = [client_error(code, "PutSecretValue")]
    with pytest.raises(KeyUnavailable):
        store.write("secretsmanager:name", "value", soon())
    assert manager.values == {"name": "before"}


@pytest.mark.parametrize("reference", ["kms:arn:aws:kms:eu-west-1:111122223333:key/1", "env:NAME"])
def test_where_nothing_can_be_written(store, reference):
    with pytest.raises(ConfigurationError, match="cannot write there"):
        store.write(reference, "value", soon())


def test_a_file_is_for_local_runs(manager, tmp_path):
    with pytest.raises(ConfigurationError, match="for local runs"):
        SecretStore(manager.clients, allow_local=False).write(f"file:{tmp_path / 'x'}", "value", soon())
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_for_its_owner_alone(store, tmp_path):
    file = tmp_path / "folder" / "secret"
    store.write(f"file:{file}", "first", soon())
    file.chmod(0o644)
    store.write(f"file:{file}", "second", soon())
    assert file.read_text() == "second"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("content", ["text", "[]", '"x"', "{"])
def test_a_member_of_what_is_no_object(store, tmp_path, content):
    file = tmp_path / "document"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match="no JSON object"):
        store.write(f"file:{file}#member", "value", soon())
    assert file.read_text() == content


def test_a_member_of_a_document_that_is_not_there(store, tmp_path):
    store.write(f"file:{tmp_path / 'document'}#member", "value", soon())
    assert json.loads((tmp_path / "document").read_text()) == {"member": "value"}


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfe")])
def test_what_is_there_and_cannot_be_read(store, tmp_path, make):
    make(tmp_path / "secret")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        store.write(f"file:{tmp_path / 'secret'}", "value", soon())


def test_a_write_that_fails_leaves_nothing_beside_the_file(tmp_path):
    (tmp_path / "secret").mkdir()
    with pytest.raises(ConfigurationError):
        write_private(tmp_path / "secret", "value")
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_a_rescue_that_holds_nothing_sound(store, tmp_path):
    rescue = Rescue(tmp_path / "acme.registration.json", "acme")
    for content in ("", "{"):
        rescue.file.write_text(content)
        with pytest.raises(ConfigurationError, match="nothing to recover"):
            rescue.store(store, soon())
