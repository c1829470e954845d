import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbridge.errors import ConfigurationError, OAuthError, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile
from fedbridge.rp.authorization_request import OWN, build_authorization_request, code_challenge
from tests.unit.rp.idp import CALLBACK, ISSUER, STATE, FakeIdp, connection

RANDOM = re.compile(r"[A-Za-z0-9]{43}")
BASE = {
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
}


def build(endpoint=f"{ISSUER}/authorize", parameters=None, **profile):
    return build_at(connection(authorization=AuthorizationRequestProfile(**profile)), parameters, endpoint)


def build_at(at, parameters=None, endpoint=f"{ISSUER}/authorize"):
    idp = FakeIdp()
    context = idp.context(at, authorization_endpoint=endpoint)
    redirect = build_authorization_request(
        context, idp.jwks(context), state=STATE, callback_url=CALLBACK, parameters=parameters or {}
    )
    assert idp.http.sent == []
    pairs = parse_qsl(urlsplit(redirect.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return redirect, dict(pairs)


def test_the_request_carries_what_the_profile_says_and_nothing_else():
    redirect, sent = build(scope="openid email")
    assert redirect.url.startswith("https://idp.example/authorize?response_type=code&client_id=bridge&")
    assert sent.keys() == BASE
    assert sent["redirect_uri"] == CALLBACK
    assert sent["scope"] == "openid email"
    assert sent["state"] == STATE
    assert sent["nonce"] == redirect.remembered["nonce"]
    assert sent["code_challenge"] == code_challenge(redirect.remembered["code_verifier"])
    assert sent["code_challenge_method"] == "S256"
    assert redirect.remembered.keys() == {"nonce", "code_verifier"}


def test_pkce_off_leaves_every_trace_of_it_out():
    """FranceConnect and ProConnect refuse parameters that they do not know."""
    redirect, sent = build(pkce="off")
    assert sent.keys() == BASE - {"code_challenge", "code_challenge_method"}
    assert redirect.remembered.keys() == {"nonce"}


def test_random_values_are_new_in_every_request_and_fit_every_idp():
    drawn = [value for _ in range(100) for value in build()[0].remembered.values()]
    assert len(set(drawn)) == 200
    assert all(RANDOM.fullmatch(value) for value in drawn)


def test_the_challenge_is_rfc_7636s():
    """The example of RFC 7636, appendix B."""
    assert (
        code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_blanks_and_reserved_characters_are_percent_encoded():
    redirect, sent = build(scope="openid a+b", parameters={"login_hint": "ana&x=1 é/?#"})
    assert "scope=openid%20a%2Bb&" in redirect.url
    assert "login_hint=ana%26x%3D1%20%C3%A9%2F%3F%23" in redirect.url
    assert sent["login_hint"] == "ana&x=1 é/?#"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_value_arrives_whole_and_alone(value):
    _, sent = build(parameters={"login_hint": value})
    assert sent["login_hint"] == value
    assert sent.keys() == BASE | {"login_hint"}


@pytest.mark.parametrize(
    ("endpoint", "begins"),
    [
        ("https://idp.example/a?p=policy", "https://idp.example/a?p=policy&response_type=code&"),
        ("https://idp.example/a?", "https://idp.example/a?response_type=code&"),
        ("https://idp.example/a?p=a%26b", "https://idp.example/a?p=a%26b&response_type=code&"),
    ],
)
def test_the_endpoints_own_query_is_kept(endpoint, begins):
    assert build(endpoint)[0].url.startswith(begins)


@pytest.mark.parametrize("query", ["client_id=other", "state=", "nonce", "%73tate=x", "login_hint=eve"])
def test_no_parameter_stands_there_twice(query):
    with pytest.raises(UpstreamError) as failure:
        build(f"{ISSUER}/authorize?{query}", {"login_hint": "ana"})
    assert failure.value.reason == "authorization_endpoint_query_conflict"


def test_fixed_parameters_and_response_mode_travel():
    _, sent = build(response_mode="form_post", acr_values=("high", "low"), parameters={})
    assert sent["response_mode"] == "form_post"
    assert sent["acr_values"] == "high low"


def test_only_what_the_profile_names_passes_through():
    asked = {
        "login_hint": "ana",
        "prompt": "login",
        "max_age": "60",
        "ui_locales": "fr",
        "claims": "{}",
        "x": "1",
    }
    _, sent = build(parameters=asked)
    assert sent.keys() == BASE | {"login_hint", "prompt", "max_age"}
    _, sent = build(parameters=asked, pass_through=())
    assert sent.keys() == BASE


def build_fixed(fixed, parameters=None, **profile):
    fixing = AuthorizationRequestProfile(parameters=fixed, **profile)
    return build_at(connection(authorization=fixing), parameters)


def test_what_the_connection_fixes_goes_before_what_an_app_asks():
    _, sent = build_fixed({"prompt": "select_account", "ui_locales": "en"}, {"prompt": "none"})
    assert (sent["prompt"], sent["ui_locales"]) == ("select_account", "en")


@pytest.mark.parametrize("name", sorted(OWN))
def test_nobody_sets_what_only_the_bridge_sets(name):
    with pytest.raises(ConfigurationError, match=name):
        build_fixed({name: "x"})
    redirect, sent = build_fixed({}, {name: "x"}, pass_through=(name,))
    assert sent.get(name) != "x"
    assert redirect.remembered["nonce"] == sent["nonce"]


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\x00b", "\x7f", "\x1b[0m"])
def test_control_characters_do_not_pass(value):
    with pytest.raises(OAuthError) as failure:
        build(parameters={"login_hint": value})
    assert (failure.value.error, failure.value.reason) == ("invalid_request", "parameter_malformed")
    assert value not in failure.value.description


def test_an_app_may_narrow_what_the_connection_demands():
    redirect, sent = build(
        acr_values=("substantial", "high"),
        pass_through=("acr_values",),
        parameters={"acr_values": "high low"},
    )
    assert sent["acr_values"] == redirect.remembered["acr_values"] == "high"


def test_an_app_cannot_ask_for_what_the_connection_does_not_offer():
    with pytest.raises(OAuthError) as failure:
        build(acr_values=("high",), pass_through=("acr_values",), parameters={"acr_values": "low"})
    assert (failure.value.error, failure.value.reason) == ("invalid_request", "acr_values_not_offered")


@pytest.mark.parametrize(
    ("fixed", "asked", "sent"), [("600", "60", "60"), ("60", "600", "60"), ("9", "10", "9")]
)
def test_the_shorter_max_age_is_sent_and_remembered(fixed, asked, sent):
    redirect, parameters = build_fixed({"max_age": fixed}, {"max_age": asked})
    assert parameters["max_age"] == redirect.remembered["max_age"] == sent


@pytest.mark.parametrize("source", ["connection", "app"])
def test_every_assurance_that_is_asked_for_is_remembered(source):
    asked = {
        "acr_values": "high low",
        "max_age": "60",
        "vtr": '["P2.Cl.Cm"]',
        "claims": '{"id_token":{"acr":{"essential":true,"values":["high"]}}}',
    }
    redirect, sent = (
        build_fixed(asked) if source == "connection" else build_fixed({}, asked, pass_through=tuple(asked))
    )
    assert {name: sent[name] for name in asked} == asked
    assert redirect.remembered | {"nonce": "", "code_verifier": ""} == {
        "nonce": "",
        "code_verifier": "",
        "acr_values": "high low",
        "max_age": "60",
        "vtr": '["P2.Cl.Cm"]',
        "acr_claim": '["high"]',
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_age", "-1"),
        ("max_age", "NaN"),
        ("max_age", "1" * 10),
        ("max_age", "٣"),
        ("claims", "{"),
        ("claims", "[" * 10_000),
        ("claims", '{"id_token":{"acr":{"values":"high"}}}'),
        ("claims", '{"id_token":{"acr":{"values":[]}}}'),
        ("claims", '{"id_token":{"acr":{"value":7}}}'),
        ("claims", '{"id_token":[]}'),
        ("claims", "7"),
        ("vtr", "P2"),
        ("vtr", "[]"),
        ("vtr", '"P2"'),
        ("vtr", "[7]"),
        ("vtr", '[""]'),
    ],
)
def test_what_could_not_be_checked_afterwards_is_not_asked(name, value):
    with pytest.raises(OAuthError) as failure:
        build_fixed({}, {name: value}, pass_through=(name,))
    assert (failure.value.error, failure.value.reason) == ("invalid_request", "parameter_malformed")
    with pytest.raises(ConfigurationError, match=name):
        build_fixed({name: value})
