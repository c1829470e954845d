"""`fedbridge dev` as a program: it says where it is, and what is in its way."""

import re
import socket
import sys
from pathlib import Path

import httpx
import pytest

from fedbridge.cli import main
from fedbridge.cli.dev import loopback_hosts
from fedbridge.configuration.file import load
from tests.counterparts.process import START_SECONDS, Program, clean_environment

TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"
CONNECTIONS = """
connections:
  acme:
    issuer: http://127.0.0.1:9
    client_id: bridge
    client_authentication: {method: private_key_jwt, key: "file:client.pem"}
    relying_parties:
      - client_id: cognito
        secret_hashes: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
        redirect_uris: [http://localhost:9/oauth2/idpresponse]
        restart_url: http://localhost:9/
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "connections.yaml").write_text(CONNECTIONS)
    assert main(["keys", "new", str(tmp_path / "client.pem"), "--kind", "P-256"]) == 0
    return tmp_path


@pytest.mark.parametrize(
    "options, issuer",
    [([], None), (["--base-url", "http://localhost:9"], "http://localhost:9/acme")],
    ids=["alone", "behind another server"],
)
def test_it_takes_a_free_port_and_says_which(folder, options, issuer):
    fedbridge = Path(sys.executable).with_name("fedbridge")
    command = [fedbridge, "dev", "--template", TEMPLATE, "--port", "0", *options]
    with Program("fedbridge", command, env=clean_environment(), cwd=folder, talks=False) as program:
        program.wait_until(lambda: "listens at" in program.log(), seconds=START_SECONDS)
        (address,) = re.findall(r"listens at (http://localhost:\d+)", program.log())
        answer = httpx.get(f"{address}/acme/.well-known/openid-configuration", trust_env=False)
        assert answer.json()["issuer"] == (issuer or f"{address}/acme")


def test_the_folder_of_keys_that_it_makes_is_none_that_git_takes():
    assert "/.fedbridge/" in TEMPLATE.with_name(".gitignore").read_text().splitlines()


def test_a_port_that_is_taken_is_named(folder, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = ["--connections", str(folder / "connections.yaml"), "--template", str(TEMPLATE)]
        assert main(["dev", "--host", "127.0.0.1", "--port", str(port), *options]) == 1
    assert f"--host 127.0.0.1 --port {port}: Address already in use" in capsys.readouterr().err


def test_every_address_of_the_idp_on_loopback_may_be_called(tmp_path):
    (tmp_path / "connections.yaml").write_text(
        CONNECTIONS.replace(
            "    client_id: bridge\n",
            "    client_id: bridge\n"
            "    endpoints:\n"
            "      authorization_endpoint: http://localhost:1/authorize\n"
            "      token_endpoint: http://localhost:2/token\n"
            "      jwks_uri: http://127.0.0.1:3/jwks\n"
            "      pushed_authorization_request_endpoint: http://127.0.0.1:4/par\n"
            "    authorization: {par: required}\n"
            "    userinfo: {nested: {core: {issuer: 'https://core.example', did: 'http://localhost:5/did.json'}}}\n",
        )
    )
    (connection,) = load(tmp_path / "connections.yaml", allow_local=True).values()
    assert loopback_hosts(connection) == {
        "127.0.0.1:9", "localhost:1", "localhost:2", "127.0.0.1:3", "127.0.0.1:4", "localhost:5",
    }  # fmt: skip
