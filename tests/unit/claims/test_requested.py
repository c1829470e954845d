import pytest

from fedbridge.claims.requested import (
    UncheckableParameter,
    check_parameters,
    identity_confidence,
    max_age,
    requested_claims,
    unchecked_values,
    vectors,
)
from fedbridge.model.policies import AssurancePolicy


@pytest.mark.parametrize(
    ("claims", "acr"),
    [
        ('{"id_token":{"acr":{"essential":true,"value":"high"}}}', ["high"]),
        ('{"id_token":{"acr":{"values":["a","b"]}}}', ["a", "b"]),
        ('{"id_token":{"acr":{"essential":true}}}', None),
        ('{"id_token":{"acr":null}}', None),
        ('{"id_token":{}}', None),
        ('{"id_token":null}', None),
        ('{"userinfo":{"acr":{"value":"high"}}}', None),
        ("{}", None),
    ],
)
def test_acr_values_of_the_claims_parameter(claims, acr):
    assert requested_claims(claims) == (acr, False)


@pytest.mark.parametrize(
    ("claims", "names"),
    [
        ('{"id_token":{"acr":{"essential":true,"value":"high"}}}', set()),
        ('{"userinfo":{"acr":{"value":"high"}}}', {"acr"}),
        ('{"id_token":{"loa":{"essential":true,"value":"4"}}}', {"loa"}),
        ('{"id_token":{"amr":{"essential":true,"values":["mfa"]}},"userinfo":{"loa":{"essential":true,"value":4}}}',
         {"amr", "loa"}),
        ('{"id_token":{"loa":{"value":"4"},"amr":{"essential":true},"name":null,"x":1}}', set()),
        ('{"userinfo":{"verified_claims":{"verification":{"trust_framework":{"value":"eidas"}}}}}', set()),
    ],
)  # fmt: skip
def test_values_that_are_demanded_and_compared_by_nothing(claims, names):
    assert unchecked_values(claims, AssurancePolicy()) == names
    assert unchecked_values(claims, AssurancePolicy(claims={"loa": ("4",)}, amr=("mfa",))) == names - {
        "loa",
        "amr",
    }


def test_auth_time_may_be_essential():
    assert requested_claims('{"id_token":{"auth_time":{"essential":true}}}') == (None, True)
    assert requested_claims('{"id_token":{"auth_time":{"essential":false}}}') == (None, False)
    assert requested_claims('{"id_token":{"auth_time":null}}') == (None, False)


@pytest.mark.parametrize(
    "claims",
    [
        "",
        "null",
        "[]",
        '"acr"',
        "{",
        '{"id_token":[]}',
        '{"id_token":"acr"}',
        '{"userinfo":["acr"]}',
        '{"id_token":{"acr":"high"}}',
        '{"id_token":{"acr":{"value":3}}}',
        '{"id_token":{"acr":{"value":null}}}',
        '{"id_token":{"acr":{"values":[]}}}',
        '{"id_token":{"acr":{"values":"high"}}}',
        '{"id_token":{"acr":{"values":["high",3]}}}',
        '{"id_token":{"auth_time":true}}',
        '{"id_token":{"acr":{"value":"low"},"acr":{"value":"high"}}}',
    ],
)
def test_a_claims_parameter_that_cannot_be_checked(claims):
    with pytest.raises(UncheckableParameter, match=r"^claims$"):
        check_parameters({"claims": claims})


def test_vectors_are_sets_of_components():
    assert vectors('["P9.Cp.Cd","Cd.P9.Cp","Cm"]') == {frozenset({"P9", "Cp", "Cd"}), frozenset({"Cm"})}
    assert identity_confidence(frozenset({"P2", "Cl", "Cm"})) == {"P2"}


@pytest.mark.parametrize(
    "vtr", ["", "[]", "{}", '"Cl"', "Cl.Cm", '[""]', '["Cl."]', '["Cl..Cm"]', '["Cl",7]', '[["Cl"]]']
)
def test_vtr_that_cannot_be_checked(vtr):
    with pytest.raises(UncheckableParameter, match=r"^vtr$"):
        check_parameters({"vtr": vtr})


def test_max_age_is_a_number_of_seconds():
    assert [max_age(text) for text in ("0", "300", "999999999")] == [0, 300, 999999999]


@pytest.mark.parametrize("age", ["", "-1", "+1", "1.0", "1e3", " 1", "1 ", "NaN", "1000000000", "٣"])
def test_max_age_that_cannot_be_checked(age):
    with pytest.raises(UncheckableParameter, match=r"^max_age$"):
        check_parameters({"max_age": age})
