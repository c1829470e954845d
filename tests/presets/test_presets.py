"""Every preset against its facts: what is sent, what is accepted, what is refused, and what Cognito would receive."""

import re
from dataclasses import replace

import pytest

from fedbridge.configuration.presets import preset_names
from fedbridge.errors import ConfigurationError, OAuthError, UpstreamError
from tests.presets import government
from tests.presets.every import ALL
from tests.unit.rp.idp import NOW

ALGORITHMS = ("none", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256")
ENCRYPTION = [
    (alg, enc)
    for alg in ("RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")
    for enc in ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
]
"""What a provider could send instead of what it says."""

every = pytest.mark.parametrize("facts", ALL, ids=str)


def only(condition):
    found = [facts for facts in ALL if condition(facts)]
    return pytest.mark.parametrize("facts", found, ids=str)


def test_every_preset_has_its_facts():
    assert sorted([*(facts.preset for facts in ALL), "github"]) == preset_names()


# --- what is sent ---------------------------------------------------------------------------------------------------


@every
def test_the_authorization_request_is_this_and_nothing_else(facts, idp_of):
    idp_of(facts).check_request()


@every
def test_state_and_nonce_have_the_shape_that_is_demanded(facts, idp_of):
    idp = idp_of(facts)
    idp.begin()
    least, most, alphabet = facts.random
    for value in (idp.sent["state"], idp.sent["nonce"]):
        assert least <= len(value) <= most
        assert re.fullmatch(f"{alphabet}+", value)
    assert idp.sent["state"] != idp.sent["nonce"]


@only(lambda facts: facts.allowed is not None)
def test_no_parameter_leaves_that_is_not_on_the_list(facts, idp_of):
    """Whatever an app sends through Cognito."""
    idp = idp_of(facts)
    curious = {
        "login_hint": "ana",
        "ui_locales": "fr",
        "hd": "acme",
        "locale": "fr",
        "idp_hint": "x",
        "resource": "https://a",
    }
    idp.begin(**curious)
    assert idp.sent.keys() <= facts.allowed
    assert not {"code_challenge", "code_challenge_method", "hd", "resource"} & idp.sent.keys()


@only(lambda facts: facts.max_query is not None)
def test_the_query_stays_below_the_cap(facts, idp_of):
    idp = idp_of(facts)
    assert len(idp.begin().url.partition("?")[2]) <= facts.max_query
    profile = idp.connection.authorization
    long = {**profile.parameters, "filler": "x" * facts.max_query}
    idp.connection = replace(idp.connection, authorization=replace(profile, parameters=long))
    with pytest.raises(ConfigurationError, match=r"longer than authorization\.max_query"):
        idp.begin()


@only(lambda facts: facts.proof is not None)
def test_proofs_come_with_the_servers_nonce_and_of_one_key(facts, idp_of):
    idp = idp_of(facts)
    idp.sign_in()
    places = [proof["htu"] for proof in idp.checks.proofs]
    expected = [facts.at["token_endpoint"], facts.at["userinfo_endpoint"]]
    if facts.proof.code_bound_by == "proof":
        expected.insert(0, facts.at["pushed_authorization_request_endpoint"])
    # The first call to each of the two servers meets its demand for a nonce, every later one brings it along.
    assert list(dict.fromkeys(places)) == expected
    assert len(places) == len(expected) + 2
    assert len({proof["jti"] for proof in idp.checks.proofs}) == len(places)
    assert len({proof["jkt"] for proof in idp.checks.proofs}) == 1
    if facts.proof.code_bound_by == "dpop_jkt":
        assert idp.sent["dpop_jkt"] == idp.checks.proofs[0]["jkt"]


# --- what is accepted -----------------------------------------------------------------------------------------------


@every
def test_a_sign_in_gives_cognito_these_claims(facts, idp_of):
    idp = idp_of(facts)
    identity = idp.sign_in()
    assert identity.claims == facts.received
    assert re.fullmatch("[0-9a-f]{64}", identity.subject)
    called = {request.url for request in idp.http.sent}
    assert ("userinfo_endpoint" in facts.at and facts.at["userinfo_endpoint"] in called) == bool(
        facts.userinfo_format
    )


@pytest.mark.parametrize(
    "facts,algorithm",
    [pytest.param(facts, each, id=f"{facts}: {each}") for facts in ALL for each in facts.algorithms],
)
def test_every_algorithm_that_is_offered_is_accepted(facts, algorithm, idp_of):
    idp = idp_of(facts)
    idp.algorithm = algorithm
    assert idp.sign_in().claims == facts.received


@pytest.mark.parametrize(
    "facts,pair",
    [
        pytest.param(facts, pair, id=f"{facts}: {' '.join(pair)}")
        for facts in ALL
        for pair in facts.encryption
    ],
)
def test_every_encryption_that_is_offered_is_accepted(facts, pair, idp_of):
    idp = idp_of(facts)
    idp.encryption = pair
    assert idp.sign_in().claims == facts.received


@pytest.mark.parametrize(
    "facts,form",
    [pytest.param(facts, form, id=f"{facts}: {form}") for facts in ALL for form in facts.userinfo_format],
)
def test_userinfo_comes_in_every_form_that_is_offered(facts, form, idp_of):
    idp = idp_of(facts)
    idp.userinfo_format = form
    assert idp.sign_in().claims == facts.received


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(idp):
    redirect = idp.begin()
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect)
    return failure.value.reason


@every
def test_an_id_token_of_another_algorithm_is_refused(facts, idp_of):
    for algorithm in ALGORITHMS:
        if algorithm not in facts.algorithms:
            idp = idp_of(facts)
            idp.algorithm = algorithm
            reason = refused(idp)
            # An encrypted one is opened first, and "none" is then no signed token at all.
            unsigned = algorithm == "none" and facts.encryption
            assert reason == ("id_token_not_signed" if unsigned else "id_token_algorithm_refused"), algorithm


@only(lambda facts: facts.encryption)
def test_a_plain_id_token_is_refused_where_it_must_be_encrypted(facts, idp_of):
    idp = idp_of(facts)
    idp.encryption = None
    assert refused(idp) == "id_token_not_encrypted"


@only(lambda facts: facts.encryption)
def test_an_id_token_in_other_encryption_is_refused(facts, idp_of):
    others = [pair for pair in ENCRYPTION if pair not in facts.encryption]
    assert others
    for pair in others:
        idp = idp_of(facts)
        idp.encryption = pair
        assert refused(idp) == "id_token_encryption_algorithm_refused", pair


@only(lambda facts: not facts.encryption)
def test_an_encrypted_id_token_is_refused_where_there_is_no_key(facts, idp_of):
    idp = idp_of(facts)
    idp.encryption = ("RSA-OAEP-256", "A256GCM")
    assert refused(idp) == "id_token_encrypted"


@every
@pytest.mark.parametrize(
    "claims,reason",
    [
        ({"iss": "https://other.example"}, "id_token_issuer_mismatch"),
        ({"aud": "another-client"}, "id_token_audience_mismatch"),
        ({"nonce": "another"}, "id_token_nonce_mismatch"),
        ({"nonce": None}, "id_token_nonce_mismatch"),
        ({"exp": NOW - 600, "iat": NOW - 660}, "id_token_expired"),
    ],
    ids=["iss", "aud", "nonce", "no nonce", "exp"],
)
def test_an_id_token_of_another_sign_in_is_refused(facts, claims, reason, idp_of):
    idp = idp_of(facts)
    idp.id_token_claims |= claims
    assert refused(idp) == reason


@only(lambda facts: "jws" in facts.userinfo_format or "jwe" in facts.userinfo_format)
def test_userinfo_of_another_algorithm_is_refused(facts, idp_of):
    for algorithm in ALGORITHMS:
        if algorithm not in (facts.userinfo_algorithms or facts.algorithms):
            idp = idp_of(facts)
            idp.userinfo_algorithm = algorithm
            unsigned = algorithm == "none" and idp.userinfo_format == "jwe"
            reason = "userinfo_not_signed" if unsigned else "userinfo_algorithm_refused"
            assert refused(idp) == reason, algorithm


@only(lambda facts: facts.userinfo_format)
def test_userinfo_in_another_form_or_of_another_person_is_refused(facts, idp_of):
    reasons = {"json": "userinfo_not_signed", "jws": "userinfo_not_encrypted", "jwe": "userinfo_encrypted"}
    if facts.userinfo_format == ("json",):
        reasons = dict.fromkeys(reasons, "userinfo_signed_unexpected")
    for form, reason in reasons.items():
        if form not in facts.userinfo_format:
            idp = idp_of(facts)
            idp.userinfo_format = form
            assert refused(idp) == reason, form
    idp = idp_of(facts)
    idp.userinfo_claims["sub"] = "person-2"
    assert refused(idp) == "userinfo_subject_mismatch"


@pytest.mark.parametrize(
    "facts,claims",
    [
        pytest.param(facts, claims, id=f"{facts}: {claims}")
        for facts in ALL
        for claims in ({}, *facts.stronger)
        if facts.weaker
    ],
)
def test_the_level_that_was_asked_for_or_a_stronger_one_will_do(facts, claims, idp_of):
    idp = idp_of(facts)
    idp.id_token_claims |= claims
    assert idp.sign_in().claims == facts.received


@pytest.mark.parametrize(
    "facts,asked",
    [
        (government.LOGIN_GOV, "urn:acr.login.gov:verified"),
        (government.FRANCE_CONNECT, "eidas3"),
        (government.FRANCE_CONNECT_PLUS, "eidas3"),
        (government.ID_PORTEN, "idporten-loa-high"),
    ],
    ids=str,
)
def test_an_app_may_ask_for_a_stronger_level_and_is_held_to_it(facts, asked, idp_of):
    idp = idp_of(facts)
    redirect = idp.begin(acr_values=asked)
    assert idp.sent["acr_values"] == asked
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect)
    assert failure.value.reason == "id_token_acr_unmet"
    idp.id_token_claims["acr"] = asked
    assert idp.sign_in(acr_values=asked).claims == facts.received


def test_an_app_cannot_ask_for_a_weaker_one(idp_of):
    tara = idp_of(government.TARA)
    tara.begin(acr_values="low")
    assert tara.sent["acr_values"] == "high"
    # A level that the connection knows nothing of is no weaker one, and no other either.
    with pytest.raises(OAuthError) as refusal:
        idp_of(government.FRANCE_CONNECT_PLUS).begin(acr_values="eidas1")
    assert refusal.value.reason == "acr_values_not_offered"
