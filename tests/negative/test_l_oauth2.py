"""Cases 100, 109 to 113, 118, 121 and 122 at an IdP without OpenID Connect: its token answers and its documents."""

import json

import pytest

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.ports import OutboundResponse
from tests.fakes.http import json_answer
from tests.unit.rp.idp import SECRET_REFERENCE
from tests.unit.rp.social import ACCESS_TOKEN, EMAILS, TOKEN, USER, FakeSocial, connection, profile

GOOD_TOKEN = {"access_token": ACCESS_TOKEN, "token_type": "bearer"}
GOOD_USER = {"id": 583231, "login": "octocat"}


def refuse(social, reason, error="server_error", at=None):
    """Expect this very reason, no more calls than it takes, and that the next good sign-in passes."""
    with pytest.raises(UpstreamError) as failure:
        social.sign_in(at)
    assert (failure.value.reason, failure.value.error) == (reason, error)
    social.answer_token(**GOOD_TOKEN)
    social.answer_user(GOOD_USER)
    social.answer_emails([])
    assert social.sign_in(at).subject == "583231"
    return failure.value


def answer(body, content_type="application/json", status=200, **headers):
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OutboundResponse(status=status, headers={"content-type": content_type} | headers, body=octets)


# --- the token endpoint ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        ("bad_verification_code", "authorization_code_refused", "access_denied"),
        ("incorrect_client_credentials", "client_authentication_refused", "server_error"),
        ("redirect_uri_mismatch", "token_endpoint_refused", "server_error"),
        ("unverified_user_email", "token_endpoint_refused", "server_error"),
        ("access_denied", "token_endpoint_refused", "access_denied"),
        ("invalid_grant", "authorization_code_refused", "temporarily_unavailable"),
        ("Something went wrong!", "token_endpoint_refused", "server_error"),
    ],
)
def test_case_121_an_error_is_one_whatever_its_status(status, code, reason, error):
    """GitHub answers its errors with HTTP 200; nothing else in such an answer is used."""
    social = FakeSocial()
    body = {**GOOD_TOKEN, "error": code, "error_description": "<b>no</b>", "error_uri": "https://x.example"}
    social.http.answer("POST", TOKEN, answer(body, status=status))
    failure = refuse(social, reason, error)
    assert failure.upstream_code == (code if " " not in code else "free_text")
    assert "<b>" not in failure.description


def test_case_122_a_code_that_was_refused_is_not_sent_again():
    social = FakeSocial()
    social.http.answer("POST", TOKEN, answer({"error": "bad_verification_code"}))
    with pytest.raises(UpstreamError):
        social.sign_in()
    assert [request.url for request in social.http.sent] == [TOKEN]


def test_a_refused_client_whose_secret_is_what_it_was_is_not_sent_again():
    social = FakeSocial()
    social.http.answer("POST", TOKEN, answer({"error": "incorrect_client_credentials"}))
    with pytest.raises(UpstreamError, match="client_authentication_refused"):
        social.sign_in()
    assert len(social.http.calls(TOKEN)) == 1
    assert social.secrets.refreshed == 1
    assert SECRET_REFERENCE in social.secrets.values


@pytest.mark.parametrize(
    "body",
    [
        b"access_token=gho_1&scope=user&token_type=bearer",  # what GitHub sends to who does not ask for JSON
        b"error=bad_verification_code",
        b"<html>",
        b"",
        b"[]",
        b'"token"',
        b"null",
        b"\xef\xbb\xbf{}",
        b'{"access_token":"a","access_token":"b","token_type":"bearer"}',
    ],
)
def test_case_121_a_token_answer_that_is_no_json_object(body):
    social = FakeSocial()
    social.http.answer("POST", TOKEN, answer(body, "application/x-www-form-urlencoded"))
    refuse(social, "token_endpoint_answer_invalid")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"access_token": None}, "access_token_missing"),
        ({"access_token": ""}, "access_token_missing"),
        ({"access_token": 7}, "access_token_missing"),
        ({"access_token": "a b"}, "access_token_missing"),
        ({"access_token": "a\r\nx: y"}, "access_token_missing"),
        ({"token_type": None}, "token_type_unsupported"),
        ({"token_type": "mac"}, "token_type_unsupported"),
        ({"token_type": "DPoP"}, "token_type_unsupported"),
        ({"token_type": ["bearer"]}, "token_type_unsupported"),
    ],
)
def test_case_100_token_answers_that_lack_something(changes, reason):
    social = FakeSocial()
    social.answer_token(
        **{name: value for name, value in {**GOOD_TOKEN, **changes}.items() if value is not None}
    )
    refuse(social, reason)
    assert social.http.calls(USER)[1:] == []  # only the good sign-in afterwards


# --- the documents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [USER, EMAILS])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (201, "server_error"),
        (202, "server_error"),
        (204, "server_error"),
        (301, "server_error"),
        (304, "server_error"),
        (307, "server_error"),
        (400, "server_error"),
        (401, "server_error"),
        (429, "temporarily_unavailable"),
        (500, "temporarily_unavailable"),
        (503, "temporarily_unavailable"),
    ],
)
def test_case_121_a_document_of_another_status(url, status, error):
    """Also where it need not be there: an outage is no answer, and a spent token none either."""
    social = FakeSocial()
    social.http.answer("GET", url, json_answer(GOOD_USER, status=status, headers={"location": USER}))
    failure = refuse(social, "oauth2_document_refused", error)
    assert failure.upstream_status == status


@pytest.mark.parametrize("status", [403, 404, 410])
def test_case_121_a_document_that_must_be_there(status):
    social = FakeSocial()
    social.answer_user(GOOD_USER, status=status)
    assert refuse(social, "oauth2_document_absent").upstream_status == status


@pytest.mark.parametrize("url", [USER, EMAILS])
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/html",
        "text/plain",
        "text/json",
        "application/jwt",
        "application/xml",
        "application/javascript",
    ],
)
def test_case_109_json_that_says_it_is_something_else(url, content_type):
    social = FakeSocial()
    social.http.answer("GET", url, answer(GOOD_USER, content_type))
    refuse(social, "oauth2_document_content_type")


@pytest.mark.parametrize(
    "content_type", ["application/json;charset=utf-8", "Application/JSON", "application/vnd.github+json"]
)
def test_case_109_the_good_twin(content_type):
    social = FakeSocial()
    social.http.answer("GET", USER, answer(GOOD_USER, content_type))
    assert social.sign_in().subject == "583231"


@pytest.mark.parametrize("url", [USER, EMAILS])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"null", b"7", b'"octocat"', b"true", b'{"id":1', b"\xef\xbb\xbf{}", b'{"id":NaN}',
        b'{"id":1,"id":2}', b"[" * 100 + b"]" * 100, '{"id":1}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_case_121_a_document_that_is_no_json(url, body):
    social = FakeSocial()
    social.http.answer("GET", url, answer(body))
    refuse(social, "oauth2_document_malformed")


def test_case_118_a_document_above_the_cap():
    social = FakeSocial()
    social.answer_user({**GOOD_USER, "bio": "x" * 70_000})
    with pytest.raises(UpstreamError, match="upstream_response_invalid"):
        social.sign_in()


def test_case_111_who_it_is_comes_from_its_own_document_alone():
    """What the other documents say of an `id` is nothing."""
    social = FakeSocial()
    social.answer_user({"login": "octocat"})
    social.answer_emails([{"id": 1, "email": "eve@example.com", "primary": True, "verified": True}])
    with pytest.raises(UpstreamError, match="oauth2_subject_unusable"):
        social.sign_in()


def test_case_112_an_address_is_verified_by_the_flag_beside_it():
    social = FakeSocial()
    social.answer_user({**GOOD_USER, "email": "octo@example.com", "verified": True})
    social.answer_emails(
        [
            {"email": "octo@example.com", "primary": True, "verified": False},
            {"email": "other@example.com", "primary": False, "verified": True},
        ]
    )
    claims = social.sign_in().claims
    assert (claims["email"], claims["email_verified"]) == ("octo@example.com", False)


def test_case_113_documents_cannot_set_what_is_the_protocols():
    social = FakeSocial()
    social.answer_user({**GOOD_USER, "sub": "eve", "iss": "x", "acr": "high", "amr": ["mfa"], "auth_time": 1})
    identity = social.sign_in()
    assert identity.subject == "583231"
    assert (identity.acr, identity.amr, identity.auth_time) == (None, (), None)
    assert not {"sub", "iss", "acr", "amr", "auth_time"} & identity.claims.keys()


# --- configurations that were not checked ---------------------------------------------------------------------------


def test_without_a_profile_or_endpoints_nobody_is_called():
    social = FakeSocial()
    redirect = social.begin()
    for at in (connection(oauth2=None), connection(endpoints=None)):
        with pytest.raises(ConfigurationError):
            social.finish(redirect, at)
    assert social.http.sent == []


def test_an_expression_that_is_none_ends_in_our_own_error():
    with pytest.raises(UpstreamError, match="oauth2_subject_unusable"):
        FakeSocial().sign_in(connection(oauth2=profile(subject="user[")))
