"""Cases 109 to 111: the upstream's userinfo."""

import json

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import UserinfoPolicy
from fedbridge.ports import OutboundResponse
from tests.fakes.http import json_answer
from tests.unit.rp.idp import FakeIdp, connection, sign

GOOD = {"sub": "ana", "email": "ana@example.com"}


def answer(body, content_type="application/json", status=200, **headers):
    return OutboundResponse(status=status, headers={"content-type": content_type} | headers, body=body)


def refuse(response, reason, error="server_error", method="GET"):
    """Expect this very reason, and that the next good sign-in passes."""
    idp, at = FakeIdp(), connection(userinfo=UserinfoPolicy(method=method))
    idp.http.answer(method, idp.url("/userinfo"), response)
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(at)
    assert (failure.value.reason, failure.value.error) == (reason, error)
    idp.http.answer(method, idp.url("/userinfo"), json_answer(GOOD))
    assert idp.sign_in(at).claims["email"] == "ana@example.com"
    return failure.value


def userinfo_jwt(alg="ES256"):
    idp = FakeIdp()
    return sign({"alg": alg, "kid": idp.key.kid}, json.dumps(GOOD).encode(), idp.key).encode()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "content_type",
    ["application/jwt", "application/jwt;charset=utf-8", "APPLICATION/JWT", "application/jwt "],
)
@pytest.mark.parametrize("body", [userinfo_jwt(), b"", json.dumps(GOOD).encode()])
def test_case_109_a_jwt_that_nobody_asked_for(method, content_type, body):
    refuse(answer(body, content_type), "userinfo_signed_unexpected", method=method)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/plain",
        "text/json",
        "",
        "application/xml",
        "application/json-patch+json",
        "application",
        "json",
    ],
)
def test_case_109_json_that_says_it_is_something_else(content_type):
    refuse(answer(json.dumps(GOOD).encode(), content_type), "userinfo_content_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json;charset=UTF-8", "Application/JSON ; charset=utf-8"]
)
def test_case_109_the_good_twin(content_type):
    idp = FakeIdp()
    idp.http.answer("GET", idp.url("/userinfo"), answer(json.dumps(GOOD).encode(), content_type))
    assert idp.sign_in().claims["email"] == "ana@example.com"


def test_case_110_a_jwt_that_says_it_is_json():
    refuse(answer(userinfo_jwt()), "userinfo_malformed")


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "",
        "Ana",
        "ANA",
        " ana",
        "ana ",
        "ana\n",
        "eve",
        "an",
        7,
        True,
        ["ana"],
        {"sub": "ana"},
        "\u0430na",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_case_111_another_persons_document_is_dropped_whole(subject, method):
    document = {name: value for name, value in {**GOOD, "sub": subject}.items() if value is not None}
    refuse(json_answer(document), "userinfo_subject_mismatch", method=method)


def test_case_111_null_is_no_subject():
    refuse(json_answer({**GOOD, "sub": None}), "userinfo_subject_mismatch")


def test_case_111_two_subjects_are_none():
    refuse(answer(b'{"sub":"eve","sub":"ana"}'), "userinfo_malformed")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (201, "server_error"),
        (204, "server_error"),
        (302, "server_error"),
        (400, "server_error"),
        (401, "server_error"),
        (403, "server_error"),
        (404, "server_error"),
        (429, "temporarily_unavailable"),
        (500, "temporarily_unavailable"),
        (503, "temporarily_unavailable"),
    ],
)
def test_another_status_is_no_userinfo_even_with_claims_in_it(status, error):
    failure = refuse(json_answer(GOOD, status=status), "userinfo_refused", error)
    assert failure.upstream_status == status


def test_the_reason_of_a_401_is_logged_and_not_relayed():
    """RFC 6750 §3."""
    challenge = 'Bearer realm="x", error="invalid_token", error_description="expired <b>"'
    failure = refuse(answer(b"", status=401, **{"www-authenticate": challenge}), "userinfo_refused")
    assert (failure.upstream_code, failure.upstream_status) == ("invalid_token", 401)
    assert "expired" not in failure.description


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_get_is_tried_again_once_and_a_post_never(method):
    idp, at = FakeIdp(), connection(userinfo=UserinfoPolicy(method=method))
    lost = UpstreamError("upstream_unreachable", error="temporarily_unavailable")
    idp.http.answer(method, idp.url("/userinfo"), lost, json_answer(GOOD))
    if method == "GET":
        assert idp.sign_in(at).claims["email"] == "ana@example.com"
        assert len(idp.http.calls(idp.url("/userinfo"))) == 2
    else:
        with pytest.raises(UpstreamError, match="upstream_unreachable"):
            idp.sign_in(at)
        assert len(idp.http.calls(idp.url("/userinfo"))) == 1


@pytest.mark.parametrize("case", ["no endpoint", "switched off"])
def test_without_userinfo_nothing_is_called(case):
    idp = FakeIdp(userinfo=None) if case == "no endpoint" else FakeIdp()
    at = connection() if case == "no endpoint" else connection(userinfo=UserinfoPolicy(method="none"))
    idp.sign_in(at)
    assert idp.http.calls(idp.url("/userinfo")) == []
