"""Cases 16 to 18, the token endpoint's errors, and case 140: what an IdP's refusal becomes for Cognito."""

import json

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.ports import OutboundResponse
from tests.fakes.http import json_answer
from tests.unit.rp.idp import (
    ISSUER,
    KEY_REFERENCE,
    SECRET,
    SECRET_REFERENCE,
    STATE,
    FakeIdp,
    KeySigner,
    form,
    private_key,
    with_client_authentication,
)

RELAYED = {
    "access_denied",
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
    "temporarily_unavailable",
    "unauthorized_client",
    "server_error",
}


def refused(idp, redirect, at=None, **response):
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect, at, **response)
    error = failure.value
    assert error.error in RELAYED
    assert error.description.isascii()
    assert error.description.isprintable()
    assert not {'"', "\\"} & set(error.description)
    assert len(error.description) <= 80
    assert error.upstream_code is None or len(error.upstream_code) <= 64
    return error


def posts(idp):
    return [request for request in idp.http.sent if request.method == "POST"]


# --- 16 to 18: the authorization response ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "iss",
    [
        "https://idp.example/",
        "https://IDP.example",
        "http://idp.example",
        "https://b.example",
        "",
        " ",
        f"{ISSUER}:443",
    ],
)
@pytest.mark.parametrize("supported", [True, False, None])
@pytest.mark.parametrize("outcome", [{"code": "x"}, {"error": "access_denied"}])
def test_case_16_another_issuer_in_the_response(iss, supported, outcome):
    idp = FakeIdp(metadata={"authorization_response_iss_parameter_supported": supported})
    redirect = idp.begin()
    failure = refused(idp, redirect, state=STATE, iss=iss, **outcome)
    assert (failure.reason, failure.error) == ("authorization_response_iss_mismatch", "server_error")
    assert posts(idp) == []
    assert idp.finish(redirect, code="x", state=STATE, iss=ISSUER).subject == "ana"


@pytest.mark.parametrize("outcome", [{"code": "x"}, {"error": "access_denied"}])
def test_case_16_no_issuer_although_the_metadata_promise_it(outcome):
    idp = FakeIdp(metadata={"authorization_response_iss_parameter_supported": True})
    failure = refused(idp, idp.begin(), state=STATE, **outcome)
    assert failure.reason == "authorization_response_iss_missing"
    assert posts(idp) == []


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"code": "x", "error": "access_denied"}, "authorization_response_ambiguous"),
        ({}, "authorization_response_empty"),
        ({"code": ""}, "authorization_response_empty"),
        ({"error": ""}, "authorization_response_empty"),
        ({"response": "a.b.c"}, "authorization_response_empty"),
        ({"error_description": "x"}, "authorization_response_empty"),
        ({"code": "x" * 2049}, "authorization_code_malformed"),
        ({"code": "x" * 10_000}, "authorization_code_malformed"),
        ({"code": "a\r\nb"}, "authorization_code_malformed"),
        ({"code": "a\x00b"}, "authorization_code_malformed"),
        ({"code": "a\n"}, "authorization_code_malformed"),
        ({"code": "é"}, "authorization_code_malformed"),
        ({"code": "a\x7f"}, "authorization_code_malformed"),
    ],
)
def test_case_17_not_exactly_one_of_code_and_error(response, reason):
    idp = FakeIdp()
    redirect = idp.begin()
    failure = refused(idp, redirect, state=STATE, **response)
    assert (failure.reason, failure.error) == (reason, "server_error")
    assert posts(idp) == []
    assert idp.finish(redirect).subject == "ana"


HOSTILE = [
    "<script>alert(1)</script>",
    "a\r\nLocation: https://evil.example",
    "x" * 10_000,
    "a\x00b",
    "\x1b[31m",
    "é" * 500,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_case_18_hostile_text_goes_nowhere(text):
    idp = FakeIdp()
    for response in (
        {"error": "access_denied", "error_description": text, "error_uri": text},
        {"error": text},
    ):
        failure = refused(idp, idp.begin(), state=STATE, **response)
        assert text not in f"{failure} {failure.description} {failure.upstream_code} {failure.error}"
        assert failure.upstream_code in {"access_denied", "free_text"}
    assert text not in json.dumps(idp.telemetry.events)


MAPPING = [
    ("access_denied", "access_denied"),
    ("user_cancel", "access_denied"),
    ("cancel", "access_denied"),
    ("user_cancelled_authorize", "access_denied"),
    ("bad_verification_code", "access_denied"),
    ("login_required", "login_required"),
    ("sso_login_required", "login_required"),
    ("interaction_required", "interaction_required"),
    ("consent_required", "consent_required"),
    ("account_selection_required", "account_selection_required"),
    ("temporarily_unavailable", "temporarily_unavailable"),
    ("unauthorized_client", "unauthorized_client"),
    ("server_error", "server_error"),
    ("invalid_request", "server_error"),
    ("invalid_scope", "server_error"),
    ("unsupported_response_type", "server_error"),
    ("invalid_request_object", "server_error"),
    ("request_not_supported", "server_error"),
    ("use_dpop_nonce", "server_error"),
    ("Y000400", "server_error"),
    ("Request vtr not valid", "server_error"),
    ("ACCESS_DENIED", "server_error"),
    ("unknown", "server_error"),
]


@pytest.mark.parametrize(("code", "error"), MAPPING)
def test_case_18_errors_of_the_authorization_endpoint_become_registered_ones(code, error):
    idp = FakeIdp()
    failure = refused(idp, idp.begin(), error=code, state=STATE)
    assert (failure.reason, failure.error) == ("authorization_response_error", error)
    assert failure.upstream_code == (code if " " not in code else "free_text")
    assert posts(idp) == []


def test_case_18_unmet_authentication_requirements_say_so():
    idp = FakeIdp()
    failure = refused(idp, idp.begin(), error="unmet_authentication_requirements", state=STATE)
    assert (failure.error, failure.description) == ("access_denied", "assurance_not_met")


# --- token endpoint errors ------------------------------------------------------------------------------------------


def token_error(idp, answer, at=None):
    redirect = idp.begin(at)
    idp.answer_token(answer)
    failure = refused(idp, redirect, at)
    assert len(posts(idp)) == 1
    idp.answer_token(lambda _: idp.token_answer())
    assert idp.sign_in(at).subject == "ana"
    return failure


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *MAPPING,
        ("invalid_grant", "temporarily_unavailable"),
        ("invalid_client", "server_error"),
        ("unsupported_grant_type", "server_error"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 200])
def test_errors_of_the_token_endpoint_become_registered_ones(code, error, status):
    """With 200 it is GitHub's way."""
    failure = token_error(
        FakeIdp(), json_answer({"error": code, "error_description": "at=secret"}, status=status)
    )
    assert (failure.error, failure.upstream_status) == (error, status)
    assert failure.reason == {
        "invalid_client": "client_authentication_refused",
        "invalid_grant": "authorization_code_refused",
        "bad_verification_code": "authorization_code_refused",
    }.get(code, "token_endpoint_refused")
    assert "secret" not in str(failure)


def response(body, status=200, content_type="application/json"):
    return OutboundResponse(status=status, headers={"content-type": content_type}, body=body)


@pytest.mark.parametrize(
    ("answer", "reason", "error", "code"),
    [
        (response(b"", 403), "token_endpoint_refused", "server_error", None),
        (response(b"", 400), "token_endpoint_refused", "server_error", None),
        (response(b"Forbidden", 401, "text/plain"), "token_endpoint_refused", "server_error", None),
        (
            json_answer({"error": "Code verifier was wrong, and so was everything else"}, status=400),
            "token_endpoint_refused",
            "server_error",
            "free_text",
        ),
        (
            json_answer({"error": {"code": 7}}, status=400),
            "token_endpoint_refused",
            "server_error",
            "malformed_error",
        ),
        (
            json_answer({"error": ["invalid_grant"]}),
            "token_endpoint_refused",
            "server_error",
            "malformed_error",
        ),
        (json_answer({"error": ""}), "token_endpoint_refused", "server_error", "free_text"),
        (response(b"<html>", 500), "token_endpoint_unavailable", "temporarily_unavailable", None),
        (
            json_answer({"error": "invalid_grant"}, status=503),
            "token_endpoint_unavailable",
            "temporarily_unavailable",
            "invalid_grant",
        ),
        (
            json_answer({"error": "slow_down"}, status=429),
            "token_endpoint_unavailable",
            "temporarily_unavailable",
            "slow_down",
        ),
        (response(b"", 302), "token_endpoint_redirected", "server_error", None),
        (response(b"", 204), "token_endpoint_refused", "server_error", None),
        (json_answer({}), "token_type_unsupported", "server_error", None),
    ],
)
def test_other_failures_of_the_token_endpoint(answer, reason, error, code):
    failure = token_error(FakeIdp(), answer)
    assert (failure.reason, failure.error, failure.upstream_code) == (reason, error, code)


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamError("upstream_timeout", error="temporarily_unavailable"),
        UpstreamError("upstream_unreachable", error="temporarily_unavailable"),
        UpstreamError("upstream_tls_failed", error="temporarily_unavailable"),
        UpstreamError("upstream_response_invalid"),
        UpstreamError("upstream_target_refused"),
    ],
)
def test_a_failure_of_the_way_there_stays_what_it_is(failure):
    raised = token_error(FakeIdp(), failure)
    assert (raised.reason, raised.error) == (failure.reason, failure.error)


# --- a rotated client secret ----------------------------------------------------------------------------------------

REFUSED = json_answer({"error": "invalid_client"}, status=401)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
def test_case_140_a_stale_secret_is_read_again_once_and_the_code_survives(method):
    idp, at = FakeIdp(), with_client_authentication(method=method, secret=SECRET_REFERENCE)
    idp.secrets.rotated = {SECRET_REFERENCE: "x" * 64}
    redirect = idp.begin(at)
    idp.answer_token(REFUSED, lambda _: idp.token_answer())
    assert idp.finish(redirect, at).subject == "ana"
    first, second = posts(idp)
    assert form(first)["code"] == form(second)["code"]
    assert form(first)["code_verifier"] == form(second)["code_verifier"]
    assert (first.body, first.headers) != (second.body, second.headers)
    assert idp.secrets.refreshed == 1


def test_case_140_a_new_secret_that_is_refused_too_fails():
    idp = FakeIdp()
    idp.secrets.rotated = {SECRET_REFERENCE: "x" * 64}
    redirect = idp.begin()
    idp.answer_token(REFUSED)
    assert refused(idp, redirect).reason == "client_authentication_refused"
    assert len(posts(idp)) == 2


def test_case_140_the_same_secret_is_not_sent_twice():
    idp = FakeIdp()
    redirect = idp.begin()
    idp.answer_token(REFUSED)
    assert refused(idp, redirect).reason == "client_authentication_refused"
    assert len(posts(idp)) == 1
    assert idp.secrets.refreshed == 1


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_request", "unauthorized_client"])
def test_case_140_no_other_error_reads_the_secret_again(code):
    idp = FakeIdp()
    idp.secrets.rotated = {SECRET_REFERENCE: "x" * 64}
    redirect = idp.begin()
    idp.answer_token(json_answer({"error": code}, status=400))
    refused(idp, redirect)
    assert (len(posts(idp)), idp.secrets.refreshed) == (1, 0)
    assert idp.secrets.values[SECRET_REFERENCE] == SECRET


def test_case_140_a_refused_assertion_has_no_secret_to_read_again():
    idp = FakeIdp()
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 7), "ES256")
    at = with_client_authentication(method="private_key_jwt", key=KEY_REFERENCE, secret=SECRET_REFERENCE)
    failure = token_error(idp, REFUSED, at)
    assert failure.reason == "client_authentication_refused"
    assert idp.secrets.refreshed == 0
