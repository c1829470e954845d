"""The requests of Cognito, read without a store: what is proven, what is asked for, and what is presented."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.errors import OAuthError, RequestRefused
from fedbridge.model.connection import AuthorizationRequestProfile
from fedbridge.model.http import Parameters
from fedbridge.op.authorization_request import MAX_STATE, MAX_VALUE, prove_client, validate
from fedbridge.op.bearer import token_of
from fedbridge.op.client_authentication import authenticate, secret_hash
from fedbridge.op.token_request import check_binding, parse, s256
from tests.support.bridge import CLIENT, REDIRECT_URI, SECRET, connection, request
from tests.support.bridge import s256 as expected_s256

GOOD = {
    "client_id": CLIENT,
    "redirect_uri": REDIRECT_URI,
    "response_type": "code",
    "scope": "openid",
    "state": "s",
}


def asked(at=None, **changes):
    at = at or connection()
    query = Parameters({name: value for name, value in {**GOOD, **changes}.items() if value is not None})
    return validate(at, prove_client(at, query), query)


def test_the_proven_client_is_where_answers_go():
    proven = prove_client(connection(), Parameters(GOOD))
    assert (proven.relying_party.client_id, proven.redirect_uri, proven.state) == (CLIENT, REDIRECT_URI, "s")
    assert prove_client(connection(), Parameters(GOOD | {"state": "x" * MAX_STATE})).state == "x" * MAX_STATE
    without = {name: value for name, value in GOOD.items() if name != "state"}
    assert prove_client(connection(), Parameters(without)).state is None


def test_each_relying_party_has_its_own_redirect_uris():
    first = connection().relying_parties[0]
    second = replace(first, client_id="second", redirect_uris=("https://second.example/cb", "myapp://cb"))
    at = connection(relying_parties=(first, second))
    query = Parameters(GOOD | {"client_id": "second", "redirect_uri": "myapp://cb"})
    assert prove_client(at, query).relying_party is second
    with pytest.raises(RequestRefused, match="redirect_uri_mismatch"):
        prove_client(at, Parameters(GOOD | {"client_id": "second"}))


def test_what_the_connection_passes_through_travels_on_and_nothing_else():
    sent = {
        "login_hint": "ana",
        "prompt": "login",
        "max_age": "0",
        "ui_locales": "de",
        "acr_values": "high",
        "x": "y",
    }
    assert asked(**sent).parameters == {"login_hint": "ana", "prompt": "login", "max_age": "0"}
    at = connection(authorization=AuthorizationRequestProfile(pass_through=("ui_locales",)))
    assert asked(at, ui_locales="de", login_hint="ana").parameters == {"ui_locales": "de"}


def test_an_empty_parameter_is_an_absent_one():
    assert asked(login_hint="", nonce="", response_mode="", request="", code_challenge="").parameters == {}
    assert asked(nonce="").nonce is None


@pytest.mark.parametrize(
    ("nonce", "fits"), [("n" * 512, True), ("n" * 513, False), ("n\n", False), ("ñ", False)]
)
def test_a_nonce_is_short_and_printable(nonce, fits):
    if fits:
        assert asked(nonce=nonce).nonce == nonce
    else:
        with pytest.raises(OAuthError, match="invalid_request"):
            asked(nonce=nonce)


def test_values_up_to_the_limit_travel():
    assert asked(login_hint="x" * MAX_VALUE).parameters == {"login_hint": "x" * MAX_VALUE}


def test_a_challenge_is_kept():
    challenge = expected_s256("v" * 43)
    assert asked(code_challenge=challenge, code_challenge_method="S256").code_challenge == challenge
    assert asked().code_challenge is None


def test_scopes_may_stand_beside_openid():
    assert asked(scope="email openid profile").parameters == {}


FORM = Parameters({
    "grant_type": "authorization_code", "code": "c", "redirect_uri": REDIRECT_URI, "code_verifier": "v" * 43,
})  # fmt: skip


def test_a_token_request_is_read_as_it_stands():
    read = parse(FORM)
    assert (read.code, read.redirect_uri, read.code_verifier) == ("c", REDIRECT_URI, "v" * 43)
    assert parse(Parameters({"grant_type": "authorization_code"})).code_verifier is None
    assert "v" * 43 not in repr(read)


@given(st.text("ABCxyz019-._~", min_size=43, max_size=128))
def test_a_verifier_matches_its_own_challenge_and_no_other(verifier):
    assert s256(verifier) == expected_s256(verifier)
    read = parse(Parameters(FORM | {"code_verifier": verifier}))
    check_binding(read, redirect_uri=REDIRECT_URI, code_challenge=expected_s256(verifier))
    with pytest.raises(OAuthError, match="invalid_grant") as refused:
        check_binding(read, redirect_uri=REDIRECT_URI, code_challenge=expected_s256("w" * 43))
    assert refused.value.reason == "pkce_mismatch"


def test_without_pkce_there_is_nothing_to_compare():
    read = parse(Parameters({name: value for name, value in FORM.items() if name != "code_verifier"}))
    check_binding(read, redirect_uri=REDIRECT_URI, code_challenge=None)


def basic(client_id, secret):
    from base64 import b64encode

    return {"authorization": f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({"client_id": CLIENT, "client_secret": SECRET}, {}),
        ({}, basic(CLIENT, SECRET)),
        ({"client_id": CLIENT}, basic(CLIENT, SECRET)),
        ({}, {"authorization": basic(CLIENT, SECRET)["authorization"].replace("Basic ", "basic   ")}),
    ],
)
def test_a_client_proves_itself_by_post_or_basic(form, headers):
    sent = request("token", method="POST", form=form, headers=headers)
    assert authenticate(connection(), sent, sent.form()).client_id == CLIENT


@pytest.mark.parametrize("secret", ["a:b+c%d &=", "ünïcode-secret", "x" * 500])
def test_basic_credentials_are_form_encoded_first(secret):
    from urllib.parse import quote_plus

    at = connection(secret=secret, party_client_id="cl:ent")
    sent = request("token", method="POST", form={}, headers=basic(quote_plus("cl:ent"), quote_plus(secret)))
    assert authenticate(at, sent, sent.form()).client_id == "cl:ent"


def test_the_hash_is_sha_256_with_its_name():
    import hashlib

    assert secret_hash("s") == "sha256:" + hashlib.sha256(b"s").hexdigest()


@pytest.mark.parametrize(
    ("method", "form", "headers", "token"),
    [
        ("GET", None, {"authorization": "Bearer abc"}, "abc"),
        ("GET", None, {"authorization": "bEARER   abc "}, "abc"),
        ("POST", None, {"authorization": "Bearer abc"}, "abc"),
        ("POST", {"access_token": "abc"}, {}, "abc"),
        ("POST", {"other": "x"}, {"authorization": "Bearer abc"}, "abc"),
    ],
)
def test_a_bearer_token_comes_in_the_header_or_the_form(method, form, headers, token):
    assert token_of(request("userinfo", method=method, form=form, headers=headers)) == token


@pytest.mark.parametrize(
    ("method", "query", "form", "headers", "reason"),
    [
        ("GET", {}, None, {}, "bearer_token_missing"),
        ("POST", {}, {"access_token": ""}, {}, "bearer_token_missing"),
        ("GET", {"access_token": "abc"}, None, {}, "bearer_token_in_query"),
        ("GET", {"access_token": ""}, None, {"authorization": "Bearer abc"}, "bearer_token_in_query"),
        ("POST", {}, {"access_token": "abc"}, {"authorization": "Bearer abc"}, "bearer_token_twice"),
        ("GET", {}, None, {"authorization": "Bearer"}, "bearer_token_malformed"),
        ("GET", {}, None, {"authorization": "Bearer a,Bearer b"}, "bearer_token_malformed"),
        ("GET", {}, None, {"authorization": ""}, "bearer_token_malformed"),
    ],
)  # fmt: skip
def test_a_bearer_token_in_any_other_place_is_refused(method, query, form, headers, reason):
    with pytest.raises(OAuthError) as refused:
        token_of(request("userinfo", method=method, query=query, form=form, headers=headers))
    assert refused.value.reason == reason
    assert refused.value.status == (401 if reason == "bearer_token_missing" else 400)
