import pytest

from fedbridge.errors import UpstreamError
from fedbridge.rp.assurance import check_assurance, requested_assurance
from tests.unit.rp.idp import NOW


def check(asked, claims):
    check_assurance(asked, claims, now=NOW, clock_skew=60)


def refused(asked, claims):
    with pytest.raises(UpstreamError) as failure:
        check(asked, claims)
    assert (failure.value.error, failure.value.description) == ("access_denied", "assurance_not_met")
    return failure.value.reason


def test_nothing_asked_nothing_checked():
    check({}, {})
    check({"nonce": "n"}, {"acr": 7, "vot": None, "auth_time": "yesterday"})


@pytest.mark.parametrize("acr", ["low", "High", "high ", "hig", "", None, 7, ["high"], True])
def test_acr_is_one_of_those_asked_for(acr):
    asked = {"acr_values": "substantial high"}
    check(asked, {"acr": "high"})
    assert refused(asked, {"acr": acr}) == "id_token_acr_unmet"
    assert refused(asked, {}) == "id_token_acr_unmet"


def test_acr_values_and_the_claims_parameter_are_both_met():
    asked = requested_assurance(
        {"acr_values": "substantial high", "claims": '{"id_token":{"acr":{"essential":true,"value":"high"}}}'}
    )
    check(asked, {"acr": "high"})
    assert refused(asked, {"acr": "substantial"}) == "id_token_acr_unmet"
    assert refused(requested_assurance({"claims": '{"id_token":{"acr":{"values":["a","b"]}}}'}), {"acr": "c"})


@pytest.mark.parametrize(
    "claims",
    [
        "{}",
        '{"id_token":null}',
        '{"id_token":{"acr":null}}',
        '{"id_token":{"acr":{"essential":true}}}',
        '{"userinfo":{}}',
    ],
)
def test_a_claims_parameter_without_acr_values_asks_for_none(claims):
    assert requested_assurance({"claims": claims}) == {}


@pytest.mark.parametrize("vot", ["P9.Cp.Cd", "Cd.P9.Cp", "P9.Cm"])
def test_vot_has_the_components_of_one_of_the_vectors(vot):
    check({"vtr": '["P9.Cp.Cd","P9.Cm"]'}, {"vot": vot})


@pytest.mark.parametrize("vot", ["P9", "P5.Cm", "Cm", "P9.Cm.Cd", "", None, ["P9.Cm"]])
def test_any_other_vot_is_refused(vot):
    assert refused({"vtr": '["P9.Cp.Cd","P9.Cm"]'}, {"vot": vot}) == "id_token_vot_unmet"


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
