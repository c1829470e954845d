"""ID tokens that an IdP keys with the client secret, as a preset of the operator's own says that it does."""

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError, UserPool
from tests.counterparts.faults import Fault, IdTokenTampering
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import made_by_bridge, sign_in_at_openid_client, sign_in_at_pool

pytestmark = pytest.mark.interop

SECRET = "a-channel-secret-of-more-than-thirty-two-characters"
PRESET = """
authorization = { scope = "openid email" }

[client_authentication]
method = "client_secret_post"

[id_token]
algorithms = ["HS256"]
symmetric = true

[preset]
title = "A messenger"
description = "Signs ID tokens with the channel secret."
"""


@pytest.fixture(scope="module")
def op():
    jwa = {"idTokenSigningAlgValues": ["RS256", "HS256"], "userinfoSigningAlgValues": ["RS256", "HS256"]}
    with OidcProvider(
        oidc_provider={"features": {"jwtUserinfo": {"enabled": True}}, "enabledJWA": jwa}
    ) as op:
        yield op


def connection(name, yaml="", *, alg="HS256", **metadata):
    return Declared(
        name=name,
        secret=f"{SECRET}-{name}",
        yaml=f"preset: ./messenger.toml\nclient_authentication: {{secret: $secret}}\n{yaml}".strip(),
        client={
            "token_endpoint_auth_method": "client_secret_post",
            "id_token_signed_response_alg": alg,
            "metadata": metadata,
        },
    )


@pytest.fixture(scope="module")
def bridge(op, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    (folder / "messenger.toml").write_text(PRESET)
    connections = [
        connection("messenger"),
        connection("userinfo", "userinfo: {format: jws}", userinfo_signed_response_alg="HS256"),
        connection("asymmetric", alg="RS256"),
    ]
    with running_bridge(op, folder, connections) as bridge:
        yield bridge


@pytest.fixture
def sign_in(bridge):
    def sign_in(name):
        with UserPool() as pool, new_browser() as browser:
            pool.create_identity_provider(bridge.identity_provider(name))
            return sign_in_at_pool(bridge, pool, browser)

    return sign_in


@pytest.mark.parametrize("name", ["messenger", "userinfo"])
def test_cognito_gets_a_token_that_it_can_verify(sign_in, name):
    user, passage = sign_in(name)
    assert user.attributes["email"] == "alice@example.com"
    assert not [entry for entry in made_by_bridge(passage.upstream) if entry.route == "jwks"]


def test_with_openid_client_in_cognitos_place(bridge, openid_client, browser):
    signed_in, _ = sign_in_at_openid_client(bridge, openid_client, browser, bridge.relying_party("messenger"))
    assert signed_in.claims["iss"] == bridge.issuer("messenger")


def test_a_signature_of_the_published_key_is_not_what_was_agreed(sign_in):
    with pytest.raises(SignInError, match="could not be completed"):
        sign_in("asymmetric")


@pytest.mark.parametrize(
    ("name", "key"), [("messenger", "none"), ("asymmetric", "none"), ("asymmetric", "public-key-as-secret")]
)
def test_no_key_and_the_key_that_everybody_has(op, sign_in, name, key):
    op.set_fault("token", Fault(id_token=IdTokenTampering(key=key)))
    try:
        with pytest.raises(SignInError, match="could not be completed"):
            sign_in(name)
    finally:
        op.clear_faults()
