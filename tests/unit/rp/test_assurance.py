import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.errors import OAuthError, UpstreamError
from fedbridge.model.identity import Identity
from fedbridge.model.policies import AssurancePolicy
from fedbridge.rp.assurance import (
    UncheckableParameter,
    check_assurance,
    narrow,
    requested_assurance,
    with_acr_of_app,
)
from tests.unit.rp.idp import NOW

ORDER = ("low", "substantial", "high")


def check(asked, answered, /, **policy):
    check_assurance(AssurancePolicy(**policy), asked, answered, now=NOW, clock_skew=60)


def refused(asked, answered, /, **policy):
    with pytest.raises(UpstreamError) as failure:
        check(asked, answered, **policy)
    assert (failure.value.error, failure.value.description) == ("access_denied", "assurance_not_met")
    return failure.value.reason


def requested(parameters, asked=None, **policy):
    return requested_assurance(AssurancePolicy(**policy), parameters, asked=asked or {}, now=NOW)


def offered(asked, fixed="", **policy):
    fixed = {"acr_values": fixed} if fixed else {}
    return narrow(AssurancePolicy(**policy), fixed, {"acr_values": asked})["acr_values"]


def test_nothing_asked_nothing_checked():
    check({}, {})
    check({"nonce": "n"}, {"acr": 7, "vot": None, "auth_time": "yesterday", "amr": "pwd"})


# --- acr ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("acr", ["low", "High", "high ", "hig", "", None, 7, ["high"], {"high": 1}, True])
@pytest.mark.parametrize("order", [(), ORDER])
def test_acr_is_one_of_those_asked_for(acr, order):
    asked = {"acr_values": "substantial high"}
    check(asked, {"acr": "high"}, acr_order=order)
    assert refused(asked, {"acr": acr}, acr_order=order) == "id_token_acr_unmet"
    assert refused(asked, {}, acr_order=order) == "id_token_acr_unmet"


def test_with_an_order_a_stronger_acr_will_do_and_a_weaker_one_will_not():
    check({"acr_values": "substantial"}, {"acr": "high"}, acr_order=ORDER)
    check({"acr_values": "substantial"}, {"acr": "substantial"}, acr_order=ORDER)
    assert refused({"acr_values": "substantial"}, {"acr": "low"}, acr_order=ORDER) == "id_token_acr_unmet"
    assert refused({"acr_values": "substantial"}, {"acr": "high"}) == "id_token_acr_unmet"


def test_any_of_several_that_were_asked_for_sets_the_mark():
    check({"acr_values": "high low"}, {"acr": "substantial"}, acr_order=ORDER)


@pytest.mark.parametrize("acr", ["higher", "zzz", "", "HIGH", None])
def test_a_value_outside_of_the_order_is_above_nothing(acr):
    assert refused({"acr_values": "low"}, {"acr": acr}, acr_order=ORDER) == "id_token_acr_unmet"


def test_nothing_is_above_a_value_outside_of_the_order():
    check({"acr_values": "other"}, {"acr": "other"}, acr_order=ORDER)
    assert refused({"acr_values": "other"}, {"acr": "high"}, acr_order=ORDER) == "id_token_acr_unmet"


def test_acr_values_and_the_claims_parameter_are_both_met():
    asked = requested(
        {"acr_values": "substantial high", "claims": '{"id_token":{"acr":{"essential":true,"value":"high"}}}'}
    )
    check(asked, {"acr": "high"})
    assert refused(asked, {"acr": "substantial"}) == "id_token_acr_unmet"


def test_the_claims_parameter_knows_no_order():
    asked = requested({"claims": '{"id_token":{"acr":{"values":["low","substantial"]}}}'})
    check(asked, {"acr": "substantial"}, acr_order=ORDER)
    assert refused(asked, {"acr": "high"}, acr_order=ORDER) == "id_token_acr_unmet"


@pytest.mark.parametrize("claims", ["{}", '{"id_token":{"acr":{"essential":true}}}', '{"userinfo":{}}'])
def test_a_claims_parameter_without_acr_values_asks_for_none(claims):
    assert requested({"claims": claims}) == {}


@pytest.mark.parametrize(("name", "value"), [("max_age", "soon"), ("vtr", "Cm"), ("claims", "[]")])
def test_what_could_not_be_checked_is_not_asked(name, value):
    with pytest.raises(UncheckableParameter, match=name):
        requested({name: value})


# --- what an app may ask for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "fixed", "order", "sent"),
    [
        ("high", "", (), "high"),
        ("b a b", "", (), "b a"),
        ("high", "substantial high", (), "high"),
        ("high low", "substantial high", (), "high"),
        ("high", "substantial", ORDER, "high"),
        ("low", "substantial", ORDER, "substantial"),
        ("low high", "substantial", ORDER, "high substantial"),
        ("substantial", "low high", ORDER, "substantial high"),
    ],
)
def test_an_app_narrows_what_the_connection_demands(asked, fixed, order, sent):
    assert offered(asked, fixed, acr_order=order) == sent


@pytest.mark.parametrize(
    ("asked", "fixed", "policy"),
    [
        ("low", "substantial high", {}),
        ("high", "substantial", {}),
        (" ", "", {}),
        ("other", "substantial", {"acr_order": ORDER}),
        ("other", "", {"acr_map": {"strong": "high"}}),
        ("weak", "substantial", {"acr_map": {"weak": "low"}}),
    ],
)
def test_what_the_connection_does_not_offer_is_refused(asked, fixed, policy):
    with pytest.raises(OAuthError) as failure:
        offered(asked, fixed, **policy)
    assert (failure.value.error, failure.value.reason) == ("invalid_request", "acr_values_not_offered")


LEVELS = [*ORDER, "aal2", "other"]
"""Values in the order, and outside of it."""


@given(
    demanded=st.sets(st.sampled_from(LEVELS), min_size=1),
    asked=st.lists(st.sampled_from(LEVELS), min_size=1),
    order=st.permutations(ORDER),
)
def test_what_is_offered_is_what_both_sides_would_accept(demanded, asked, order):
    """Whoever meets the connection's demand and the app's wish meets what is sent, and nobody else does."""

    def meets(acr, values):
        try:
            check({"acr_values": " ".join(values)}, {"acr": acr}, acr_order=tuple(order))
        except UpstreamError:
            return False
        return True

    both = {acr for acr in LEVELS if meets(acr, demanded) and meets(acr, asked)}
    try:
        sent = offered(" ".join(asked), " ".join(demanded), acr_order=tuple(order)).split()
    except OAuthError:
        sent = []
    assert {acr for acr in LEVELS if meets(acr, sent)} == both


def test_words_of_an_app_are_mapped_to_the_idps():
    acr_map = {"strong": "high", "strongest": "high", "medium": "substantial"}
    assert offered("strong medium strongest", acr_map=acr_map) == "high substantial"
    assert offered("strong other", acr_map=acr_map) == "high"
    assert offered("high", acr_map=acr_map) == "high"
    assert offered("strong", "substantial", acr_map=acr_map, acr_order=ORDER) == "high"


def test_max_age_only_gets_shorter():
    policy = AssurancePolicy()
    assert narrow(policy, {"max_age": "60"}, {"max_age": "300"}) == {"max_age": "60"}
    assert narrow(policy, {"max_age": "60"}, {"max_age": "9"}) == {"max_age": "9"}
    assert narrow(policy, {"max_age": "60"}, {"max_age": "soon"}) == {}
    assert narrow(policy, {}, {"max_age": "60"}) == {}


# --- what an app is told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("acr", "asked", "told"),
    [
        ("high", "strong", "strong"),
        ("high", "strongest", "strongest"),
        ("high", "strongest strong", "strongest"),
        ("high", "medium", "strong"),
        ("high", "high", "high"),
        ("high", "", "strong"),
        ("substantial", "strong", "medium"),
        ("low", "medium", "low"),
        ("unheard-of", "medium", "unheard-of"),
        ("medium", "medium", None),
        (None, "medium", None),
    ],
)
def test_the_very_value_that_was_reached_is_mapped_back(acr, asked, told):
    acr_map = {"strongest": "high", "strong": "high", "medium": "substantial"}
    remembered = requested({}, {"acr_values": asked} if asked else {}, acr_map=acr_map)
    identity = with_acr_of_app(
        AssurancePolicy(acr_map=acr_map), remembered, Identity(subject="ana", claims={}, acr=acr)
    )
    assert identity == Identity(subject="ana", claims={}, acr=told)


def test_without_a_map_acr_is_the_idps():
    identity = Identity(subject="ana", claims={}, acr="high")
    assert with_acr_of_app(AssurancePolicy(), {}, identity) is identity
    assert requested({}, {"acr_values": "high"}) == {}


# --- vectors of trust -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vot", ["P9.Cp.Cd", "Cd.P9.Cp", "P9.Cm"])
def test_vot_has_the_components_of_one_of_the_vectors(vot):
    check({"vtr": '["P9.Cp.Cd","P9.Cm"]'}, {"vot": vot})


@pytest.mark.parametrize("vot", ["P9", "P5.Cm", "Cm", "P9.Cm.Cd", "", None, ["P9.Cm"]])
def test_any_other_vot_is_refused(vot):
    assert refused({"vtr": '["P9.Cp.Cd","P9.Cm"]'}, {"vot": vot}) == "id_token_vot_unmet"


@pytest.mark.parametrize("vot", ["Cl.Cm", "Cm.Cl", "Cl.Cm.P2"])
def test_a_credential_vot_leaves_identity_confidence_out(vot):
    check({"vtr": '["Cl.Cm.P2"]'}, {"vot": vot}, vot="credential")


@pytest.mark.parametrize(
    "vot", ["Cl", "P2", "Cl.Cm.P0", "Cl.Cm.P1", "Cl.Cm.P2.P3", "Cl.Cm.Ck", "", ".", None]
)
def test_a_credential_vot_is_the_credential_asked_for(vot):
    assert refused({"vtr": '["Cl.Cm.P2"]'}, {"vot": vot}, vot="credential") == "id_token_vot_unmet"


@pytest.mark.parametrize("vtm", ["https://idp.example/TRUST", "https://idp.example/trust/", "", None, 7])
def test_vtm_is_the_trustmark_expected_whatever_was_asked(vtm):
    check({}, {"vtm": "https://idp.example/trust"}, vtm="https://idp.example/trust")
    assert refused({}, {"vtm": vtm}, vtm="https://idp.example/trust") == "id_token_vtm_unmet"


# --- claims and methods ---------------------------------------------------------------------------------------------

LEVEL = "helseid://claims/identity/security_level"


@pytest.mark.parametrize(
    ("accepted", "value"), [(("4",), "4"), (("4",), 4), (("3", "4"), 3), (("true",), True), (("-1",), -1)]
)
def test_a_claim_has_one_of_the_values(accepted, value):
    check({}, {LEVEL: value}, claims={LEVEL: accepted})


@pytest.mark.parametrize(
    "value",
    ["3", 3, "4 ", "04", 4.0, "4.0", 44, True, None, ["4"], [4], {"4": 4}, "", "\uff14"],
)
def test_a_claim_has_nothing_else(value):
    assert refused({}, {LEVEL: value}, claims={LEVEL: ("4",)}) == "id_token_assurance_claim_unmet"
    assert refused({}, {}, claims={LEVEL: ("4",)}) == "id_token_assurance_claim_unmet"


def test_booleans_and_numbers_are_not_each_other():
    assert refused({}, {"mfa": 1}, claims={"mfa": ("true",)})
    assert refused({}, {"mfa": True}, claims={"mfa": ("1", "True")})


def test_a_name_is_a_name_and_no_path():
    assert refused({}, {"a": {"b": "4"}}, claims={"a.b": ("4",)})
    check({}, {"a.b": "4"}, claims={"a.b": ("4",)})


def test_every_claim_named_must_hold():
    claims = {"loa": ("high",), "authenticationtype": ("mitid", "bankid")}
    check({}, {"loa": "high", "authenticationtype": "bankid"}, claims=claims)
    assert refused({}, {"loa": "high"}, claims=claims)
    assert refused({}, {"loa": "low", "authenticationtype": "bankid"}, claims=claims)


@pytest.mark.parametrize("amr", [["mfa"], ["otp", "pwd"], ["pwd", "otp", "hwk"]])
def test_all_methods_of_one_alternative_were_used(amr):
    check({}, {"amr": amr}, amr=("mfa", "pwd otp"))


@pytest.mark.parametrize(
    "amr", [["pwd"], ["otp"], [], None, "mfa", "pwd otp", ["pwd otp"], ["mfa", 7], {"mfa": 1}]
)
def test_anything_less_is_refused(amr):
    assert refused({}, {"amr": amr}, amr=("mfa", "pwd otp")) == "id_token_amr_unmet"


# --- when -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth_time", [NOW, NOW - 360, NOW + 60, float(NOW)])
def test_auth_time_within_max_age(auth_time):
    check({"max_age": "300"}, {"auth_time": auth_time})


@pytest.mark.parametrize(
    ("auth_time", "reason"),
    [
        (NOW - 361, "id_token_auth_time_unmet"),
        (NOW + 61, "id_token_auth_time_unmet"),
        (0, "id_token_auth_time_unmet"),
        (None, "id_token_auth_time_missing"),
        (str(NOW), "id_token_auth_time_missing"),
        (True, "id_token_auth_time_missing"),
    ],
)
def test_auth_time_outside_of_max_age(auth_time, reason):
    assert refused({"max_age": "300"}, {"auth_time": auth_time}) == reason


def test_an_auth_time_that_is_essential_is_there():
    asked = requested({"claims": '{"id_token":{"auth_time":{"essential":true}}}'})
    check(asked, {"auth_time": 7})
    assert refused(asked, {}) == "id_token_auth_time_missing"
    assert refused(asked, {"auth_time": "7"}) == "id_token_auth_time_missing"
    assert refused(asked, {"auth_time": NOW + 61}) == "id_token_auth_time_unmet"


@pytest.mark.parametrize("prompt", ["login", "login consent", "select_account login"])
def test_a_new_sign_in_happened_on_this_trip_if_the_idp_tells_when(prompt):
    asked = requested({"prompt": prompt})
    asked["prompt_login"] = str(NOW - 200)
    check(asked, {"auth_time": NOW - 260})
    check(asked, {})
    assert refused(asked, {"auth_time": NOW - 261}) == "id_token_prompt_login_unmet"
    assert refused(asked, {"auth_time": "now"}) == "id_token_auth_time_missing"


@pytest.mark.parametrize("prompt", ["none", "consent", "select_account", "Login", "logins"])
def test_other_prompts_ask_for_no_new_sign_in(prompt):
    assert requested({"prompt": prompt}) == {}
