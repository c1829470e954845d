"""The story of a sign-in, and what a reload, a double click and a stranger get."""

from dataclasses import replace

import pytest

from fedbridge.errors import KeyUnavailable, OAuthError, OutcomeUnknown, StoreUnavailable, UpstreamError
from fedbridge.flows.finish import finish
from fedbridge.model.deadline import Deadline
from fedbridge.model.identity import Identity
from fedbridge.model.transaction import Phase
from tests.fakes.registry import FakeRegistry
from tests.fakes.upstream import IDENTITY
from tests.support.bridge import (
    CLIENT,
    REDIRECT_URI,
    STATE,
    Bridge,
    Browser,
    SettableClock,
    connection,
    id_token_claims,
    location,
    read_userinfo,
    request,
    s256,
    token,
)


@pytest.fixture
def bridge():
    return Bridge()


@pytest.fixture
def browser(bridge):
    return Browser(bridge)


def test_a_user_signs_in(bridge, browser):
    started = browser.authorize(login_hint="ana")
    sent = location(started)
    assert started.headers["location"].startswith("https://acme.idp.example/authorize?")
    assert len(sent["state"]) == 43
    assert sent["redirect_uri"] == "https://bridge.example/acme/callback"
    assert sent["login_hint"] == "ana"

    finished = browser.callback(sent["state"])
    assert finished.status == 302
    assert finished.headers["location"].startswith(f"{REDIRECT_URI}?")
    assert location(finished)["state"] == STATE
    assert bridge.upstream.finished[0]["nonce"] == "nonce-1"

    tokens = token(bridge, location(finished)["code"])
    claims = id_token_claims(tokens["id_token"])
    assert claims["iss"] == "https://bridge.example/acme"
    assert claims["aud"] == CLIENT
    assert claims["sub"] == IDENTITY.subject
    assert claims["email"] == "ana@example.com"
    assert claims["email_verified"] is True
    assert claims["acr"] == "high"
    assert claims["amr"] == ["mfa"]
    assert claims["exp"] - claims["iat"] == 300
    assert "nonce" not in claims
    assert tokens["token_type"] == "Bearer"
    assert read_userinfo(bridge, tokens["access_token"]) == {**IDENTITY.claims, "sub": IDENTITY.subject}
    assert bridge.telemetry.names() == [
        "sign_in_started", "sign_in_authorized", "sign_in_redeemed", "userinfo_read",
    ]  # fmt: skip
    assert len({fields["correlation_id"] for _, fields in bridge.telemetry.events}) == 1


def test_nonce_and_pkce_are_honoured_when_sent(bridge, browser):
    verifier = "v" * 43
    code = browser.sign_in(nonce="n-1", code_challenge=s256(verifier), code_challenge_method="S256")
    assert id_token_claims(token(bridge, code, code_verifier=verifier)["id_token"])["nonce"] == "n-1"


def test_a_form_post_callback_is_answered_with_303(bridge):
    bridge.registry.put(connection(version="v2", authorization=_form_post()))
    browser = Browser(bridge)
    finished = browser.callback(browser.start(), method="POST")
    assert finished.status == 303
    assert token(bridge, location(finished)["code"])["access_token"]


def test_a_reload_gets_the_same_redirect_until_the_code_is_redeemed(bridge, browser):
    state = browser.start()
    first = browser.callback(state)
    again = browser.callback(state)
    assert first.headers["location"] == again.headers["location"]
    assert len(bridge.upstream.finished) == 1
    token(bridge, location(again)["code"])
    ended = browser.callback(state)
    assert ended.status == 400
    assert "already complete" in ended.body
    assert "https://app.example/acme" in ended.body


def test_a_reload_during_the_exchange_waits_and_then_arrives(bridge, browser):
    state = browser.start()
    seen = {}

    def slow() -> Identity:
        seen["page"] = browser.callback(state)
        seen["poll"] = browser.poll(state)
        return IDENTITY

    bridge.upstream.outcome = slow
    finished = browser.callback(state)
    for page in seen.values():
        assert page.status == 200
        assert f'content="2;url=https://bridge.example/acme/callback?state={state}"' in page.body
    assert location(browser.poll(state))["code"] == location(finished)["code"]
    assert len(bridge.upstream.finished) == 1


def test_another_browser_gets_nothing_and_burns_nothing(bridge, browser):
    state = browser.start()
    stranger = Browser(bridge)
    assert stranger.callback(state).status == 400
    stranger.start()
    refused = stranger.callback(state)
    assert refused.status == 400
    assert "location" not in refused.headers
    assert location(browser.callback(state))["code"]
    assert stranger.callback(state).status == 400
    assert len(bridge.upstream.finished) == 1


def test_a_trip_longer_than_five_minutes_is_offered_a_new_start(bridge, browser):
    state = browser.start()
    bridge.clock.now += 300
    expired = browser.callback(state)
    assert expired.status == 400
    assert "expired" in expired.body
    assert "https://app.example/acme" in expired.body
    assert not bridge.upstream.finished


def test_a_failed_exchange_tells_cognito_and_a_reload_offers_a_new_start(bridge, browser):
    bridge.upstream.outcome = UpstreamError(
        "upstream_access_denied", error="access_denied", description="Denied."
    )
    state = browser.start()
    denied = browser.callback(state)
    assert location(denied)["error"] == "access_denied"
    assert location(denied)["state"] == STATE
    assert "ref CORRELATION" in location(denied)["error_description"]
    assert set(location(denied)) == {"error", "error_description", "state"}
    reloaded = browser.callback(state)
    assert reloaded.status == 400
    assert "did not succeed" in reloaded.body


def test_an_exchange_that_used_up_its_time_has_failed_at_once(bridge, browser):
    """Its deadline is over, and the write that marks it still gets a moment: a reload must not wait for 27 seconds."""
    state, spent = browser.start(), SettableClock(0.0)

    def hang():
        spent.now += 22
        raise UpstreamError("upstream_timeout", error="temporarily_unavailable")

    bridge.upstream.outcome = hang
    back = request("callback", cookies=browser.cookies, query={"state": state, "code": "upstream-code"})
    told = location(finish(bridge.front, replace(back, deadline=Deadline(20.0, spent))))
    assert told["error"] == "temporarily_unavailable"
    assert not [name for name, _ in bridge.telemetry.events if name == "store_failed"]
    assert "did not succeed" in browser.callback(state).body


def test_an_exchange_that_died_is_offered_a_new_start_after_its_deadline(bridge, browser):
    bridge.upstream.outcome = RuntimeError("the sandbox died")
    state = browser.start()
    with pytest.raises(RuntimeError):
        browser.callback(state)
    assert "Signing you in" in browser.callback(state).body
    bridge.clock.now += 30
    assert "expired" in browser.callback(state).body


def test_tabs_and_connections_live_side_by_side_in_one_browser(bridge):
    bridge.registry.put(connection("bank"))
    tab = Browser(bridge)
    first = tab.start()
    other = Browser(bridge, name="bank", cookies=tab.cookies)
    second = other.start()
    assert other.cookies == tab.cookies
    assert location(other.callback(second))["code"]
    assert location(tab.callback(first))["code"]


def test_a_sign_in_ends_on_the_version_that_it_began_with(bridge, browser):
    state = browser.start()
    bridge.registry.put(connection(version="v2", client_id="changed"))
    assert location(browser.callback(state))["code"]
    assert bridge.upstream.finished[0]["version"] == "v1"


def test_a_sign_in_whose_version_is_gone_ends_in_an_error(bridge, browser):
    state = browser.start()
    bridge.registry.put(connection(version="v2"))
    bridge.registry.remove("acme", "v1")
    assert location(browser.callback(state))["error"] == "temporarily_unavailable"


def test_relayed_tokens_go_through_untouched(bridge):
    bridge.registry.put(connection(version="v2", tokens="relay", client_id=CLIENT))
    bridge.upstream.outcome = Identity(subject="raw-sub", claims={}, upstream_id_token="up.stream.token")
    bridge.keys.failure = KeyUnavailable("must not be asked")
    browser = Browser(bridge)
    tokens = token(bridge, browser.sign_in())
    assert tokens["id_token"] == "up.stream.token"
    assert read_userinfo(bridge, tokens["access_token"]) == {"sub": "raw-sub"}
    refused = browser.authorize(nonce="n")
    assert location(refused)["error"] == "invalid_request"


def test_tokens_are_those_of_the_version_that_the_sign_in_began_with(bridge):
    relayed = connection(version="v2", tokens="relay", client_id=CLIENT)
    reissued = Browser(bridge).sign_in()
    bridge.registry.put(relayed)
    assert id_token_claims(token(bridge, reissued)["id_token"])["sub"] == IDENTITY.subject

    bridge.upstream.outcome = Identity(subject="raw-sub", claims={}, upstream_id_token="up.stream.token")
    code = Browser(bridge).sign_in()
    bridge.registry.put(connection(version="v3"))
    assert token(bridge, code)["id_token"] == "up.stream.token"


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (KeyUnavailable(reason="kms_throttled", transient=True), "temporarily_unavailable"),
        (KeyUnavailable(reason="kms_key_disabled"), "server_error"),
        (UpstreamError("upstream_timeout", error="temporarily_unavailable"), "temporarily_unavailable"),
    ],
)
def test_failures_before_the_trip_reach_cognito_too(bridge, browser, failure, error):
    bridge.upstream.begin_failure = failure
    assert location(browser.authorize())["error"] == error
    assert bridge.telemetry.fields("sign_in_failed")["reason"] == failure.reason


def test_a_store_outage_at_authorize_fails_closed(bridge, browser):
    bridge = Bridge(store=_FailingStore("put", StoreUnavailable()))
    answered = Browser(bridge).authorize()
    assert location(answered)["error"] == "temporarily_unavailable"
    assert not answered.cookies


def test_an_unknown_outcome_of_authorize_gives_no_code_away(bridge):
    bridge = Bridge(store=_FailingStore("authorize", OutcomeUnknown()))
    browser = Browser(bridge)
    answered = location(browser.callback(browser.start()))
    assert answered["error"] == "temporarily_unavailable"
    assert "code" not in answered


def test_an_unknown_outcome_of_redeem_is_an_invalid_grant(bridge):
    bridge = Bridge(store=_FailingStore("redeem", OutcomeUnknown()))
    code = Browser(bridge).sign_in()
    with pytest.raises(OAuthError, match="invalid_grant"):
        token(bridge, code)


def test_a_disabled_connection_is_refused_at_every_phase(bridge, browser):
    state = browser.start()
    bridge.registry.put(connection(version="v1", disabled=True))
    with pytest.raises(Exception, match="unknown_connection"):
        browser.callback(state)
    with pytest.raises(Exception, match="unknown_connection"):
        browser.authorize()


def test_a_stored_transaction_reveals_nothing(bridge, browser):
    state = browser.start(nonce="n-secret")
    code = location(browser.callback(state))["code"]
    item = repr(bridge.store.read(state[:21], _deadline()))
    for secret in (
        state[21:],
        code[21:],
        browser.cookies[0].partition("=")[2],
        "n-secret",
        "ana@example.com",
        STATE,
    ):
        assert secret not in item
    tokens = token(bridge, code)
    redeemed = bridge.store.read(state[:21], _deadline())
    assert redeemed.phase is Phase.REDEEMED
    assert redeemed.sealed_token is None
    assert redeemed.sealed_request is None
    assert tokens["access_token"][21:] not in repr(redeemed)


def _deadline():
    from fedbridge.model.deadline import Deadline

    return Deadline.after(1)


def _form_post():
    from fedbridge.model.connection import AuthorizationRequestProfile

    return AuthorizationRequestProfile(response_mode="form_post")


class _FailingStore:
    """A memory store of which one method fails after it did its work, as a lost acknowledgement does."""

    def __init__(self, method, failure):
        from fedbridge.store.memory import MemoryTransactionStore

        self._store, self._method, self._failure = MemoryTransactionStore(), method, failure

    def __getattr__(self, name):
        real = getattr(self._store, name)

        def call(*args):
            answer = real(*args)
            if name == self._method:
                raise self._failure
            return answer

        return call


def test_the_registry_double_refuses_what_it_does_not_hold():
    with pytest.raises(Exception, match="unknown_connection"):
        FakeRegistry().get("acme", _deadline())
