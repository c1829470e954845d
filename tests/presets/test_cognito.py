"""What Cognito would receive, through the bridge's own functions: the ID token and userinfo."""

import pytest

from fedbridge.configuration.document import decode, encode
from tests.presets.every import ALL
from tests.presets.trip import Trip
from tests.support.bridge import id_token_claims


@pytest.mark.parametrize("facts", ALL, ids=str)
def test_cognito_gets_these_claims_and_the_level(facts, idp_of):
    trip = Trip(idp_of(facts))
    tokens = trip.tokens()
    claims = trip.claims(tokens["access_token"])
    subject = claims.pop("sub")
    assert claims == facts.received
    id_token = id_token_claims(tokens["id_token"])
    assert id_token["iss"] == "https://bridge.example/acme"
    assert id_token["sub"] == subject
    assert id_token.get("acr") == facts.id_token.get("acr")
    assert id_token.get("amr") == facts.id_token.get("amr")


@pytest.mark.parametrize("facts", ALL, ids=str)
def test_a_connection_of_a_preset_is_the_same_when_it_is_published(facts, idp_of):
    connection = idp_of(facts).connection
    assert decode(encode(connection)) == connection
