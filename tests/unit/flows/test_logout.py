"""Signing out, from either side: what is kept for it, where the browser goes, and whose sessions end."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from fedbridge.claims.subject import to_subject
from fedbridge.errors import OutcomeUnknown, StoreUnavailable, UpstreamError, UserPoolError
from fedbridge.model.logout import Logout, UserPool
from fedbridge.model.session import EndedSession
from fedbridge.op import logout_cookies
from tests.fakes.upstream import IDENTITY
from tests.support.bridge import CLIENT
from tests.support.gateway import BACKCHANNEL_LOGOUT, FRONTCHANNEL_LOGOUT, LOGOUT, Visitor
from tests.support.leaving import (
    APP,
    EVERYTHING,
    HINT,
    OTHER_APP,
    POOL,
    SID,
    gateway_of,
    identity,
    leaving,
    with_ways_out,
)

ISSUER = "https://acme.idp.example"
USERNAME = f"Acme_{IDENTITY.subject}"
RETURN = "https://bridge.example/acme/logout/callback"


@pytest.fixture
def gateway():
    return gateway_of()


@pytest.fixture
def bridge(gateway):
    return gateway.bridge


@pytest.fixture
def browser(gateway):
    return Visitor(gateway)


class Sessions:
    """A `SessionStore` in front of another, which keeps what passes; `failure` is raised instead."""

    def __init__(self, inner):
        self.inner = inner
        self.calls = []
        self.failure = None

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, arguments[0]))
            if self.failure is not None:
                raise self.failure
            return getattr(self.inner, name)(*arguments)

        return call


@pytest.fixture
def sessions(gateway, bridge):
    sessions = Sessions(bridge.sessions)
    gateway.serve_with(sessions=sessions)
    return sessions


def sent(answer):
    """Return what the browser brings to the IdP."""
    location = answer.headers["location"]
    assert location.startswith(f"{ISSUER}/logout?")
    return dict(parse_qsl(urlsplit(location).query, strict_parsing=True))


def told(bridge, name):
    """Return the fields of the last event of this name."""
    return [fields for event, fields in bridge.telemetry.events if event == name][-1]


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_a_sign_in_costs_one_write_more_and_the_item_tells_nothing(browser, sessions):
    browser.sign_in()
    ((operation, kept),) = sessions.calls
    assert operation == "put"
    assert kept.connection == "acme"
    assert kept.expires_at == 1_800_000_000 + EVERYTHING.session_lifetime
    for secret in (SID, HINT, IDENTITY.subject, *browser.cookies):
        assert secret.encode() not in kept.sealed_logout + kept.sealed_subject
        assert secret not in kept.id


def test_the_browser_gets_a_cookie_that_finds_it(browser):
    state = browser.start()
    (line,) = browser.callback(state).cookies
    assert line.startswith("__Host-fedbridge-session-acme=")
    for attribute in (
        "Path=/",
        "Secure",
        "HttpOnly",
        "SameSite=Lax",
        f"Max-Age={EVERYTHING.session_lifetime}",
    ):
        assert f"; {attribute}" in line


def test_two_sign_ins_never_share_a_secret(browser, sessions, bridge):
    bridge.upstream.outcome = identity()
    browser.sign_in()
    first = browser.cookies
    browser.sign_in()
    assert browser.cookies != first
    assert sessions.calls[0][1].id == sessions.calls[1][1].id


@pytest.mark.parametrize("sid", [None, "short", "fifteen-letters"])
def test_a_session_without_a_usable_name_is_found_by_the_browser_alone(browser, sessions, bridge, sid):
    bridge.upstream.outcome = identity(sid=sid)
    browser.sign_in()
    assert sessions.calls[0][1].sealed_subject is None
    assert sent(browser.logout())["id_token_hint"] == HINT


def test_connections_that_keep_nothing_write_nothing_and_set_no_cookie(gateway, browser, sessions, bridge):
    bridge.upstream.outcome = IDENTITY
    state = browser.start()
    assert browser.callback(state).cookies == []
    assert sessions.calls == []


@pytest.mark.parametrize(
    "failure, reason",
    [
        (StoreUnavailable(reason="store_throttled"), "store_throttled"),
        (OutcomeUnknown(), "store_outcome_unknown"),
    ],
)
def test_a_session_that_cannot_be_kept_fails_no_sign_in(browser, sessions, bridge, failure, reason):
    sessions.failure = failure
    assert browser.gateway.redeem(browser.sign_in()).status == 200
    assert told(bridge, "session_not_kept")["reason"] == reason
    assert not any("session" in cookie for cookie in browser.cookies)


def test_a_deployment_without_the_table_says_so(gateway, browser, bridge):
    gateway.serve_with(sessions=None)
    assert gateway.redeem(browser.sign_in()).status == 200
    assert told(bridge, "session_not_kept")["reason"] == "session_store_missing"


def test_the_identity_that_cognito_gets_holds_nothing_of_it(gateway, browser):
    tokens = gateway.redeem(browser.sign_in()).json
    claims = gateway.read_userinfo(tokens["access_token"]).json
    assert claims == {**IDENTITY.claims, "sub": IDENTITY.subject}


# --- RP-initiated ----------------------------------------------------------------------------------------------------


def test_cognitos_logout_uri_needs_no_parameter(browser, bridge):
    browser.sign_in()
    answer = browser.logout()
    assert answer.status == 302
    request = sent(answer)
    state = request.pop("state")
    assert request == {"id_token_hint": HINT, "post_logout_redirect_uri": RETURN}
    assert len(state) == 43
    assert told(bridge, "sign_out_started")["client_id"] == CLIENT
    back = browser.logged_out({"state": state})
    assert (back.status, back.headers["location"]) == (302, APP)
    assert not any("logout" in cookie or "session" in cookie for cookie in browser.cookies)
    assert told(bridge, "sign_out_ended")["client_id"] == CLIENT


def test_an_application_may_say_where_it_ends(browser):
    browser.sign_in()
    answer = browser.logout(client_id=CLIENT, post_logout_redirect_uri=OTHER_APP, state="xyz & more")
    back = browser.logged_out({"state": sent(answer)["state"]})
    assert back.headers["location"] == f"{OTHER_APP}&state=xyz%20%26%20more"


def test_without_a_session_the_client_id_does(browser, gateway):
    gateway.serve_with(sessions=None)
    answer = browser.logout()
    assert "id_token_hint" not in sent(answer)
    assert browser.logged_out({"state": sent(answer)["state"]}).headers["location"] == APP


def test_a_store_that_is_down_costs_the_hint_alone(browser, sessions, bridge):
    browser.sign_in()
    sessions.failure = StoreUnavailable()
    assert "id_token_hint" not in sent(browser.logout())
    assert told(bridge, "store_failed")["reason"] == "store_unavailable"


def test_an_expired_session_is_no_session(browser, bridge):
    browser.sign_in()
    bridge.clock.now += EVERYTHING.session_lifetime
    assert "id_token_hint" not in sent(browser.logout())


@pytest.mark.parametrize(
    "change", [lambda v: v[:-1] + ("0" if v[-1] != "0" else "1"), lambda v: v[:-1], lambda v: v + "x"]
)
def test_a_changed_cookie_opens_nothing(browser, change):
    browser.sign_in()
    browser.cookies = tuple(
        f"{name}={change(value)}" if "session" in name else f"{name}={value}"
        for name, value in (cookie.split("=") for cookie in browser.cookies)
    )
    assert "id_token_hint" not in sent(browser.logout())


def test_a_post_is_answered_with_303(browser):
    browser.sign_in()
    answer = browser.gateway.send("POST", LOGOUT, form={"client_id": CLIENT}, cookies=browser.cookies)
    assert answer.status == 303


def test_an_idp_where_nobody_signs_out_is_not_visited(browser, bridge):
    bridge.upstream.end_session = False
    browser.sign_in()
    answer = browser.logout(client_id=CLIENT, post_logout_redirect_uri=APP, state="s")
    assert answer.headers["location"] == f"{APP}?state=s"
    assert bridge.upstream.left != []


def test_without_an_address_it_ends_on_a_page_with_a_way_back(browser, bridge):
    at = leaving()
    (party,) = at.relying_parties
    bridge.registry.put(replace(at, relying_parties=(replace(party, post_logout_redirect_uris=()),)))
    browser.sign_in()
    answer = browser.logged_out({"state": sent(browser.logout())["state"]})
    assert answer.status == 200
    assert "You are signed out" in answer.body
    assert "https://app.example/acme" in answer.body
    assert told(bridge, "sign_out_ended")["client_id"] == CLIENT


def test_of_several_applications_the_one_that_is_named_is_returned_to(browser, bridge):
    at = leaving()
    (party,) = at.relying_parties
    second = replace(party, client_id="second", post_logout_redirect_uris=("https://second.example/",))
    bridge.registry.put(replace(at, relying_parties=(party, second)))
    browser.sign_in()
    nobody = browser.logged_out({"state": sent(browser.logout())["state"]})
    assert "location" not in nobody.headers
    named = browser.logged_out({"state": sent(browser.logout(client_id="second"))["state"]})
    assert named.headers["location"] == "https://second.example/"


def test_an_idp_that_cannot_be_reached_is_said_to_be_so(browser, bridge):
    bridge.upstream.end_session = UpstreamError("metadata_unavailable", error="temporarily_unavailable")
    browser.sign_in()
    answer = browser.logout()
    assert answer.status == 503
    assert "may still know you" in answer.body
    assert told(bridge, "sign_out_failed")["reason"] == "metadata_unavailable"
    bridge.upstream.end_session = True
    assert sent(browser.logout())["id_token_hint"] == HINT  # a reload goes on where it was


def test_only_a_whole_trip_cookie_is_one(browser, gateway):
    for value in ("", "x", "a" * 63, "A" * 64, "a" * 64 + ".§", "a" * 64 + ".Y", "a" * 64 + "._w"):
        cookies = (f"__Host-fedbridge-logout-acme={value}",)
        answer = gateway.send("GET", "logout/callback", query={"state": "s"}, cookies=cookies)
        assert (answer.status, "location" in answer.headers) == (200, False)


def test_a_cookie_holds_the_longest_state_that_is_taken():
    trip = logout_cookies.Trip(landing="a" * 64, client_state="~" * 1024)
    assert len(logout_cookies.write_trip("c" * 63, trip)) < 4096


@pytest.mark.parametrize("state", ["x" * 1025, "line\nbreak", "ä"])
def test_a_state_that_cannot_wait_in_a_cookie_is_refused(browser, state):
    answer = browser.logout(client_id=CLIENT, post_logout_redirect_uri=APP, state=state)
    assert answer.status == 400
    assert answer.reasons == ["state_unusable"]


# --- from the IdP ----------------------------------------------------------------------------------------------------


def ended(subject=None, sid=None, jti="j1"):
    return EndedSession(issuer=ISSUER, subject=subject, sid=sid, jti=jti, until=1_800_000_400)


def backchannel(gateway, session, name="acme"):
    gateway.bridge.logout_tokens.known["token"] = session
    return gateway.send("POST", BACKCHANNEL_LOGOUT, name=name, form={"logout_token": "token"})


def test_a_session_by_its_name_ends_its_users_sessions_and_is_forgotten(gateway, browser, bridge, sessions):
    browser.sign_in()
    answer = backchannel(gateway, ended(sid=SID))
    assert (answer.status, answer.body) == (200, "")
    assert answer.headers["cache-control"] == "no-store"
    assert bridge.user_pools.signed_out == [(POOL.id, USERNAME)]
    assert told(bridge, "sessions_ended")["client_id"] == CLIENT
    assert [operation for operation, _ in sessions.calls] == ["put", "read", "remove"]
    assert backchannel(gateway, ended(sid=SID, jti="j2")).status == 200
    assert len(bridge.user_pools.signed_out) == 1


@pytest.mark.parametrize("subject", ["hashed", "raw"])
def test_a_subject_needs_no_store(gateway, bridge, subject):
    gateway.serve_with(sessions=None)
    at = leaving(subject=subject)
    bridge.registry.put(at)
    assert backchannel(gateway, ended(subject="ana")).status == 200
    expected = to_subject(at, ISSUER, "ana")
    assert bridge.user_pools.signed_out == [(POOL.id, f"Acme_{expected}")]
    assert (expected == "ana") == (subject == "raw")


def test_a_subject_with_an_unknown_session_is_signed_out_all_the_same(gateway, bridge):
    assert backchannel(gateway, ended(subject="ana", sid="session-of-nobody-1")).status == 200
    assert len(bridge.user_pools.signed_out) == 1


def test_what_nobody_here_could_know_is_refused_and_not_called_done(gateway, bridge):
    gateway.serve_with(sessions=None)
    answer = backchannel(gateway, ended(sid=SID))
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert answer.reasons == ["logout_session_unknowable"]
    bridge.registry.put(leaving(subject_claims=("tid", "oid")))
    gateway.serve_with(sessions=bridge.sessions)
    assert backchannel(gateway, ended(subject="ana", jti="j2")).reasons == ["logout_session_unknowable"]


def test_a_session_that_is_over_already_is_done(gateway, bridge):
    assert backchannel(gateway, ended(sid="session-of-nobody-1")).status == 200
    assert told(bridge, "logout_ignored")["reason"] == "logout_session_unknown"
    bridge.user_pools.strangers.add(f"Acme_{to_subject(leaving(), ISSUER, 'eve')}")
    assert backchannel(gateway, ended(subject="eve", jti="j2")).status == 200
    assert bridge.user_pools.signed_out == []


def test_a_subject_that_could_never_have_signed_in_is_nobody(gateway, bridge):
    bridge.registry.put(leaving(subject="raw"))
    answer = backchannel(gateway, ended(subject="Ana With Blanks"))
    assert answer.reasons == ["logout_session_unknowable"]
    assert bridge.user_pools.signed_out == []


def test_every_pool_of_the_connection_is_told(gateway, bridge):
    at = leaving()
    (party,) = at.relying_parties
    other = UserPool(id="eu-west-1_Partners", identity_provider="Bank")
    second = with_ways_out(replace(party, client_id="second"), other)
    third = replace(party, client_id="third", user_pool=None)
    bridge.registry.put(replace(at, relying_parties=(party, second, third)))
    assert backchannel(gateway, ended(subject="ana")).status == 200
    subject = to_subject(at, ISSUER, "ana")
    assert bridge.user_pools.signed_out == [(POOL.id, f"Acme_{subject}"), (other.id, f"Bank_{subject}")]
    assert told(bridge, "sessions_ended")["client_id"] == f"{CLIENT},second"


def test_a_message_that_contradicts_itself_reaches_no_pool_at_all(gateway, browser, bridge):
    """The pool that comes first knows no session of this name; the second one's is somebody else's."""
    browser.sign_in()
    at = leaving()
    (party,) = at.relying_parties
    first = with_ways_out(
        replace(party, client_id="first"), UserPool(id="eu-west-1_First", identity_provider="First")
    )
    bridge.registry.put(replace(at, relying_parties=(first, party)))
    assert backchannel(gateway, ended(subject="eve", sid=SID)).reasons == ["logout_session_mismatch"]
    assert bridge.user_pools.signed_out == []


@pytest.mark.parametrize(
    "failure",
    [
        UserPoolError(reason="user_pool_unavailable"),
        UserPoolError(reason="user_pool_access_denied"),
        StoreUnavailable(reason="store_throttled"),
    ],
)
def test_what_failed_is_said_to_have_failed_and_may_be_sent_again(gateway, browser, bridge, failure):
    browser.sign_in()
    bridge.user_pools.failure = failure
    answer = backchannel(gateway, ended(sid=SID))
    assert (answer.status, answer.json["error"]) == (400, "temporarily_unavailable")
    assert answer.reasons == [failure.reason]
    bridge.user_pools.failure = None
    assert backchannel(gateway, ended(sid=SID)).status == 200
    assert bridge.user_pools.signed_out == [(POOL.id, USERNAME)]


def test_keys_that_cannot_be_had_are_an_outage(gateway, bridge):
    bridge.logout_tokens.failure = UpstreamError("jwks_unavailable", error="temporarily_unavailable")
    answer = backchannel(gateway, ended(subject="ana"))
    assert (answer.status, answer.json["error"]) == (400, "temporarily_unavailable")


def test_a_write_with_an_unknown_outcome_counts_as_a_replay(gateway, bridge):
    class Lost:
        def take(self, *_, **__):
            raise OutcomeUnknown

    gateway.bridge.back = replace(gateway.bridge.back, replays=Lost)
    answer = backchannel(gateway, ended(subject="ana"))
    assert answer.status == 400
    assert bridge.user_pools.signed_out == []


def test_without_a_user_pool_there_is_no_receiver(gateway, bridge):
    bridge.registry.put(leaving(pool=None))
    assert backchannel(gateway, ended(subject="ana")).status == 404
    answer = gateway.send("GET", FRONTCHANNEL_LOGOUT, query={"iss": ISSUER, "sid": SID})
    assert answer.status == 404


def test_the_front_channel_ends_a_session_by_its_name(gateway, browser, bridge):
    browser.sign_in()
    answer = gateway.send("GET", FRONTCHANNEL_LOGOUT, query={"iss": ISSUER, "sid": SID})
    assert answer.status == 200
    assert bridge.user_pools.signed_out == [(POOL.id, USERNAME)]
    assert told(bridge, "sessions_ended")["client_id"] == CLIENT


def test_the_front_channel_shows_no_failure(gateway, browser, bridge):
    browser.sign_in()
    bridge.user_pools.failure = UserPoolError(reason="user_pool_missing")
    answer = gateway.send("GET", FRONTCHANNEL_LOGOUT, query={"iss": ISSUER, "sid": SID})
    assert answer.status == 200
    assert told(bridge, "sign_out_failed")["reason"] == "user_pool_missing"


def test_a_policy_without_either_channel_has_no_receiver(gateway, bridge):
    bridge.registry.put(leaving(logout=Logout(mode="client_id")))
    assert backchannel(gateway, ended(subject="ana")).status == 404
