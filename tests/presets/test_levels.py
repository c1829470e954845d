"""An assurance downgrade is refused for every preset that has levels, through the handlers: no code is issued."""

import pytest

from fedbridge.configuration.presets import preset_names, read_preset
from tests.presets.every import ALL
from tests.presets.trip import Trip
from tests.support.gateway import SUCCESSES

DOWNGRADES = [
    pytest.param(facts, weaker, id=f"{facts}: {weaker.claims}") for facts in ALL for weaker in facts.weaker
]


@pytest.mark.parametrize("facts,weaker", DOWNGRADES)
def test_a_weaker_sign_in_gets_no_code(facts, weaker, idp_of):
    trip = Trip(idp_of(facts))
    good = dict(trip.idp.id_token_claims)
    trip.idp.id_token_claims |= weaker.claims
    answer = trip()
    assert answer.location.keys() == {"error", "error_description", "state"}
    assert answer.location["error"] == "access_denied"
    assert answer.location["error_description"].startswith("assurance_not_met (ref ")
    assert answer.reasons == [weaker.reason]
    assert not SUCCESSES & {name for name, _ in answer.events}
    trip.idp.id_token_claims = good
    assert "code" in trip().location


def test_every_preset_that_asks_for_a_level_has_a_downgrade_here():
    """Whatever sets acr_values, vtr, or claims that must have a value; signicat leaves the level to the operator."""
    asking = set()
    for name in preset_names():
        keys = read_preset(name).keys
        authorization = keys.get("authorization", {})
        if (
            "acr_values" in authorization
            or "vtr" in authorization.get("parameters", {})
            or keys.get("assurance")
        ):
            asking.add(name)
    assert asking | {"signicat"} == {facts.preset for facts in ALL if facts.weaker}
