"""`fedbridge secrets put`: what it takes for a secret, and where it stores it. tests/interop asks a real IdP before that."""

import io
import sys

import boto3
import pytest
from moto import mock_aws

from fedbridge.cli import main
from tests.support.canaries import canary, observe
from tests.unit.configuration.files import changed, write

OLD = canary("the-client-secret-that-was", "client secret")
NEW = canary("the-client-secret-that-comes", "client secret")
NAME = "fedbridge/prod/acme/secret"
BY_SECRET = {"method": "client_secret_basic", "secret": f"secretsmanager:{NAME}"}


@pytest.fixture
def account(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name=NAME, SecretString=OLD)
        yield client


@pytest.fixture
def put(tmp_path, monkeypatch, capsys):
    """Run the command with this on standard input; returns its code, and what it printed."""

    def put(typed, *options, preset=None, **authentication):
        body = changed(client_authentication=BY_SECRET | authentication) | (
            {"preset": preset} if preset else {}
        )
        file = write(tmp_path, {"acme": body})
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["secrets", "put", "acme", "--file", str(file), *options])
        printed = capsys.readouterr()
        observe(printed.out + printed.err, "secrets put")
        return code, printed.out, printed.err

    return put


def stored(account, stage="AWSCURRENT"):
    return account.get_secret_value(SecretId=NAME, VersionStage=stage)["SecretString"]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_former_secret_stays_as_the_previous_version(put, account, end):
    code, printed, said = put(NEW + end, "--unchecked")
    assert (code, said) == (0, "")
    assert (stored(account), stored(account, "AWSPREVIOUS")) == (NEW, OLD)
    assert f"stored as secretsmanager:{NAME}" in printed
    assert "AWSPREVIOUS" in printed


def test_a_member_of_a_document_is_replaced_and_the_others_stay(put, account):
    account.put_secret_value(SecretId=NAME, SecretString='{"id": "x", "secret": "old"}')
    assert put(NEW, "--unchecked", secret=f"secretsmanager:{NAME}#secret")[0] == 0
    assert stored(account) == f'{{"id": "x", "secret": "{NEW}"}}'


def test_it_reminds_of_the_day_that_the_file_names(put, account):
    _, printed, _ = put(NEW, "--unchecked", secret_expires="2027-05-31")
    assert "2027-05-31: change client_authentication.secret_expires" in printed
    assert "secret_expires" not in put(NEW, "--unchecked")[1]


@pytest.mark.parametrize(
    "typed", ["", "\n", " with-a-blank-before", "and-behind \n", "two\nlines", "tab\t", "übel", "x" * 70_000]
)
def test_what_was_copied_badly_is_not_stored(put, account, typed):
    code, _, said = put(typed, "--unchecked")
    assert code == 1
    assert "copy it again" in said
    assert stored(account) == OLD


def test_a_connection_with_a_key_has_no_secret(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(NEW))
    assert main(["secrets", "put", "acme", "--file", str(write(tmp_path, {"acme": changed()}))]) == 1
    assert "without a client secret" in capsys.readouterr().err


def test_an_idp_that_minds_made_up_codes_is_not_asked(put, account, tmp_path):
    (tmp_path / "touchy.toml").write_text(
        '[preset]\ntitle = "Touchy"\ndescription = "It minds."\nprobe = false\n'
    )
    code, _, said = put(NEW, preset="./touchy.toml")
    assert (code, stored(account)) == (0, NEW)
    assert "minds made-up codes" in said


def test_an_idp_that_cannot_be_asked_has_not_taken_it(put, account):
    code, _, said = put(NEW)  # https://login.acme.example does not exist
    assert code == 1
    assert "could not be asked" in said
    assert "--unchecked" in said
    assert stored(account) == OLD
