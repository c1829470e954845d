"""What a sign-in may look like on either side: how Cognito is configured, and how the IdP wants to be asked."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError, UserPool
from tests.counterparts.ministack import MiniStack
from tests.counterparts.oidc_provider import ALICE, OidcProvider, User
from tests.counterparts.openid_client import OpenidClientError
from tests.interop.bridge import CUSTOM_DOMAIN, REDIRECT_URIS, Declared, running_bridge
from tests.interop.passage import COLD, WARM, pass_through, sign_in_at_openid_client, sign_in_at_pool

pytestmark = pytest.mark.interop

LOA = "urn:nordbank:loa:3"
BOB = User(name="bob", sub="bob.4712", claims={"email": "bob@example.com", "email_verified": False})
"""Without an acr, and with a subject that a pool which ignores case can tell from others."""

FULL_NAME = "join(' ', [given_name, family_name])"


def connection(name, more="", *, authorization="{scope: openid email profile groups}", **others):
    client = {"token_endpoint_auth_signing_alg": "ES256", **others.pop("client", {})}
    yaml = f"client_authentication: {{key: $key}}\n{more}"
    return Declared(name=name, yaml=yaml, key="P-256", authorization=authorization, client=client, **others)


CONNECTIONS = [
    connection("bank"),
    connection("cold"),
    connection("raw", "subject: raw"),
    connection("raw-with-capitals", "subject: raw\ncase_sensitive_pool: true"),
    connection("groups-list", "claims: {email: email, groups: groups}"),
    connection("groups-joined", "claims: {groups: {value: groups, type: joined, separator: ';'}}"),
    connection(
        "mapped",
        f'claims: {{id: upstream_sub, idp: upstream_iss, who: "{FULL_NAME}", tier: {{constant: gold}},'
        " email: {value: email, required: true}}",
    ),
    connection("userinfo-post", "userinfo: {method: POST}"),
    connection("no-userinfo", "userinfo: {method: none}"),
    connection("form-post", authorization="{scope: openid email, response_mode: form_post}"),
    connection("assured", authorization=f"{{scope: openid email, acr_values: ['{LOA}']}}"),
    connection(
        "relay",
        "tokens: relay\nid_token: {algorithms: [ES256]}",
        client_id="app-client",
        relying_party_id="app-client",
        client={"id_token_signed_response_alg": "ES256"},
    ),
]


@pytest.fixture(scope="module")
def emulator():
    with MiniStack() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    with (
        OidcProvider(users=[ALICE, BOB], acr_values=[LOA]) as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), CONNECTIONS) as bridge,
    ):
        yield bridge


@pytest.fixture
def sign_in(bridge):
    """Sign in with a new browser at a new user pool; `pool` and `provider` configure it, `asked` is what the app asks."""

    def sign_in(name, user="alice", *, pool=None, asked=None, **provider):
        with UserPool(**(pool or {})) as made, new_browser() as browser:
            made.create_identity_provider(bridge.identity_provider(name, **provider))
            return sign_in_at_pool(bridge, made, browser, user, **(asked or {}))

    return sign_in


# --- what is called -----------------------------------------------------------------------------------------------


def test_the_first_sign_in_asks_for_everything_once_and_a_later_one_for_nothing_known(sign_in):
    assert [sign_in("cold", user)[1].calls for user in ("alice", "alice", "bob")] == [COLD, WARM, WARM]


def test_each_sign_in_has_a_state_a_nonce_and_a_verifier_of_its_own(sign_in):
    passages = [sign_in("bank")[1] for _ in range(3)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({passage.authorization.query[name] for passage in passages}) == 3
    assert len({passage.only("token").form["code_verifier"] for passage in passages}) == 3


# --- how Cognito is configured ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state_format", ["2025", "2020", "longest"])
def test_every_state_that_cognito_makes_comes_back_and_goes_nowhere_else(sign_in, state_format):
    _, passage = sign_in("bank", pool={"state_format": state_format})
    state = passage.trip.responses[0].request.url.params["state"]
    assert passage.trip.next_request.url.params["state"] == state
    seen_upstream = [value for entry in passage.upstream for _, value in entry.query_pairs]
    assert state not in seen_upstream


def test_a_pool_with_manual_endpoints(bridge, sign_in):
    user, _ = sign_in("bank", endpoints=bridge.endpoints("bank"))
    assert user.attributes["email"] == "alice@example.com"


def test_a_pool_with_a_custom_domain(sign_in):
    _, passage = sign_in("bank", pool={"domain": CUSTOM_DOMAIN})
    assert passage.trip.url.startswith(f"{CUSTOM_DOMAIN}/oauth2/idpresponse?")


@pytest.mark.parametrize("post_token_in", ["header", "body"])
def test_a_pool_that_posts_to_userinfo(sign_in, post_token_in):
    user, _ = sign_in("bank", attributes_request_method="POST", post_token_in=post_token_in)
    assert user.userinfo["email"] == "alice@example.com"


@pytest.mark.ministack
def test_the_emulator_s_user_pool(bridge, emulator):
    pool = emulator.create_federated_pool(bridge.identity_provider("bank"), domain="acme")
    assert pool.redirect_uri in REDIRECT_URIS
    with new_browser(origins=pool.origins) as browser:
        signed_in = pool.sign_in(browser)
    assert signed_in.claims["email"] == "alice@example.com"
    assert signed_in.claims["cognito:username"].startswith("Bank_")


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
@pytest.mark.parametrize(
    "checks", [{}, {"pkce": True}, {"nonce": True}, {"pkce": True, "nonce": True}], ids=str
)
def test_a_relying_party_with_pkce_and_nonce_of_its_own(bridge, openid_client, browser, method, checks):
    rp = bridge.relying_party("bank", method=method, **checks)
    signed_in, passage = sign_in_at_openid_client(bridge, openid_client, browser, rp)
    asked = passage.trip.responses[0].request.url.params
    assert ("nonce" in asked, "code_challenge" in asked) == ("nonce" in checks, "pkce" in checks)
    assert signed_in.claims.get("nonce") == asked.get("nonce")
    for name in ("nonce", "code_challenge"):
        assert passage.authorization.query[name] != asked.get(name)


def test_a_code_is_worth_nothing_without_the_verifier_of_who_began(bridge, openid_client, browser):
    rp = bridge.relying_party("bank", pkce=True)
    request, other = openid_client.authorization_url(rp), openid_client.authorization_url(rp)
    passage = pass_through(bridge, browser, request.url, until=rp.redirect_uri)
    stolen = replace(request, code_verifier=other.code_verifier)
    with pytest.raises(OpenidClientError) as caught:
        openid_client.callback(rp, stolen, passage.trip.next_request)
    assert (caught.value.error, caught.value.status) == ("invalid_grant", 400)


def test_what_the_app_passes_on_reaches_the_idp(sign_in):
    _, passage = sign_in("bank", asked={"login_hint": "alice", "prompt": "login"})
    query = passage.authorization.query
    assert (query["login_hint"], query["prompt"]) == ("alice", "login")


# --- how the IdP wants to be asked --------------------------------------------------------------------------------


def test_userinfo_by_post(sign_in):
    user, passage = sign_in("userinfo-post")
    request = passage.only("userinfo")
    assert (request.method, request.form, request.query) == ("POST", {}, {})
    assert request.headers["authorization"].startswith("Bearer ")
    assert user.attributes["email"] == "alice@example.com"


def test_no_userinfo(sign_in):
    user, passage = sign_in("no-userinfo")
    assert passage.calls == COLD - Counter(userinfo=1)
    assert user.attributes == {}


def test_form_post(sign_in):
    user, passage = sign_in("form-post")
    assert passage.authorization.query["response_mode"] == "form_post"
    *_, page, answer = passage.trip.responses
    assert (answer.request.method, answer.request.url.query, answer.status_code) == ("POST", b"", 303)
    assert page.url.host != answer.request.url.host
    assert user.attributes["email"] == "alice@example.com"


def test_the_assurance_asked_for_reaches_cognito(sign_in):
    user, passage = sign_in("assured")
    assert passage.authorization.query["acr_values"] == LOA
    assert (user.claims["acr"], user.claims["amr"]) == (LOA, ["pwd", "otp"])


def test_a_person_without_the_assurance_asked_for_is_refused(sign_in):
    with pytest.raises(SignInError, match=r"^Bank Error - access_denied assurance_not_met "):
        sign_in("assured", "bob")


# --- what reaches the user pool -----------------------------------------------------------------------------------


def test_a_hashed_subject_is_the_same_at_every_sign_in_and_another_at_every_connection(sign_in):
    names = [sign_in(*who)[0].username for who in [("bank",), ("bank",), ("bank", "bob"), ("assured",)]]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert all(len(name) == len("bank_") + 64 and name == name.lower() for name in names)


def test_a_raw_subject_is_the_idp_s(sign_in):
    assert sign_in("raw", "bob")[0].username == f"bank_{BOB.sub}"
    assert sign_in("raw-with-capitals", pool={"case_sensitive": True})[0].username == f"Bank_{ALICE.sub}"


def test_a_raw_subject_that_a_pool_might_mistake_for_another_is_refused(sign_in):
    with pytest.raises(
        SignInError, match=r"^Bank Error - server_error The subject of this user cannot become"
    ):
        sign_in("raw", "alice")


def test_groups_as_a_list_and_joined(sign_in):
    mapping = {"attribute_mapping": {"custom:groups": "groups"}}
    assert sign_in("groups-list", **mapping)[0].attributes == {
        "custom:groups": "[treasury,approvers%2C+senior]"
    }
    assert sign_in("groups-joined", **mapping)[0].attributes == {
        "custom:groups": "treasury;approvers, senior"
    }


def test_a_mapping_decides_what_cognito_gets(bridge, sign_in):
    user, _ = sign_in("mapped")
    mapped = {
        "id": ALICE.sub,
        "idp": bridge.op.issuer,
        "who": "Alice Möller",
        "tier": "gold",
        "email": "alice@example.com",
        "email_verified": True,
    }
    assert user.userinfo == {**mapped, "sub": user.claims["sub"]}
    assert mapped.items() <= user.claims.items()


def test_relay_hands_the_idp_s_own_token_through(bridge, sign_in, browser):
    endpoints = replace(bridge.endpoints("relay"), jwks_uri=bridge.op.endpoint("jwks"))
    mapping = {"email": "email", "custom:id_token": "id_token"}
    user, passage = sign_in(
        "relay", "bob", oidc_issuer=bridge.op.issuer, endpoints=endpoints, attribute_mapping=mapping
    )
    assert user.claims["iss"] == bridge.op.issuer
    assert user.claims["aud"] == "app-client"
    assert user.claims["nonce"] == passage.authorization.query["nonce"]
    assert f'"id_token":"{user.attributes["custom:id_token"]}"' in str(passage.only("token").answer)
    assert user.username == f"bank_{BOB.sub}"
    assert user.attributes["email"] == "bob@example.com"
    for document in ("openid-configuration", "jwks.json"):
        assert browser.get(f"{bridge.issuer('relay')}/.well-known/{document}").status_code == 404


# --- behind a REST API --------------------------------------------------------------------------------------------


def test_the_same_functions_sign_in_behind_a_rest_api(tmp_path, openid_client, browser):
    declared = [
        connection("bank"),
        connection("form-post", authorization="{scope: openid email, response_mode: form_post}"),
    ]
    with OidcProvider() as op, running_bridge(op, tmp_path, declared, payload="1.0") as bridge:
        assert bridge.url.endswith("/prod")
        for name in bridge.connections:
            rp = bridge.relying_party(name, method="client_secret_basic", pkce=True, nonce=True)
            signed_in, passage = sign_in_at_openid_client(bridge, openid_client, browser, rp)
            assert signed_in.userinfo["email"] == "alice@example.com"
            assert passage.calls == COLD
