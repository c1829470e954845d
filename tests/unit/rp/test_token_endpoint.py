"""`post_form` as any later grant uses it; what it refuses is in tests/negative/test_upstream_errors.py."""

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.rp.token_endpoint import MAX_BYTES, post_form
from tests.fakes.http import json_answer
from tests.unit.rp.idp import ISSUER, SECRET_REFERENCE, FakeIdp, form
from tests.unit.rp.test_client_authentication import context

PAR = f"{ISSUER}/par"


@pytest.fixture
def idp():
    return FakeIdp()


def post(idp, **parameters):
    given = context(idp, method="client_secret_post", secret=SECRET_REFERENCE)
    return post_form(given, "pushed_authorization", PAR, parameters)


def test_any_form_is_authenticated_and_posted_to_any_endpoint(idp):
    idp.http.answer("POST", PAR, json_answer({"request_uri": "urn:x", "expires_in": 60}))
    assert post(idp, scope="openid é", state="a&b=c") == {"request_uri": "urn:x", "expires_in": 60}
    (request,) = idp.http.sent
    assert form(request).items() >= {"scope": "openid é", "state": "a&b=c", "client_id": "bridge"}.items()
    assert request.max_bytes == MAX_BYTES == 64 * 1024
    assert idp.telemetry.fields("upstream_call")["upstream_endpoint"] == "pushed_authorization"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_answer({"error": "invalid_request"}, status=400), "pushed_authorization_endpoint_refused"),
        (json_answer({}, status=302), "pushed_authorization_endpoint_redirected"),
        (json_answer({}, status=503), "pushed_authorization_endpoint_unavailable"),
        (json_answer([]), "pushed_authorization_endpoint_answer_invalid"),
    ],
)
def test_the_reason_names_the_endpoint(idp, answer, reason):
    idp.http.answer("POST", PAR, answer)
    with pytest.raises(UpstreamError) as failure:
        post(idp)
    assert failure.value.reason == reason


def test_an_error_member_that_is_null_is_no_error(idp):
    idp.http.answer("POST", PAR, json_answer({"request_uri": "urn:x", "error": None}))
    assert post(idp)["request_uri"] == "urn:x"
