"""Sign-ins without a person, when the demo starts: one whose hops are printed, and what must not work.

Every one is checked; the first thing that is not as it should be raises Deviation.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx

from demo.app import COOKIE
from demo.cognito import STAND_IN
from demo.proofs import reference
from demo.recorder import Refused, SignedIn, Trip
from demo.stack import Demo
from demo.views import TripView
from fedbridge.op import pages
from tests.counterparts.browser import new_browser, origin_of, travel

PAGE_STATUS = 400


class Deviation(Exception):
    """The demo did not go as it must. The text says what."""


def sign_in(demo: Demo) -> TripView:
    """Sign alice in and return the trip; raises Deviation."""
    with new_browser() as browser:
        travel(browser, f"{demo.url}/sign-in", until=_is_at_trip)
        return _checked(demo, _trip_of(demo, browser), SignedIn)


def sign_in_among_strangers(demo: Demo) -> list[str]:
    """Sign alice in while others try her state and her code; return what was tried. Raises Deviation."""
    with new_browser() as browser, new_browser() as stranger:
        url = travel(browser, f"{demo.url}/sign-in", until=_at("/callback", demo.scene.bridge_url)).url
        _expect_page(stranger.get(url), pages.LOST_BROWSER, "a stranger with state and code")
        first, again = browser.get(url), browser.get(url)
        _expect(
            first.headers.get("location") == again.headers.get("location"),
            "a double click got another answer",
        )
        code = httpx.URL(first.headers["location"]).params["code"]
        travel(browser, first.headers["location"], until=_is_at_trip)
        _expect_page(browser.get(url), pages.FINISHED, "a reload after the end")
        _expect(_redeem(demo, code) == (400, "invalid_grant"), "a code was redeemed twice")
        _checked(demo, _trip_of(demo, browser), SignedIn)
        return [
            "A stranger came to the callback first, with state and code: an error page, and nothing was burnt.",
            "A double click at the callback: the same redirect twice, one exchange with the bank.",
            "A reload after the end: the page says that this sign-in is complete.",
            "Cognito's code a second time, with the right secret: invalid_grant.",
        ]


def give_up(demo: Demo) -> str:
    """Press Cancel at the bank; return what the app was told. Raises Deviation."""
    with new_browser() as browser:
        form = travel(browser, f"{demo.url}/sign-in", until=lambda request: request.method == "POST")
        cancelled = browser.build_request("POST", form.url, data={"prompt": "abort"})
        travel(browser, cancelled, until=_is_at_trip)
        return _told(_checked(demo, _trip_of(demo, browser), Refused))


def sign_in_too_weakly(demo: Demo) -> str:
    """Sign in as bob, whose assurance level is too low; return what the app was told. Raises Deviation."""
    with new_browser() as browser:
        travel(browser, f"{demo.url}/sign-in", until=_is_at_trip, user="bob")
        return _told(_checked(demo, _trip_of(demo, browser), Refused))


def expect_warm(view: TripView) -> None:
    """Raise Deviation unless a sign-in made no call to the bank but those that the protocol demands."""
    called = [
        hop.kind.name for hop in view.needed if hop.kind.name.startswith("idp.") and hop.kind.is_back_channel
    ]
    _expect(called == ["idp.token", "idp.userinfo"], f"a warm sign-in called the bank for {called}")


def _at(path: str, origin: str) -> Callable[[httpx.Request], bool]:
    return lambda request: origin_of(request.url) == origin and request.url.path.endswith(path)


def _is_at_trip(request: httpx.Request) -> bool:
    return request.url.path.startswith("/trips/")


def _trip_of(demo: Demo, browser: httpx.Client) -> Trip:
    cookie = browser.cookies.get(COOKIE)
    return next(trip for trip in demo.recorder.trips() if trip.browser == cookie)


def _checked(demo: Demo, trip: Trip, result: type[SignedIn | Refused]) -> TripView:
    view = demo.scene.view(trip)
    _expect(isinstance(trip.result, result), f"the sign-in ended with {trip.result}")
    for proof in view.proofs:
        _expect(proof.holds, f"this does not hold: {proof.text}")
    _expect(bool(view.proofs), "nothing was proved")
    return view


def _told(view: TripView) -> str:
    result = view.trip.result
    if not isinstance(result, Refused):
        raise Deviation("the app was told of no failure")
    _expect(bool(view.logged), f"the bridge logged nothing about {reference(result.description)}")
    return f"{result.error}: {result.description}"


def _redeem(demo: Demo, code: str) -> tuple[int, str]:
    provider = demo.cognito.pool.provider
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": demo.cognito.pool.redirect_uri,
        "client_id": provider.client_id,
        "client_secret": demo.client_secret,
    }
    answer = httpx.post(
        f"{provider.oidc_issuer}/token", data=form, headers={"user-agent": STAND_IN}, trust_env=False
    )
    return answer.status_code, answer.json().get("error", "")


def _expect_page(answer: httpx.Response, message: pages.Message, case: str) -> None:
    fits = answer.status_code == PAGE_STATUS and f"<h1>{message.title}</h1>" in answer.text
    _expect(fits, f"{case} got {answer.status_code} and not the page {message.title!r}")


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001  an assertion's own shape
    if not holds:
        raise Deviation(otherwise)
