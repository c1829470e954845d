"""An assurance downgrade is refused for every preset that has levels, through the handlers: no code is issued."""

from dataclasses import replace

import pytest

from fedbridge.configuration.presets import preset_names, read_preset
from tests.presets.strict_idp import StrictIdp, connection_of
from tests.presets.test_presets import ALL
from tests.support.bridge import connection
from tests.support.gateway import SUCCESSES, Gateway, Visitor
from tests.unit.rp.idp import NOW

DOWNGRADES = [
    pytest.param(facts, weaker, id=f"{facts}: {weaker.claims}") for facts in ALL for weaker in facts.weaker
]


class Trip:
    """A sign-in through both functions of the bridge, with the real relying-party side and the IdP of the facts."""

    def __init__(self, facts, folder):
        # A request object is a JWT that browsers carry: what watches for JWTs would take it for one of ours.
        self.gateway = Gateway(watched=facts.request_object is None)
        self.gateway.bridge.clock.now = NOW
        party = connection().relying_parties
        at = replace(connection_of(facts, folder), name="acme", relying_parties=party)
        self.idp = StrictIdp(facts=facts, connection=at, callback="https://bridge.example/acme/callback")
        bridge = self.gateway.bridge
        bridge.front = replace(bridge.front, upstream=lambda _: self.idp.upstream)
        bridge.registry.put(at)

    def __call__(self):
        browser = Visitor(self.gateway)
        leaves = browser.authorize()
        assert leaves.status == 302, leaves
        self.idp.read(leaves.location)
        return browser.callback(self.idp.sent["state"], code="the-code")


@pytest.mark.parametrize("facts,weaker", DOWNGRADES)
def test_a_weaker_sign_in_gets_no_code(facts, weaker, tmp_path):
    trip = Trip(facts, tmp_path)
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
