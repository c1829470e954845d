"""`fedbridge register`, and where it keeps what IdPs issue: files, Secrets Manager, Parameter Store."""

import json
import re
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from fedbridge.cli import main
from fedbridge.configuration.strict_yaml import read_yaml
from tests.fakes.registrar import RegistrarServer
from tests.support import canaries
from tests.support.client_certificates import self_signed
from tests.support.keys import ec_key, private_pem, rsa_key, thumbprint_of
from tests.unit.configuration.files import REMOVED, changed, write

BASE_URL = "https://bridge.example"
TOKEN = canaries.canary("registration-access-token-number-1", "registration access token")
ROTATED = canaries.canary("registration-access-token-number-2", "registration access token")
SECRET = canaries.canary("client-secret-that-was-issued", "client secret")
INITIAL = canaries.canary("initial-access-token-of-the-operator", "initial access token")
NAME = "fedbridge/prod/registration/acme"


@pytest.fixture
def idp():
    with RegistrarServer(issued={"registration_access_token": TOKEN}) as idp:
        yield idp


@pytest.fixture
def account(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(private_pem(ec_key()))
    (tmp_path / "initial").write_text(INITIAL)
    return tmp_path


@pytest.fixture
def register(idp, folder, capsys):
    """Run the command for a connection with these changes; returns its code, and what it printed."""

    def register(*options, **changes):
        settings = {
            "issuer": idp.issuer,
            "client_id": REMOVED,
            "client_authentication__key": f"file:{folder / 'key'}",
        }
        file = write(folder, {"acme": changed(**settings | changes)})
        base = [] if "--base-url" in options else ["--base-url", BASE_URL]
        code = main(["register", "acme", "--local", "--file", str(file), *base, *options])
        printed = capsys.readouterr()
        canaries.observe(printed.out + printed.err, "register")
        return code, printed.out, printed.err

    return register


def managed(idp, access_token=f"secretsmanager:{NAME}"):
    """A connection that is registered."""
    return {
        "client_id": "the-client",
        "registration": {"client_uri": idp.client_uri, "access_token": access_token},
    }


BY_SECRET = {"method": "client_secret_post", "secret": "secretsmanager:fedbridge/prod/acme/secret"}


def stored(account, name=NAME):
    return account.get_secret_value(SecretId=name)["SecretString"]


# --- registering ----------------------------------------------------------------------------------------------------


def test_what_is_printed_makes_the_connection_a_registered_one(register, idp, account, folder, capsys):
    code, printed, said = register("--environment", "prod")
    assert (code, said) == (0, "")
    keys = read_yaml("\n".join(line for line in printed.splitlines() if line.startswith("    ")), [])
    assert keys == {
        "client_id": "the-client",
        "registration": {"client_uri": idp.client_uri, "access_token": f"secretsmanager:{NAME}"},
    }
    assert stored(account) == TOKEN
    body = changed(issuer=idp.issuer, client_authentication__key=f"file:{folder / 'key'}", **keys)
    assert main(["connections", "validate", "--local", str(write(folder, {"acme": body}))]) == 0
    (request,) = idp.received
    assert (request.method, request.path, request.token) == ("POST", "/register", None)
    assert request.body == {
        "redirect_uris": ["https://bridge.example/acme/callback"],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "client_name": "acme",
        "scope": "openid",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "id_token_signed_response_alg": "RS256",
        "jwks_uri": "https://bridge.example/acme/client-jwks.json",
    }
    capsys.readouterr()


def test_the_algorithms_are_those_of_sign_ins(register, idp, folder):
    idp.issued["client_secret"] = SECRET
    secret = {"method": "client_secret_jwt", "secret": "file:secret"}
    assert register(client_authentication=secret)[0] == 0
    assert idp.received[-1].body["token_endpoint_auth_signing_alg"] == "HS256"
    (folder / "rsa").write_text(private_pem(rsa_key()))
    keyed = {"method": "private_key_jwt", "key": "file:rsa", "algorithm": "PS384"}
    signed = {"scope": "openid", "request_object": {}}
    assert register(client_authentication=keyed, authorization=signed)[0] == 0
    assert idp.received[-1].body["token_endpoint_auth_signing_alg"] == "PS384"
    assert idp.received[-1].body["request_object_signing_alg"] == "PS384"
    signed = {"scope": "openid", "request_object": {"key": f"file:{folder / 'key'}"}}
    assert register(client_authentication=keyed, authorization=signed)[0] == 0
    assert idp.received[-1].body["request_object_signing_alg"] == "ES256"


@pytest.mark.parametrize("line_end", ["\n", "\\n"])
def test_the_subject_of_the_certificate(register, idp, folder, line_end):
    (folder / "tls").write_text(private_pem(rsa_key()))
    (folder / "certificate").write_text(self_signed(rsa_key(), name="acme").replace("\n", line_end))
    method = {"method": "tls_client_auth"}
    tls = {"certificate": "file:certificate", "key": "file:tls"}
    assert register(client_authentication=method, client_authentication__key=REMOVED, mutual_tls=tls)[0] == 0
    assert idp.received[-1].body["tls_client_auth_subject_dn"] == "CN=acme,O=fedbridge"


def test_the_keys_themselves(register, idp, account):
    assert register("--environment", "prod", "--keys", "inline", "--client-name", "Acme bridge")[0] == 0
    body = idp.received[0].body
    assert [key["kid"] for key in body["jwks"]["keys"]] == [thumbprint_of(ec_key())]
    assert body["client_name"] == "Acme bridge"


def test_a_bridge_on_loopback_registers_its_keys(register, idp, account):
    assert register("--environment", "prod", "--base-url", "http://localhost:8080")[0] == 0
    assert "jwks" in idp.received[0].body


def test_a_local_run_keeps_it_in_a_file_for_its_owner_alone(register, folder):
    code, printed, _ = register(registration={"initial_access_token": f"file:{folder / 'initial'}"})
    assert code == 0
    file = folder / ".fedbridge" / "acme.registration-access-token"
    assert file.read_text() == TOKEN
    assert file.stat().st_mode & 0o777 == 0o600
    assert 'access_token: "file:.fedbridge/acme.registration-access-token"' in printed
    assert [each.name for each in (folder / ".fedbridge").iterdir()] == [file.name]


def test_the_initial_access_token_is_sent(register, idp, folder):
    register(registration={"initial_access_token": f"file:{folder / 'initial'}"})
    assert idp.received[0].token == INITIAL


def test_an_initial_access_token_that_is_missing_sends_nothing(register, idp):
    code, _, said = register(registration={"initial_access_token": "file:none"})
    assert code == 1
    assert "file:none" in said
    assert idp.received == []


def test_an_issued_secret_is_stored_where_the_connection_reads_it(register, idp, account):
    idp.issued |= {"client_secret": SECRET, "client_secret_expires_at": 1_893_456_000}
    account.create_secret(Name="fedbridge/prod/acme/secret", SecretString="to be replaced")
    code, printed, _ = register("--environment", "prod", client_authentication=BY_SECRET)
    assert code == 0
    assert stored(account, "fedbridge/prod/acme/secret") == SECRET
    assert "expires on 2030-01-01: client_authentication.secret_expires: 2030-01-01." in printed
    assert "jwks_uri" not in idp.received[0].body


def test_a_secret_that_is_not_issued_is_missed(register, account):
    code, _, said = register("--environment", "prod", client_authentication=BY_SECRET)
    assert code == 1
    assert "client_secret: the IdP gave none" in said
    assert stored(account) == TOKEN


def test_a_secret_that_nothing_needs_is_not_kept(register, idp, account):
    idp.issued["client_secret"] = SECRET
    assert register("--environment", "prod")[0] == 0
    assert [secret["Name"] for secret in account.list_secrets()["SecretList"]] == [NAME]


def test_members_of_documents(register, idp, account):
    idp.issued["client_secret"] = SECRET
    for name in ("fedbridge/prod/acme", NAME):
        account.create_secret(Name=name, SecretString=json.dumps({"other": "stays"}))
    code, _, _ = register(
        client_authentication={**BY_SECRET, "secret": "secretsmanager:fedbridge/prod/acme#secret"},
        registration={"access_token": f"secretsmanager:{NAME}#token"},
    )
    assert code == 0
    assert json.loads(stored(account, "fedbridge/prod/acme")) == {"other": "stays", "secret": SECRET}
    assert json.loads(stored(account, NAME)) == {"other": "stays", "token": TOKEN}


def test_parameter_store(register, account):
    reference = "ssm:/fedbridge/prod/registration/acme"
    assert register(registration={"access_token": reference})[0] == 0
    found = boto3.client("ssm").get_parameter(Name=reference.removeprefix("ssm:"), WithDecryption=True)[
        "Parameter"
    ]
    assert (found["Value"], found["Type"]) == (TOKEN, "SecureString")


def test_an_idp_that_gives_no_way_to_change_it(register, idp):
    del idp.issued["registration_access_token"]
    code, printed, _ = register()
    assert code == 0
    assert "gave no way to change this registration" in printed
    assert "client_uri" not in printed


def test_what_is_granted_is_judged_after_it_is_stored(register, idp, account):
    idp.issued |= {"id_token_signed_response_alg": "HS256", "require_pushed_authorization_requests": True}
    code, printed, said = register("--environment", "prod", authorization={"scope": "openid", "par": "off"})
    assert code == 1
    assert stored(account) == TOKEN
    assert 'client_id: "the-client"' in printed
    assert "id_token_signed_response_alg: granted is HS256, the connection needs RS256" in said
    assert "require_pushed_authorization_requests: the IdP demands it" in said
    assert "--update" in said


# --- what is refused before anything is sent ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options,changes,said",
    [
        ([], {"client_id": "there"}, "has a client_id already"),
        ([], {"client_authentication__method": "auto"}, "must be named"),
        (["--base-url", "ftp://bridge.example"], {}, "--base-url: must begin with https://"),
        (["--base-url", "https://bridge.example/?x=1"], {}, "--base-url: must not have a query"),
        ([], {"registration": {"access_token": "env:TOKEN"}}, "must not be an env: reference"),
        ([], {"client_authentication": {"method": "client_secret_post", "secret": "env:SECRET"}},
         "env:SECRET: fedbridge cannot write there"),
        (["--update"], {}, "registration.client_uri: is missing"),
        (["--read"], {"client_id": "there"}, "registration.client_uri: is missing"),
        (["--delete"], {"client_id": "there"}, "registration.client_uri: is missing"),
        (["--recover"], {}, "there is nothing to recover"),
    ],
)  # fmt: skip
def test_refused(register, idp, options, changes, said):
    code, printed, complaint = register(*options, **changes)
    assert (code, printed) == (1, "")
    assert said in complaint
    assert idp.received == []


def test_without_a_name_for_the_token_nothing_is_sent(idp, folder, capsys):
    host = idp.issuer.removeprefix("http://")
    file = write(folder, {"acme": changed(client_id=REMOVED)})
    assert (
        main(["register", "acme", "--file", str(file), "--base-url", BASE_URL, "--private-host", host]) == 1
    )
    assert "name the secret to store it in, or give --environment" in capsys.readouterr().err


def test_a_connection_that_is_not_there(idp, folder, capsys):
    file = write(folder, {"acme": changed(client_id=REMOVED)})
    assert main(["register", "beta", "--file", str(file), "--base-url", BASE_URL]) == 1
    assert "has no connection beta; there are acme" in capsys.readouterr().err


def test_the_base_url_is_needed(idp, folder, capsys):
    settings = changed(
        issuer=idp.issuer, client_id=REMOVED, client_authentication__key=f"file:{folder / 'key'}"
    )
    assert main(["register", "acme", "--local", "--file", str(write(folder, {"acme": settings}))]) == 1
    assert "--base-url: is missing" in capsys.readouterr().err
    assert idp.received == []


def test_an_idp_that_supports_nothing_that_the_connection_can_do_is_asked_nothing(register, idp):
    idp.metadata["id_token_signing_alg_values_supported"] = ["HS256"]
    code, _, said = register()
    assert code == 1
    assert "id_token_signing_alg_values_supported are HS256" in said
    assert idp.received == []


def test_a_disk_that_takes_nothing_is_found_first(register, idp, folder):
    (folder / "state").write_text("a file, where a folder is needed")
    code, _, said = register("--state", str(folder / "state"))
    assert code == 1
    assert "state" in said
    assert idp.received == []


def test_two_connections_that_wait_for_their_registration_stand_side_by_side(idp, folder, capsys):
    (folder / "key-2").write_text(private_pem(ec_key("P-256", 1)))
    bodies = {
        name: changed(
            issuer=idp.issuer,
            client_id=REMOVED,
            client_authentication__key=f"file:{folder / key}",
            relying_parties__0__secret_hashes=["sha256:" + digit * 64],
        )
        for name, key, digit in (("acme", "key", "a"), ("beta", "key-2", "b"))
    }
    file = str(write(folder, bodies))
    for name in bodies:
        assert main(["register", name, "--local", "--file", file, "--base-url", BASE_URL]) == 0
    assert main(["connections", "validate", "--local", file]) == 1
    assert "acme: client_id: is missing" in capsys.readouterr().err


def test_a_connection_that_relays_gets_its_client_id_first(register, idp, folder, capsys):
    assert register(tokens="relay")[0] == 0
    body = changed(
        issuer=idp.issuer,
        client_authentication__key=f"file:{folder / 'key'}",
        client_id="the-client",
        tokens="relay",
    )
    assert main(["connections", "validate", "--local", str(write(folder, {"acme": body}))]) == 1
    assert "relayed tokens are made out to it" in capsys.readouterr().err


def test_validate_says_how_a_client_id_is_got(folder, capsys):
    file = write(folder, {"acme": changed(client_id=REMOVED, registration={})})
    assert main(["connections", "validate", str(file)]) == 1
    assert "acme: registration: `fedbridge register acme` gets the client_id" in capsys.readouterr().err


# --- managing -------------------------------------------------------------------------------------------------------


@pytest.fixture
def registered(register, idp, account):
    """Register, and return what runs the command for the connection that is registered then."""
    assert register("--environment", "prod")[0] == 0
    idp.received.clear()
    return lambda *options, **changes: register(*options, **managed(idp) | changes)


def test_an_update_reads_first_and_keeps_what_is_not_ours(registered, idp):
    idp.registered |= {"contacts": ["ops@acme.example"], "client_name": "As the IdP calls it"}
    code, printed, said = registered("--update", authorization={"scope": "openid email"})
    assert (code, said) == (0, "")
    assert "updated" in printed
    read, update = idp.received
    assert (read.method, update.method) == ("GET", "PUT")
    assert {each.path for each in idp.received} == {"/register/the-client"}
    assert update.body["client_id"] == "the-client"
    assert update.body["scope"] == "openid email"
    assert update.body["contacts"] == ["ops@acme.example"]
    assert update.body["client_name"] == "As the IdP calls it"
    forbidden = {"client_secret", "registration_access_token", "registration_client_uri", "client_id_issued_at",
                 "client_secret_expires_at"}  # fmt: skip
    assert forbidden.isdisjoint(update.body)


def test_a_token_that_is_rotated_by_the_read_is_used_by_the_update(registered, idp, account):
    idp.answers["GET"] = [(200, idp.information(registration_access_token=ROTATED))]
    assert registered("--update")[0] == 0
    assert [each.token for each in idp.received] == [TOKEN, ROTATED]
    assert stored(account) == TOKEN  # the last that came, in the answer to the update


def test_a_token_that_is_rotated_by_the_update_is_stored(registered, idp, account):
    idp.answers["PUT"] = [(200, idp.information(registration_access_token=ROTATED))]
    assert registered("--update")[0] == 0
    assert stored(account) == ROTATED


def test_what_has_not_changed_is_not_written(registered, account):
    versions = account.describe_secret(SecretId=NAME)["VersionIdsToStages"]
    assert registered("--read")[0] == 0
    assert account.describe_secret(SecretId=NAME)["VersionIdsToStages"] == versions


def test_keys_that_were_registered_themselves_stay_so(registered, idp):
    idp.registered["jwks"] = {"keys": []}
    del idp.registered["jwks_uri"]
    registered("--update")
    assert "jwks" in idp.received[-1].body
    assert "jwks_uri" not in idp.received[-1].body
    registered("--update", "--keys", "uri")
    assert "jwks_uri" in idp.received[-1].body
    assert "jwks" not in idp.received[-1].body


def test_reading_shows_what_is_registered_and_nothing_secret(registered, idp):
    idp.issued["client_secret"] = SECRET
    code, printed, _ = registered("--read")
    assert code == 0
    document = json.loads(printed)
    assert document["client_id"] == "the-client"
    assert {"client_secret", "registration_access_token"}.isdisjoint(document)


def test_reading_says_what_will_not_do(registered, idp):
    idp.registered["redirect_uris"] = ["https://old.example/acme/callback"]
    code, _, said = registered("--read")
    assert code == 1
    assert "redirect_uris: https://bridge.example/acme/callback is not among the granted" in said


@pytest.mark.parametrize("action", ["--read", "--update"])
def test_an_answer_about_another_client(registered, idp, action):
    idp.issued["client_id"] = "somebody-else"
    code, _, said = registered(action)
    assert code == 1
    assert "about another client" in said


def test_a_registration_that_moves(registered, idp):
    idp.answers["PUT"] = [(200, idp.information(registration_client_uri=f"{idp.issuer}/register/moved"))]
    code, printed, _ = registered("--update")
    assert code == 0
    assert f'client_uri: "{idp.issuer}/register/moved"' in printed


def test_deleting(registered, idp, account):
    code, printed, _ = registered("--delete")
    assert code == 0
    assert [(each.method, each.token) for each in idp.received] == [("DELETE", TOKEN)]
    assert f"secretsmanager:{NAME}" in printed


# --- nothing is lost ------------------------------------------------------------------------------------------------


@pytest.fixture
def rescue(folder) -> Path:
    file: Path = folder / ".fedbridge" / "acme.registration.json"
    return file


@pytest.mark.parametrize("rotated", [False, True])
def test_what_cannot_be_stored_waits_on_this_disk_until_it_can(register, idp, account, rescue, rotated):
    issued = {"client_secret": SECRET, "registration_access_token": ROTATED if rotated else TOKEN}
    changes = {"client_authentication": BY_SECRET}
    if rotated:
        account.create_secret(Name=NAME, SecretString=TOKEN)
        changes |= managed(idp)
    idp.issued |= issued
    account.create_secret(Name="fedbridge/prod/acme/secret", SecretString="old")
    account.delete_secret(SecretId="fedbridge/prod/acme/secret", RecoveryWindowInDays=7)
    options = ["--environment", "prod", *(["--update"] if rotated else [])]

    code, _, said = register(*options, **changes)
    assert code == 1
    assert str(rescue.relative_to(rescue.parents[1])) in said
    assert "--recover" in said
    assert rescue.stat().st_mode & 0o777 == 0o600
    kept = json.loads(rescue.read_text())["credentials"]
    assert kept == {f"secretsmanager:{NAME}": issued["registration_access_token"],
                    "secretsmanager:fedbridge/prod/acme/secret": SECRET}  # fmt: skip
    assert stored(account) == issued["registration_access_token"]  # the registration's own token came first

    idp.received.clear()
    code, _, said = register(*options, **changes)
    assert code == 1
    assert re.search(r"--recover. stores them", said)
    assert idp.received == []

    account.restore_secret(SecretId="fedbridge/prod/acme/secret")
    code, printed, _ = register("--environment", "prod", "--recover", **changes)
    assert code == 0
    assert 'client_id: "the-client"' in printed
    assert stored(account, "fedbridge/prod/acme/secret") == SECRET
    assert stored(account) == issued["registration_access_token"]
    assert not rescue.exists()
    assert idp.received == []


def test_nothing_is_deleted_while_a_token_waits_to_be_stored(registered, idp, rescue):
    rescue.parent.mkdir(exist_ok=True)
    rescue.write_text(json.dumps({"credentials": {}, "shown": {}}))
    code, _, said = registered("--delete")
    assert code == 1
    assert "--recover" in said
    assert idp.received == []


def test_a_token_that_cannot_be_stored_is_not_followed_by_an_update(register, idp, account, rescue):
    account.create_secret(Name=NAME, SecretString=json.dumps({"member": TOKEN}))

    def somebody_replaces_the_document():
        account.put_secret_value(SecretId=NAME, SecretString="no JSON object")
        return 200, idp.information(registration_access_token=ROTATED)

    idp.answers["GET"] = [somebody_replaces_the_document]
    code, _, said = register("--update", **managed(idp, f"secretsmanager:{NAME}#member"))
    assert code == 1
    assert "--recover" in said
    assert [each.method for each in idp.received] == ["GET"]
    assert ROTATED in rescue.read_text()


def test_a_run_that_was_killed_before_an_answer_came_stands_in_no_way(register, rescue):
    rescue.parent.mkdir()
    rescue.write_text("")
    assert register()[0] == 0
    assert not rescue.exists()


@pytest.mark.parametrize("status", [400, 401, 503, 302])
def test_a_refusal_leaves_nothing_behind(register, idp, rescue, status):
    idp.answers["POST"] = [
        (status, {"error": "invalid_client_metadata", "error_description": "no such scope"})
    ]
    code, printed, said = register()
    assert (code, printed) == (1, "")
    assert str(status) in said
    assert not rescue.exists()
    assert len(idp.received) == 1
