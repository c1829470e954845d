"""Sign-ins at an IdP that has OAuth 2.0 and nothing else, through the bridge, at a user pool that wants an ID token."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError, UserPool
from tests.counterparts.social_network import HUBOT, OCTOCAT, SocialNetwork
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import pass_through, sign_in_at_openid_client, sign_in_at_pool

pytestmark = pytest.mark.interop

SECRET = "the-secret-that-the-network-gave"
YAML = """
protocol: oauth2
endpoints: {authorization_endpoint: "$op/login/oauth/authorize", token_endpoint: "$op/login/oauth/access_token"}
client_authentication: {method: client_secret_post, secret: $secret}
oauth2: {documents: [{name: user, url: "$op/api/user"}, {name: emails, url: "$op/api/user/emails", required: false}], subject: user.id}
claims: {name: user.name, preferred_username: user.login, email: "emails[?primary] | [0].email", email_verified: "emails[?primary] | [0].verified"}
"""


def connection(name, *, yaml=YAML, scope="read:user user:email", secret=SECRET, **others):
    authorization = f'{{scope: "{scope}"}}'
    return Declared(name=name, yaml=yaml.strip(), secret=secret, authorization=authorization, **others)


@pytest.fixture(scope="module")
def network():
    with SocialNetwork() as network:
        yield network


@pytest.fixture(scope="module")
def bridge(network, tmp_path_factory):
    connections = [
        connection("social"),
        connection("raw", yaml=YAML + "subject: raw"),
        connection("no-emails", scope="read:user"),
        connection("wrong-secret", client={"client_secret": "another"}),
    ]
    with running_bridge(network, tmp_path_factory.mktemp("bridge"), connections) as bridge:
        yield bridge


@pytest.fixture
def sign_in(bridge):
    def sign_in(name, user="octocat", **asked):
        with UserPool() as pool, new_browser() as browser:
            pool.create_identity_provider(bridge.identity_provider(name))
            return sign_in_at_pool(bridge, pool, browser, user, **asked)

    return sign_in


def test_a_whole_sign_in(sign_in):
    user, passage = sign_in("social")
    assert user.userinfo["name"] == "Octo Cat"
    assert user.userinfo["preferred_username"] == "octocat"
    assert user.attributes["email"] == "octo@example.com"
    assert user.userinfo["email_verified"] in (True, "true")
    assert passage.calls == Counter(token=1, document=2)
    assert passage.only("token").status == 200
    assert "nonce" not in passage.authorization.query
    assert not [entry for entry in passage.upstream if "well-known" in entry.path]


def test_the_id_token_is_a_proper_one_of_the_bridges(bridge, openid_client, browser):
    rp = bridge.relying_party("social")
    signed_in, _ = sign_in_at_openid_client(bridge, openid_client, browser, rp)
    claims = signed_in.claims
    assert claims["iss"] == bridge.issuer("social")
    assert len(claims["sub"]) == 64
    assert not {"acr", "amr", "auth_time"} & claims.keys()


def test_an_identifier_is_exact_to_its_last_digit(sign_in):
    user, _ = sign_in("raw")
    assert user.username.endswith(f"_{OCTOCAT.id}")


def test_an_address_that_the_network_did_not_verify(sign_in):
    user, _ = sign_in("social", HUBOT.login)
    assert user.userinfo["email"] == "hubot@example.com"
    assert user.userinfo["email_verified"] in (False, "false")


def test_who_takes_over_a_login_is_somebody_else(sign_in, network):
    first, _ = sign_in("social")
    members = network.members
    network.members = (replace(OCTOCAT, id=1), HUBOT)
    try:
        second, _ = sign_in("social")
    finally:
        network.members = members
    assert first.username != second.username


def test_without_the_scope_there_is_no_address(sign_in):
    user, passage = sign_in("no-emails")
    assert "email" not in user.userinfo
    assert user.userinfo["name"] == "Octo Cat"
    assert [entry.status for entry in passage.upstream if entry.route == "document"] == [200, 404]


def test_a_person_who_says_no(sign_in):
    with pytest.raises(SignInError, match="cancelled or refused"):
        sign_in("social", "nobody")


def test_a_client_that_the_network_does_not_know_is_told_so_by_http_200(bridge, browser):
    with UserPool() as pool:
        pool.create_identity_provider(bridge.identity_provider("wrong-secret"))
        start = pool.authorize("Bank")
        passage = pass_through(bridge, browser, start, until=pool.redirect_uri, user="octocat")
        assert passage.only("token").status == 200
        assert passage.calls == Counter(token=1)
        with pytest.raises(SignInError, match="could not be completed"):
            pool.idpresponse(passage.trip.url)
