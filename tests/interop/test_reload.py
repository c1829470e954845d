"""Reload, double click, lost cookie, stranger: what a person meets who does not walk straight on, over real HTTP.

Each person has a browser with a cookie jar of its own; the bridge's pages are followed as a browser follows them.
"""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import time_machine

from tests.counterparts.browser import new_browser, origin_of, travel
from tests.counterparts.cognito import SignInError
from tests.counterparts.faults import ANSWERS, AuthorizationError, Fault
from tests.counterparts.oidc_provider import OidcProvider, sign_in
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import made_by_bridge, user_pool

pytestmark = pytest.mark.interop

REFRESH = re.compile(r'<meta http-equiv="refresh" content="2;url=([^"]+)">')
REFERENCE = re.compile(r"<code>([0-9A-HJKMNP-TV-Z]{16})</code>")
COOKIE = "__Host-fedbridge"


def connection(name, response_mode):
    return Declared(
        name=name,
        key="P-256",
        yaml="client_authentication: {key: $key}",
        authorization=f"{{scope: openid email, response_mode: {response_mode}}}",
        client={"token_endpoint_auth_signing_alg": "ES256"},
    )


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    declared = [connection("bank", "query"), connection("form", "form_post")]
    with (
        OidcProvider() as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), declared) as bridge,
    ):
        yield bridge


@pytest.fixture(autouse=True)
def mended(bridge):
    yield
    bridge.op.clear_faults()


@pytest.fixture
def pool(bridge):
    with user_pool(bridge, "bank") as pool:
        yield pool


@pytest.fixture
def callback(bridge, pool, browser):
    """The request with which the browser comes back from the IdP, not sent yet."""
    bridge.op.clear_journal()
    location = browser.get(pool.authorize("Bank")).headers["location"]
    return sign_in(browser, location)


@pytest.fixture
def stranger():
    with new_browser() as browser:
        yield browser


def token_requests(bridge):
    return [entry for entry in made_by_bridge(bridge.op.journal()) if entry.route == "token"]


def again(browser, request):
    """The same request once more, with the cookies that this browser has."""
    body = {"data": dict(httpx.QueryParams(request.content.decode()))} if request.method == "POST" else {}
    return browser.build_request(request.method, request.url, **body)


def assert_page(answer, title, *, status=400, name="bank"):
    """A page of the bridge's that says what happened, offers a way on and names an id."""
    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in answer.text
    assert f'<a href="https://app.example/{name}">Start again</a>' in answer.text
    assert REFERENCE.search(answer.text)
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers


def arrived(pool, answer):
    """Whom the user pool knows after this redirect."""
    assert answer.status_code in {302, 303}
    return pool.redeem(pool.idpresponse(answer.headers["location"]).code).attributes["email"]


LOST = "We could not match this browser to a sign-in"
BAD_LINK = "This sign-in link does not work"
EXPIRED = "This sign-in has expired"
FINISHED = "This sign-in is already complete"
FAILED = "The sign-in did not succeed"
WORKING = "Signing you in …"


def test_a_reload_before_cognito_has_come_gets_the_same_redirect_and_arrives(bridge, pool, browser, callback):
    first = browser.send(callback)
    reloads = [browser.send(again(browser, callback)) for _ in range(3)]
    assert {answer.headers["location"] for answer in reloads} == {first.headers["location"]}
    assert len(token_requests(bridge)) == 1
    assert arrived(pool, reloads[-1]) == "alice@example.com"


def test_a_reload_after_cognito_has_come_says_that_it_is_done(bridge, pool, browser, callback):
    assert arrived(pool, browser.send(callback)) == "alice@example.com"
    assert_page(browser.send(again(browser, callback)), FINISHED)
    assert len(token_requests(bridge)) == 1


@pytest.mark.parametrize("name", ["bank", "form"])
def test_a_double_click_while_the_idp_is_slow_waits_on_a_page_and_arrives(bridge, browser, name):
    with user_pool(bridge, name) as pool, ThreadPoolExecutor() as threads:
        bridge.op.clear_journal()
        callback = sign_in(browser, browser.get(pool.authorize("Bank")).headers["location"])
        assert callback.method == {"bank": "GET", "form": "POST"}[name]
        bridge.op.set_fault("token", Fault(delay=3))
        first = threads.submit(browser.send, callback)
        wait_until(lambda: token_requests(bridge))
        second = browser.send(again(browser, callback))
        assert not first.done()
        assert_waiting(bridge, second, name)
        trip = travel(
            browser, again(browser, callback), until=lambda request: origin_of(request.url) == pool.domain
        )
        assert trip.url == first.result().headers["location"]
        assert len(token_requests(bridge)) == 1
        user = pool.redeem(pool.idpresponse(trip.url).code)
    assert user.attributes["email"] == "alice@example.com"


def assert_waiting(bridge, answer, name):
    """The page that asks for itself again, and holds neither the code nor a way to begin a second sign-in."""
    assert answer.status_code == 200
    assert f"<h1>{WORKING}</h1>" in answer.text
    (url,) = REFRESH.findall(answer.text)
    refresh = httpx.URL(url)
    assert str(refresh).startswith(f"{bridge.issuer(name)}/callback?")
    assert set(refresh.params) == {"state"}
    assert "Start again" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def wait_until(found):
    """Ask over and over until there is something; the test's own time limit ends it."""
    while not found():
        pass


def test_parallel_callbacks_of_one_browser_redeem_one_code(bridge, pool, browser, callback):
    bridge.op.set_fault("token", Fault(delay=1))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: browser.send(again(browser, callback)), range(8)))
    redirects = [answer for answer in answers if answer.status_code == 302]
    waiting = [answer for answer in answers if answer.status_code == 200]
    assert len(redirects) + len(waiting) == 8
    assert len({answer.headers["location"] for answer in redirects}) == 1
    assert len(token_requests(bridge)) == 1
    assert arrived(pool, redirects[0]) == "alice@example.com"


def test_who_lost_the_cookie_is_told_and_nothing_is_burnt(bridge, pool, browser, callback, stranger):
    assert_page(stranger.send(again(stranger, callback)), LOST)
    assert token_requests(bridge) == []
    assert arrived(pool, browser.send(callback)) == "alice@example.com"


def test_a_stranger_with_a_cookie_of_their_own_gets_nothing_and_burns_nothing(
    bridge, pool, browser, callback, stranger
):
    stranger.get(pool.authorize("Bank"))
    assert stranger.cookies[COOKIE] != browser.cookies[COOKIE]
    assert_page(stranger.send(again(stranger, callback)), LOST)
    assert token_requests(bridge) == []
    first = browser.send(callback)
    assert_page(stranger.send(again(stranger, callback)), LOST)
    assert arrived(pool, first) == "alice@example.com"


def test_a_stranger_who_guesses_a_state_learns_nothing(bridge, browser, callback, stranger):
    state = callback.url.params["state"]
    for guess in (f"{state[:21]}{'0' * 22}", f"{'0' * 21}{state[21:]}", "0" * 43):
        url = callback.url.copy_set_param("state", guess)
        for person in (browser, stranger):
            answer = person.get(url)
            assert answer.status_code == 400
            assert answer.headers.get("location") is None
    assert token_requests(bridge) == []


def test_a_link_scanner_burns_nothing(bridge, pool, browser, callback, stranger):
    for person in (stranger, browser):
        answer = person.send(person.build_request("HEAD", callback.url))
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert token_requests(bridge) == []
    assert arrived(pool, browser.send(callback)) == "alice@example.com"


def test_a_callback_at_another_connection_is_worth_nothing(bridge, pool, browser, callback):
    elsewhere = str(callback.url).replace("/bank/", "/form/")
    assert browser.get(elsewhere).status_code == 400
    assert token_requests(bridge) == []
    assert arrived(pool, browser.send(callback)) == "alice@example.com"


def test_a_failed_sign_in_can_be_started_over_and_not_repeated(bridge, pool, browser, callback):
    bridge.op.set_fault("token", Fault(answer=ANSWERS["free text"], times=1))
    with pytest.raises(SignInError, match="server_error"):
        arrived(pool, browser.send(callback))
    assert_page(browser.send(again(browser, callback)), FAILED)
    assert len(token_requests(bridge)) == 1
    assert_started_over(pool, browser)


def test_who_says_no_can_be_asked_again(bridge, pool, browser):
    bridge.op.set_fault("authorization", Fault(error=AuthorizationError("access_denied"), times=1))
    callback = sign_in(browser, browser.get(pool.authorize("Bank")).headers["location"])
    with pytest.raises(SignInError, match="access_denied"):
        arrived(pool, browser.send(callback))
    assert_page(browser.send(again(browser, callback)), FAILED)
    assert_started_over(pool, browser)


def assert_started_over(pool, browser):
    callback = sign_in(browser, browser.get(pool.authorize("Bank")).headers["location"])
    assert arrived(pool, browser.send(callback)) == "alice@example.com"


def test_tabs_side_by_side_each_arrive(pool, browser):
    locations = [browser.get(pool.authorize("Bank")).headers["location"] for _ in range(3)]
    callbacks = [sign_in(browser, location) for location in locations]
    assert [arrived(pool, browser.send(callback)) for callback in reversed(callbacks)] == [
        "alice@example.com"
    ] * 3


def test_a_trip_of_more_than_five_minutes_has_expired(bridge, pool, browser, callback):
    with time_machine.travel(time.time() + 301):
        assert_page(browser.send(callback), EXPIRED)
        assert_page(browser.send(again(browser, callback)), EXPIRED)
    assert token_requests(bridge) == []
    assert_started_over(pool, browser)


def test_a_code_that_cognito_did_not_fetch_within_a_minute_is_worth_nothing(pool, browser, callback):
    answer = browser.send(callback)
    with time_machine.travel(time.time() + 61):
        assert_page(browser.send(again(browser, callback)), EXPIRED)
        with pytest.raises(SignInError, match="400 invalid_grant"):
            arrived(pool, answer)
