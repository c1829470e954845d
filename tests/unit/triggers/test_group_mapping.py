"""Groups of the identity provider in both tokens, where all is well; and the forms that Cognito keeps lists in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.triggers.configuration import GroupSource
from fedbridge.triggers.groups import Unreadable, read_groups
from tests.counterparts.cognito_rules import mapped
from tests.support.triggers import ROLE, SUBJECT, Pool


def source(form="list", separator=","):
    return GroupSource(attribute="custom:groups", rules=(), form=form, separator=separator)


def test_mapped_groups_and_their_roles_are_in_both_tokens():
    made = Pool().tokens(groups="[audit,unknown,treasury,app-ledger]")
    assert made == {
        "idTokenGeneration": {"claimsToAddOrOverride": {}, "claimsToSuppress": ["custom:groups"]},
        "accessTokenGeneration": {"claimsToAddOrOverride": {}},
        "groupOverrideDetails": {
            "groupsToOverride": ["finance", "auditors", "bank-ledger"],
            "iamRolesToOverride": [f"{ROLE}/finance", f"{ROLE}/auditors"],
            "preferredRole": f"{ROLE}/finance",
        },
    }


def test_a_claim_of_ones_own_is_a_list_in_both_tokens():
    made = Pool(source={"claim": "groups"}).tokens(groups="[treasury]")
    for token in ("idTokenGeneration", "accessTokenGeneration"):
        assert made[token]["claimsToAddOrOverride"] == {"groups": ["finance"]}


OWN = {
    "existing": ["eu-west-1_Pool00001_Bank", "staff"],
    "roles": [f"{ROLE}/staff"],
    "preferred": f"{ROLE}/staff",
}


def test_groups_of_the_pools_own_stay_in_front():
    made = Pool().tokens(groups="[treasury]", **OWN)["groupOverrideDetails"]
    assert made["groupsToOverride"] == ["eu-west-1_Pool00001_Bank", "staff", "finance"]
    assert made["iamRolesToOverride"] == [f"{ROLE}/staff", f"{ROLE}/finance"]
    assert made["preferredRole"] == f"{ROLE}/staff"


def test_groups_of_the_pools_own_are_replaced_where_that_is_configured():
    made = Pool(source={"existing": "replace"}).tokens(groups="[treasury]", **OWN)["groupOverrideDetails"]
    assert made == {
        "groupsToOverride": ["finance"],
        "iamRolesToOverride": [f"{ROLE}/finance"],
        "preferredRole": f"{ROLE}/finance",
    }


def test_a_profile_that_is_linked_has_them_where_that_is_allowed():
    pool = Pool(groups={"linked_profiles": True})
    made = pool.tokens(groups="[treasury]", username="alice", status="CONFIRMED")
    assert made["groupOverrideDetails"]["groupsToOverride"] == ["finance"]


def test_a_pool_that_ignores_case_has_the_name_in_lower_case():
    made = Pool().tokens(groups="[treasury]", username=f"bank_{SUBJECT}")
    assert made["groupOverrideDetails"]["groupsToOverride"] == ["finance"]


@pytest.mark.parametrize(
    "source_of",
    ["TokenGeneration_HostedAuth", "TokenGeneration_RefreshTokens", "TokenGeneration_Authentication"],
)
@pytest.mark.parametrize("version", ["2", "3"])
def test_every_token_of_a_person(source_of, version):
    made = Pool().tokens(groups="[treasury]", source=source_of, version=version)
    assert made["groupOverrideDetails"]["groupsToOverride"] == ["finance"]


# --- forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value,names",
    [
        ("[a,b,c]", ("a", "b", "c")),
        ("[a, b]", ("a", "b")),
        ("[a]", ("a",)),
        ("[]", ()),
        ("", ()),
        (None, ()),
        ("a", ("a",)),
        ("a+b", ("a+b",)),  # a text is not encoded
        ("[a+b]", ("a b",)),
        ("[approvers%2C+senior,caf%C3%A9]", ("approvers, senior", "café")),
        ("[%5Bx%5D]", ("[x]",)),
        ("[a,a,b]", ("a", "b")),
        ("[a,,b]", ("a", "b")),
        ("[", ("[",)),
        ("[x", ("[x",)),
    ],
)
def test_a_list(value, names):
    assert read_groups(value, source()) == names


def test_the_name_of_one_group_in_brackets_cannot_be_told_from_a_list():
    """A text claim `[x]` and a list of `x` are the same attribute."""
    assert mapped({"g": "[x]"}, {"a": "g"}) == mapped({"g": ["x"]}, {"a": "g"}) == {"a": "[x]"}


@pytest.mark.parametrize(
    "value,separator,names",
    [
        ("a;b, c", ";", ("a", "b, c")),
        ("a ; b", ";", ("a ", " b")),
        ("a%2Cb", ",", ("a%2Cb",)),
        (";;", ";", ()),
    ],
)
def test_joined(value, separator, names):
    assert read_groups(value, source("joined", separator)) == names


@pytest.mark.parametrize("value", ["[%]", "[%4]", "[%gg]", "[%ff]", "[" + "x" * 2048, 7, ["a"]])
def test_unreadable(value):
    with pytest.raises(Unreadable):
        read_groups(value, source())


@given(
    st.lists(
        st.text(min_size=1, max_size=12).filter(lambda name: name.strip(" ") == name),
        max_size=20,
        unique=True,
    )
)
def test_what_cognito_flattens_comes_back(names):
    """Against the strict simulation of Cognito's own mapping."""
    if any("\ud800" <= sign <= "\udfff" for name in names for sign in name):
        return
    attribute = mapped({"groups": names}, {"custom:groups": "groups"})["custom:groups"]
    if len(attribute) <= 2048:
        assert read_groups(attribute, source()) == tuple(names)
