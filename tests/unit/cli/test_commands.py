import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fedbridge.cli import main
from fedbridge.op.client_authentication import secret_hash

CONNECTIONS = """
connections:
  acme:
    issuer: https://idp.example
    client_id: bridge
    client_authentication: {method: private_key_jwt, key: "file:KEY"}
    relying_parties:
      - client_id: cognito
        secret_hashes: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
        redirect_uris: [https://pool.example/oauth2/idpresponse]
        restart_url: https://app.example/
"""


def test_without_a_command_it_says_how_it_is_called(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "usage: fedbridge" in capsys.readouterr().err


def test_a_profile_that_there_is_not_is_said_so(tmp_path):
    """It ended in a traceback; in a process of its own, because a session is made once."""
    said = refused(tmp_path, AWS_PROFILE="of-nobody")
    assert said == "fedbridge: AWS_PROFILE: The config profile (of-nobody) could not be found.\n"


def test_a_bare_reason_comes_with_where_it_is_explained(tmp_path):
    """Whoever had no credentials read `store_access_denied`, and no more."""
    said = refused(tmp_path, AWS_DEFAULT_REGION="eu-north-1", AWS_EC2_METADATA_DISABLED="true")
    assert re.fullmatch(
        r"fedbridge: store_[a-z_]+: docs/diagnose\.md says what it means, and what to do\n", said
    )


def refused(home, **environment):
    command = [str(Path(sys.executable).with_name("fedbridge")), "connections", "list", "--table", "none"]
    given = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}
    ended = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    return ended.stderr


def test_a_new_secret_comes_with_the_hash_that_the_bridge_keeps(capsys):
    assert main(["secrets", "new"]) == 0
    printed = capsys.readouterr().out
    (secret,) = re.findall(r"client_secret.*: +(\S+)", printed)
    assert len(secret) == 43
    assert secret_hash(secret) in printed


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "P-384", "P-521"])
def test_a_new_key_is_for_its_owner_alone_and_never_overwritten(tmp_path, capsys, kind):
    file = tmp_path / "client.pem"
    assert main(["keys", "new", str(file), "--kind", kind]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert b"BEGIN PRIVATE KEY" in before
    assert main(["keys", "new", str(file)]) == 1
    assert file.read_bytes() == before
    assert "exists" in capsys.readouterr().err


def test_a_sound_file_is_found_sound(tmp_path, capsys):
    file = tmp_path / "connections.yaml"
    file.write_text(CONNECTIONS)
    assert main(["connections", "validate", "--local", str(file)]) == 0
    assert "no problem" in capsys.readouterr().out


def test_every_problem_of_a_file_is_named(tmp_path, capsys):
    file = tmp_path / "connections.yaml"
    file.write_text(CONNECTIONS.replace("https://idp.example", "http://idp.example").replace("bridge", "''"))
    assert main(["connections", "validate", str(file)]) == 1
    said = capsys.readouterr().err
    assert "connections.yaml: acme: issuer" in said
    assert "client_authentication.key" in said


def test_the_schema_is_json(capsys):
    assert main(["connections", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert "connections" in schema["properties"]
