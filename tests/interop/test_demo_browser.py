"""The demo in Chromium, as a person meets it: sign in, look at every hop, cancel, try to break it."""

import re
from html import escape
from itertools import pairwise
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from demo import headless
from demo.kinds import Party
from demo.recorder import Refused, SignedIn
from demo.stack import running
from fedbridge.op import pages
from tests.counterparts.ministack import ministack_or_skip_reason
from tests.counterparts.node import node_or_skip_reason
from tests.counterparts.process import require
from tests.support.browsing import FLAGS, SHARP, picture
from tests.support.machine import require_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.interop,
    pytest.mark.ministack,
    pytest.mark.xdist_group("demo-browser"),
]

SECRET_PARAMETERS = {
    "state", "code", "code_verifier", "client_secret", "client_assertion", "access_token", "id_token", "refresh_token",
}  # fmt: skip
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def demo():
    require(node_or_skip_reason())
    require(ministack_or_skip_reason())
    with running(lambda _: None) as demo:
        headless.sign_in(demo)  # so that the bridge is warm, as it is when the address is printed
        yield demo


@pytest.fixture(scope="module")
def chromium():
    executable = require_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, demo):
    """A page in a browser of its own that fails the test where a page is faulty or asks for anything outside."""
    context = chromium.new_context(device_scale_factor=SHARP)
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors, origins = [], set(demo.scene.origins) | {demo.scene.bridge_url.replace("localhost", "127.0.0.1")}
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if "Security Policy" in message.text else None
    )
    page.on(
        "request",
        lambda request: (
            errors.append(request.url) if _origin(request.url) not in {*origins, "data://"} else None
        ),
    )
    yield page
    context.close()
    assert errors == []


def _origin(url):
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def sign_in(page, demo, user="alice"):
    page.goto(demo.url)
    page.get_by_role("link", name="Sign in with Nordbank ID").click()
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill("open sesame, dear bank")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/trips/*")
    return demo.recorder.trips()[0]


def secrets_of(demo, trip):
    """Every value of a trip that opens something, read off the wire and not off what masks it."""
    found = {demo.client_secret, "open sesame, dear bank", demo.cognito.pool.app_client_secret}
    for exchange in demo.recorder.exchanges(trip):
        request, answer = exchange.request, exchange.answer
        for values in (request.parameters, answer.location_query, answer.json or {}):
            found |= {str(values[name]) for name in SECRET_PARAMETERS & values.keys()}
        found |= {*request.cookies.values(), request.bearer or "", exchange.kind.handle(request.path) or ""}
        found |= {cookie.partition(";")[0].partition("=")[2] for cookie in answer.set_cookies}
        found |= {(request.header("authorization") or "").partition(" ")[2]}
    for token in [value for value in found if value.count(".") == 2]:
        found |= set(token.split("."))
    return {value for value in found if len(value) > 8}


def test_a_person_signs_in_and_sees_who_they_are_and_every_hop(page, demo):
    page.set_viewport_size({"width": 1240, "height": 800})
    page.goto(demo.url)
    picture(page, "demo-start.png", whole=False)
    trip = sign_in(page, demo)
    assert isinstance(trip.result, SignedIn)
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Alice Möller")
    identity = page.get_by_role("article").filter(has=page.get_by_role("heading", name="Who signed in"))
    expect(identity).to_contain_text("alice@example.com")
    expect(identity).to_contain_text(str(trip.result.claims["cognito:username"]))
    expect(identity).to_contain_text("Nordbank_")
    page.set_viewport_size({"width": 1240, "height": 1720})
    picture(page, "demo-result.png", whole=False)
    page.get_by_text("All claims of the pool's ID token").click()
    expect(identity).to_contain_text(f'"nonce": "{trip.nonce}"')

    proofs = page.get_by_role("article").filter(
        has=page.get_by_role("heading", name="What this sign-in proved")
    )
    assert proofs.get_by_label("Holds").count() == 13
    assert proofs.get_by_label("Does not hold").count() == 0

    hops = page.locator(".hop")
    who = hops.locator(".who").all_inner_texts()
    assert who == [f"{each.kind.sender} → {each.kind.receiver}" for each in demo.recorder.exchanges(trip)]
    assert len(who) == 19, "a warm sign-in"
    assert {Party.BROWSER, Party.APP, Party.COGNITO, Party.BRIDGE, Party.IDP} == {
        party for party in Party if any(party in each for each in who)
    }
    for stand_in in hops.filter(has_text="Done by the demo in Cognito's place").all():
        expect(stand_in.locator(".who")).to_have_text("Cognito → fedbridge")
    expect(page.get_by_text("sign_in_redeemed")).to_be_visible()


def test_the_assertion_is_decoded_and_values_lead_to_where_they_came_from(page, demo):
    sign_in(page, demo)
    token = page.locator(".hop", has=page.get_by_text("POST /token", exact=True))
    token.locator("summary").click()
    expect(token).to_contain_text(f'"aud": "{demo.scene.setting.bank_issuer}"')
    expect(token).to_contain_text('"alg": "ES256"')
    expect(token).to_contain_text('"exp"')
    code = token.locator(".rows > div", has=page.get_by_text("code", exact=True))
    expect(code).to_have_text(re.compile(r"code…?.{3}…\(43\)\s*as in hop 8"))
    code.get_by_role("link").click()
    expect(page.locator("#hop-8")).to_be_in_viewport()


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_no_page_shows_anything_that_opens_something(page, demo, user):
    trip = sign_in(page, demo, user)
    page.goto(f"{demo.url}/trips/{trip.id}?details=open")
    assert page.locator(".hop details:not([open])").count() == 0
    opened = page.content()
    page.goto(demo.url)
    secrets = secrets_of(demo, trip)
    assert len(secrets) >= 20
    shown = opened + page.content() + demo.bridge.program.log()
    leaked = [value for value in secrets if value in shown or escape(value) in shown or quote(value) in shown]
    assert leaked == []


def test_who_cancels_is_told_and_so_is_the_app(page, demo):
    page.goto(f"{demo.url}/sign-in")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url("**/trips/*")
    trip = demo.recorder.trips()[0]
    assert isinstance(trip.result, Refused)
    expect(page.get_by_role("heading", level=1)).to_have_text("Nobody was signed in")
    told = page.get_by_role("article").filter(has=page.get_by_role("heading", name="What the app was told"))
    expect(told).to_contain_text("invalid_request")
    expect(told).to_contain_text("Nordbank Error - access_denied")
    (named,) = re.findall(r"\(ref ([0-9A-HJKMNP-TV-Z]{16})\)", told.inner_text())
    expect(page.locator(".log li", has_text="sign_in_failed")).to_contain_text(f"correlation_id={named}")
    assert page.get_by_label("Does not hold").count() == 0
    page.get_by_role("link", name="Sign in again").first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_sign_in_that_is_too_weak_is_refused(page, demo):
    sign_in(page, demo, "bob")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nobody was signed in")
    expect(page.get_by_text("assurance_not_met").first).to_be_visible()


def test_reload_and_stranger_get_pages_and_a_way_back(page, demo):
    trip = sign_in(page, demo)
    address = page.url
    for label, message in (("Reload the callback", pages.FINISHED), ("Be a stranger", pages.LOST_BROWSER)):
        page.goto(address)
        page.get_by_role("link", name=label).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(message.title)
        assert _origin(page.url) != _origin(address)
        page.get_by_role("link", name="Start again at the demo app").click()
        expect(page.get_by_label("User name")).to_be_focused()
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Alice Möller")
    expect(page.locator(".hop", has_text="A stranger.")).to_have_count(1)
    assert [each.kind.name for each in demo.recorder.exchanges(trip)].count("idp.token") == 1


def test_it_can_be_used_without_a_mouse(page, demo):
    page.goto(demo.url)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    while page.evaluate("document.activeElement.textContent") != "Sign in with Nordbank ID":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    page.wait_for_url("**/trips/*")
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].filter(e => e.checkVisibility()).map(e => +e.tagName[1])"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    first = page.locator(".hop details").first
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("open", "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_in_a_narrow_window(page, demo, scheme):
    page.set_viewport_size(NARROW)
    page.emulate_media(color_scheme=scheme)
    trip = sign_in(page, demo)
    for address in (demo.url, f"{demo.url}/trips/{trip.id}?details=open", f"{demo.url}/nothing"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_what_is_told_to_the_app_stays_text(page, demo):
    page.goto(f"{demo.url}/sign-in")
    trip = demo.recorder.trips()[0]
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    page.goto(
        f"{demo.url}/callback?state={trip.state}&error={quote(hostile)}&error_description={quote(hostile)}"
    )
    expect(page.get_by_role("heading", level=1)).to_have_text("Nobody was signed in")
    expect(page.get_by_text(hostile).first).to_be_visible()
    assert page.locator("script, img").count() == 0


def test_the_app_takes_no_sign_in_that_another_browser_began(page, demo):
    headless.sign_in(demo)
    trip = demo.recorder.trips()[0]
    page.goto(f"{demo.url}/callback?state={trip.state}&code=stolen")
    expect(page.get_by_text("did not begin this sign-in in this browser")).to_be_visible()
