"""What the IdP's metadata say of single logout."""

import pytest

from tests.negative.test_h_saml_metadata import POST, REDIRECT, metadata, parsed, service
from tests.support.single_logout import SLO

SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
ANSWERS = "https://idp.example/slo/answers"


def logout(binding, location=SLO, answers=None):
    more = "" if answers is None else f' ResponseLocation="{answers}"'
    return f'<md:SingleLogoutService Binding="{binding}" Location="{location}"{more}/>'


def read(*services):
    return parsed(metadata(services="".join(services) + service()))


def test_by_binding_and_with_a_place_for_answers():
    found = read(logout(REDIRECT, answers=ANSWERS), logout(POST), logout(SOAP, "https://idp.example/soap"))
    assert found.logout_endpoints == {"redirect": SLO, "post": SLO}
    assert found.logout_response_endpoints == {"redirect": ANSWERS, "post": SLO}


def test_none():
    found = read()
    assert (found.logout_endpoints, found.logout_response_endpoints) == ({}, {})


@pytest.mark.parametrize(
    "location", ["http://idp.example/slo", "javascript:alert(1)", "https://a@idp.example/", "", "/slo"]
)
def test_what_no_browser_is_sent_to(location):
    assert read(logout(REDIRECT, location)).logout_endpoints == {}
    assert read(logout(REDIRECT, answers=location or "x")).logout_response_endpoints == {}


def test_the_first_of_a_binding_counts():
    found = read(logout(REDIRECT), logout(REDIRECT, "https://idp.example/second"))
    assert found.logout_endpoints == {"redirect": SLO}
