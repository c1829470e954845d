"""Case 99, the half on assurance, for every mechanism, through the handlers: what was asked for and not given.

Nobody weaker than asked gets a code: the browser goes back to Cognito with `access_denied` and `assurance_not_met`, and
the same person, signed in as strongly as asked, gets through. Case 9 is about asking in a way that could not be checked.
"""

import pytest

from fedbridge.model.connection import AuthorizationRequestProfile
from fedbridge.model.policies import AssurancePolicy
from tests.support.bridge import id_token_claims
from tests.support.gateway import Gateway, Visitor, assert_sent_back
from tests.unit.rp.idp import NOW, FakeIdp

ORDER = ("low", "substantial", "high")
SECURITY_LEVEL = "helseid://claims/identity/security_level"
ASKS_FOR_HIGH = '{"id_token":{"acr":{"essential":true,"values":["high"]}}}'
AUTH_TIME = '{"id_token":{"auth_time":{"essential":true}}}'
TRUSTMARK = "https://idp.example/trustmark"


def gateway(claims, *, pass_through=("acr_values", "max_age", "prompt"), assurance=None, **authorization):
    """Return a gateway whose IdP answers with `claims`; mended, it answers with what every mechanism here demands."""
    idp = FakeIdp(claims=claims)
    idp.clock.now = NOW
    made = Gateway()
    made.bridge.clock.now = NOW
    made.connect(
        idp,
        authorization=AuthorizationRequestProfile(pass_through=pass_through, **authorization),
        assurance=AssurancePolicy(**(assurance or {})),
    )
    return made


def downgrade(claims, met, reason, *, asked=None, **connection):
    """Expect a refusal of `claims`, and that whoever brings `met` besides is let in."""
    made = gateway(claims, **connection)
    browser = Visitor(made)
    answer = browser.callback(browser.start(**(asked or {})))
    assert answer.location["error_description"].startswith("assurance_not_met (ref ")

    def mend():
        made.idp.claims = claims | met

    made.mend = mend
    assert_sent_back(made, answer, "access_denied", reason)
    again = browser.callback(browser.start(**(asked or {})))
    assert "code" in again.location


ACR = "id_token_acr_unmet"
VOT = "id_token_vot_unmet"
CLAIM = "id_token_assurance_claim_unmet"
AMR = "id_token_amr_unmet"
ABSENT = "id_token_auth_time_missing"
UNMET = "id_token_auth_time_unmet"


@pytest.mark.parametrize(
    ("given", "asked_for", "met", "reason"),
    [
        pytest.param({"acr": "low"}, {"acr_values": ("high",)}, {"acr": "high"}, ACR, id="acr_values"),
        pytest.param({}, {"acr_values": ("high",)}, {"acr": "high"}, ACR, id="acr_values, no answer"),
        pytest.param(
            {"acr": ["high"]}, {"acr_values": ("high",)}, {"acr": "high"}, ACR, id="acr_values, a list"
        ),
        pytest.param(
            {"acr": "substantial"}, {"parameters": {"claims": ASKS_FOR_HIGH}}, {"acr": "high"}, ACR, id="claims"
        ),
        pytest.param(
            {"vot": "Cl"}, {"parameters": {"vtr": '["Cl.Cm"]'}}, {"vot": "Cl.Cm"}, VOT, id="vtr"
        ),
        pytest.param({}, {"parameters": {"vtr": '["Cl.Cm"]'}}, {"vot": "Cm.Cl"}, VOT, id="vtr, no answer"),
        pytest.param(
            {"auth_time": NOW - 361}, {"parameters": {"max_age": "300"}}, {"auth_time": NOW}, UNMET, id="max_age"
        ),
        pytest.param(
            {}, {"parameters": {"max_age": "300"}}, {"auth_time": NOW}, ABSENT, id="max_age, no answer"
        ),
        pytest.param(
            {}, {"parameters": {"claims": AUTH_TIME}}, {"auth_time": NOW - 9999}, ABSENT, id="auth_time"
        ),
    ],
)  # fmt: skip
def test_case_99_what_the_connection_asked_for(given, asked_for, met, reason):
    downgrade(given, met, reason, **asked_for)


@pytest.mark.parametrize(
    ("given", "assurance", "met", "reason"),
    [
        pytest.param({"vtm": "https://evil.example/"}, {"vtm": TRUSTMARK}, {"vtm": TRUSTMARK},
                     "id_token_vtm_unmet", id="vtm"),
        pytest.param({}, {"vtm": TRUSTMARK}, {"vtm": TRUSTMARK}, "id_token_vtm_unmet", id="vtm, no answer"),
        pytest.param({"loa": "low"}, {"claims": {"loa": ("substantial", "high")}}, {"loa": "high"}, CLAIM, id="loa"),
        pytest.param({SECURITY_LEVEL: 3}, {"claims": {SECURITY_LEVEL: ("4",)}}, {SECURITY_LEVEL: "4"}, CLAIM,
                     id="security_level"),
        pytest.param({SECURITY_LEVEL: ["4"]}, {"claims": {SECURITY_LEVEL: ("4",)}}, {SECURITY_LEVEL: 4}, CLAIM,
                     id="security_level, a list"),
        pytest.param({}, {"claims": {"authenticationtype": ("mitid",)}}, {"authenticationtype": "mitid"}, CLAIM,
                     id="authenticationtype, no answer"),
        pytest.param({"amr": ["pwd"]}, {"amr": ("mfa", "pwd otp")}, {"amr": ["otp", "pwd"]}, AMR, id="amr"),
        pytest.param({"amr": "mfa"}, {"amr": ("mfa",)}, {"amr": ["mfa"]}, AMR, id="amr, no list"),
    ],
)  # fmt: skip
def test_case_99_what_must_hold_whatever_is_asked(given, assurance, met, reason):
    downgrade(given, met, reason, assurance=assurance)


@pytest.mark.parametrize(
    ("given", "asked", "connection", "met", "reason"),
    [
        pytest.param({"acr": "low"}, {"acr_values": "high"}, {}, {"acr": "high"}, ACR, id="acr_values"),
        pytest.param({"acr": "high"}, {"acr_values": "strong"}, {"assurance": {"acr_map": {"strong": "higher"}}},
                     {"acr": "higher"}, ACR, id="acr_values, mapped"),
        pytest.param({"acr": "strong"}, {"acr_values": "strong"}, {"assurance": {"acr_map": {"strong": "high"}}},
                     {"acr": "high"}, ACR, id="acr_values, the app's own word"),
        pytest.param({"acr": "substantial"}, {"acr_values": "high"},
                     {"assurance": {"acr_order": ORDER}, "acr_values": ("substantial",)}, {"acr": "high"}, ACR,
                     id="acr_values, above what the connection demands"),
        pytest.param({"acr": "low"}, {"acr_values": "low"},
                     {"assurance": {"acr_order": ORDER}, "acr_values": ("substantial",)}, {"acr": "high"}, ACR,
                     id="acr_values, below what the connection demands"),
        pytest.param({"auth_time": NOW - 121}, {"max_age": "60"}, {}, {"auth_time": NOW}, UNMET, id="max_age"),
        pytest.param({"auth_time": NOW - 121}, {"max_age": "9999"}, {"parameters": {"max_age": "60"}},
                     {"auth_time": NOW}, UNMET, id="max_age, above what the connection demands"),
        pytest.param({"auth_time": NOW - 61}, {"prompt": "login"}, {}, {"auth_time": NOW},
                     "id_token_prompt_login_unmet", id="prompt"),
    ],
)  # fmt: skip
def test_case_99_what_an_app_asked_for_through_cognito(given, asked, connection, met, reason):
    downgrade(given, met, reason, asked=asked, **connection)


@pytest.mark.parametrize("acr", ["low", "highest", "HIGH", "", None, 3])
def test_case_99_an_acr_below_or_outside_of_the_order(acr):
    downgrade({"acr": acr}, {"acr": "high"}, ACR, acr_values=("substantial",), assurance={"acr_order": ORDER})


@pytest.mark.parametrize("vot", ["Cl", "Cl.Cm.P0", "P2", "Cl.Cm.Ck"])
def test_case_99_a_credential_weaker_than_asked_for(vot):
    downgrade(
        {"vot": vot},
        {"vot": "Cl.Cm"},
        VOT,
        parameters={"vtr": '["Cl.Cm.P2"]'},
        assurance={"vot": "credential"},
    )


def test_case_99_a_new_sign_in_that_the_person_took_out_of_the_url():
    """The trip began at NOW, the person lingers, and the IdP answers from the session of an hour before."""
    made = gateway({"auth_time": NOW - 3600})
    browser = Visitor(made)
    state = browser.start(prompt="login")
    made.bridge.clock.now = made.idp.clock.now = NOW + 200
    answer = browser.callback(state)
    assert_sent_back(made, answer, "access_denied", "id_token_prompt_login_unmet")
    made.idp.claims = {"auth_time": NOW + 210}
    state = browser.start(prompt="login")
    assert "code" in browser.callback(state).location


@pytest.mark.parametrize(
    ("connection", "prompt", "reason"),
    [
        ({"pass_through": ()}, "login", "prompt_login"),
        ({"pass_through": ()}, "consent login", "prompt_login"),
        ({"parameters": {"prompt": "select_account"}}, "login", "prompt_login"),
        ({"parameters": {"prompt": "login"}}, "none", "prompt_none"),
        ({"allowed_parameters": ("client_id",)}, "login", "prompt_login"),
    ],
)
def test_case_9_a_prompt_that_the_idp_would_not_be_told(connection, prompt, reason):
    """An app that wants the person to sign in anew must not get the session of an hour ago, because it was not asked for."""
    made = gateway({"acr": "high"}, **connection)
    answer = Visitor(made).authorize(prompt=prompt)
    made.mend = lambda: made.connect(made.idp)
    assert_sent_back(made, answer, "login_required", reason)


def test_case_9_a_prompt_that_the_connection_fixes_anyway():
    made = gateway({}, pass_through=(), parameters={"prompt": "login consent"})
    assert Visitor(made).authorize(prompt="login").location["prompt"] == "login consent"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"max_age": "-1"}, "max_age_malformed"),
        ({"max_age": "NaN"}, "max_age_malformed"),
        ({"max_age": "1" + "0" * 30}, "max_age_malformed"),
        ({"claims": "{"}, "parameter_malformed"),
        ({"claims": '{"id_token":{"acr":{"values":"high"}}}'}, "parameter_malformed"),
        ({"claims": '{"id_token":{"loa":{"essential":true,"value":"4"}}}'}, "parameter_malformed"),
        ({"claims": '{"userinfo":{"acr":{"values":["high"]}}}'}, "parameter_malformed"),
        ({"claims": "[" * 2049}, "parameter_unusable"),
        ({"claims": '{"a":' * 300 + "1" + "}" * 300}, "parameter_malformed"),
        ({"vtr": "P9.Cm"}, "parameter_malformed"),
        ({"acr_values": "unheard-of"}, "acr_values_not_offered"),
        ({"acr_values": " "}, "acr_values_not_offered"),
    ],
)
def test_case_9_assurance_that_could_not_be_checked_is_not_asked_for(parameters, reason):
    made = gateway(
        {"acr": "high"},
        pass_through=("acr_values", "max_age", "claims", "vtr"),
        assurance={"acr_map": {"strong": "high"}},
    )
    answer = Visitor(made).authorize(**parameters)
    assert_sent_back(made, answer, "invalid_request", reason)


@pytest.mark.parametrize(
    ("asked", "sent", "answered", "told"),
    [
        ("strong", "high", "high", "strong"),
        ("strongest", "high", "high", "strongest"),
        ("medium", "substantial", "high", "strong"),
        ("medium", "substantial", "substantial", "medium"),
        ("medium strong", "substantial high", "high", "strong"),
        (None, None, "low", "low"),
    ],
)
def test_case_99_the_good_twin_is_told_to_cognito_in_the_words_of_the_app(asked, sent, answered, told):
    acr_map = {"strongest": "high", "strong": "high", "medium": "substantial"}
    made = gateway({"acr": answered}, assurance={"acr_map": acr_map, "acr_order": ORDER})
    browser = Visitor(made)
    leaves = browser.authorize(acr_values=asked)
    assert leaves.location.get("acr_values") == sent
    back = browser.callback(leaves.location["state"])
    tokens = made.redeem(back.location["code"])
    claims = id_token_claims(tokens.json["id_token"])
    assert claims["acr"] == told
