import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.claims.subject import hashed_subject, keeps_subjects, subject_parts, to_subject
from fedbridge.errors import UpstreamError
from fedbridge.model.policies import OAuth2Document, OAuth2Profile, TenantPolicy
from tests.unit.claims.connections import connection, unhurried

ISSUER = "https://idp.example"


def test_hashed_is_sha256_over_three_prefixed_texts():
    text = b"".join(struct.pack(">Q", len(part)) + part for part in (b"acme", ISSUER.encode(), b"Ada"))
    assert to_subject(connection(), ISSUER, "Ada") == hashlib.sha256(text).hexdigest()


def test_hashed_subjects_never_change():
    # Written down: every user of every pool is known by this value.
    assert (
        hashed_subject("acme", "https://idp.example", "248289761001")
        == "a5725f6458d8c2cd20e18f32591f6c2c520b1a0189733dca127cb148b2283ce4"
    )


def test_a_namespace_stands_for_the_connections_name():
    assert to_subject(connection(subject_namespace="old-name"), ISSUER, "x") == hashed_subject(
        "old-name", ISSUER, "x"
    )


PART = st.text(st.characters(codec="utf-8"), max_size=12)


PARTS = st.lists(PART, min_size=3, max_size=5)


@unhurried
@given(PARTS, PARTS)
def test_hashing_is_injective(one, other):
    assert (hashed_subject(*one) == hashed_subject(*other)) is (one == other)


@unhurried
@given(st.text(st.characters(codec="utf-8"), min_size=2, max_size=30), st.data())
def test_moving_a_boundary_changes_the_subject(text, data):
    first, second = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    third, fourth = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    one = (text[:first], text[first:second], text[second:])
    other = (text[:third], text[third:fourth], text[fourth:])
    assert (hashed_subject(*one) == hashed_subject(*other)) is (one == other)


@pytest.mark.parametrize("subject", ["248289761001", "a", "x" * 95, "auth0|5f7c8ec7", "a@b.example"])
def test_raw_subjects_pass(subject):
    assert to_subject(connection(subject="raw"), ISSUER, subject) == subject


@pytest.mark.parametrize("tokens", ["reissue", "relay"])
@pytest.mark.parametrize(
    "subject",
    ["", "x" * 96, "a b", " a", "a\n", "a\x00", "a\u00a0b", "\u200b", "Ada", "ß", "\u212a", "\u0131", "é"],
)
def test_raw_subjects_that_cognito_would_change_are_refused(tokens, subject):
    with pytest.raises(UpstreamError) as refused:
        to_subject(connection(subject="raw", tokens=tokens), ISSUER, subject)
    assert refused.value.reason == "subject_not_representable"


def test_capitals_need_a_pool_that_tells_them_apart():
    assert to_subject(connection(subject="raw", case_sensitive_pool=True), ISSUER, "Ada") == "Ada"


def test_relayed_tokens_keep_their_subject():
    assert to_subject(connection(tokens="relay", subject="hashed"), ISSUER, "ada") == "ada"


@pytest.mark.parametrize("subject", ["", "a\ud800"])
def test_hashing_needs_text(subject):
    with pytest.raises(UpstreamError) as refused:
        to_subject(connection(), ISSUER, subject)
    assert refused.value.reason == "subject_not_representable"


@unhurried
@given(st.text(max_size=100), st.text(max_size=100), st.booleans())
def test_raw_subjects_never_collide_in_cognito(one, other, case_sensitive):
    raw = connection(subject="raw", case_sensitive_pool=case_sensitive)
    names = []
    for subject in (one, other):
        try:
            name = to_subject(raw, ISSUER, subject)
        except UpstreamError:
            return
        names.append(name if case_sensitive else name.lower())
    assert (names[0] == names[1]) is (one == other)


@pytest.mark.parametrize(
    "before, after, kept",
    [
        ({}, {"client_id": "other", "case_sensitive_pool": True}, True),
        ({}, {"subject_namespace": "acme"}, True),
        ({}, {"name": "renamed"}, False),
        ({}, {"name": "renamed", "subject_namespace": "acme"}, True),
        ({}, {"issuer": "https://idp.example/"}, False),
        ({}, {"subject": "raw"}, False),
        ({}, {"tokens": "relay"}, False),
        ({"subject": "raw"}, {"tokens": "relay"}, True),
        ({"subject": "raw"}, {"subject": "raw", "issuer": "https://other.example"}, False),
        ({}, {"subject_claims": ("sub",)}, True),
        ({}, {"subject_claims": ("tid", "oid")}, False),
        ({"subject_claims": ("tid", "oid")}, {"subject_claims": ("oid", "tid")}, False),
        ({"subject_claims": ("tid", "oid")}, {"subject_claims": ("tid", "oid")}, True),
    ],
)
def test_a_change_that_would_alter_subjects_is_told(before, after, kept):
    old, new = connection(**before), connection(**after)
    assert keeps_subjects(old, new) is kept
    if kept:
        assert to_subject(old, old.issuer, "ada") == to_subject(new, new.issuer, "ada")


# --- several claims, several tenants --------------------------------------------------------------------------------


def test_several_claims_are_hashed_one_by_one():
    at = connection(subject_claims=("tid", "oid"))
    parts = subject_parts(at, "pairwise", {"sub": "pairwise", "tid": "t-1", "oid": "o-1"})
    assert parts == ("t-1", "o-1")
    text = b"".join(
        struct.pack(">Q", len(part)) + part for part in (b"acme", ISSUER.encode(), b"t-1", b"o-1")
    )
    assert to_subject(at, ISSUER, *parts) == hashlib.sha256(text).hexdigest()


def test_dots_lead_into_objects_unless_they_are_of_the_name():
    at = connection(subject_claims=("sub", "act.sub"))
    acting = {"sub": "company", "act": {"sub": "ada"}}
    assert subject_parts(at, "company", acting) == ("company", "ada")
    assert subject_parts(at, "company", {**acting, "act.sub": "eve"}) == ("company", "eve")


@pytest.mark.parametrize("act", [None, "ada", ["ada"], {}, {"sub": {}}, {"sub": ""}, {"subject": "ada"}])
def test_who_acts_must_be_named(act):
    at = connection(subject_claims=("sub", "act.sub"))
    with pytest.raises(UpstreamError) as refused:
        subject_parts(at, "company", {"sub": "company", "act": act})
    assert refused.value.reason == "subject_claim_missing"


@pytest.mark.parametrize("oid", [None, "", 7, True, ["o-1"], "x" * 256, " o", "o ", "o\n", "o\x00"])
def test_a_claim_that_cannot_name_anybody_ends_the_sign_in(oid):
    at = connection(subject_claims=("tid", "oid"))
    claims = {"sub": "pairwise", "tid": "t-1", **({} if oid is None else {"oid": oid})}
    with pytest.raises(UpstreamError) as refused:
        subject_parts(at, "pairwise", claims)
    assert refused.value.reason == "subject_claim_missing"


def test_one_claim_may_stay_raw_and_several_may_not():
    assert to_subject(connection(subject="raw", subject_claims=("oid",)), ISSUER, "o-1") == "o-1"
    with pytest.raises(UpstreamError) as refused:
        to_subject(connection(subject="raw", subject_claims=("tid", "oid")), ISSUER, "t-1", "o-1")
    assert refused.value.reason == "subject_not_representable"


TEMPLATE = "https://login.example/{tenantid}/v2.0"


def of_tenants(*allowed, template=TEMPLATE, **fields):
    return connection(tenants=TenantPolicy(issuer_template=template, allowed=allowed), **fields)


@pytest.mark.parametrize(
    "before, after, kept",
    [
        (of_tenants("a"), of_tenants("a", "b"), True),
        (of_tenants("a", "b"), of_tenants("b"), True),
        (of_tenants("a"), of_tenants("a", issuer="https://login.example/common/v2.0"), True),
        (of_tenants("a"), of_tenants("a", template="https://login.other/{tenantid}/v2.0"), False),
        (of_tenants("a"), of_tenants("a", subject_claims=("tid", "oid")), False),
        (connection(issuer="https://login.example/a/v2.0"), of_tenants("a", "b"), True),
        (connection(issuer="https://login.example/c/v2.0"), of_tenants("a", "b"), False),
        (of_tenants("a", "b"), connection(issuer="https://login.example/a/v2.0"), False),
        (of_tenants("a"), connection(), False),
    ],
)
def test_tenants_may_come_and_go_but_not_their_issuers(before, after, kept):
    assert keeps_subjects(before, after) is kept


def social(subject="user.id", **documents):
    urls = {"user": "https://api.example/user", **documents}
    return connection(
        protocol="oauth2",
        oauth2=OAuth2Profile(
            documents=tuple(OAuth2Document(name=name, url=url) for name, url in urls.items()), subject=subject
        ),
    )


@pytest.mark.parametrize(
    "after, kept",
    [
        (social(), True),
        (social(emails="https://api.example/emails"), True),
        (social(user="https://other.example/user"), False),
        (social(subject="user.login"), False),
        (connection(), False),
    ],
)
def test_without_openid_connect_the_expression_and_its_document_make_the_subject(after, kept):
    assert keeps_subjects(social(), after) is kept
