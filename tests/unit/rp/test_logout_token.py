"""Logout tokens, rule by rule (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6)."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.jws import b64url
from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import Logout
from fedbridge.model.policies import TenantPolicy
from fedbridge.model.session import EndedSession
from fedbridge.rp.logout_token import EVENT
from tests.fakes.http import json_answer
from tests.unit.rp.idp import CLIENT_ID, ISSUER, NOW, FakeIdp, connection, private_key, sign
from tests.unit.rp.logout_tokens import SID, claims_of, logout_token, verifier_of

AT = connection(logout=Logout(back_channel=True))
SKEW = AT.id_token.clock_skew


@pytest.fixture
def idp():
    return FakeIdp()


def verify(idp, token, at=AT):
    return verifier_of(idp).verify(at, token, Deadline.after(5))


def refused(idp, token, at=AT):
    with pytest.raises(UpstreamError) as failure:
        verify(idp, token, at)
    return failure.value.reason


def test_says_what_has_ended_and_when_it_would_be_too_old(idp):
    ended = verify(idp, logout_token(idp))
    assert ended == EndedSession(
        issuer=ISSUER, subject="ana", sid=SID, jti="logout-1", until=NOW + 300 + 2 * SKEW + 1
    )


@pytest.mark.parametrize("name, other", [("sub", "sid"), ("sid", "sub")])
def test_either_of_subject_and_session_will_do(idp, name, other):
    ended = verify(idp, logout_token(idp, **{name: None}))
    assert getattr(ended, {"sub": "subject", "sid": "sid"}[name]) is None
    assert getattr(ended, {"sub": "subject", "sid": "sid"}[other]) is not None


@pytest.mark.parametrize("typ", ["logout+jwt", "LOGOUT+JWT", "JWT", None])
def test_the_type_is_tolerated_where_it_is_not_demanded(idp, typ):
    assert verify(idp, logout_token(idp, {"typ": typ})).subject == "ana"


@pytest.mark.parametrize("typ", ["JWT", None, "at+jwt", "secevent+jwt"])
def test_another_type_is_refused_where_it_is_demanded(idp, typ):
    strict = replace(AT, logout=Logout(back_channel=True, require_typ=True))
    assert refused(idp, logout_token(idp, {"typ": typ}), strict) == "logout_token_type_refused"
    assert verify(idp, logout_token(idp), strict).subject == "ana"


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "dpop+jwt"])
def test_what_says_that_it_is_another_kind_of_jwt_is_refused(idp, typ):
    assert refused(idp, logout_token(idp, {"typ": typ})) == "logout_token_type_refused"


@pytest.mark.parametrize("aud", [CLIENT_ID, [CLIENT_ID], ["other", CLIENT_ID]])
def test_an_audience_may_be_a_list(idp, aud):
    assert verify(idp, logout_token(idp, aud=aud)).subject == "ana"


EVENTS: list[Any] = [None, {}, [EVENT], EVENT, {"other": {}}, {EVENT: None}, {EVENT: "x"}, {EVENT: True}]


@pytest.mark.parametrize("events", EVENTS)
def test_without_the_event_it_is_no_logout_token(idp, events):
    assert refused(idp, logout_token(idp, events=events)) == "logout_token_event_missing"


def test_more_events_and_members_within_ours_are_left_alone(idp):
    assert verify(idp, logout_token(idp, events={EVENT: {"reason": "x"}, "other": 1})).subject == "ana"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nonce": ({"nonce": "n"}, "logout_token_is_id_token"),
    "empty nonce": ({"nonce": ""}, "logout_token_is_id_token"),
    "other issuer": ({"iss": f"{ISSUER}/"}, "logout_token_issuer_mismatch"),
    "no issuer": ({"iss": None}, "logout_token_issuer_mismatch"),
    "other audience": ({"aud": "another-client"}, "logout_token_audience_mismatch"),
    "no audience": ({"aud": None}, "logout_token_audience_mismatch"),
    "no iat": ({"iat": None}, "logout_token_time_malformed"),
    "no exp": ({"exp": None}, "logout_token_time_malformed"),
    "iat as text": ({"iat": str(NOW)}, "logout_token_time_malformed"),
    "exp as truth": ({"exp": True}, "logout_token_time_malformed"),
    "expired": ({"exp": NOW - SKEW}, "logout_token_expired"),
    "from the future": ({"iat": NOW + SKEW + 1}, "logout_token_from_the_future"),
    "not yet valid": ({"nbf": NOW + SKEW + 1}, "logout_token_not_yet_valid"),
    "old": ({"iat": NOW - 300 - SKEW - 1}, "logout_token_too_old"),
    "nobody": ({"sub": None, "sid": None}, "logout_token_names_nobody"),
    "no jti": ({"jti": None}, "logout_token_jti_malformed"),
    "empty jti": ({"jti": ""}, "logout_token_jti_malformed"),
    "long jti": ({"jti": "j" * 256}, "logout_token_jti_malformed"),
    "number as jti": ({"jti": 7}, "logout_token_jti_malformed"),
    "list as sub": ({"sub": ["ana"]}, "logout_token_sub_malformed"),
    "line break in sub": ({"sub": "ana\n"}, "logout_token_sub_malformed"),
    "empty sid": ({"sid": ""}, "logout_token_sid_malformed"),
    "object as sid": ({"sid": {"a": 1}}, "logout_token_sid_malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_wrong_claim_refuses_the_token(idp, name):
    claims, reason = REFUSED[name]
    assert refused(idp, logout_token(idp, **claims)) == reason


def test_the_last_moment_still_counts(idp):
    assert verify(idp, logout_token(idp, iat=NOW - 300 - SKEW, exp=NOW - SKEW + 1)).subject == "ana"


def test_no_signature_is_no_signature(idp):
    payload = b64url(json.dumps(claims_of(idp)).encode())
    none = f"{b64url(json.dumps({'alg': 'none'}).encode())}.{payload}."
    assert refused(idp, none) == "logout_token_algorithm_refused"


def test_an_id_token_is_no_logout_token(idp):
    idp.nonce = "n" * 22
    assert refused(idp, idp.id_token()) == "logout_token_event_missing"


def test_a_header_that_changes_the_meaning_is_refused(idp):
    assert refused(idp, logout_token(idp, {"cty": "JWT"})) == "logout_token_header_refused"


def test_another_key_signs_nothing(idp):
    other = private_key("ES256", 99)
    forged = sign({"alg": "ES256", "kid": idp.key.kid}, json.dumps(claims_of(idp)).encode(), other)
    unknown = sign({"alg": "ES256", "kid": "unknown"}, json.dumps(claims_of(idp)).encode(), other)
    assert refused(idp, forged) == "logout_token_signature_invalid"
    assert refused(idp, unknown) == "logout_token_key_unknown"


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "a.b.c.d.e", "." * 4, "ä.b.c"])
def test_what_is_no_jwt_is_refused_before_keys_are_asked_for(idp, token):
    assert refused(idp, token) in {"logout_token_malformed", "logout_token_encrypted"}
    assert not idp.http.calls(idp.url("/jwks"))


def test_an_outage_of_the_keys_is_none_of_the_tokens_fault(idp):
    idp.http.answer("GET", idp.url("/jwks"), json_answer({}, status=503))
    with pytest.raises(UpstreamError) as failure:
        verify(idp, logout_token(idp))
    assert failure.value.error == "temporarily_unavailable"


def test_nothing_is_fetched_past_the_deadline(idp):
    with pytest.raises(DeadlineExceeded):
        verifier_of(idp).verify(AT, logout_token(idp), Deadline(at=0.0))


def test_a_second_token_fetches_nothing(idp):
    verifier = verifier_of(idp)
    for number in range(2):
        verifier.verify(AT, logout_token(idp, jti=f"j{number}"), Deadline.after(5))
    assert len(idp.http.sent) == 2  # discovery and keys


def test_a_tenants_issuer_is_the_sessions(idp):
    at = replace(
        AT,
        tenants=TenantPolicy(issuer_template="https://idp.example/{tenantid}", allowed=("t1",), claim="tid"),
    )
    idp.serve_metadata(issuer="https://idp.example/{tenantid}")
    token = logout_token(idp, iss="https://idp.example/t1", tid="t1")
    assert verify(idp, token, at).issuer == "https://idp.example/t1"
    assert (
        refused(idp, logout_token(idp, iss="https://idp.example/t2", tid="t2"), at)
        == "id_token_tenant_refused"
    )
