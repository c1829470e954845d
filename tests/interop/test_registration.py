"""Dynamic registration at oidc-provider: register, sign in, rotate the key, sign in again, delete.

The operator's steps are the command's; what it prints goes into connections.yaml, which the running bridge reads.
"""

import base64
import json
import secrets
from dataclasses import replace

import pytest

from fedbridge.cli import main
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import sign_in_at_openid_client, sign_in_at_pool, sign_in_twice, user_pool
from tests.interop.registering import INITIAL, REGISTRATION, Operator, header_of_assertion
from tests.support import canaries
from tests.support.keys import ec_key, private_pem, rsa_key, thumbprint_of

pytestmark = pytest.mark.interop

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
    Declared(
        name="strict",
        yaml="""
client_authentication: {method: private_key_jwt, key: $key}
dpop: {at_authorization: proof}
token_decryption: {keys: [$decryption]}
id_token: {encryption: required}
userinfo: {format: jwe}
registration: {initial_access_token: $initial}
""",
        key="P-256",
        authorization="{scope: openid email groups, par: required, response_mode: query.jwt, request_object: {}}",
    ),
]


@pytest.fixture(scope="module")
def op():
    nonces = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    features = {
        **REGISTRATION,
        "dPoP": {"enabled": True, "requireNonce": True, "nonceSecret": nonces},
        "encryption": {"enabled": True},
        "jwtResponseModes": {"enabled": True},
        "jwtUserinfo": {"enabled": True},
        "pushedAuthorizationRequests": {"enabled": True},
        "requestObjects": {"enabled": True},
    }
    with OidcProvider(oidc_provider={"features": features}) as op:
        yield op


@pytest.fixture(scope="module")
def bridge(op, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    initial = folder / "initial"
    initial.write_text(INITIAL)
    decryption = folder / "decryption"
    decryption.write_text(private_pem(rsa_key(number=103)))
    written = {"$initial": f"file:{initial}", "$decryption": f"file:{decryption}"}
    declared = [replace(each, yaml=_filled(each.yaml, written)) for each in CONNECTIONS]
    with running_bridge(op, folder, declared) as bridge:
        yield bridge


def _filled(yaml, references):
    for name, reference in references.items():
        yaml = yaml.replace(name, reference)
    return yaml


@pytest.fixture
def operator(bridge, capsys):
    before = bridge.file.read_text()
    yield lambda name: Operator(bridge, name, capsys)
    bridge.file.write_text(before)


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


def test_everything_that_a_strict_connection_needs_is_registered_and_used(
    operator, bridge, browser, openid_client
):
    at = operator("strict")
    at.change(authorization_response={"encryption": "required"})
    client_id = at.register()
    registered = json.loads(at.run("--read"))
    assert [key["use"] for key in registered["jwks"]["keys"]] == ["sig", "enc"]
    expected = {
        "authorization_encrypted_response_alg": "RSA-OAEP-256",
        "authorization_encrypted_response_enc": "A256GCM",
        "authorization_signed_response_alg": "RS256",
        "dpop_bound_access_tokens": True,
        "id_token_encrypted_response_alg": "RSA-OAEP-256",
        "id_token_encrypted_response_enc": "A256GCM",
        "id_token_signed_response_alg": "RS256",
        "request_object_signing_alg": "ES256",
        "require_pushed_authorization_requests": True,
        "require_signed_request_object": True,
        "token_endpoint_auth_signing_alg": "ES256",
        "userinfo_encrypted_response_alg": "RSA-OAEP-256",
        "userinfo_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "RS256",
    }
    assert {name: registered.get(name) for name in expected} == expected

    for passage in sign_in_twice(bridge, openid_client, browser, "strict"):
        assert passage.authorization.query.keys() == {"client_id", "request_uri"}
        assert passage.authorization.query["client_id"] == client_id
        entries = passage.all("pushed_authorization_request")
        assert entries[-1].request_object is not None
        assert all(
            entry.dpop is not None for entry in [*entries, *passage.all("token"), *passage.all("userinfo")]
        )
        token = json.loads(passage.all("token")[-1].answer or "")["id_token"]
        header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        assert header["kid"] == thumbprint_of(rsa_key(number=103))
    at.run("--delete")


def test_without_the_initial_access_token_nothing_is_registered(operator, op):
    at = operator("published")
    at.change(registration={"endpoint": op.endpoint("reg")})
    assert main([*at.arguments, "--keys", "inline"]) == 1
    said = at.capsys.readouterr().err
    assert "wants an initial access token" in said
    assert not (at.folder / "state" / "published.registration.json").exists()
