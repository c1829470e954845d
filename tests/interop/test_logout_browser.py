"""Signing out in Chromium, which keeps cookies and says where a request comes from as browsers do."""

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.counterparts.ministack import MiniStack
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import running_bridge
from tests.interop.test_logout import connection
from tests.support.browsing import FLAGS
from tests.support.machine import require_chromium

pytestmark = [pytest.mark.interop, pytest.mark.ministack, pytest.mark.browser]

APP = "http://localhost:9"


@pytest.fixture(scope="module")
def chromium():
    executable = require_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page of a new browser, in which the app answers whatever is asked."""
    context = chromium.new_context()
    context.route(
        f"{APP}/**", lambda route: route.fulfill(body="<title>The app</title>", content_type="text/html")
    )
    yield context.new_page()
    context.close()


def test_a_person_signs_out_and_an_image_signs_nobody_out(page, tmp_path):
    ends_at = f"post_logout_redirect_uris: [{APP}/bye]"
    leaving = connection("bank", "mode: id_token_hint, sessions: true", relying_party=ends_at)
    with (
        MiniStack() as emulator,
        OidcProvider() as op,
        running_bridge(op, tmp_path, [leaving], redirect_uris=[emulator.redirect_uri()]) as bridge,
    ):
        pool = emulator.create_federated_pool(bridge.identity_provider("bank"))
        page.goto(pool.sign_in_url())
        page.fill("input[name=login]", "alice")
        page.fill("input[name=password]", "x")
        page.click("button[type=submit]")
        page.wait_for_url(f"{APP}/app/callback*")
        names = {cookie["name"] for cookie in page.context.cookies()}
        assert "__Host-fedbridge-session-bank" in names

        ours = f"{bridge.url}/bank/logout"
        page.set_content(f'<img src="{ours}">')
        page.wait_for_load_state("networkidle")
        assert names <= {cookie["name"] for cookie in page.context.cookies()}

        with page.expect_request(lambda request: "id_token_hint=" in request.url):
            page.goto(f"{pool.base_url}/logout?client_id={pool.app_client_id}&logout_uri={ours}")
        page.click("button[value=yes]")
        page.wait_for_url(f"{APP}/bye")
        expect(page).to_have_title("The app")
        left = {cookie["name"] for cookie in page.context.cookies()}
        assert not {name for name in left if "session-bank" in name or "logout-bank" in name}

        page.goto(pool.sign_in_url())
        expect(page.locator("input[name=login]")).to_be_visible()  # the IdP asks again
