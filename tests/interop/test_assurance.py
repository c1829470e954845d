"""Assurance against an IdP that answers whatever the person brought, and a user pool that asks for levels of its own."""

import time

import httpx
import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError, UserPool
from tests.counterparts.oidc_provider import OidcProvider, User
from tests.counterparts.oidc_provider import sign_in as sign_in_at_idp
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import sign_in_at_pool

pytestmark = pytest.mark.interop

LOW, SUBSTANTIAL, HIGH = (f"urn:nordbank:loa:{level}" for level in (1, 2, 3))
USERS = [
    User(name="none", claims={"email": "none@example.com"}),
    User(name="low", acr=LOW, amr=["pwd"]),
    User(name="substantial", acr=SUBSTANTIAL, amr=["pwd", "otp"]),
    User(name="high", acr=HIGH, amr=["hwk", "mfa"]),
]
ORDER = f"acr_order: ['{LOW}', '{SUBSTANTIAL}', '{HIGH}']"
WORDS = f"acr_map: {{standard: '{SUBSTANTIAL}', strong: '{HIGH}', strongest: '{HIGH}'}}"
LEVELS = {"Level1": "basic", "Level2": "standard", "Level3": "strong", "Level4": "strongest"}
MAPPED = "{scope: openid email, pass_through: [acr_values]}"
AT_LEAST_SUBSTANTIAL = f"{{scope: openid email, acr_values: ['{SUBSTANTIAL}'], pass_through: [acr_values]}}"
REFUSED = r"^Bank Error - access_denied assurance_not_met \(ref "


def connection(name, assurance, authorization, more="", **client):
    yaml = f"client_authentication: {{key: $key}}\nassurance: {{{assurance}}}\n{more}"
    client = {"token_endpoint_auth_signing_alg": "ES256", **client}
    return Declared(name=name, yaml=yaml, key="P-256", authorization=authorization, client=client)


CONNECTIONS = [
    connection("exact", "", f"{{scope: openid email, acr_values: ['{SUBSTANTIAL}']}}"),
    connection("ordered", ORDER, f"{{scope: openid email, acr_values: ['{SUBSTANTIAL}']}}"),
    connection("mapped", f"{ORDER}, {WORDS}", MAPPED),
    connection("mapped-exactly", WORDS, MAPPED),
    connection("mapped-above", f"{ORDER}, {WORDS}", AT_LEAST_SUBSTANTIAL),
    connection("methods", "amr: [mfa, pwd otp]", "{scope: openid email}"),
    connection("levels-in-claims", f"claims: {{acr: ['{HIGH}']}}", "{scope: openid email}"),
    connection(
        "prompted",
        "",
        "{scope: openid email, pass_through: [prompt]}",
        "id_token: {clock_skew: 0}",
        metadata={"require_auth_time": True},
    ),
]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    with (
        OidcProvider(users=USERS, acr_values=[LOW, SUBSTANTIAL, HIGH]) as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), CONNECTIONS) as bridge,
    ):
        yield bridge


@pytest.fixture
def sign_in(bridge):
    """Sign in with a new browser at a new user pool, as this person, at the level that the app asks for."""

    def sign_in(name, user, level=None):
        with UserPool() as pool, new_browser() as browser:
            pool.create_identity_provider(bridge.identity_provider(name, acr_mapping=LEVELS))
            return sign_in_at_pool(bridge, pool, browser, user, level=level)

    return sign_in


@pytest.mark.parametrize("user", ["none", "low", "high"])
def test_another_acr_than_the_one_asked_for_is_refused(sign_in, user):
    with pytest.raises(SignInError, match=REFUSED):
        sign_in("exact", user)


@pytest.mark.parametrize("name", ["exact", "ordered"])
def test_the_acr_asked_for_signs_in(sign_in, name):
    user, passage = sign_in(name, "substantial")
    assert passage.authorization.query["acr_values"] == SUBSTANTIAL
    assert user.claims["acr"] == SUBSTANTIAL


def test_a_higher_acr_signs_in_where_there_is_an_order(sign_in):
    user, passage = sign_in("ordered", "high")
    assert passage.authorization.query["acr_values"] == SUBSTANTIAL
    assert user.claims["acr"] == HIGH


@pytest.mark.parametrize("user", ["none", "low"])
def test_a_lower_acr_is_refused_for_all_the_order(sign_in, user):
    with pytest.raises(SignInError, match=REFUSED):
        sign_in("ordered", user)


@pytest.mark.parametrize(
    ("level", "asked", "user", "told"),
    [
        ("Level2", SUBSTANTIAL, "substantial", "Level2"),
        ("Level2", SUBSTANTIAL, "high", "Level3"),
        ("Level3", HIGH, "high", "Level3"),
        ("Level4", HIGH, "high", "Level4"),
        (None, None, "substantial", "Level2"),
        (None, None, "low", "Level1"),
        (None, None, "none", "Level1"),
    ],
)
def test_a_level_of_the_pool_is_mapped_up_and_what_was_reached_is_mapped_back(
    sign_in, level, asked, user, told
):
    signed_in, passage = sign_in("mapped", user, level)
    assert passage.authorization.query.get("acr_values") == asked
    assert signed_in.level == told


@pytest.mark.parametrize(
    ("name", "level", "user"),
    [
        ("mapped", "Level3", "substantial"),
        ("mapped", "Level2", "low"),
        ("mapped", "Level2", "none"),
        ("mapped-exactly", "Level2", "high"),
        ("mapped-above", "Level3", "substantial"),
        ("mapped-above", None, "low"),
    ],
)
def test_a_level_that_was_asked_for_and_not_reached_is_refused(sign_in, name, level, user):
    with pytest.raises(SignInError, match=REFUSED):
        sign_in(name, user, level)


@pytest.mark.parametrize("name", ["mapped", "mapped-above"])
def test_a_level_that_the_connection_does_not_know_is_refused_before_the_idp_is_asked(bridge, name):
    with UserPool() as pool, new_browser() as browser:
        pool.create_identity_provider(bridge.identity_provider(name, acr_mapping=LEVELS))
        bridge.op.clear_journal()
        back = browser.get(pool.authorize("Bank", level="Level1")).headers["location"]
        with pytest.raises(SignInError, match=r"^Bank Error - invalid_request acr_values asks for nothing "):
            pool.idpresponse(back)
        assert not [entry for entry in bridge.op.journal() if entry.route in {"authorization", "token"}]


@pytest.mark.parametrize("user", ["substantial", "high"])
def test_one_alternative_of_methods_was_used(sign_in, user):
    assert sign_in("methods", user)[0].claims["amr"]


@pytest.mark.parametrize("user", ["none", "low"])
def test_less_than_the_methods_demanded_is_refused(sign_in, user):
    with pytest.raises(SignInError, match=REFUSED):
        sign_in("methods", user)


def test_a_level_that_nobody_asks_for_must_hold_all_the_same(sign_in):
    user, passage = sign_in("levels-in-claims", "high")
    assert "acr_values" not in passage.authorization.query
    assert user.claims["acr"] == HIGH
    with pytest.raises(SignInError, match=REFUSED):
        sign_in("levels-in-claims", "substantial")


def test_a_new_sign_in_that_the_person_talks_the_idp_out_of_is_refused(bridge):
    with UserPool() as pool, new_browser() as browser:
        pool.create_identity_provider(bridge.identity_provider("prompted"))
        sign_in_at_pool(bridge, pool, browser, "high")
        time.sleep(1.1)  # auth_time is in whole seconds
        to_idp = httpx.URL(browser.get(pool.authorize("Bank", prompt="login")).headers["location"])
        assert to_idp.params["prompt"] == "login"
        back = browser.send(sign_in_at_idp(browser, str(to_idp.copy_remove_param("prompt")), "high"))
        with pytest.raises(SignInError, match=REFUSED):
            pool.idpresponse(back.headers["location"])
        user, _ = sign_in_at_pool(bridge, pool, browser, "high", prompt="login")
    assert user.claims["auth_time"]
