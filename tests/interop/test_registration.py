"""Dynamic registration at oidc-provider: register, sign in, rotate the key, sign in again, delete.

The operator's steps are the command's; what it prints goes into connections.yaml, which the running bridge reads.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedbridge.cli import main
from fedbridge.configuration.strict_yaml import read_yaml
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, RunningBridge, running_bridge
from tests.interop.passage import sign_in_at_openid_client, sign_in_at_pool, user_pool
from tests.support import canaries
from tests.support.keys import ec_key, private_pem

pytestmark = pytest.mark.interop

INITIAL = canaries.canary("the-initial-access-token-of-this-test", "initial access token")
METHOD = "private_key_jwt"
SECRET = "not-what-the-provider-issues-at-all"

CONNECTIONS = [
    Declared(
        name="published",
        yaml="client_authentication: {method: private_key_jwt, key: $key}\nregistration: {initial_access_token: $initial}",
        key="P-256",
        client={"token_endpoint_auth_signing_alg": "ES256"},
    ),
    Declared(
        name="given",
        yaml="client_authentication: {method: private_key_jwt, key: $key}\nregistration: {initial_access_token: $initial}",
        key="RSA",
    ),
    Declared(
        name="sharing",
        yaml="client_authentication: {method: client_secret_basic, secret: $secret}"
        "\nregistration: {initial_access_token: $initial}",
        secret=SECRET,
        client={"token_endpoint_auth_method": "client_secret_basic"},
    ),
]


@pytest.fixture(scope="module")
def op():
    features = {
        "registration": {"enabled": True, "initialAccessToken": INITIAL},
        "registrationManagement": {"enabled": True, "rotateRegistrationAccessToken": True},
    }
    with OidcProvider(oidc_provider={"features": features}) as op:
        yield op


@pytest.fixture(scope="module")
def bridge(op, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    initial = folder / "initial"
    initial.write_text(INITIAL)
    declared = [
        Declared(**{**_members(each), "yaml": each.yaml.replace("$initial", f"file:{initial}")})
        for each in CONNECTIONS
    ]
    with running_bridge(op, folder, declared) as bridge:
        yield bridge


def _members(declared):
    return {name: getattr(declared, name) for name in Declared.__slots__}


@dataclass
class Operator:
    """Somebody with connections.yaml and the command. `name` is the connection's."""

    bridge: RunningBridge
    name: str
    capsys: pytest.CaptureFixture[str]

    def __post_init__(self):
        self.change(client_id=None)

    @property
    def folder(self) -> Path:
        return self.bridge.file.parent

    def change(self, **members):
        """Replace keys of the connection in the file; None takes one away."""
        document = read_yaml(self.bridge.file.read_text(), [])
        body = {**document["connections"][self.name], **members}
        document["connections"][self.name] = {key: value for key, value in body.items() if value is not None}
        self.bridge.file.write_text(json.dumps(document))

    def run(self, *options: str) -> str:
        """Run the command and return what it printed, without a complaint."""
        self.capsys.readouterr()  # what the bridge has logged
        assert main([*self.arguments, *options]) == 0, self.capsys.readouterr().err
        printed = self.capsys.readouterr()
        canaries.observe(printed.out, "register")
        assert printed.err == ""
        return printed.out

    @property
    def arguments(self) -> list[str]:
        return [
            "register", self.name, "--file", str(self.bridge.file), "--local", "--base-url", self.bridge.url,
            "--state", str(self.folder / "state"),
        ]  # fmt: skip

    def register(self, *options: str) -> str:
        """Register, put what is printed into the file, and return the client id."""
        printed = self.run(*options)
        lines = printed.splitlines()
        keys = read_yaml("\n".join(line for line in lines if line.startswith("    ")), [])
        body = read_yaml(self.bridge.file.read_text(), [])["connections"][self.name]
        self.change(
            client_id=keys["client_id"], registration={**body["registration"], **keys["registration"]}
        )
        token = (self.folder / "state" / f"{self.name}.registration-access-token").read_text()
        canaries.watch(token, "registration access token")
        return str(keys["client_id"])


@pytest.fixture
def operator(bridge, capsys):
    before = bridge.file.read_text()
    yield lambda name: Operator(bridge, name, capsys)
    bridge.file.write_text(before)


def header_of_assertion(passage):
    assertion = passage.only("token").assertion
    assert assertion is not None
    return assertion.header


@pytest.mark.parametrize("name,keys,number", [("published", "uri", 101), ("given", "inline", 102)])
def test_private_key_jwt_from_registration_to_deletion(  # noqa: PLR0917
    operator, bridge, browser, openid_client, name, keys, number
):
    at = operator(name)
    old_key, new_key = (f"file:{at.folder / name}.{suffix}" for suffix in ("key", "new.key"))
    (at.folder / f"{name}.new.key").write_text(private_pem(ec_key("P-256", number=number)))
    if (
        keys == "uri"
    ):  # The IdP keeps what it fetched for as long as our answer allows: the next key must be in it.
        at.change(client_authentication={"method": METHOD, "key": old_key, "next_key": new_key})
    client_id = at.register("--keys", keys)
    assert client_id != bridge.connections[name].upstream_client_id
    token_file = at.folder / "state" / f"{name}.registration-access-token"
    assert token_file.stat().st_mode & 0o777 == 0o600

    signed_in, passage = sign_in_at_openid_client(bridge, openid_client, browser, bridge.relying_party(name))
    assert signed_in.claims["email"] == "alice@example.com"
    assert passage.authorization.query["client_id"] == client_id
    old_kid = header_of_assertion(passage)["kid"]

    at.change(client_authentication={"method": METHOD, "key": new_key, "retired_keys": [old_key]})
    before = token_file.read_text()
    at.run("--update", "--keys", keys)
    assert token_file.read_text() != before
    assert not list((at.folder / "state").glob(f"{name}.registration.json*"))

    with user_pool(bridge, name) as pool:
        user, passage = sign_in_at_pool(bridge, pool, browser)
    assert user.attributes["email"] == "alice@example.com"
    header = header_of_assertion(passage)
    assert header["kid"] != old_kid
    assert header["alg"] == "ES256"

    assert json.loads(at.run("--read", "--keys", keys))["client_id"] == client_id
    assert "deleted" in at.run("--delete")
    assert main([*at.arguments, "--read"]) == 1
    assert "registration access token" in at.capsys.readouterr().err


def test_a_client_secret_from_registration_to_deletion(operator, bridge, browser, openid_client):
    at = operator("sharing")
    secret_file = at.folder / "sharing.secret"
    at.register()
    issued = secret_file.read_text()
    canaries.watch(issued, "client secret")
    assert issued != SECRET
    assert secret_file.stat().st_mode & 0o777 == 0o600

    signed_in, _ = sign_in_at_openid_client(bridge, openid_client, browser, bridge.relying_party("sharing"))
    assert signed_in.claims["email"] == "alice@example.com"
    at.change(authorization={"scope": "openid email"})
    at.run("--update")
    assert json.loads(at.run("--read"))["scope"] == "openid email"
    sign_in_at_openid_client(bridge, openid_client, browser, bridge.relying_party("sharing"))
    at.run("--delete")


def test_without_the_initial_access_token_nothing_is_registered(operator, op):
    at = operator("published")
    at.change(registration={"endpoint": op.endpoint("reg")})
    assert main([*at.arguments, "--keys", "inline"]) == 1
    said = at.capsys.readouterr().err
    assert "wants an initial access token" in said
    assert not (at.folder / "state" / "published.registration.json").exists()
