"""Claims of IdPs without OpenID Connect, shaped as GitHub, Discord and others answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.claims.documents import identity_of_documents, sightings
from fedbridge.claims.subject import hashed_subject
from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClaimRule
from tests.unit.claims.connections import connection, unhurried

USER = {"id": 583231, "login": "octocat", "name": "Octo Cat", "email": "public@example.com"}
EMAILS = [
    {"email": "old@example.com", "primary": False, "verified": True},
    {"email": "octo@example.com", "primary": True, "verified": True},
]
CLAIMS = {
    "preferred_username": "user.login",
    "name": "user.name",
    "email": "emails[?primary] | [0].email",
    "email_verified": "emails[?primary] | [0].verified",
}


def mapped(claims=None, **documents):
    return identity_of_documents(
        connection(claims=CLAIMS if claims is None else claims),
        upstream_issuer="https://github.com",
        upstream_subject="583231",
        documents={"user": USER, "emails": EMAILS, **documents},
    )


def test_each_document_is_seen_under_its_name():
    identity, dropped = mapped()
    assert dict(identity.claims) == {
        "preferred_username": "octocat",
        "name": "Octo Cat",
        "email": "octo@example.com",
        "email_verified": True,
    }
    assert identity.subject == hashed_subject("acme", "https://github.com", "583231")
    assert (identity.acr, identity.amr, identity.auth_time, identity.upstream_id_token) == (
        None,
        (),
        None,
        None,
    )
    assert dropped == ()


def test_subject_and_issuer_can_be_mapped():
    identity, _ = mapped({"zoneinfo": "upstream_sub", "website": "upstream_iss"})
    assert dict(identity.claims) == {"zoneinfo": "583231", "website": "https://github.com"}


def test_a_document_cannot_pose_as_another_or_as_the_subject():
    identity, _ = mapped({"zoneinfo": "upstream_sub"}, upstream_sub="eve")
    assert identity.claims["zoneinfo"] == "583231"


VERIFIED = {"email": "a@example.com", "primary": True, "verified": True}


@pytest.mark.parametrize(
    "emails",
    [
        [{**VERIFIED, "verified": False}],
        [{**VERIFIED, "verified": None}],
        [{**VERIFIED, "verified": 1}],
        [{**VERIFIED, "verified": "yes"}],
        [{**VERIFIED, "verified": "True"}],
        [{**VERIFIED, "verified": [True]}],
        [{"email": "a@example.com", "primary": True}],
        # the same address twice, once denied
        [VERIFIED, {**VERIFIED, "verified": False}],
        [{**VERIFIED, "verified": False}, VERIFIED],
    ],
)
def test_an_address_is_verified_only_by_the_flag_beside_it(emails):
    assert mapped(emails=emails)[0].claims["email_verified"] is False


@pytest.mark.parametrize("flag", [True, "true"])
def test_the_good_twin(flag):
    assert mapped(emails=[{**VERIFIED, "verified": flag}])[0].claims["email_verified"] is True


@pytest.mark.parametrize(
    "expression",
    [
        "emails[?verified] | [0].verified",  # another address is verified
        "emails[0].verified",
        "user.site_admin",
        "length(emails) > `1`",
    ],
)
def test_what_stands_beside_another_address_or_nowhere_verifies_nothing(expression):
    emails = [VERIFIED, {"email": "b@example.com", "primary": False, "verified": False}]
    claims = {"email": "emails[?!primary] | [0].email", "email_verified": expression}
    answered = mapped(claims, emails=emails, user={**USER, "site_admin": True})[0].claims
    assert answered == {"email": "b@example.com", "email_verified": False}


def test_a_literal_is_the_operators_own_word_as_a_constant_is():
    claims = {"email": "emails[0].email", "email_verified": "`true`"}
    assert mapped(claims)[0].claims["email_verified"] is True


def test_without_a_rule_for_the_flag_the_address_is_unverified():
    assert mapped({"email": "emails[0].email"})[0].claims == {
        "email": "old@example.com",
        "email_verified": False,
    }


def test_a_flag_within_a_nested_object_of_the_witness_is_not_beside_the_address():
    user = {"email": "a@example.com", "company": {"email": "b@example.com", "verified": True}}
    claims = {"email": "user.email", "email_verified": "user.company.verified"}
    assert mapped(claims, user=user)[0].claims["email_verified"] is False


def test_a_witness_may_lie_deep():
    user = {"data": {"email": "a@example.com", "verified": True}}
    claims = {"email": "user.data.email", "email_verified": "user.data.verified"}
    assert mapped(claims, user=user)[0].claims["email_verified"] is True


def test_a_constant_speaks_for_itself():
    for constant in (True, False):
        claims = {"email": "user.email", "email_verified": ClaimRule(constant=constant)}
        assert mapped(claims)[0].claims["email_verified"] is constant


def test_an_absent_document_is_null():
    identity, dropped = mapped(emails=None)
    assert dict(identity.claims) == {"preferred_username": "octocat", "name": "Octo Cat"}
    assert dropped == ()


def test_required_claims_are_required():
    claims = {"email": ClaimRule(value="emails[?primary] | [0].email", required=True)}
    with pytest.raises(UpstreamError, match="required_claim_missing") as refused:
        mapped(claims, emails=[])
    assert refused.value.error == "access_denied"


def test_a_required_flag_needs_a_word():
    claims = {"email": "user.email", "email_verified": ClaimRule(value="user.verified", required=True)}
    with pytest.raises(UpstreamError, match="required_claim_missing"):
        mapped(claims)


def test_a_flag_whose_expression_stumbles_is_no_word():
    claims = {"email": "user.email", "email_verified": "abs(user.login)"}
    identity, dropped = mapped(claims)
    assert identity.claims["email_verified"] is False
    assert dropped == ("email_verified",)


def test_domains_can_be_limited():
    at = connection(claims=CLAIMS, verified_email_domains=("other.example",))
    identity, _ = identity_of_documents(
        at, upstream_issuer="i", upstream_subject="1", documents={"user": USER, "emails": EMAILS}
    )
    assert identity.claims["email_verified"] is False


JSON = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["a@example.com", "b@example.com", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["email", "verified", "data", "list"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@unhurried
@given(JSON)
def test_no_view_ever_holds_a_flag_of_another_address(value):
    for view in sightings({"document": value}, "email", "a@example.com"):
        flags = list(_beside(view))
        assert flags == ["a@example.com"]


def _beside(value):
    """Yield the address of every object that holds anything but a way to others."""
    if isinstance(value, dict):
        if any(not isinstance(item, dict | list) for item in value.values()):
            yield value.get("email")
        for item in value.values():
            yield from _beside(item)
    elif isinstance(value, list):
        for item in value:
            yield from _beside(item)
