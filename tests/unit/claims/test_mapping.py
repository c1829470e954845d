from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.claims.mapping import MappingResult, to_identity
from fedbridge.claims.names import PROTECTED, is_protected
from fedbridge.claims.normalize import LIMIT, flattened_size
from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClaimRule, Connection
from tests.unit.claims.connections import connection, unhurried
from tests.unit.claims.test_normalize import JSON

ID_TOKEN = {"iss": "https://idp.example", "sub": "ada", "aud": "bridge", "exp": 1, "iat": 0, "nonce": "n"}


def mapped(
    id_token: dict[str, Any] | None = None,
    userinfo: dict[str, Any] | None = None,
    upstream_id_token: str | None = None,
    **fields: Any,
) -> MappingResult:
    return to_identity(
        connection(**fields),
        upstream_issuer="https://idp.example",
        upstream_subject="ada",
        id_token={**ID_TOKEN, **(id_token or {})},
        userinfo=userinfo,
        upstream_id_token=upstream_id_token,
    )


def test_the_standard_claims_pass_by_default():
    standard = {
        "name": "Ada Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "middle_name": "King",
        "nickname": "A.",
        "preferred_username": "ada",
        "profile": "https://people.example/ada",
        "picture": "https://people.example/ada.png",
        "website": "https://ada.example",
        "email": "ada@example.org",
        "email_verified": True,
        "gender": "female",
        "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London",
        "locale": "en-GB",
        "phone_number": "+44 20 7946 0000",
        "phone_number_verified": False,
    }
    nested = {
        "address": {"formatted": "12 St James's Square\nLondon", "locality": "London"},
        "updated_at": 1311280970,
    }
    identity, dropped = mapped(userinfo={"sub": "ada", **standard, **nested, "department": "engines"})
    assert identity.claims == {
        **standard,
        "address": "12 St James's Square\nLondon",
        "updated_at": "1311280970",
    }
    assert dropped == ()


def test_userinfo_goes_over_the_id_token():
    identity, _ = mapped({"name": "old", "locale": "sv"}, {"sub": "ada", "name": "new"})
    assert identity.claims == {"name": "new", "locale": "sv"}


def test_a_mapping_stands_for_the_default():
    identity, _ = mapped({"name": "Ada", "dep": "x"}, claims={"department": "dep"})
    assert identity.claims == {"department": "x"}
    assert mapped({"name": "Ada"}, claims={}).identity.claims == {}


def test_expressions_see_both_documents_and_the_upstream_subject():
    identity, _ = mapped(
        {"dep": "from-token", "http://claims.example/id": "77", "roles": [{"name": "a"}, {"name": "b"}]},
        {"sub": "ada", "dep": "from-userinfo"},
        claims={
            "merged": "dep",
            "token": "id_token.dep",
            "info": "userinfo.dep",
            "uri": '"http://claims.example/id"',
            "groups": "roles[].name",
            "joined": ClaimRule(value="roles[].name", type="joined", separator=" "),
            "person": "join('/', [upstream_iss, upstream_sub])",
            "tenant": ClaimRule(constant="acme"),
            "external": ClaimRule(constant=True),
        },
    )
    assert identity.claims == {
        "merged": "from-userinfo",
        "token": "from-token",
        "info": "from-userinfo",
        "uri": "77",
        "groups": ["a", "b"],
        "joined": "a b",
        "person": "https://idp.example/ada",
        "tenant": "acme",
        "external": True,
    }


def test_upstream_claims_cannot_pose_as_the_documents():
    identity, _ = mapped(
        {"id_token": {"x": "forged"}, "upstream_sub": "forged"},
        {"sub": "ada", "userinfo": {"x": "forged"}, "upstream_iss": "forged"},
        claims={"a": "id_token.x", "b": "userinfo.x", "s": "upstream_sub", "i": "upstream_iss"},
    )
    assert identity.claims == {"s": "ada", "i": "https://idp.example"}


@pytest.mark.parametrize(
    "rule, id_token, reason, description",
    [
        (
            ClaimRule(value="x", required=True),
            {},
            "required_claim_missing",
            "A required claim is missing: department",
        ),
        (
            ClaimRule(value="x", required=True),
            {"x": " "},
            "required_claim_missing",
            "A required claim is missing: department",
        ),
        (
            ClaimRule(value="x", required=True),
            {"x": "y" * 2049},
            "claim_too_long",
            "A claim is longer than Cognito takes: department",
        ),
        (
            ClaimRule(value="x", too_long="refuse"),
            {"x": "y" * 2049},
            "claim_too_long",
            "A claim is longer than Cognito takes: department",
        ),
        (
            ClaimRule(value="x", required=True),
            {"x": {"y": 1}},
            "claim_unusable",
            "A required claim has an unusable value: department",
        ),
        (
            ClaimRule(value="join('-', x)", required=True),
            {"x": None},
            "claim_unusable",
            "A required claim has an unusable value: department",
        ),
    ],
)
def test_a_required_claim_that_cannot_be_had_fails_the_sign_in(rule, id_token, reason, description):
    with pytest.raises(UpstreamError) as refused:
        mapped(id_token, claims={"department": rule})
    error = refused.value
    assert (error.reason, error.error, error.description) == (reason, "access_denied", description)
    assert error.__cause__ is None


def test_what_is_not_required_is_dropped_and_named():
    identity, dropped = mapped(
        {"long": "y" * 2049, "shape": {"a": 1}, "hidden": "a\u202eb", "good": "x"},
        claims={
            "long": "long",
            "shape": ClaimRule(value="shape", too_long="refuse"),
            "hidden": "hidden",
            "failing": "abs(good)",
            "absent": "absent",
            "good": "good",
        },
    )
    assert identity.claims == {"good": "x"}
    assert dropped == ("long", "shape", "hidden", "failing")


@pytest.mark.parametrize(
    "address, id_token, userinfo, verified",
    [
        ("a@b.example", {"email": "a@b.example", "email_verified": True}, None, True),
        ("a@b.example", {"email": "a@b.example", "email_verified": "true"}, None, True),
        ("a@b.example", {}, {"email": "a@b.example", "email_verified": True}, True),
        ("a@b.example", {"email": "a@b.example", "email_verified": True}, {"email": "a@b.example"}, True),
        ("a@b.example", {"email": "a@b.example"}, None, False),
        ("a@b.example", {"email_verified": True}, {"email": "a@b.example"}, False),
        ("a@b.example", {"email": "a@b.example"}, {"email_verified": True}, False),
        (
            "new@b.example",
            {"email": "old@b.example", "email_verified": True},
            {"email": "new@b.example"},
            False,
        ),
        (
            "a@b.example",
            {"email": "a@b.example", "email_verified": True},
            {"email": "a@b.example", "email_verified": False},
            False,
        ),
        ("A@b.example", {"email": "a@b.example", "email_verified": True}, {"email": "A@b.example"}, False),
    ],
)
def test_a_flag_counts_only_beside_its_own_address(address, id_token, userinfo, verified):
    claims = mapped(id_token, userinfo).identity.claims
    assert claims == {"email": address, "email_verified": verified}
    phone = {"email": "phone_number", "email_verified": "phone_number_verified"}
    claims = mapped(
        {phone[name]: value for name, value in id_token.items()},
        {phone[name]: value for name, value in (userinfo or {}).items()},
    ).identity.claims
    assert claims == {"phone_number": address, "phone_number_verified": verified}


def test_a_flag_without_an_address_is_nothing():
    assert mapped({"email_verified": True, "phone_number_verified": True}).identity.claims == {}


def test_a_mapped_address_always_has_its_flag():
    token = {"upn": "a@b.example", "email": "a@b.example", "email_verified": True}
    assert mapped(token, claims={"email": "upn"}).identity.claims == {
        "email": "a@b.example",
        "email_verified": True,
    }
    other = {**token, "upn": "other@b.example"}
    assert mapped(other, claims={"email": "upn"}).identity.claims["email_verified"] is False


@pytest.mark.parametrize(
    "rule, verified",
    [
        (ClaimRule(constant=True), True),
        (ClaimRule(constant=False), False),
        ("`true`", False),  # an expression can only take away
        ("email_verified", False),
    ],
)
def test_only_a_constant_verifies_what_no_document_does(rule, verified):
    claims = mapped(
        {"email": "a@b.example"}, claims={"email": "email", "email_verified": rule}
    ).identity.claims
    assert claims["email_verified"] is verified


def test_an_expression_can_take_the_flag_away():
    token = {"email": "a@b.example", "email_verified": True, "edov": False}
    claims = mapped(token, claims={"email": "email", "email_verified": "edov"}).identity.claims
    assert claims["email_verified"] is False
    claims = mapped(
        {**token, "edov": True}, claims={"email": "email", "email_verified": "edov"}
    ).identity.claims
    assert claims["email_verified"] is True


def test_a_required_flag_needs_its_address():
    with pytest.raises(UpstreamError) as refused:
        mapped(claims={"email": "email", "email_verified": ClaimRule(value="email_verified", required=True)})
    assert refused.value.description == "A required claim is missing: email_verified"


def test_assurance_is_carried_from_the_id_token():
    identity, dropped = mapped(
        {"acr": "high", "amr": ["pwd", "otp"], "auth_time": 1700000000.0},
        {"sub": "ada", "acr": "low", "amr": ["none"], "auth_time": 1},
    )
    assert (identity.acr, identity.amr, identity.auth_time) == ("high", ("pwd", "otp"), 1700000000)
    assert dropped == ()


def test_assurance_may_be_missing_or_one_word():
    identity, _ = mapped()
    assert (identity.acr, identity.amr, identity.auth_time) == (None, (), None)
    assert mapped({"amr": "mfa"}).identity.amr == ("mfa",)


@pytest.mark.parametrize(
    "name, value",
    [
        ("acr", 3),
        ("acr", ["high"]),
        ("acr", "a\x00b"),
        ("amr", {"pwd": 1}),
        ("amr", [["pwd"]]),
        ("auth_time", "1700000000"),
        ("auth_time", True),
        ("auth_time", -1),
        ("auth_time", float("nan")),
        ("auth_time", 10**400),
    ],
)
def test_malformed_assurance_is_dropped(name, value):
    identity, dropped = mapped({name: value})
    assert (identity.acr, identity.amr, identity.auth_time) == (None, (), None)
    assert dropped == (name,)


def test_the_token_is_carried_where_tokens_are_relayed():
    assert mapped(upstream_id_token="a.b.c", tokens="relay").identity.upstream_id_token == "a.b.c"
    assert mapped(upstream_id_token="a.b.c").identity.upstream_id_token is None
    with pytest.raises(UpstreamError) as refused:
        mapped(tokens="relay")
    assert refused.value.reason == "id_token_missing"


EXPRESSIONS = st.sampled_from(
    [
        "a",
        "a.b",
        "a[]",
        "a[0]",
        "*",
        "@",
        "sum(a)",
        "avg(a)",
        "ceil(a)",
        "to_number(a)",
        "sort(a)",
        "join(',', a)",
        "sort_by(a, &b)",
        "keys(@)",
        "length(a)",
        "&a",
        "a == b",
        "userinfo.a",
        "id_token",
        "max_by(a, &b)",
        "to_string(@)",
    ]
)
RULES = st.builds(
    ClaimRule,
    value=EXPRESSIONS,
    required=st.booleans(),
    type=st.sampled_from(["auto", "string", "boolean", "list", "joined"]),
    too_long=st.sampled_from(["drop", "refuse"]),
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["a", "b", "email", "email_verified", "address", "acr", "amr", "auth_time", *PROTECTED]),
    JSON,
    max_size=6,
)


@unhurried
@given(
    DOCUMENTS,
    st.none() | DOCUMENTS,
    st.none()
    | st.dictionaries(st.sampled_from(["a", "b", "email", "email_verified", "address"]), RULES, max_size=3),
)
def test_any_documents_become_an_identity_for_cognito_or_a_refusal(id_token, userinfo, claims):
    try:
        identity, dropped = to_identity(
            Connection(name="acme", issuer="i", client_id="c", relying_parties=(), claims=claims),
            upstream_issuer="https://idp.example",
            upstream_subject="ada",
            id_token=id_token,
            userinfo=userinfo,
            upstream_id_token=None,
        )
    except UpstreamError:
        assert claims  # by default nothing is required
        return
    for name, value in identity.claims.items():
        assert not is_protected(name)
        if isinstance(value, list):
            assert flattened_size(value) <= LIMIT
        else:
            assert isinstance(value, bool) or 0 < len(value.encode()) <= LIMIT
    assert ("email" in identity.claims) is isinstance(identity.claims.get("email_verified"), bool)
    assert identity.acr is None or isinstance(identity.acr, str)
    assert all(isinstance(item, str) for item in identity.amr)
    assert identity.auth_time is None or type(identity.auth_time) is int
    assert set(dropped) <= {*(claims or ()), "email_verified", "acr", "amr", "auth_time"} or claims is None
