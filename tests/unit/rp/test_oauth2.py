"""Whole sign-ins without OpenID Connect."""

import json

import pytest

from fedbridge.claims.subject import hashed_subject
from fedbridge.errors import OAuthError, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile, Endpoints
from fedbridge.model.policies import OAuth2Document
from fedbridge.ports import OutboundResponse
from fedbridge.rp.authorization_request import code_challenge
from tests.fakes.http import json_answer
from tests.unit.rp.idp import CALLBACK, CLIENT_ID, SECRET, SECRET_REFERENCE, STATE, form
from tests.unit.rp.social import (
    ACCESS_TOKEN,
    AUTHORIZE,
    EMAILS,
    ISSUER,
    TOKEN,
    USER,
    FakeSocial,
    connection,
    profile,
    query,
)


def urls(social):
    return [request.url for request in social.http.sent]


def test_a_sign_in_is_a_code_a_token_and_the_documents():
    social = FakeSocial()
    identity = social.sign_in()
    assert identity.subject == "583231"
    assert dict(identity.claims) == {
        "name": "Octo Cat",
        "preferred_username": "octocat",
        "email": "octo@example.com",
        "email_verified": True,
    }
    assert urls(social) == [TOKEN, USER, EMAILS]


def test_subjects_are_hashed_with_the_configured_issuer():
    identity = FakeSocial().sign_in(connection(subject="hashed"))
    assert identity.subject == hashed_subject("acme", ISSUER, "583231")


def test_the_request_has_state_and_pkce_and_no_nonce():
    redirect = FakeSocial().begin()
    assert redirect.url.startswith(f"{AUTHORIZE}?")
    assert query(redirect) == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": "read:user user:email",
        "state": STATE,
        "code_challenge": code_challenge(redirect.remembered["code_verifier"]),
        "code_challenge_method": "S256",
    }
    assert redirect.remembered.keys() == {"code_verifier"}


def test_begin_calls_nobody():
    social = FakeSocial()
    social.begin(login_hint="octocat")
    assert social.http.sent == []


def test_what_cognito_may_add_travels_on():
    assert query(FakeSocial().begin(login_hint="octocat"))["login_hint"] == "octocat"


@pytest.mark.parametrize("name", ["acr_values", "max_age", "vtr", "claims"])
def test_assurance_is_refused_rather_than_lost(name):
    at = connection(authorization=AuthorizationRequestProfile(scope="read:user", pass_through=(name,)))
    with pytest.raises(OAuthError) as refused:
        FakeSocial().begin(at, **{name: "60"})
    assert (refused.value.error, refused.value.reason) == ("invalid_request", "assurance_not_available")


def test_the_code_is_redeemed_as_the_client_that_asked():
    social = FakeSocial()
    redirect = social.begin()
    social.finish(redirect)
    (request,) = social.http.calls(TOKEN)
    assert request.headers["accept"] == "application/json"
    assert form(request) == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": CALLBACK,
        "code_verifier": redirect.remembered["code_verifier"],
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
    }


def test_documents_are_fetched_with_the_access_token():
    social = FakeSocial()
    at = connection(oauth2=profile(accept="application/vnd.social+json"))
    social.http.answer(
        "GET",
        USER,
        json_answer({"id": 1}, headers={"content-type": "application/vnd.social+json; charset=utf-8"}),
    )
    social.sign_in(at)
    for request in social.http.sent[1:]:
        assert request.method == "GET"
        assert request.body is None
        assert request.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
        assert request.headers["accept"] == "application/vnd.social+json"
        assert request.headers["user-agent"] == "fedbridge"
        assert request.max_bytes == 64 * 1024


@pytest.mark.parametrize("token_type", ["bearer", "Bearer", "BEARER"])
def test_the_token_type_is_spelt_in_any_case(token_type):
    social = FakeSocial()
    social.answer_token(access_token=ACCESS_TOKEN, token_type=token_type)
    assert social.sign_in().subject == "583231"


def test_an_id_token_that_comes_all_the_same_is_not_looked_at():
    social = FakeSocial()
    social.answer_token(access_token=ACCESS_TOKEN, token_type="bearer", id_token="not.even.one")
    assert social.sign_in().subject == "583231"


def test_a_secret_that_was_changed_is_read_again():
    social = FakeSocial()
    social.secrets.rotated = {SECRET_REFERENCE: "the-new-secret"}
    # GitHub says no with HTTP 200, and in words of its own.
    refused = json_answer({"error": "incorrect_client_credentials"})
    good = json_answer({"access_token": ACCESS_TOKEN, "token_type": "bearer"})
    social.http.answer("POST", TOKEN, refused, good)
    assert social.sign_in().subject == "583231"
    assert [form(request)["client_secret"] for request in social.http.calls(TOKEN)] == [
        SECRET,
        "the-new-secret",
    ]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_document_that_need_not_be_there_may_be_missing(status):
    social = FakeSocial()
    social.answer_emails({"message": "Not Found"}, status=status)
    assert dict(social.sign_in().claims) == {"name": "Octo Cat", "preferred_username": "octocat"}


@pytest.mark.parametrize(
    "subject, expected",
    [
        (583231, "583231"),
        (0, "0"),
        (-5, "-5"),
        (2**53 + 1, "9007199254740993"),
        (10**31, "1" + "0" * 31),
        ("583231", "583231"),
        ("a|b", "a|b"),
    ],
)
def test_a_subject_is_text_or_a_whole_number_to_its_last_digit(subject, expected):
    social = FakeSocial()
    social.answer_user({"id": subject})
    assert social.sign_in().subject == expected


@pytest.mark.parametrize(
    "subject",
    [
        None, True, False, 1.0, 1.5, 1e300, "", " ", " a", "a ", "a\n", "x" * 256, [], ["a"], {}, {"id": 1},
    ],
)  # fmt: skip
def test_nothing_else_names_anybody(subject):
    social = FakeSocial()
    social.answer_user({"id": subject})
    with pytest.raises(UpstreamError) as refused:
        social.sign_in(connection(subject="hashed"))
    assert (refused.value.reason, refused.value.error) == ("oauth2_subject_unusable", "server_error")


@pytest.mark.parametrize("number", ["1e3", "1.0", "583231.0", "9" * 33, "NaN", "-Infinity", "1E400"])
def test_a_number_that_may_not_be_exact_names_nobody(number):
    social = FakeSocial()
    social.http.answer(
        "GET", USER, OutboundResponse(status=200, headers={"content-type": "application/json"}, body=b'{"id":%s}' % number.encode())
    )  # fmt: skip
    with pytest.raises(UpstreamError) as refused:
        social.sign_in(connection(subject="hashed"))
    assert refused.value.reason in {"oauth2_subject_unusable", "oauth2_document_malformed"}


@pytest.mark.parametrize("expression", ["user.nothing", "user.id.deeper", "abs(user.login)", "emails"])
def test_an_expression_that_finds_nobody_names_nobody(expression):
    with pytest.raises(UpstreamError, match="oauth2_subject_unusable"):
        FakeSocial().sign_in(connection(oauth2=profile(subject=expression)))


def test_dropped_claims_are_told_by_name():
    social = FakeSocial()
    social.answer_user({"id": 1, "name": "x" * 3000})
    social.sign_in()
    fields = social.telemetry.fields("claims_dropped")
    assert fields["claims"] == "name"


def test_documents_may_be_arrays_and_several():
    documents = tuple(OAuth2Document(name=f"d{i}", url=f"https://api.social.example/{i}") for i in range(3))
    social, at = FakeSocial(), connection(oauth2=profile(documents=documents, subject="d2[1].id"), claims={})
    for i, document in enumerate(documents):
        social.http.answer("GET", document.url, json_answer([{}, {"id": i}]))
    assert social.sign_in(at).subject == "2"
    assert urls(social) == [TOKEN, *(document.url for document in documents)]


def test_a_pushed_request_works_as_well():
    url = f"{ISSUER}/par"
    at = connection(
        authorization=AuthorizationRequestProfile(scope="read:user", par="required"),
        endpoints=Endpoints(
            authorization_endpoint=AUTHORIZE,
            token_endpoint=TOKEN,
            pushed_authorization_request_endpoint=url,
        ),
    )
    social = FakeSocial()
    social.http.answer("POST", url, json_answer({"request_uri": "urn:x", "expires_in": 60}, status=201))
    assert query(social.begin(at)) == {"client_id": CLIENT_ID, "request_uri": "urn:x"}
    pushed = form(social.http.calls(url)[0])
    assert "nonce" not in pushed
    assert pushed["state"] == STATE
    assert social.sign_in(at).subject == "583231"


def test_nothing_of_the_answer_is_in_the_log():
    social = FakeSocial()
    social.sign_in()
    logged = json.dumps(social.telemetry.events)
    assert not [text for text in (ACCESS_TOKEN, "octo", "583231", "the-code", SECRET) if text in logged]
