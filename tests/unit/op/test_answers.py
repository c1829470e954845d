import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.errors import OAuthError
from fedbridge.op.answers import (
    MAX_DESCRIPTION,
    authorization_response,
    bearer_error,
    describe,
    json_error,
    json_response,
    redirect,
    token_error,
)

REDIRECT_URI = "https://pool.auth.example/oauth2/idpresponse"


@given(st.text(max_size=400))
def test_a_description_holds_only_what_rfc_6749_allows(text):
    description = describe(text, "7QH2")
    assert description.endswith(" (ref 7QH2)")
    told = description.removesuffix(" (ref 7QH2)")
    assert len(told) <= MAX_DESCRIPTION
    assert all(" " <= character <= "~" and character not in '"\\' for character in told)


def test_a_good_description_stays_as_it_is():
    assert describe("Sign-in failed. Try again!", "7QH2") == "Sign-in failed. Try again! (ref 7QH2)"


@pytest.mark.parametrize(("after_post", "status"), [(False, 302), (True, 303)])
def test_a_redirect_never_makes_a_browser_send_a_form_on(after_post, status):
    response = redirect("https://idp.example/", after_post=after_post, cookies=("a=b",))
    assert (response.status, response.cookies, response.body) == (status, ("a=b",), "")
    assert response.headers["location"] == "https://idp.example/"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_the_state_comes_back_byte_for_byte(state):
    url = authorization_response(REDIRECT_URI, {"code": "c", "state": state})
    assert url.isascii()
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == {"code": "c", "state": state}


def test_parameters_without_a_value_are_left_out_and_a_blank_is_no_plus():
    assert authorization_response(REDIRECT_URI, {"error": "x", "state": None}) == f"{REDIRECT_URI}?error=x"
    assert authorization_response(REDIRECT_URI, {"state": "a b"}) == f"{REDIRECT_URI}?state=a%20b"


def test_a_query_of_the_redirect_uri_is_kept():
    assert authorization_response(f"{REDIRECT_URI}?a=b", {"code": "c"}) == f"{REDIRECT_URI}?a=b&code=c"


def test_json_is_compact_utf_8_that_nobody_stores():
    response = json_response({"name": "Ñ", "n": 1}, headers={"retry-after": "2"})
    assert response.body == '{"name":"Ñ","n":1}'
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["retry-after"] == "2"


def test_documents_may_be_cached_where_they_say_so():
    response = json_response({}, headers={"cache-control": "public, max-age=300"})
    assert response.headers["cache-control"] == "public, max-age=300"


def test_an_error_is_an_object_with_the_reference():
    response = json_error("invalid_grant", "the code is used", "7QH2", status=400)
    assert response.status == 400
    assert json.loads(response.body) == {
        "error": "invalid_grant",
        "error_description": "the code is used (ref 7QH2)",
    }


def test_a_401_of_the_token_endpoint_names_a_scheme_and_no_other_does():
    refused = OAuthError("invalid_client", "no", reason="x", status=401)
    assert token_error(refused, "7QH2").headers["www-authenticate"] == 'Basic realm="fedbridge"'
    assert (
        "www-authenticate" not in token_error(OAuthError("invalid_grant", "no", reason="x"), "7QH2").headers
    )


@pytest.mark.parametrize(
    ("reason", "challenge"),
    [
        ("bearer_token_missing", "Bearer"),
        ("access_token_unknown", 'Bearer error="invalid_token"'),
    ],
)
def test_userinfo_challenges_with_an_error_only_where_a_token_was_sent(reason, challenge):
    response = bearer_error(OAuthError("invalid_token", "no", reason=reason, status=401), "7QH2")
    assert response.headers["www-authenticate"] == challenge
    assert response.status == 401
