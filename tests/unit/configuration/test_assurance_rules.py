import pytest

from fedbridge.configuration.assurance_rules import assurance_problems
from fedbridge.configuration.urls import Allowed
from fedbridge.model.connection import AuthorizationRequestProfile, UserinfoPolicy
from fedbridge.model.policies import AssurancePolicy, NestedToken
from tests.unit.rp.idp import connection

ORDER = ("low", "substantial", "high")
IDENTITY = {
    "core": NestedToken(issuer="https://identity.example/", required=True, claims={"vot": ("P2",)}),
}


def problems(assurance=None, nested=None, tokens="reissue", protocol="oidc", **authorization):
    at = connection(
        assurance=AssurancePolicy(**(assurance or {})),
        authorization=AuthorizationRequestProfile(**authorization),
        userinfo=UserinfoPolicy(nested=nested or {}),
        tokens=tokens,
        protocol=protocol,
    )
    return [(problem.path, problem.message) for problem in assurance_problems(at, Allowed())]


def paths(*args, **kwargs):
    return [path for path, _ in problems(*args, **kwargs)]


def test_a_plain_connection_has_no_problem():
    assert problems() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_age", "300"),
        ("vtr", '["Cl.Cm"]'),
        ("claims", '{"id_token":{"amr":{"essential":true}}}'),
        ("claims", '{"userinfo":{"https://vocab.account.gov.uk/v1/coreIdentityJWT":null}}'),
        ("ui_locales", "not JSON"),
    ],
)
def test_parameters_that_can_be_checked(name, value):
    assert problems(parameters={name: value}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_age", "5m"),
        ("max_age", "-1"),
        ("vtr", "Cl.Cm"),
        ("vtr", "[]"),
        ("claims", "{"),
        ("claims", "[]"),
        ("claims", '{"id_token":{"acr":"high"}}'),
        ("claims", '{"userinfo":["acr"]}'),
        ("claims", '{"id_token":{"acr":{"values":[3]}}}'),
    ],
)
def test_parameters_that_cannot_be_checked_are_found_before_the_first_sign_in(name, value):
    found = problems({"vot": "credential"} if name == "vtr" else {}, parameters={name: value})
    assert [path for path, _ in found] == [f"authorization.parameters.{name}"]
    assert value not in found[0][1]


def test_a_level_that_is_demanded_by_a_claim_is_compared():
    parameters = {"claims": '{"id_token":{"loa":{"essential":true,"values":["3","4"]}}}'}
    assert problems(parameters=parameters) == [
        (
            "authorization.parameters.claims",
            "demands values that nothing compares: those of loa belong into assurance.claims as well",
        )
    ]
    assert problems({"claims": {"loa": ("3", "4")}}, parameters=parameters) == []


def test_an_order_that_means_something():
    assert problems({"acr_order": ORDER}, acr_values=("substantial",)) == []
    assert problems({"acr_order": ORDER}, pass_through=("acr_values",)) == []
    assert problems({"acr_order": ORDER}, acr_values=("substantial", "aal2")) == []


@pytest.mark.parametrize(
    ("order", "acr_values", "path"),
    [
        (("low", "low"), ("low",), "assurance.acr_order[1]"),
        (("low", "a b"), ("low",), "assurance.acr_order[1]"),
        (("low", ""), ("low",), "assurance.acr_order[1]"),
        (("low",), ("low",), "assurance.acr_order"),
        (ORDER, ("other",), "assurance.acr_order"),
        (ORDER, (), "assurance.acr_order"),
    ],
)
def test_an_order_that_means_nothing(order, acr_values, path):
    assert paths({"acr_order": order}, acr_values=acr_values) == [path]


def test_a_map_that_can_be_followed_both_ways():
    both = {"acr_map": {"strong": "high", "strongest": "high", "low": "low"}}
    assert problems(both, pass_through=("acr_values",)) == []
    assert (
        problems(both | {"acr_order": ORDER}, pass_through=("acr_values",), acr_values=("substantial",)) == []
    )
    assert problems(both, pass_through=("acr_values",), acr_values=("low", "high")) == []


@pytest.mark.parametrize(
    ("acr_map", "others", "path"),
    [
        ({"strong": "high"}, {"pass_through": ()}, "assurance.acr_map"),
        ({"strong": "high"}, {"tokens": "relay"}, "assurance.acr_map"),
        ({"strong": "high"}, {"acr_values": ("low",)}, "assurance.acr_map.strong"),
        ({"a b": "high"}, {}, "assurance.acr_map.a b"),
        ({"strong": ""}, {}, "assurance.acr_map.strong"),
        ({"high": "substantial", "strong": "high"}, {}, "assurance.acr_map.high"),
        ({"high": "low"}, {"acr_values": ("low", "high")}, "assurance.acr_map.high"),
    ],
)
def test_a_map_that_would_lose_or_bend_a_level(acr_map, others, path):
    assert paths({"acr_map": acr_map}, **{"pass_through": ("acr_values",), **others}) == [path]


def test_a_parameter_that_may_not_leave_asks_for_nothing():
    kept_back = {"pass_through": ("acr_values",), "allowed_parameters": ("client_id",)}
    assert paths({"acr_map": {"strong": "high"}, "acr_order": ORDER}, **kept_back) == [
        "assurance.acr_order",
        "assurance.acr_map",
    ]


def test_a_map_whose_words_read_like_other_levels_of_the_order():
    found = paths({"acr_map": {"high": "substantial"}, "acr_order": ORDER}, pass_through=("acr_values",))
    assert found == ["assurance.acr_map.high"]


def test_levels_in_claims_and_methods():
    claims = {"helseid://claims/identity/security_level": ("4",), "loa": ("low", "high")}
    assert problems({"claims": claims, "amr": ("mfa", "pwd otp"), "vtm": "https://idp.example/trust"}) == []


@pytest.mark.parametrize(
    ("assurance", "path"),
    [
        ({"claims": {"loa": ()}}, "assurance.claims.loa"),
        ({"claims": {"loa": ("",)}}, "assurance.claims.loa"),
        ({"claims": {"": ("high",)}}, "assurance.claims"),
        ({"claims": {"l\noa": ("high",)}}, "assurance.claims"),
        ({"amr": ("",)}, "assurance.amr[0]"),
        ({"amr": ("mfa", "pwd  otp")}, "assurance.amr[1]"),
        ({"amr": (" mfa",)}, "assurance.amr[0]"),
        ({"amr": ("pwd pwd",)}, "assurance.amr[0]"),
        ({"vtm": ""}, "assurance.vtm"),
        ({"vtm": "https://idp.example/a b"}, "assurance.vtm"),
    ],
)
def test_levels_that_nothing_could_meet(assurance, path):
    assert paths(assurance) == [path]


def test_a_credential_without_identity():
    assert problems({"vot": "credential"}, parameters={"vtr": '["Cl.Cm","Cl"]'}) == []
    assert problems({"vot": "credential"}, parameters={"vtr": '["Cl.Cm.P0"]'}) == []
    assert problems({"vot": "credential"}, parameters={"vtr": '["Cl.Cm.P2","Cl.Cm"]'}) == []


def test_identity_is_demanded_where_it_is_told():
    asked = {"vtr": '["Cl.Cm.P2"]'}
    assert problems({"vot": "credential"}, IDENTITY, parameters=asked) == []
    assert problems({"vot": "vector"}, parameters=asked) == []


@pytest.mark.parametrize(
    "nested",
    [
        {},
        {"core": NestedToken(issuer="https://identity.example/", claims={"vot": ("P2",)})},
        {"core": NestedToken(issuer="https://identity.example/", required=True)},
        {"core": NestedToken(issuer="https://i.example/", required=True, claims={"vot": ("P1", "P2")})},
        {"core": NestedToken(issuer="https://i.example/", required=True, claims={"vot": ()})},
    ],
)
def test_identity_that_nothing_checks(nested):
    found = problems({"vot": "credential"}, nested, parameters={"vtr": '["Cl.Cm.P2"]'})
    assert [path for path, _ in found] == ["authorization.parameters.vtr"]
    assert "nothing checks" in found[0][1]


def test_a_credential_needs_vectors_of_its_own():
    assert paths({"vot": "credential"}) == ["assurance.vot"]
    assert paths({"vot": "credential"}, IDENTITY, parameters={"vtr": '["P2"]'}) == [
        "authorization.parameters.vtr"
    ]
    passed = paths({"vot": "credential"}, parameters={"vtr": '["Cl.Cm"]'}, pass_through=("vtr",))
    assert passed == ["authorization.pass_through"]


def test_without_an_id_token_there_is_no_assurance():
    assert problems(protocol="oauth2") == []
    assert paths({"amr": ("mfa",)}, protocol="oauth2") == ["assurance"]
    assert paths(protocol="oauth2", acr_values=("high",)) == ["authorization.acr_values"]
    assert paths(protocol="oauth2", parameters={"max_age": "60", "ui_locales": "en"}) == [
        "authorization.parameters.max_age"
    ]
