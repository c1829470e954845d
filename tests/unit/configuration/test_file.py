from dataclasses import replace
from pathlib import Path

import pytest

from fedbridge.configuration import version_of
from fedbridge.configuration.file import load
from fedbridge.configuration.presets import preset_names
from fedbridge.configuration.rules import problems_between
from fedbridge.configuration.schema import schema
from fedbridge.configuration.strict_yaml import read_yaml
from fedbridge.configuration.structure import Problem
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import ClientAuthentication, Connection, RelyingParty
from tests.unit.configuration.files import changed, loaded, problems, write

EXAMPLES = Path(__file__).parent / "examples"
ALGORITHMS = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512"
METHODS = ["private_key_jwt", "client_secret_basic", "client_secret_post", "client_secret_jwt"]


@pytest.mark.parametrize("method", METHODS)
def test_a_connection_of_each_method_is_at_most_15_lines(method):
    path = EXAMPLES / f"{method}.yaml"
    assert len(path.read_text("utf-8").splitlines()) <= 15
    connection = load(path)["acme"]
    assert connection.client_authentication.method == method
    assert connection.claims == {"email": "email", "groups": "roles[].name"}


def test_what_is_not_said_is_the_models_default(tmp_path):
    connection = loaded(tmp_path, changed())
    assert connection == Connection(
        name="acme",
        issuer="https://login.acme.example",
        client_id="fedbridge",
        client_authentication=ClientAuthentication(
            method="private_key_jwt", key="secretsmanager:fedbridge/prod/acme"
        ),
        relying_parties=(
            RelyingParty(
                client_id="cognito",
                secret_hashes=("sha256:" + "a1" * 32,),
                redirect_uris=("https://pool.auth.example/oauth2/idpresponse",),
                restart_url="https://app.example.com/",
            ),
        ),
        version=connection.version,
    )
    assert connection.version == version_of(connection)


def test_every_key_can_be_set():
    connections = load(EXAMPLES / "everything.yaml")
    bodies = read_yaml((EXAMPLES / "everything.yaml").read_text("utf-8"), [])["connections"].values()
    properties = schema()["$defs"]["Connection"]["properties"]
    assert set().union(*bodies) == properties.keys()
    assert connections["acme"].authorization.pkce == "off"  # YAML 1.1 would have made it false
    assert connections["acme"].authorization.parameters == {"bail": "1", "ui_locales": "no"}
    assert connections["relayed"].client_authentication.audience == "token_endpoint"


def test_all_problems_of_a_file_are_told_at_once(tmp_path):
    path = tmp_path / "connections.yaml"
    path.write_text(
        """
connections:
  acme:
    issuer: http://login.acme.example
    client_id: 5
    client_authentication: {key: hunter2, lifetime: 900}
    clams: {}
    relying_parties:
      - client_id: cognito
        secret_hashes: [sha256:1234]
        redirect_uris: [https://pool.example/]
  beta:
    issuer: https://login.beta.example
    issuer: https://login.beta.example
    relying_parties: none
    client_authentication: {method: private_key_jwt, algorithm: HS256, key: ssm:/beta}
  Gamma: {}
  delta: 5
  epsilon:
    preset: netscape
other: 1
""",
        "utf-8",
    )
    assert problems(tmp_path, path) == [
        "beta: issuer: is there twice, in lines 13 and 14",
        "other: is not known",
        "'Gamma': a name must be 1 to 63 of a-z, 0-9 and -, and begin with a letter or a digit",
        "delta: must be a mapping",
        "acme: client_id: must be a string: put the value into quotes",
        "acme: clams: is not known: did you mean claims?",
        "acme: relying_parties[0].restart_url: is missing",
        "acme: issuer: must begin with https://",
        "acme: client_authentication.lifetime: must be between 5 and 300 seconds",
        "acme: client_authentication.key: must be a reference (secretsmanager:, ssm:, kms:), never the value itself",
        "acme: relying_parties[0].secret_hashes[0]: must be sha256: and 64 hexadecimal digits in small letters",
        "beta: relying_parties: must be a list",
        "beta: client_id: is missing",
        f"beta: client_authentication.algorithm: must be one of {ALGORITHMS}, which a key signs with",
        f"epsilon: preset: there is no such preset; there are {', '.join(preset_names())}, and files such as ./our-bank.toml",
    ]


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "connections: must be a mapping of names to connections"),
        (b"connections:", "connections: must be a mapping of names to connections"),
        (b"[]", "connections: must be a mapping of names to connections"),
        (b"connections: {}", "connections: must name at least one"),
        (b"connections: [", "line 1: expected the node content, but found '<stream end>'"),
        (b"a: 1\n---\nb: 2", "line 2: but found another document"),
        (
            b"connections: !!python/object:os.system {}",
            "line 1: could not determine a constructor for the tag",
        ),
        (b"connections: {? [a] : b}", "line 1: found unhashable key"),
        (b"\xff\xfe", "must be UTF-8"),
        (b"connections: \x00", "is not YAML"),
        (b"[" * 1000, "is not YAML"),
    ],
    ids=["empty", "null", "list", "none", "cut", "two", "tag", "key", "encoding", "control", "deep"],
)
def test_a_file_that_is_no_connections_file(tmp_path, content, problem):
    path = tmp_path / "connections.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: {problem}")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(tmp_path / "connections.yaml")


def test_aliases_and_merge_keys_are_yaml(tmp_path):
    path = tmp_path / "connections.yaml"
    path.write_text(
        """
connections:
  acme: &acme
    issuer: https://login.acme.example
    client_id: fedbridge
    client_authentication: &credentials {key: ssm:/acme}
    relying_parties:
      - &pool
        client_id: cognito
        secret_hashes: [sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
        redirect_uris: [https://pool.example/oauth2/idpresponse]
        restart_url: https://app.example.com/
  beta:
    <<: *acme
    issuer: https://login.beta.example
    client_authentication: {<<: *credentials, key: ssm:/beta}
    relying_parties:
      - <<: *pool
        secret_hashes: [sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb]
""",
        "utf-8",
    )
    beta = load(path)["beta"]
    assert (beta.issuer, beta.client_authentication.key) == ("https://login.beta.example", "ssm:/beta")
    assert beta.relying_parties[0].client_id == "cognito"


def test_an_alias_of_itself_ends(tmp_path):
    path = tmp_path / "connections.yaml"
    path.write_text("connections: &a\n  acme: *a\n", "utf-8")
    assert any(problem.startswith("acme: acme: is not known") for problem in problems(tmp_path, path))


@pytest.mark.parametrize("field", ["name", "version", "client_jwks"])
def test_what_fedbridge_fills_in_is_not_written(tmp_path, field):
    found = problems(tmp_path, {"acme": {**changed(), field: "x"}})
    assert found == [f"acme: {field}: is filled in by fedbridge: leave it out"]


def test_local_runs_may_use_loopback_and_local_references(tmp_path):
    body = changed(
        issuer="http://127.0.0.1:9000",
        client_authentication__key="file:keys/acme.pem",
        relying_parties__0__redirect_uris=["http://localhost:3000/callback"],
        relying_parties__0__restart_url="http://localhost:3000/",
        endpoint_hosts=["127.0.0.1:9001"],
    )
    assert loaded(tmp_path, body, allow_local=True).issuer == "http://127.0.0.1:9000"
    assert problems(tmp_path, {"acme": body}) == [
        "acme: issuer: must begin with https://",
        "acme: endpoint_hosts[0]: must use port 443 (other ports and private hosts are allowed by FEDBRIDGE_PRIVATE_HOSTS)",
        "acme: client_authentication.key: must be one of secretsmanager:, ssm:, kms:; file: is for local runs",
        "acme: relying_parties[0].redirect_uris[0]: must not name a loopback host",
        "acme: relying_parties[0].restart_url: must not name a loopback host",
    ]


def test_private_hosts_are_allowed_by_name_and_port(tmp_path):
    body = changed(issuer="https://idp.corp.internal:8443/realm", endpoint_hosts=["idp.corp.internal:8443"])
    assert loaded(tmp_path, body, private_hosts=["idp.corp.internal:8443"]).issuer == body["issuer"]
    assert len(problems(tmp_path, {"acme": body}, private_hosts=["idp.corp.internal:443"])) == 2
    plain = changed(issuer="http://idp.corp.internal:8443")
    assert problems(tmp_path, {"acme": plain}, private_hosts=["idp.corp.internal:8443"]) == [
        "acme: issuer: must begin with https://"
    ]


def test_a_file_is_read_by_its_path_as_text(tmp_path):
    assert load(str(write(tmp_path, {"acme": changed()}))).keys() == {"acme"}


def test_keys_are_strings(tmp_path):
    path = tmp_path / "connections.yaml"
    path.write_text("connections:\n  acme:\n    7: x\n    authorization: {parameters: {1: a}}\n", "utf-8")
    found = problems(tmp_path, path)
    assert "acme: authorization.parameters.1: the key must be a string: put it into quotes" in found
    assert "acme: 7: is not known" in found


def test_keys_are_compared_where_they_are_known(tmp_path):
    connection = loaded(tmp_path, changed())
    jwks = ({"kty": "EC", "x": "1", "kid": "one"}, {"kty": "EC", "x": "2", "kid": "two"})
    shared = ({**jwks[1], "kid": "three"}, {"kty": "EC", "x": "3", "kid": "one"})
    other = replace(connection, client_id="other", relying_parties=(), client_jwks=shared)
    found = problems_between(
        {
            "acme": replace(connection, client_jwks=jwks),
            "beta": replace(other, client_authentication=ClientAuthentication()),
        }
    )
    assert found == [
        ("beta", Problem("client_jwks[0]", "is the same public key as in acme: connections share none"))
    ]
