import tomllib
from importlib import resources

import pytest

from fedbridge.configuration.presets import merge, preset_names, read_preset, under
from fedbridge.errors import ConfigurationError
from tests.unit.configuration.files import changed, loaded


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_says_what_it_is_and_loads(tmp_path, name):
    text = (resources.files("fedbridge") / "presets" / f"{name}.toml").read_text("utf-8")
    about = tomllib.loads(text)["preset"]
    assert about.keys() == {"description", "source"}
    assert about["source"].startswith("https://")
    body = changed(preset=name, client_authentication={"key": "ssm:/acme"})
    connection = loaded(tmp_path, body)
    assert connection.preset == name
    assert connection.client_authentication.key == "ssm:/acme"


def test_own_keys_go_over_the_presets(tmp_path):
    body = changed(
        preset="okta",
        client_authentication={"key": "ssm:/acme", "algorithm": "ES256"},
        id_token={"algorithms": ["ES256"]},
    )
    connection = loaded(tmp_path, body)
    assert connection.client_authentication.algorithm == "ES256"
    assert connection.client_authentication.audience == "token_endpoint"
    assert connection.id_token.algorithms == ("ES256",)
    assert connection.authorization.scope == "openid profile email"


def test_mappings_merge_and_all_else_is_replaced():
    preset = {"a": {"b": 1, "c": [1, 2], "d": {"e": 1}}, "f": 1, "g": {"h": 1}}
    own = {"a": {"c": [3], "d": {"x": 2}}, "g": None, "z": 1}
    assert merge(preset, own) == {
        "a": {"b": 1, "c": [3], "d": {"e": 1, "x": 2}},
        "f": 1,
        "g": None,
        "z": 1,
    }
    assert preset["a"] == {"b": 1, "c": [1, 2], "d": {"e": 1}}


def test_another_method_takes_nothing_of_the_presets_client_authentication(tmp_path):
    body = changed(
        preset="okta", client_authentication={"method": "client_secret_post", "secret": "ssm:/acme"}
    )
    authentication = loaded(tmp_path, body).client_authentication
    assert (authentication.method, authentication.audience) == ("client_secret_post", "issuer")
    theirs = {"client_authentication": {"method": "private_key_jwt", "lifetime": 5}}
    assert under(theirs, {"client_authentication": {"method": "private_key_jwt"}}) == theirs


def test_an_unknown_preset_names_those_there_are():
    for name in ("netscape", "", "../presets/okta", "okta.toml"):
        with pytest.raises(ConfigurationError, match="there are auth0, generic_oidc, okta"):
            read_preset(name)
