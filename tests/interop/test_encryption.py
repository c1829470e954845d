"""Encrypted ID tokens and userinfo from an IdP that nobody here wrote, for keys in files."""

import pytest
from joserfc.jwk import KeySet

from tests.counterparts.browser import new_browser
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import running_bridge
from tests.interop.encryption import ENCRYPTIONS, SETTINGS, connection, id_token_header, published
from tests.interop.passage import sign_in_at_pool, sign_in_twice, user_pool
from tests.support.keys import ec_key, private_pem, rsa_key, thumbprint_of

pytestmark = pytest.mark.interop


def key_of(kind, number=40):
    return rsa_key(number=number) if kind == "RSA" else ec_key(kind, number)


def stored(folder, name, key):
    (folder / name).write_text(private_pem(key))
    return f"file:{folder / name}"


@pytest.fixture(scope="module")
def op():
    with OidcProvider(oidc_provider=SETTINGS) as op:
        yield op


@pytest.fixture(scope="module")
def bridge(op, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    connections = [
        connection(name, stored(folder, name, key_of(kind, number)), alg, enc)
        for number, (name, (alg, enc, kind)) in enumerate(ENCRYPTIONS.items(), 40)
    ]
    narrow = ", algorithms: [ECDH-ES+A256KW], content_encryption: [A256GCM]"
    userinfo = stored(folder, "userinfo", key_of("P-256", 60))
    narrowed = stored(folder, "narrow", key_of("P-256", 61))
    rotating = stored(folder, "rotating", key_of("P-256", 62))
    stored(folder, "rotating-2", key_of("P-256", 63))
    outside = stored(folder, "outside", key_of("P-256", 64))
    connections += [
        connection("userinfo", userinfo, "ECDH-ES", "A128GCM", userinfo=True),
        connection("narrow", narrowed, "ECDH-ES+A256KW", "A256GCM", policy=narrow),
        connection(
            "outside",
            outside,
            "ECDH-ES+A128KW",
            "A256GCM",
            policy=", algorithms: [ECDH-ES, RSA-OAEP-256, ECDH-ES+A256KW]",
        ),
        connection("rotating", rotating, "ECDH-ES", "A256GCM"),
    ]
    with running_bridge(op, folder, connections) as bridge:
        yield bridge


@pytest.mark.parametrize("name", ENCRYPTIONS)
def test_an_encrypted_id_token(bridge, openid_client, browser, name):
    alg, enc, kind = ENCRYPTIONS[name]
    number = 40 + list(ENCRYPTIONS).index(name)

    for passage in sign_in_twice(bridge, openid_client, browser, name):
        header = id_token_header(passage)

        assert (header["alg"], header["enc"], header["cty"]) == (alg, enc, "JWT")
        assert header["kid"] == thumbprint_of(key_of(kind, number))
        assert (header["iss"], header["aud"]) == (
            bridge.op.issuer,
            bridge.connections[name].upstream_client_id,
        )


def test_encrypted_userinfo(bridge, openid_client, browser):
    """`format: jwe` takes nothing that is not encrypted, and signed inside."""
    for passage in sign_in_twice(bridge, openid_client, browser, "userinfo"):
        answer = passage.only("userinfo").answer_headers

        assert answer["content-type"].startswith("application/jwt")


def test_what_the_idp_fetches(bridge, browser):
    signing, decryption = published(bridge, browser, "narrow")

    assert (signing["use"], signing["alg"]) == ("sig", "ES256")
    assert (decryption["use"], decryption["alg"]) == ("enc", "ECDH-ES+A256KW")
    assert decryption["kid"] == thumbprint_of(key_of("P-256", 61))
    assert "alg" not in published(bridge, browser, "ecdh-es")[1]
    keys = KeySet.import_key_set({"keys": published(bridge, browser, "narrow")}).keys
    assert not any(key.is_private for key in keys)


def test_the_algorithms_of_a_connection_are_the_only_ones(bridge, openid_client, browser):
    sign_in_twice(bridge, openid_client, browser, "narrow")
    with user_pool(bridge, "outside") as pool, pytest.raises(Exception, match="server_error"):
        sign_in_at_pool(bridge, pool, browser)


@pytest.fixture
def declared(bridge):
    """The connections as they are declared, and will be again."""
    text = bridge.file.read_text()
    yield text
    bridge.file.write_text(text)


def test_rotation_with_tokens_under_way(bridge, declared):
    """The IdP goes on with the old key until it fetches again; its tokens open all along."""
    old, new = thumbprint_of(key_of("P-256", 62)), thumbprint_of(key_of("P-256", 63))
    first = f"file:{bridge.file.parent / 'rotating'}"

    def signs_in():
        with user_pool(bridge, "rotating") as pool, new_browser() as browser:
            return id_token_header(sign_in_at_pool(bridge, pool, browser)[1])["kid"]

    def publish(keys):
        bridge.file.write_text(declared.replace(f'keys: ["{first}"]', keys))
        with new_browser() as browser:
            return [jwk["kid"] for jwk in published(bridge, browser, "rotating")[1:]]

    assert signs_in() == old

    assert publish(f'keys: ["{first}-2"], retired_keys: ["{first}"]') == [new]
    assert signs_in() == old  # the IdP has the keys that it fetched before
    bridge.op.set_clients(*bridge.op.clients)
    assert signs_in() == new

    assert publish(f'keys: ["{first}-2"]') == [new]
    assert signs_in() == new
