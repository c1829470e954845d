"""Whole sign-ins: what is called, how often, and what comes out."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fedbridge.claims.mapping import to_identity
from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile, Endpoints, UserinfoPolicy
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from tests.fakes.http import json_answer
from tests.unit.rp.idp import CALLBACK, STATE, FakeIdp, connection, form, private_key, public_jwk


def urls(idp):
    return [request.url for request in idp.http.sent]


def test_a_cold_sign_in_fetches_metadata_and_keys_and_then_exchanges():
    idp = FakeIdp()
    identity = idp.sign_in()
    assert identity.subject == "ana"
    assert identity.claims["email"] == "ana@example.com"
    assert urls(idp) == [
        idp.discovery_url,
        "https://idp.example/token",
        "https://idp.example/jwks",
        "https://idp.example/userinfo",
    ]


def test_a_warm_sign_in_calls_what_the_protocol_demands_and_nothing_else():
    idp = FakeIdp()
    idp.sign_in()
    idp.http.sent.clear()
    idp.sign_in()
    assert urls(idp) == ["https://idp.example/token", "https://idp.example/userinfo"]


def test_without_userinfo_a_warm_sign_in_is_one_call():
    idp, at = FakeIdp(claims={"email": "ana@example.com"}), connection(userinfo=UserinfoPolicy(method="none"))
    idp.sign_in(at)
    idp.http.sent.clear()
    assert idp.sign_in(at).claims["email"] == "ana@example.com"
    assert urls(idp) == ["https://idp.example/token"]


def test_the_code_is_redeemed_with_what_begin_drew():
    idp = FakeIdp()
    redirect = idp.begin()
    idp.finish(redirect)
    assert form(idp.http.calls("https://idp.example/token")[0]) == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": CALLBACK,
        "code_verifier": redirect.remembered["code_verifier"],
    }


def test_without_pkce_no_verifier_is_sent():
    idp, at = FakeIdp(), connection(authorization=AuthorizationRequestProfile(pkce="off"))
    idp.sign_in(at)
    assert form(idp.http.calls(idp.url("/token"))[0]).keys() == {"grant_type", "code", "redirect_uri"}


def test_manual_endpoints_need_no_discovery():
    idp = FakeIdp()
    at = connection(
        endpoints=Endpoints(
            authorization_endpoint="https://login.idp.example/authorize",
            token_endpoint=idp.url("/token"),
            jwks_uri=idp.url("/jwks"),
        )
    )
    assert idp.begin(at).url.startswith("https://login.idp.example/authorize?")
    assert idp.sign_in(at).subject == "ana"
    assert urls(idp) == ["https://idp.example/token", "https://idp.example/jwks"]


def test_every_call_is_logged_once_with_its_kind_and_status():
    idp = FakeIdp()
    idp.sign_in()
    calls = [fields for name, fields in idp.telemetry.events if name == "upstream_call"]
    assert [(call["upstream_endpoint"], call["upstream_status"]) for call in calls] == [
        ("discovery", 200),
        ("token", 200),
        ("jwks", 200),
        ("userinfo", 200),
    ]
    assert all(call["connection"] == "acme" and isinstance(call["duration_ms"], float) for call in calls)


def test_every_call_carries_the_connections_user_agent():
    idp = FakeIdp()
    idp.sign_in(connection(user_agent="acme-bridge/1"))
    assert {request.headers["user-agent"] for request in idp.http.sent} == {"acme-bridge/1"}


def test_claims_that_cognito_cannot_take_are_named_in_the_log():
    idp = FakeIdp(claims={"given_name": "x" * 3000})
    assert "given_name" not in idp.sign_in().claims
    assert idp.telemetry.fields("claims_dropped") == {"connection": "acme", "claims": "given_name"}


def test_relay_hands_the_upstream_token_on_and_reissue_does_not():
    idp, at = FakeIdp(), connection(tokens="relay")
    redirect = idp.begin(at)
    token = idp.id_token()
    idp.answer_token(idp.token_answer(id_token=token))
    assert idp.finish(redirect, at).upstream_id_token == token
    assert FakeIdp().sign_in().upstream_id_token is None


@pytest.mark.parametrize(
    ("algorithm", "header", "reason"),
    [("ES256", {"kid": None}, "id_token_relay_without_kid"), ("PS256", {}, "id_token_relay_algorithm")],
)
def test_relay_refuses_what_cognito_could_not_verify(algorithm, header, reason):
    idp = FakeIdp(key=private_key(algorithm), algorithm=algorithm, header=header)
    at = connection(id_token=replace(connection().id_token, algorithms=(algorithm,)))
    assert idp.sign_in(at).subject == "ana"
    with pytest.raises(UpstreamError) as refused:
        idp.sign_in(replace(at, tokens="relay"))
    assert refused.value.reason == reason


def test_a_spent_deadline_calls_nobody():
    idp = FakeIdp()
    redirect = idp.begin()
    idp.http.sent.clear()
    with pytest.raises(DeadlineExceeded):
        idp.upstream.finish(
            connection(),
            remembered=redirect.remembered,
            callback_url=CALLBACK,
            response=Parameters({"code": "the-code", "state": STATE}),
            deadline=Deadline.after(-1),
        )
    assert idp.http.sent == []


def test_a_provider_that_takes_its_time_still_signs_in():
    """Ten seconds at the token endpoint pass on the deadline's clock; the budget at the callback is 22."""
    idp, elapsed = FakeIdp(), [0.0]

    def slow(_request):
        elapsed[0] += 10
        return idp.token_answer()

    redirect = idp.begin()
    idp.answer_token(slow)
    identity = idp.upstream.finish(
        connection(),
        remembered=redirect.remembered,
        callback_url=CALLBACK,
        response=Parameters({"code": "the-code", "state": STATE}),
        deadline=Deadline.after(22, lambda: elapsed[0]),
    )
    assert identity.subject == "ana"
    call = next(fields for _, fields in idp.telemetry.events if fields.get("upstream_endpoint") == "token")
    assert call["duration_ms"] == 10_000


def test_connections_with_one_issuer_share_neither_metadata_nor_keys():
    """Case 143: what A's cache holds, poisoned or not, is nothing to B."""
    idp = FakeIdp()
    idp.sign_in(connection(name="a"))
    attacker = private_key("ES256", 1)
    idp.serve_keys(public_jwk(attacker, kid=idp.key.kid))
    with pytest.raises(UpstreamError) as refused:
        idp.sign_in(connection(name="b"))
    assert refused.value.reason == "id_token_signature_invalid"
    assert idp.sign_in(connection(name="a")).subject == "ana"


def test_a_new_version_of_a_connection_starts_with_empty_caches():
    idp = FakeIdp()
    idp.sign_in(connection(version="1"))
    idp.http.sent.clear()
    idp.sign_in(connection(version="2"))
    assert idp.discovery_url in urls(idp)
    assert idp.url("/jwks") in urls(idp)


def test_threads_share_one_upstream_without_mixing_people():
    idp = FakeIdp(userinfo=None)
    idp.sign_in()
    people = [f"person-{number}" for number in range(40)]

    def sign_in(person):
        redirect = idp.upstream.begin(
            connection(), state=STATE, callback_url=CALLBACK, parameters={}, deadline=Deadline.after(20)
        )
        return idp.upstream.finish(
            connection(),
            remembered=redirect.remembered,
            callback_url=CALLBACK,
            response=Parameters({"code": f"{person} {redirect.remembered['nonce']}", "state": STATE}),
            deadline=Deadline.after(20),
        )

    def answer(request):
        person, nonce = form(request)["code"].split()
        mine = FakeIdp(claims={"sub": person, "nonce": nonce})
        return mine.token_answer()

    idp.answer_token(answer)
    with ThreadPoolExecutor(8) as pool:
        assert [identity.subject for identity in pool.map(sign_in, people)] == people


def test_the_identity_is_what_the_mapping_makes_of_both_documents():
    idp = FakeIdp(claims={"acr": "high", "amr": ["pwd", "otp"], "auth_time": 1_799_999_990})
    identity = idp.sign_in()
    expected, _ = to_identity(
        connection(),
        upstream_issuer=idp.issuer,
        upstream_subject="ana",
        id_token=idp.id_token_claims(),
        userinfo=idp.userinfo,
        upstream_id_token=None,
    )
    assert identity == expected
    assert (identity.acr, identity.amr, identity.auth_time) == ("high", ("pwd", "otp"), 1_799_999_990)


def test_the_next_good_sign_in_succeeds_after_a_refused_one():
    idp = FakeIdp()
    idp.claims = {"nonce": "another"}
    with pytest.raises(UpstreamError):
        idp.sign_in()
    idp.claims = {}
    assert idp.sign_in().subject == "ana"


def test_userinfo_by_post_sends_the_token_in_the_header_alone():
    idp = FakeIdp()
    idp.http.answer("POST", idp.url("/userinfo"), json_answer({"sub": "ana", "name": "Ana"}))
    assert idp.sign_in(connection(userinfo=UserinfoPolicy(method="POST"))).claims["name"] == "Ana"
    (request,) = idp.http.calls(idp.url("/userinfo"))
    assert (request.headers["authorization"], request.body) == ("Bearer at", b"")
