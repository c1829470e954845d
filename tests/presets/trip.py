"""A sign-in through both functions of the bridge, with the real relying-party side and an IdP of facts behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.presets.strict_idp import StrictIdp
from tests.support.bridge import connection
from tests.support.gateway import Answer, Gateway, Visitor
from tests.unit.rp.idp import NOW


class Trip:
    """Puts the IdP behind the gateway's connection, for the gateway's own user pool."""

    def __init__(self, idp: StrictIdp) -> None:
        self.idp = idp
        # A request object is a JWT that browsers carry: what watches for JWTs would take it for one of ours.
        self.gateway = Gateway(watched=idp.facts.request_object is None)
        bridge = self.gateway.bridge
        bridge.clock.now = NOW
        bridge.front = replace(bridge.front, upstream=lambda _: idp.upstream)
        idp.callback = f"{bridge.base_url}/acme/callback"
        idp.connection = replace(idp.connection, name="acme", relying_parties=connection().relying_parties)
        bridge.registry.put(idp.connection)

    def __call__(self) -> Answer:
        """Walk to where the bridge sends the browser back to Cognito."""
        browser = Visitor(self.gateway)
        leaves = browser.authorize()
        assert leaves.status == 302, leaves
        self.idp.read(leaves.location)
        method = self.idp.connection.authorization.response_method
        return browser.callback(self.idp.sent["state"], method=method, code="the-code")

    def tokens(self) -> Any:
        """Walk on to the tokens that Cognito redeems its code for."""
        back = self()
        assert "code" in back.location, back
        answer = self.gateway.redeem(back.location["code"])
        assert answer.status == 200, answer
        return answer.json

    def claims(self, access_token: str) -> dict[str, Any]:
        """Read userinfo as Cognito does."""
        answer = self.gateway.read_userinfo(access_token)
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json
        return found
