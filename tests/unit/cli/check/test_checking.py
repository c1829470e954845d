"""Whether an IdP is asked at all, and what is said of what was not looked at."""

import json

import pytest

from fedbridge.cli import main
from fedbridge.cli.check.checking import left_out, probes
from fedbridge.cli.check.context import CheckOptions
from fedbridge.configuration.presets import preset_names, read_preset
from tests.support.bridge import connection

BANK = {
    "issuer": "https://idp.invalid",
    "client_id": "bridge",
    "client_authentication": {"method": "private_key_jwt", "key": "secretsmanager:fedbridge/prod/bank"},
    "relying_parties": [
        {
            "client_id": "cognito",
            "secret_hashes": [f"sha256:{'0' * 64}"],
            "redirect_uris": ["https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"],
            "restart_url": "https://app.example/",
        }
    ],
}
ABOUT = '[preset]\ntitle = "A"\ndescription = "B"\n'


@pytest.mark.parametrize(
    ("more", "asked"), [("", True), ("probe = true\n", True), ("probe = false\n", False)]
)
def test_a_preset_may_say_that_the_idp_is_left_in_peace(tmp_path, more, asked):
    (tmp_path / "bank.toml").write_text(ABOUT + more)
    assert probes(connection(preset="./bank.toml"), tmp_path) is asked


def test_a_preset_that_is_not_here_may_have_said_so(tmp_path):
    assert probes(connection(preset="./bank.toml"), tmp_path) is False


def test_a_connection_without_a_preset_is_tried(tmp_path):
    assert probes(connection(), tmp_path) is True


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_of_ours_keeps_an_operator_from_trying(name):
    """No IdP documents that it minds; who knows better writes a preset over it, or says --no-probe."""
    assert read_preset(name).about.probe


@pytest.mark.parametrize(("pool", "also"), [(None, False), ("eu-north-1_EXAMPLE01", True)])
def test_where_cognito_goes_is_not_known_without_the_bridges_address(context, pool, also):
    """Nothing was said of it, and the pool's identity provider may have led anywhere."""
    notes = left_out(context(options=CheckOptions(user_pool=pool)))
    assert ("Where Cognito goes was not looked at: give --base-url." in notes) is also
    assert max(map(len, notes)) <= 100


def test_a_pool_id_that_is_none_is_a_wrong_call(tmp_path, capsys):
    """It was a finding that could not be told, with the advice to give other credentials."""
    (tmp_path / "connections.yaml").write_text(json.dumps({"connections": {"bank": BANK}}))
    file = str(tmp_path / "connections.yaml")
    assert main(["check", "bank", "--file", file, "--user-pool", "people"]) == 1
    assert "people: is no id of a user pool" in capsys.readouterr().err
