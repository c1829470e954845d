"""The demo's app: an ordinary OpenID Connect client of the user pool, that also shows what was recorded."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError

from demo.messages import Answer, Request, redirect
from demo.pages import message, result, start
from demo.pages.html import Markup, html_answer
from demo.recorder import Recorder, Refused, SignedIn, Trip
from demo.views import Scene
from tests.counterparts.federated_pool import FederatedPool, PoolError

COOKIE = "fedbridge-demo"
SCOPE = "openid email profile"

_TRIP = re.compile(r"/trips/([\w-]+)(/reload|/stranger)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Answers at the app's address. `pool` is asked through the recording server, as the browser is."""

    url: str
    pool: FederatedPool
    recorder: Recorder
    scene: Scene

    def __call__(self, request: Request) -> Answer:
        """Answer a request to the app."""
        if request.header("host") != urlsplit(self.url).netloc:
            return Answer(status=421)  # a name that leads here from somewhere else
        if request.method not in {"GET", "HEAD"}:
            return Answer(status=405, headers=(("allow", "GET, HEAD"),))
        if request.path == "/":
            return html_answer(start.page(self.scene, self.recorder.trips()))
        if request.path == "/sign-in":
            return self._sign_in(request)
        if request.path == "/callback":
            return self._callback(request)
        if matched := _TRIP.fullmatch(request.path):
            return self._trip(matched[1], matched[2], request)
        return _page_not_found("There is nothing at this address.")

    def _sign_in(self, request: Request) -> Answer:
        browser = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        trip = self.recorder.new_trip(browser)
        url = self.pool.sign_in_url(state=trip.state, nonce=trip.nonce, scope=SCOPE)
        return redirect(url, cookies=(f"{COOKIE}={browser}; Path=/; HttpOnly; SameSite=Lax",))

    def _callback(self, request: Request) -> Answer:
        told = request.parameters
        trip = self.recorder.trip_of(told.get("state"))
        if trip is None or trip.state != told.get("state") or trip.browser != request.cookies.get(COOKIE):
            return _page_not_found("The app did not begin this sign-in in this browser.")
        if trip.result is None:
            self.recorder.end(trip, self._result(trip, told))
        return redirect(f"/trips/{trip.id}")

    def _result(self, trip: Trip, told: dict[str, str]) -> SignedIn | Refused:
        if "error" in told:
            return Refused(error=told["error"], description=told.get("error_description", ""))
        try:
            tokens = self.pool.redeem(told.get("code", ""))
            claims = self.pool.verify(tokens["id_token"])
        except (PoolError, JoseError, httpx.HTTPError) as error:
            return Refused(error="server_error", description=f"The pool did not answer as it should: {error}")
        if claims.get("nonce") != trip.nonce:
            return Refused(error="server_error", description="The pool's ID token carries another nonce.")
        return SignedIn(claims=claims)

    def _trip(self, trip_id: str, action: str | None, request: Request) -> Answer:
        trip = self.recorder.trip(trip_id)
        if trip is None:
            return _page_not_found("The demo keeps the latest sign-ins only, and this one is not among them.")
        if action:
            return self._again(trip, as_stranger=action == "/stranger")
        is_open = request.parameters.get("details") == "open"
        return html_answer(result.page(self.scene, self.scene.view(trip), open_all=is_open))

    def _again(self, trip: Trip, *, as_stranger: bool) -> Answer:
        """Send the browser to the bridge's callback once more; under another host name it is a stranger's."""
        callbacks = [each for each in self.recorder.exchanges(trip) if each.kind.name == "bridge.callback"]
        if not callbacks:
            return _page_not_found("This sign-in never came back to the bridge.")
        bridge = self.scene.bridge_url
        origin = bridge.replace("//localhost:", "//127.0.0.1:") if as_stranger else bridge
        return redirect(origin + callbacks[0].request.target)


def _page_not_found(text: str) -> Answer:
    page: Markup = message.page("Nothing to see here", text)
    return html_answer(page, status=404)
