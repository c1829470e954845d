import pytest

from fedbridge.model.http import Parameters
from fedbridge.rp.authorization_response import validate_authorization_response
from tests.unit.rp.idp import ISSUER, FakeIdp


def validate(*, iss_supported=False, **response):
    idp = FakeIdp()
    context = idp.context(authorization_response_iss_parameter_supported=iss_supported)
    granted = validate_authorization_response(context, idp.jwks(context), Parameters(response), {})
    assert granted.state == response.get("state")
    return granted.code


@pytest.mark.parametrize("code", ["x", "a code/with+every~sort=of.char", "x" * 2048])
def test_the_code_is_returned_as_it_came(code):
    assert validate(code=code, state="s") == code


def test_the_issuer_may_be_named_or_not():
    assert validate(code="x") == "x"
    assert validate(code="x", iss=ISSUER) == "x"
    assert validate(code="x", iss=ISSUER, iss_supported=True) == "x"


def test_empty_parameters_count_as_absent():
    """RFC 6749 §3.1."""
    assert validate(code="x", error="") == "x"


def test_parameters_of_a_vendor_are_ignored():
    assert validate(code="x", session_state="y", scope="openid", expires_in="7") == "x"
