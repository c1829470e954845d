import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedbridge.model.saml  # noqa: F401  what `builds` resolves the annotations with
from fedbridge.configuration import decode, encode, version_of
from fedbridge.configuration.file import load
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClaimRule,
    ClientAuthentication,
    Connection,
    Endpoints,
    IdTokenPolicy,
    RelyingParty,
    UserinfoPolicy,
)
from tests.unit.configuration.files import unhurried

EXAMPLES = Path(__file__).parent / "examples"

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
CONNECTIONS = st.builds(
    Connection,
    client_authentication=st.builds(ClientAuthentication, retired_keys=TEXTS),
    endpoints=st.none() | st.builds(Endpoints, token_endpoint_auth_methods_supported=TEXTS),
    authorization=st.builds(AuthorizationRequestProfile, parameters=st.dictionaries(TEXT, TEXT, max_size=2)),
    id_token=st.builds(IdTokenPolicy, algorithms=TEXTS),
    userinfo=st.builds(UserinfoPolicy, method=st.sampled_from(["GET", "POST", "none"])),
    claims=st.none()
    | st.dictionaries(
        TEXT,
        TEXT | st.builds(ClaimRule, constant=st.none() | st.booleans() | TEXT, required=st.booleans()),
        max_size=3,
    ),
    relying_parties=st.lists(st.builds(RelyingParty, name=st.none() | TEXT), max_size=2).map(tuple),
    client_jwks=st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2).map(tuple),
    disabled=st.booleans(),
    subject_namespace=st.none() | TEXT,
)


@unhurried
@given(CONNECTIONS)
def test_a_connection_survives_publishing(connection):
    assert decode(encode(connection)) == connection


@unhurried
@given(CONNECTIONS)
def test_the_version_names_everything_but_itself(connection):
    version = version_of(connection)
    assert version == version_of(replace(connection, version="other"))
    assert version == version_of(decode(encode(connection)))
    assert version != version_of(replace(connection, issuer=connection.issuer + "x"))
    assert version != version_of(replace(connection, client_jwks=(*connection.client_jwks, {"kid": "new"})))


def test_the_examples_survive_publishing():
    for connection in load(EXAMPLES / "everything.yaml").values():
        assert decode(encode(connection)) == connection


def test_the_version_never_changes_by_itself():
    # Written down: transactions under way name it, and an upgrade must not end them.
    connection = load(EXAMPLES / "private_key_jwt.yaml")["acme"]
    assert connection.version == "71242f9708d83e95bac714d2d6d764ee"


def test_defaults_are_not_published():
    assert json.loads(encode(Connection(name="a", issuer="i", client_id="c", relying_parties=()))) == {
        "name": "a",
        "issuer": "i",
        "client_id": "c",
        "relying_parties": [],
    }


MINIMAL: dict[str, Any] = {"name": "acme", "issuer": "i", "client_id": "c", "relying_parties": []}


@pytest.mark.parametrize(
    "change, problems",
    [
        ({"shiny": 1}, ["acme: shiny: is not known"]),
        ({"id_token": {"shiny": 1}}, ["acme: id_token.shiny: is not known"]),
        ({"claims": {"a": {"value": "b", "shiny": 1}}}, ["acme: claims.a.shiny: is not known"]),
        (
            {"disabled": "true", "issuer": None},
            ["acme: issuer: must be a string", "acme: disabled: must be true or false"],
        ),
        ({"id_token": {"clock_skew": True}}, ["acme: id_token.clock_skew: must be a whole number"]),
        ({"id_token": {"clock_skew": 1.0}}, ["acme: id_token.clock_skew: must be a whole number"]),
        ({"id_token": []}, ["acme: id_token: must be a mapping"]),
        ({"endpoints": 5}, ["acme: endpoints: must be a mapping or empty"]),
        ({"claims": []}, ["acme: claims: must be a mapping or empty"]),
        ({"tokens": "both"}, ["acme: tokens: must be one of reissue, relay"]),
        (
            {"authorization": {"response_mode": "fragment"}},
            [
                "acme: authorization.response_mode: must be one of query, form_post, jwt, query.jwt, form_post.jwt or empty"
            ],
        ),
        ({"endpoint_hosts": "a.example"}, ["acme: endpoint_hosts: must be a list"]),
        ({"endpoint_hosts": ["a", 5]}, ["acme: endpoint_hosts[1]: must be a string"]),
        ({"authorization": {"parameters": {"a": 1}}}, ["acme: authorization.parameters.a: must be a string"]),
        (
            {"relying_parties": [{"client_id": 1}]},
            [
                "acme: relying_parties[0].client_id: must be a string",
                "acme: relying_parties[0].redirect_uris: is missing",
                "acme: relying_parties[0].restart_url: is missing",
            ],
        ),
    ],
)
def test_other_documents_are_refused_by_path(change, problems):
    with pytest.raises(ConfigurationError) as refused:
        decode(json.dumps({**MINIMAL, **change}).encode())
    found = [problem.removesuffix(": put the value into quotes") for problem in refused.value.problems]
    assert found == problems


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_nothing_required_may_be_missing(name):
    with pytest.raises(ConfigurationError, match=f"{name}: is missing"):
        decode(json.dumps({key: value for key, value in MINIMAL.items() if key != name}).encode())


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"[" * 100_000])
def test_what_is_no_document_is_refused(document):
    with pytest.raises(ConfigurationError):
        decode(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from([field.name for field in fields(Connection)]), values, max_size=3)
    ),
    max_leaves=12,
)


@unhurried
@given(JSON | st.fixed_dictionaries(dict.fromkeys(MINIMAL, JSON)))
def test_any_json_is_a_connection_or_refused(value):
    try:
        connection = decode(json.dumps(value).encode())
    except ConfigurationError:
        return
    assert decode(encode(connection)) == connection


def test_decoding_needs_the_standard_library_alone():
    script = (
        "import sys; from fedbridge.configuration import decode\n"
        f"decode({json.dumps(MINIMAL).encode()!r})\n"
        "print([m for m in ('jmespath', 'yaml', 'cryptography', 'msgspec', 'tomllib', 'difflib') if m in sys.modules])"
    )
    paths = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": paths}
    )
    assert done.stdout.strip() == "[]"
