import re
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from fedbridge.configuration.descriptions import DESCRIPTIONS
from fedbridge.configuration.file import FILLED_IN
from fedbridge.configuration.schema import schema
from fedbridge.configuration.strict_yaml import read_yaml
from tests.support import markdown
from tests.unit.configuration.files import changed, problems

EXAMPLES = Path(__file__).parent / "examples"


def test_it_is_a_json_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_key_is_described_and_every_description_has_its_key():
    described = {
        f"{name}.{field}"
        for name, definition in schema()["$defs"].items()
        for field, member in definition["properties"].items()
        if member["description"]
    }
    keys = {
        f"{name}.{field}"
        for name, definition in schema()["$defs"].items()
        for field in definition["properties"]
    }
    assert described == keys == DESCRIPTIONS.keys()
    assert not {f"Connection.{field}" for field in FILLED_IN} & keys


def test_no_object_takes_unknown_keys():
    assert all(definition["additionalProperties"] is False for definition in schema()["$defs"].values())
    assert schema()["additionalProperties"] is False


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_the_examples_satisfy_the_schema(example):
    validator = jsonschema.Draft202012Validator(schema())
    document = read_yaml((EXAMPLES / example).read_text("utf-8"), [])
    assert [error.message for error in validator.iter_errors(document)] == []


WHOLE = [
    pytest.param(fence, id=str(fence))
    for page in markdown.pages()
    for fence in page.fences("yaml")
    if re.search(r"^connections:", fence.text, re.MULTILINE)
]


@pytest.mark.parametrize("fence", WHOLE)
def test_the_files_of_the_documentation_satisfy_the_schema(fence):
    """So an editor underlines nothing in what people have copied from there."""
    validator = jsonschema.Draft202012Validator(schema())
    document = read_yaml(fence.text, [])
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize(
    "body",
    [
        changed(isuer="x"),
        changed(client_id=5),
        changed(client_authentication__method="magic"),
        changed(client_authentication__lifetime=900),
        changed(id_token={"algorithms": ["HS256"]}),
        changed(id_token={"algorithms": []}),
        changed(claims={"a": {"vaule": "b"}}),
        changed(relying_parties=[]),
        changed(preset="netscape"),
        changed(preset="../okta.toml"),
        changed(name="acme"),
        changed(version="1"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(tmp_path, body):
    assert not jsonschema.Draft202012Validator(schema()).is_valid({"connections": {"acme": body}})
    assert problems(tmp_path, {"acme": body})


def test_the_schema_knows_the_presets_and_files_of_ones_own():
    validator = jsonschema.Draft202012Validator(schema())
    for preset in ("okta", "singpass_fapi", "./our-bank.toml", "./presets/our-bank.toml"):
        assert validator.is_valid({"connections": {"acme": changed(preset=preset)}}), preset
