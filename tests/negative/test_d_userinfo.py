"""D, the userinfo request of Cognito (cases 33 to 35 and 37), as events through the edge.

Case 33 as the design has it: a POST may carry the token in its form. Case 36 has no subject: every token is for openid.
Case 38, the values of claims, is in test_claims.py.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fedbridge.flows.handles import ALPHABET
from fedbridge.flows.services import ACCESS_TOKEN_LIFETIME, CODE_LIFETIME
from fedbridge.jws import b64url, encode_json, sign_compact
from fedbridge.model.deadline import Deadline
from tests.fakes.keys import FakeSigner
from tests.fakes.registry import FakeRegistry
from tests.fakes.upstream import IDENTITY
from tests.support.bridge import Bridge, connection
from tests.support.counting import Counted
from tests.support.gateway import FORM, Gateway, Visitor, assert_json_error, assert_refused, signs_in
from tests.unit.rp.idp import FakeIdp

CLAIMS = {**IDENTITY.claims, "sub": IDENTITY.subject}


@pytest.fixture
def gateway():
    return Gateway(Bridge(registry=FakeRegistry(connection(), connection("bank"))))


@pytest.fixture
def counted(gateway):
    return Counted(gateway)


@pytest.fixture
def token(gateway):
    return gateway.redeem(Visitor(gateway).sign_in()).json["access_token"]


def bearer(*tokens, scheme="Bearer"):
    return [("authorization", f"{scheme} {token}") for token in tokens]


def refused_unread(counted, answer, error, reason, status):
    """No store read was spent on it."""
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, error, reason, status=status)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_case_33_without_a_token_there_is_a_plain_challenge(counted, method):
    answer = counted.gateway.send(method, "userinfo", body=b"" if method == "POST" else None)
    assert answer.headers["www-authenticate"] == "Bearer"  # RFC 6750 §3.1: no error code
    refused_unread(counted, answer, "invalid_request", "bearer_token_missing", 401)


def test_case_33_the_good_twins(gateway, token):
    answers = [
        gateway.send("GET", "userinfo", headers=bearer(token)),
        gateway.send("GET", "userinfo", headers=bearer(token, scheme="bearer")),
        gateway.send("POST", "userinfo", headers=bearer(token)),
        gateway.send("POST", "userinfo", form={"access_token": token}),
        gateway.send("GET", "userinfo", headers=bearer(token)),
    ]
    assert [answer.json for answer in answers] == [CLAIMS] * 5
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


FORM_PLACE = "in the form and the header"  # which a GET has none of
PLACES = {
    "in the query": ({"query": {"access_token": "{token}"}}, "bearer_token_in_query"),
    "in the query and the header": (
        {"query": {"access_token": "{token}"}, "headers": bearer("{token}")},
        "bearer_token_in_query",
    ),
    FORM_PLACE: (
        {"form": {"access_token": "{token}"}, "headers": bearer("{token}")},
        "bearer_token_twice",
    ),
    "in two headers": ({"headers": bearer("{token}", "{token}")}, "bearer_token_malformed"),
    "behind another header": (
        {"headers": [*bearer("x", scheme="Basic"), *bearer("{token}")]},
        "bearer_token_malformed",
    ),
    "as Basic": ({"headers": bearer("{token}", scheme="Basic")}, "bearer_token_malformed"),
    "as DPoP": ({"headers": bearer("{token}", scheme="DPoP")}, "bearer_token_malformed"),
    "as Token": ({"headers": bearer("{token}", scheme="Token")}, "bearer_token_malformed"),
    "without a scheme": ({"headers": [("authorization", "{token}")]}, "bearer_token_malformed"),
    "behind a tab": ({"headers": [("authorization", "Bearer\t{token}")]}, "bearer_token_malformed"),
    "the scheme alone": ({"headers": [("authorization", "Bearer ")]}, "bearer_token_malformed"),
}


def filled(value, token):
    return json.loads(json.dumps(value).replace("{token}", token))


@pytest.mark.parametrize(
    ("method", "place"),
    [
        (method, place)
        for place in PLACES
        for method in ("GET", "POST")
        if (method, place) != ("GET", FORM_PLACE)
    ],
)
def test_case_33_the_token_stands_where_it_may_not(counted, token, method, place):
    how, reason = PLACES[place]
    counted.calls.clear()
    sent = filled(how, token)
    answer = counted.gateway.send(method, "userinfo", **sent)
    refused_unread(counted, answer, "invalid_request", reason, 400)
    assert counted.gateway.read_userinfo(token).json == CLAIMS


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b'{"access_token":"x"}', [("content-type", "application/json")], "unsupported_content_type"),
        (b"access_token=x&access_token=y", [FORM], "repeated_parameter"),
        (b"access_token=%FF", [FORM], "malformed_encoding"),
        (b"access_token=" + b"x" * 65_536, [FORM], "body_too_large"),
    ],
)
def test_case_33_a_post_that_is_no_form(counted, body, headers, reason):
    answer = counted.gateway.send("POST", "userinfo", body=body, headers=headers)
    status = 413 if reason == "body_too_large" else 400
    refused_unread(counted, answer, "invalid_request", reason, status)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_case_33_another_method(counted, token, method):
    counted.calls.clear()
    answer = counted.gateway.send(method, "userinfo", headers=bearer(token))
    assert answer.headers["allow"] == "GET, POST"
    refused_unread(counted, answer, "invalid_request", "method_not_allowed", 405)


def test_case_34_the_token_has_expired(gateway, token):
    gateway.bridge.clock.now += CODE_LIFETIME + ACCESS_TOKEN_LIFETIME - 1
    assert gateway.read_userinfo(token).json == CLAIMS
    gateway.bridge.clock.now += 1
    assert_json_error(
        gateway, gateway.read_userinfo(token), "invalid_token", "access_token_expired", status=401
    )


def test_case_34_every_single_character_of_the_token_counts(gateway, token):
    for position in range(len(token)):
        other = ALPHABET[(ALPHABET.index(token[position]) + 1) % 62]
        answer = gateway.read_userinfo(token[:position] + other + token[position + 1 :])
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert_refused(answer, "access_token_unknown")
    assert gateway.read_userinfo(token).json == CLAIMS


def compact(header, claims, signature=b"sig"):
    return ".".join(b64url(part) for part in (encode_json(header), encode_json(claims), signature))


def test_case_34_what_is_shaped_like_another_kind_of_token(counted):
    claims = {"iss": "https://bridge.example/acme", "sub": "ana", "aud": "cognito", "exp": 4_000_000_000}
    signer = FakeSigner()  # the upstream's
    for other in (
        compact({"alg": "none"}, claims, b""),
        compact({"alg": "HS256", "typ": "at+jwt"}, claims),
        sign_compact(signer, {"kid": signer.kid, "typ": "at+jwt"}, claims, Deadline.after(5)),
        "A" * 42,
        "A" * 44,
        "A" * 42 + "-",
        "opaque-token",
        "x" * 9_000,
    ):
        counted.calls.clear()
        answer = counted.gateway.read_userinfo(other)
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        refused_unread(counted, answer, "invalid_token", "access_token_malformed", 401)


@pytest.mark.parametrize("artefact", ["id token", "code", "redeemed code", "upstream state", "cookie"])
def test_case_34_another_artefact_of_the_same_sign_in(gateway, artefact):
    browser = Visitor(gateway)
    state = browser.start()
    code = browser.callback(state).location["code"]
    if artefact == "code":
        presented = code
    else:
        tokens = gateway.redeem(code).json
        presented = {
            "id token": tokens["id_token"],
            "redeemed code": code,
            "upstream state": state,
            "cookie": browser.cookies[0].partition("=")[2],
        }[artefact]
    answer = gateway.read_userinfo(presented)
    reason = "access_token_malformed" if artefact == "id token" else "access_token_unknown"
    assert_json_error(gateway, answer, "invalid_token", reason, status=401)


def test_case_34_the_token_that_a_code_would_give_is_worthless_before_it_is_redeemed(gateway):
    """The same item, one phase earlier: userinfo asks for a redeemed code."""
    code = Visitor(gateway).sign_in()
    before = gateway.bridge.store.read(code[:21], Deadline.after(5))
    token = gateway.redeem(code).json["access_token"]
    back = gateway.bridge.back
    gateway.bridge.back = replace(back, transactions=SimpleNamespace(read=lambda *_: before))
    answer = gateway.read_userinfo(token)
    gateway.bridge.back = back
    assert_json_error(gateway, answer, "invalid_token", "access_token_unknown", status=401)


def test_case_35_the_token_of_one_connection_at_another(gateway, token):
    answer = gateway.read_userinfo(token, name="bank")
    assert_json_error(gateway, answer, "invalid_token", "access_token_unknown", status=401)
    assert gateway.read_userinfo(token).json == CLAIMS


@pytest.mark.parametrize("subject", ["bea", "Ana", "ana ", "", None, ["ana"], 7])
def test_case_37_the_userinfo_of_somebody_else_fails_the_sign_in(gateway, subject):
    idp = FakeIdp()
    gateway.connect(idp)
    good = idp.userinfo
    idp.userinfo = {"email": "bea@example.com"} | ({} if subject is None else {"sub": subject})

    def mend():
        idp.userinfo = good

    gateway.mend = mend
    browser = Visitor(gateway)
    answer = browser.callback(browser.start())
    assert set(answer.location) == {"error", "error_description", "state"}
    assert answer.location["error"] == "server_error"
    assert_refused(answer, "userinfo_subject_mismatch")
    claims = signs_in(gateway)
    assert claims["email"] == "ana@example.com"


def test_answers_of_userinfo_are_json_that_nobody_stores(gateway, token):
    for answer in (gateway.read_userinfo(token), gateway.read_userinfo("x"), gateway.send("PUT", "userinfo")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        assert not [name for name in answer.headers if name.startswith("access-control-")]
