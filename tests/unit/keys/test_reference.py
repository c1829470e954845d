"""References to keys and secrets."""

import pytest

from fedbridge.errors import ConfigurationError
from fedbridge.keys.reference import Reference, parse_reference

PASTED = [
    "hunter2hunter2",
    "plain:hunter2",
    "-----BEGIN PRIVATE KEY-----\nMII",
    "{'kty'}",
    "secretsmanager",
    "",
]


@pytest.mark.parametrize(
    "text,parsed",
    [
        ("env:NAME", Reference("env", "NAME", None)),
        ("file:/etc/key.pem", Reference("file", "/etc/key.pem", None)),
        ("file:keys.json#2024-1", Reference("file", "keys.json", "2024-1")),
        ("secretsmanager:fedbridge/prod/a#b", Reference("secretsmanager", "fedbridge/prod/a", "b")),
        ("ssm:/a/b:3", Reference("ssm", "/a/b:3", None)),
        ("kms:arn:aws:kms:eu-west-1:1:key/x", Reference("kms", "arn:aws:kms:eu-west-1:1:key/x", None)),
    ],
)
def test_what_is_one(text, parsed):
    assert parse_reference(text) == parsed
    assert text.startswith(parsed.document)


@pytest.mark.parametrize(
    "text", [*PASTED, "env:", "env:#a", "env:A#", "env:A\nB", " env:A", "ENV:A", "http://x"]
)
def test_what_is_none_is_not_quoted(text):
    with pytest.raises(ConfigurationError) as caught:
        parse_reference(text)

    assert "hunter2" not in str(caught.value)
    assert "MII" not in str(caught.value)
