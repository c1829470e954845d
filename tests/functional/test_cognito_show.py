"""`fedbridge cognito show`: what is printed is what `apply` would write, in each tool's own form, without the secret."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from fedbridge.cli import main
from fedbridge.op.client_authentication import secret_hash
from tests.support.machine import require_sam

BASE = "https://login.example.com"
WORDS = ["cognito", "show", "bank", "--base-url", BASE]
DETAILS = {
    "authorize_scopes": "openid",
    "attributes_request_method": "GET",
    "attributes_url_add_attributes": "false",
    "oidc_issuer": f"{BASE}/bank",
    "authorize_url": f"{BASE}/bank/authorize",
    "token_url": f"{BASE}/bank/token",
    "attributes_url": f"{BASE}/bank/userinfo",
    "jwks_uri": f"{BASE}/bank/.well-known/jwks.json",
    "client_id": "cognito",
}
STORED = "--client-secret-from=secretsmanager:fedbridge/prod/cognito#secret"


@pytest.fixture
def show(tmp_path, capsys):
    def run(*options, **keys):
        connection = {
            "issuer": "https://idp.example",
            "client_id": "bridge",
            "client_authentication": {
                "method": "private_key_jwt",
                "key": "secretsmanager:fedbridge/prod/bank",
            },
            "authorization": {"scope": "openid email", "pass_through": ["acr_values"]},
            "relying_parties": [
                {
                    "client_id": "cognito",
                    "secret_hashes": [secret_hash("x")],
                    "redirect_uris": ["https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"],
                    "restart_url": "https://app.example/",
                }
            ],
            **keys,
        }
        file = tmp_path / "connections.yaml"
        file.write_text(json.dumps({"connections": {"bank": connection}}))
        assert main([*WORDS, "--file", str(file), *options]) == 0
        return capsys.readouterr().out

    return run


def test_the_console_gets_every_value_under_its_own_title(show):
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in show().splitlines() if "<-" not in line)
    assert rows == {
        "Provider name": "bank",
        "Client ID": "cognito",
        "Client secret": "what `fedbridge secrets new` printed",
        "Authorized scopes": "openid",
        "Attribute request method": "GET",
        "Setup method": "Manual input",
        "Issuer URL": f"{BASE}/bank",
        "Authorization endpoint": f"{BASE}/bank/authorize",
        "Token endpoint": f"{BASE}/bank/token",
        "UserInfo endpoint": f"{BASE}/bank/userinfo",
        "Jwks_uri endpoint": f"{BASE}/bank/.well-known/jwks.json",
    }
    assert "email_verified <- email_verified" in show()


def test_with_discovery_the_console_is_told_the_issuer_alone(show):
    said = show("--discovery")
    assert f"Issuer URL                {BASE}/bank" in said
    assert "endpoint" not in said
    assert "Manual" not in said


def test_cloudformation_takes_it(show, tmp_path):
    linter = require_sam().parent / "cfn-lint"
    templates: list[Path] = []
    for options in ((), (STORED,), ("--discovery", "--map", "custom:groups=groups")):
        templates.append(tmp_path / f"{len(templates)}.yaml")
        templates[-1].write_text(show("--format", "cloudformation", *options))
    command: list[str | Path] = [linter, "--regions", "eu-north-1", "--", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_cloudformation_reads_the_secret_by_itself_or_is_given_it_unechoed(show):
    by_itself = yaml.safe_load(show("--format", "cloudformation", STORED))
    assert by_itself["Resources"]["bankProvider"]["Properties"]["ProviderDetails"] == {
        **DETAILS,
        "client_secret": "{{resolve:secretsmanager:fedbridge/prod/cognito:SecretString:secret}}",
    }
    given = yaml.safe_load(show("--format", "cloudformation"))
    assert given["Parameters"]["ClientSecret"] == {"Type": "String", "NoEcho": True}
    details = given["Resources"]["bankProvider"]["Properties"]["ProviderDetails"]
    assert details["client_secret"] == {"Ref": "ClientSecret"}


def test_terraform_sets_every_key_that_cognito_reads_back(show):
    """What is left out would differ in every plan: `attributes_url_add_attributes`, the endpoints, `username`."""
    said = show("--format", "terraform", "--provider", "Bank", "--map", "custom:groups=${groups}")
    assert 'resource "aws_cognito_identity_provider" "bank" {' in said
    found = dict(re.findall(r'^    (\w+|"[\w:]+") += (.+)$', said, re.MULTILINE))
    assert found.pop("client_secret") == "var.client_secret"
    mapping = {name: found.pop(name) for name in ("username", "email", "email_verified", '"custom:groups"')}
    assert found == {name: f'"{value}"' for name, value in DETAILS.items()}
    assert mapping['"custom:groups"'] == '"$${groups}"'
    assert mapping["username"] == '"sub"'
    assert "sensitive   = true" in said


@pytest.mark.parametrize("format_", ["cloudformation", "terraform"])
def test_what_a_tool_cannot_set_is_said(show, format_):
    said = show("--format", format_, assurance={"acr_order": ["low", "high"]})
    assert said.startswith("# AcrMapping is not among what")
    assert "# Level1 = low, Level2 = high" in said
