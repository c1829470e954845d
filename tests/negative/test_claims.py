"""Claims that an identity provider should not have sent: cases 38, 112, 113, 114, 142 and 148."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.claims.mapping import MappingResult, to_identity
from fedbridge.claims.names import is_protected
from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClaimRule
from tests.unit.claims.connections import connection, unhurried


def signed_in(
    id_token: dict[str, Any],
    userinfo: dict[str, Any] | None = None,
    relayed: str | None = None,
    **fields: Any,
) -> MappingResult:
    return to_identity(
        connection(**fields),
        upstream_issuer=fields.get("issuer", "https://idp.example"),
        upstream_subject="ada",
        id_token={
            "iss": "https://idp.example",
            "sub": "ada",
            "aud": "bridge",
            "exp": 2,
            "iat": 1,
            **id_token,
        },
        userinfo=userinfo,
        upstream_id_token=relayed,
    )


@pytest.mark.parametrize(
    "email",
    [
        ["a@b.example", 5, {"x": 1}],
        {"address": "a@b.example"},
        "a" * 5_000_000,
        "a\x00@b.example",
        "a\u202e@b.example",
        "a\u2066@b.example",
        "a\r\nBcc: b@c.example",
    ],
    ids=["list", "object", "5 MB", "NUL", "bidi override", "bidi isolate", "line break"],
)
def test_038_an_email_that_is_no_email_is_dropped_or_refused_by_rule(email):
    identity, dropped = signed_in({"email": email, "email_verified": True})
    assert identity.claims == {}
    assert dropped == ("email",)
    with pytest.raises(UpstreamError):
        signed_in({"email": email}, claims={"email": ClaimRule(value="email", required=True)})


def test_038_a_number_for_an_email_is_not_verified_by_its_text():
    assert signed_in({"email": 5, "email_verified": True}).identity.claims == {
        "email": "5",
        "email_verified": False,
    }


@pytest.mark.parametrize(
    "flag", ["false", "0", "1", 1, 0, None, "TRUE ", "TRUE", "True", " true", "yes", [True], {}, 1.0]
)
def test_038_only_true_verifies(flag):
    claims = signed_in({"email": "a@b.example", "email_verified": flag}).identity.claims
    assert claims == {"email": "a@b.example", "email_verified": False}


@pytest.mark.parametrize("flag", [True, "true"])
def test_038_true_verifies(flag):
    claims = signed_in({"email": "a@b.example", "email_verified": flag}).identity.claims
    assert claims == {"email": "a@b.example", "email_verified": True}


def test_038_a_value_above_the_limit_is_dropped_or_refused_and_never_cut():
    assert signed_in({"name": "n" * 2048}).identity.claims == {"name": "n" * 2048}
    assert signed_in({"name": "n" * 2049}).identity.claims == {}
    with pytest.raises(UpstreamError) as refused:
        signed_in({"name": "n" * 2049}, claims={"name": ClaimRule(value="name", too_long="refuse")})
    assert refused.value.reason == "claim_too_long"
    assert "nnn" not in str(refused.value)


@pytest.mark.parametrize("email", [["victim@bank.example"], True], ids=["list", "boolean"])
@pytest.mark.parametrize("rule", ["email_verified", ClaimRule(constant=True)], ids=["flag", "constant"])
def test_038_what_is_no_string_is_no_verified_address(email, rule):
    claims = signed_in(
        {"email": email, "email_verified": True}, claims={"email": "email", "email_verified": rule}
    ).identity.claims
    assert claims["email_verified"] is False


def test_112_a_flag_of_one_document_never_vouches_for_the_address_of_the_other():
    claims = signed_in(
        {"email": "ada@corp.example", "email_verified": True}, {"sub": "ada", "email": "victim@bank.example"}
    ).identity.claims
    assert claims == {"email": "victim@bank.example", "email_verified": False}
    claims = signed_in(
        {"email_verified": True}, {"sub": "ada", "email": "victim@bank.example"}
    ).identity.claims
    assert claims == {"email": "victim@bank.example", "email_verified": False}
    claims = signed_in(
        {"email": "victim@bank.example"}, {"sub": "ada", "email_verified": True}
    ).identity.claims
    assert claims == {"email": "victim@bank.example", "email_verified": False}


RELAYED = [
    ({"email_verified": True}, {"email": "victim@bank.example"}),
    ({"email_verified": True}, {"email": "victim@bank.example", "email_verified": False}),
    ({"email": "ada@corp.example"}, {"email": "victim@bank.example", "email_verified": True}),
    ({"email": "ada@corp.example", "email_verified": True}, {"email": "victim@bank.example"}),
]


@pytest.mark.parametrize(("id_token", "userinfo"), RELAYED)
def test_112_a_relayed_token_never_meets_an_address_or_a_flag_that_is_not_about_its_own(id_token, userinfo):
    identity, dropped = signed_in(id_token, {"sub": "ada", **userinfo}, tokens="relay", relayed="a.b.c")
    # Cognito reads both documents, and takes the token's word where they differ.
    assert {**identity.claims, **id_token}.items() <= id_token.items()
    assert dropped == ("email",)


def test_112_a_relayed_token_and_userinfo_that_agree_complete_each_other():
    def relayed(id_token, userinfo):
        return signed_in(id_token, userinfo, tokens="relay", relayed="a.b.c").identity.claims

    verified = {"email": "ada@corp.example", "email_verified": True}
    assert relayed({}, verified) == verified
    assert relayed({"email": "ada@corp.example"}, verified) == verified
    assert relayed(verified, {}) == verified


FORGED = {
    "iss": "https://evil.example",
    "aud": "other",
    "exp": 9999999999,
    "iat": 0,
    "nonce": "forged",
    "acr": "high",
    "auth_time": 1,
    "amr": ["hwk"],
    "cognito:groups": ["admin"],
    "custom:role": "admin",
    "identities": [{"userId": "x"}],
    "token_use": "id",
}


def test_113_userinfo_sets_no_protocol_claim():
    everything = {"all": "@", **{f"c{number}": f'"{name}"' for number, name in enumerate(FORGED)}}
    identity, _ = signed_in(
        {"acr": "low", "nonce": "real"},
        {"sub": "ada", **FORGED},
        claims={
            name: ClaimRule(value=value, type="string") for name, value in everything.items() if name != "all"
        },
    )
    seen = {name: identity.claims.get(f"c{number}") for number, name in enumerate(FORGED)}
    assert seen == {
        **dict.fromkeys(FORGED),
        "iss": "https://idp.example",
        "aud": "bridge",
        "exp": "2",
        "iat": "1",
        "nonce": "real",
        "acr": "low",
    }
    assert (identity.acr, identity.amr, identity.auth_time) == ("low", (), None)


def test_113_unmapped_claims_are_dropped():
    identity, _ = signed_in(
        {"admin": True}, {"sub": "ada", **FORGED, "role": "admin", "email": "a@b.example"}
    )
    assert identity.claims == {"email": "a@b.example", "email_verified": False}
    assert not any(is_protected(name) for name in identity.claims)


def test_114_aggregated_and_distributed_claims_are_neither_fetched_nor_read():
    sources: dict[str, Any] = {
        "_claim_names": {"email": "src1", "groups": "src2"},
        "_claim_sources": {
            "src1": {"JWT": "a.b.c"},
            "src2": {"endpoint": "http://169.254.169.254/latest/meta-data", "access_token": "t"},
        },
    }
    rules = {
        "a": ClaimRule(value="_claim_sources", type="string"),
        "b": ClaimRule(value="id_token._claim_sources.src2.endpoint", type="string"),
        "c": ClaimRule(value="userinfo._claim_names", type="string"),
        "email": ClaimRule(value="email"),
    }
    in_userinfo = {"sub": "ada", **sources}
    for claims in (rules, None):
        assert signed_in(sources, claims=claims).identity.claims == {}
        assert signed_in({}, in_userinfo, claims=claims).identity.claims == {}


NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
ISSUERS = st.sampled_from(
    ["https://a.example", "https://b.example", "https://a.example/", "https://a.exampl"]
)
SUBJECTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)


@unhurried
@given(st.tuples(NAMES, ISSUERS, SUBJECTS), st.tuples(NAMES, ISSUERS, SUBJECTS))
def test_142_distinct_people_have_distinct_subjects(one, other):
    subjects = [
        to_identity(
            connection(name=name, issuer=issuer),
            upstream_issuer=issuer,
            upstream_subject=subject,
            id_token={"iss": issuer, "sub": subject},
            userinfo=None,
            upstream_id_token=None,
        ).identity.subject
        for name, issuer, subject in (one, other)
    ]
    assert (subjects[0] == subjects[1]) is (one == other)
    assert all(len(subject) <= 95 and subject == subject.lower() for subject in subjects)


def test_142_the_same_subject_of_two_connections_and_one_shaped_like_a_bridged_subject():
    def subject_at(name: str, subject: str) -> str:
        return to_identity(
            connection(name=name),
            upstream_issuer="https://idp.example",
            upstream_subject=subject,
            id_token={},
            userinfo=None,
            upstream_id_token=None,
        ).identity.subject

    at_a = subject_at("a", "ada")
    assert len({at_a, subject_at("b", "ada"), subject_at("b", at_a), subject_at("a", at_a)}) == 4


@pytest.mark.parametrize(
    "email",
    [
        "ada@evil.example",
        "ada@corp.example.evil.example",
        "ada@sub.corp.example",
        "ada@corp.example@evil.example",
        "corp.example",
        "ada@corp.example.",
        "ada@\u212aorp.example",
        "ada@",
    ],
)
@pytest.mark.parametrize("rule", ["email_verified", ClaimRule(constant=True)])
def test_148_an_address_outside_the_connections_domains_is_not_verified(email, rule):
    token = {"email": email, "email_verified": True}
    domains = ("corp.example", "corp.test", "korp.example")
    claims = signed_in(token, verified_email_domains=domains).identity.claims
    assert claims == {"email": email, "email_verified": False}
    mapping = {"email": "email", "email_verified": rule}
    claims = signed_in(token, verified_email_domains=domains, claims=mapping).identity.claims
    assert claims == {"email": email, "email_verified": False}


@pytest.mark.parametrize("email", ["ada@corp.example", "Ada@CORP.example", "ada@evil.example@corp.test"])
def test_148_an_address_inside_them_is_as_the_document_says(email):
    for flag in (True, False):
        claims = signed_in(
            {"email": email, "email_verified": flag}, verified_email_domains=("corp.example", "corp.test")
        ).identity.claims
        assert claims == {"email": email, "email_verified": flag}
