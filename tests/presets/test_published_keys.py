"""What an operator publishes who pastes a page's example: Corppass wants `alg` in every key, Singpass's examples have it."""

import json

import pytest

from fedbridge.cli import main
from fedbridge.cli.keys import write_private_key
from fedbridge.configuration.presets import read_preset
from tests.support.presets import example, put
from tests.support.yaml_text import to_yaml


@pytest.mark.parametrize("preset", ["singpass_fapi", "corppass_fapi"])
def test_each_key_names_its_algorithm(preset, tmp_path, capsys):
    body = example(read_preset(preset))
    for path, name in (("client_authentication.key", "signing"), ("token_decryption.keys", "encryption")):
        file = tmp_path / f"{name}.pem"
        write_private_key(file, "P-256")
        put(body, path, [f"file:{file}"] if path.endswith("keys") else f"file:{file}")
    connections = tmp_path / "connections.yaml"
    connections.write_text(to_yaml({"connections": {"idp": body}}), "utf-8")
    assert main(["keys", "export", "idp", "--local", "--file", str(connections)]) == 0
    keys = json.loads(capsys.readouterr().out)["keys"]
    assert [(key["use"], key["alg"], key["crv"]) for key in keys] == [
        ("sig", "ES256", "P-256"),
        ("enc", "ECDH-ES+A256KW", "P-256"),
    ]
    assert all(key["kid"] for key in keys)
