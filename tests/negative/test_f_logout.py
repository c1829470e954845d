"""F, signing out (cases 44 to 48, and 141 for what belongs to it), as events through the edge.

Case 45 as it must be here: the keys of the bridge's ID tokens are out of the front channel's reach, and Cognito, which
alone holds such tokens, sends none; so every id_token_hint is refused, a genuine one too.
"""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fedbridge.jws import b64url
from fedbridge.model.connection import IdTokenPolicy
from fedbridge.model.session import EndedSession
from fedbridge.rp.logout_token import EVENT
from tests.fakes.keys import FakeSigner
from tests.support.bridge import CLIENT
from tests.support.gateway import (
    BACKCHANNEL_LOGOUT,
    FORM,
    FRONTCHANNEL_LOGOUT,
    LOGOUT,
    LOGOUT_CALLBACK,
    Visitor,
    assert_json_error,
    assert_page,
)
from tests.support.leaving import APP, EVERYTHING, HINT, OTHER_APP, POOL, SID, gateway_of, identity, leaving
from tests.unit.rp.idp import CLIENT_ID, FakeIdp
from tests.unit.rp.logout_tokens import claims_of, logout_token, verifier_of

SUBJECT = identity().subject
USERNAME = f"Acme_{SUBJECT}"


@pytest.fixture
def gateway():
    return gateway_of()


@pytest.fixture
def browser(gateway):
    """A browser whose person is signed in."""
    browser = Visitor(gateway)
    browser.sign_in()
    return browser


def sent_to_idp(answer):
    """Return what the browser brings to the IdP."""
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://acme.idp.example/logout"
    return dict(parse_qsl(parts.query, strict_parsing=True))


def assert_nobody_left(browser, answer, reason):
    """The page of a refusal; the session is still there, and nobody went to the IdP."""
    left = list(browser.gateway.bridge.upstream.left)
    assert_page(browser.gateway, answer, reason)
    assert browser.gateway.bridge.upstream.left == left
    assert sent_to_idp(browser.logout())["id_token_hint"] == HINT


# --- 44: where a sign-out may end ------------------------------------------------------------------------------------

NOT_REGISTERED = {
    "a trailing slash": f"{APP}/",
    "without one": APP.removesuffix("t"),
    "another case of the path": APP.replace("signed", "Signed"),
    "another case of the host": APP.replace("app", "APP"),
    "an added query": f"{APP}?a=1",
    "an added fragment": f"{APP}#a",
    "an empty query": f"{APP}?",
    "a query less": OTHER_APP.partition("?")[0],
    "a changed query": f"{OTHER_APP}2",
    "two slashes": APP.replace("example/", "example//"),
    "dots": APP.replace("signed-out", "x/../signed-out"),
    "encoded dots": APP.replace("signed-out", "%2e%2e/signed-out"),
    "an encoded letter": APP.replace("s", "%73", 1),
    "a user": APP.replace("https://", "https://app.example@evil.example/"),
    "a port": APP.replace(".example", ".example:443"),
    "http": APP.replace("https", "http"),
    "a host behind": APP.replace("app.example", "app.example.evil.example"),
    "a look-alike": APP.replace("app", "\u0430pp"),
    "a backslash": APP.replace("example/", "example\\"),
    "a tab": APP.replace("signed", "sig\tned"),
    "a line break": f"{APP}\r\nx: y",
    "a blank in front": f" {APP}",
    "a script": "javascript:alert(1)",
    "no scheme": "//evil.example/",
    "a path": "/signed-out",
    "a restart URL": "https://app.example/bank",
    "Cognito": "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse",
}


@pytest.mark.parametrize("uri", NOT_REGISTERED.values(), ids=NOT_REGISTERED)
def test_case_44_an_address_that_is_not_registered_ends_nothing(browser, uri):
    answer = browser.logout(client_id=CLIENT, post_logout_redirect_uri=uri)
    assert_nobody_left(browser, answer, "post_logout_redirect_uri_mismatch")


def test_case_44_a_registered_address_needs_the_client_that_it_belongs_to(browser):
    assert_nobody_left(browser, browser.logout(post_logout_redirect_uri=APP), "logout_client_missing")


def test_case_44_an_unknown_client_ends_nothing(browser):
    assert_nobody_left(browser, browser.logout(client_id="another"), "unknown_client")


@pytest.mark.parametrize(
    "query",
    [
        f"client_id={CLIENT}&client_id={CLIENT}",
        "post_logout_redirect_uri=a&post_logout_redirect_uri=b",
        "state=%",
        "state=%FF",
        "state=%00",
        "&".join(f"p{number}=1" for number in range(65)),
    ],
)
def test_case_44_what_reads_in_two_ways_ends_nothing(browser, query):
    answer = browser.gateway.send("GET", LOGOUT, query=query, cookies=browser.cookies)
    assert answer.status == 400
    assert "location" not in answer.headers
    assert browser.gateway.bridge.upstream.left == []


def test_case_44_a_post_is_held_to_the_same(browser):
    form = {"client_id": CLIENT, "post_logout_redirect_uri": f"{APP}/"}
    answer = browser.gateway.send("POST", LOGOUT, form=form, cookies=browser.cookies)
    assert_nobody_left(browser, answer, "post_logout_redirect_uri_mismatch")


def test_case_44_an_address_that_was_taken_back_meanwhile_is_not_gone_to(browser):
    state = sent_to_idp(browser.logout(client_id=CLIENT, post_logout_redirect_uri=OTHER_APP))["state"]
    at = leaving()
    (party,) = at.relying_parties
    browser.gateway.bridge.registry.put(
        replace(at, relying_parties=(replace(party, post_logout_redirect_uris=(APP,)),))
    )
    answer = browser.logged_out({"state": state})
    assert answer.status == 200
    assert "location" not in answer.headers
    assert "signed out" in answer.body


# --- 45: an id_token_hint --------------------------------------------------------------------------------------------


def _jwt(header, claims, signature=b"x"):
    return ".".join(
        b64url(part) for part in (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    )


OURS = {"iss": "https://bridge.example/acme", "aud": CLIENT, "sub": SUBJECT, "iat": 1, "exp": 2}
HINTS = {
    "a bad signature": _jwt({"alg": "ES256", "kid": FakeSigner().kid}, OURS),
    "no signature": _jwt({"alg": "none"}, OURS, b""),
    "another connection's": _jwt(
        {"alg": "ES256"}, {**OURS, "aud": "bank", "iss": "https://bridge.example/bank"}
    ),
    "the upstream's": HINT,
    "empty": "",
    "text": "hint",
}


@pytest.mark.parametrize("hint", HINTS.values(), ids=HINTS)
def test_case_45_no_hint_ends_anything(browser, hint):
    answer = browser.logout(client_id=CLIENT, post_logout_redirect_uri=APP, id_token_hint=hint)
    assert_nobody_left(browser, answer, "logout_hint_refused")


def test_case_45_the_bridges_own_id_token_is_refused_as_well(gateway):
    browser = Visitor(gateway)
    own = gateway.redeem(browser.sign_in()).json["id_token"]
    assert_nobody_left(browser, browser.logout(id_token_hint=own), "logout_hint_refused")


# --- 46: the back channel --------------------------------------------------------------------------------------------


class Provider:
    """The IdP that posts logout tokens to a bridge which verifies them for real."""

    def __init__(self):
        self.idp = FakeIdp(issuer="https://acme.idp.example")
        policy = IdTokenPolicy(algorithms=("ES256",))
        self.gateway = gateway_of(
            leaving(client_id=CLIENT_ID, id_token=policy),
            leaving("bank", issuer=self.idp.issuer, id_token=policy),
        )
        self.gateway.bridge.logout_tokens = verifier_of(self.idp)
        self.pools = self.gateway.bridge.user_pools
        Visitor(self.gateway).sign_in()

    def post(self, token, *, name="acme", **more):
        return self.gateway.send("POST", BACKCHANNEL_LOGOUT, name=name, form={"logout_token": token, **more})

    def token(self, **claims):
        # A raw subject is the IdP's own; these pools know hashed ones, by the session's name.
        return logout_token(self.idp, **{"sub": None, **claims})

    def assert_still_there(self):
        """The session was not touched: the right token still ends it."""
        assert self.pools.signed_out == []
        assert self.post(self.token(jti="the-right-one")).status == 200
        assert self.pools.signed_out == [(POOL.id, USERNAME)]


@pytest.fixture
def provider():
    return Provider()


WRONG_TOKENS: dict[str, tuple[dict[str, Any], str]] = {
    "no event": ({"events": None}, "logout_token_event_missing"),
    "another event": ({"events": {"other": {}}}, "logout_token_event_missing"),
    "an event that is no object": ({"events": {EVENT: True}}, "logout_token_event_missing"),
    "a nonce": ({"nonce": "n"}, "logout_token_is_id_token"),
    "another audience": ({"aud": "another"}, "logout_token_audience_mismatch"),
    "another issuer": ({"iss": "https://evil.example"}, "logout_token_issuer_mismatch"),
    "neither sub nor sid": ({"sid": None}, "logout_token_names_nobody"),
    "an old iat": ({"iat": 1_799_999_000}, "logout_token_too_old"),
    "expired": ({"exp": 1_799_999_000}, "logout_token_expired"),
    "no jti": ({"jti": None}, "logout_token_jti_malformed"),
}


@pytest.mark.parametrize("name", WRONG_TOKENS)
def test_case_46_a_wrong_logout_token_touches_no_session(provider, name):
    claims, reason = WRONG_TOKENS[name]
    answer = provider.post(provider.token(**claims))
    assert_json_error(provider.gateway, answer, "invalid_request", reason)
    provider.assert_still_there()


def test_case_46_a_logout_token_without_a_signature(provider):
    payload = b64url(json.dumps(claims_of(provider.idp, sub=None)).encode())
    answer = provider.post(f"{b64url(json.dumps({'alg': 'none', 'typ': 'logout+jwt'}).encode())}.{payload}.")
    assert_json_error(provider.gateway, answer, "invalid_request", "logout_token_algorithm_refused")
    provider.assert_still_there()


def test_case_46_a_replayed_logout_token(provider):
    token = provider.token()
    assert provider.post(token).status == 200
    Visitor(provider.gateway).sign_in()
    answer = provider.post(token)
    assert_json_error(provider.gateway, answer, "invalid_request", "logout_token_replayed")
    assert provider.pools.signed_out == [(POOL.id, USERNAME)]


def test_case_46_another_token_with_the_same_jti(provider):
    assert provider.post(provider.token(sid="another-session-000")).status == 200
    answer = provider.post(provider.token())
    assert_json_error(provider.gateway, answer, "invalid_request", "logout_token_replayed")
    provider.assert_still_there()


@pytest.mark.parametrize("form", [{}, {"logout_token": ""}, {"id_token": "x"}])
def test_case_46_no_logout_token(provider, form):
    answer = provider.gateway.send("POST", BACKCHANNEL_LOGOUT, form=form)
    assert_json_error(provider.gateway, answer, "invalid_request", "logout_token_missing")


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "DELETE"])
def test_case_46_another_method(provider, method):
    answer = provider.gateway.send(method, BACKCHANNEL_LOGOUT, query={"logout_token": provider.token()})
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    provider.assert_still_there()


def test_case_46_two_tokens_in_one_form(provider):
    token = provider.token()
    answer = provider.gateway.send(
        "POST", BACKCHANNEL_LOGOUT, body=f"logout_token={token}&logout_token={token}".encode(), headers=[FORM]
    )
    assert answer.status == 400
    provider.assert_still_there()


def test_case_46_a_connection_that_takes_none(provider):
    quiet = leaving(logout=replace(EVERYTHING, back_channel=False))
    provider.gateway.bridge.registry.put(quiet)
    assert provider.post(provider.token()).status == 404


def test_case_46_a_subject_and_a_session_of_somebody_else(provider):
    """The session is Ana's and the subject Eve's: neither is signed out."""
    answer = provider.post(provider.token(sub="eve"))
    assert_json_error(provider.gateway, answer, "invalid_request", "logout_session_mismatch")
    provider.assert_still_there()


# --- 47: the front channel -------------------------------------------------------------------------------------------

ISSUER = "https://acme.idp.example"
FOREIGN = {
    "another issuer": ({"iss": "https://evil.example", "sid": SID}, "logout_issuer_mismatch"),
    "a slash more": ({"iss": f"{ISSUER}/", "sid": SID}, "logout_issuer_mismatch"),
    "another session": ({"iss": ISSUER, "sid": "another-session-000"}, "logout_session_unknown"),
    "a session cut short": ({"iss": ISSUER, "sid": SID[:-1]}, "logout_session_unknown"),
    "a short session": ({"iss": ISSUER, "sid": "1"}, "logout_session_unknown"),
    "no issuer": ({"sid": SID}, "logout_session_unnamed"),
    "no session": ({"iss": ISSUER}, "logout_session_unnamed"),
    "nothing": ({}, "logout_session_unnamed"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_case_47_a_foreign_session_is_ignored(browser, name):
    query, reason = FOREIGN[name]
    gateway = browser.gateway
    answer = gateway.send("GET", FRONTCHANNEL_LOGOUT, query=query, cookies=browser.cookies)
    assert answer.status == 200
    assert answer.reasons == [reason]
    assert gateway.bridge.user_pools.signed_out == []
    right = gateway.send("GET", FRONTCHANNEL_LOGOUT, query={"iss": ISSUER, "sid": SID})
    assert gateway.bridge.user_pools.signed_out == [(POOL.id, USERNAME)]
    # Whoever asks learns nothing from the answer.
    assert (right.body, right.headers) == (answer.body, answer.headers)


def test_case_47_the_page_may_be_framed_by_the_idp_alone(gateway):
    gateway.bridge.registry.put(leaving(endpoint_hosts=("logout.acme.example",)))
    answer = gateway.send("GET", FRONTCHANNEL_LOGOUT, query={"iss": ISSUER, "sid": SID})
    policy = answer.headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {ISSUER} https://logout.acme.example")
    assert policy.startswith("default-src 'none';")
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.body


def test_case_47_every_other_page_may_be_framed_by_nobody(browser):
    for answer in (browser.logout(client_id="another"), browser.logged_out({"state": "x"})):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_case_47_a_connection_without_it_has_no_such_page(gateway):
    gateway.bridge.registry.put(leaving(logout=replace(EVERYTHING, front_channel=False)))
    assert gateway.send("GET", FRONTCHANNEL_LOGOUT, query={"iss": ISSUER, "sid": SID}).status == 404


# --- 48: other sites -------------------------------------------------------------------------------------------------

EMBEDDED = [
    {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "embed"},
    {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-purpose": "prefetch;prerender"},
    {"purpose": "prefetch"},
]


@pytest.mark.parametrize("headers", EMBEDDED)
def test_case_48_what_another_page_loads_on_the_side_ends_nothing(browser, headers):
    site = [("sec-fetch-site", "cross-site"), *headers.items()]
    assert_nobody_left(browser, browser.logout(headers=site), "logout_embedded")


def test_case_48_another_sites_form_does_not_bring_the_hint(browser):
    """Its cookie is SameSite=Lax, so the IdP gets the client id alone, and asks the person (RP-Initiated Logout §2)."""
    for line in browser.gateway.send("GET", LOGOUT, cookies=browser.cookies).cookies:
        assert "SameSite=Lax" in line
    answer = browser.gateway.send("POST", LOGOUT, form={})
    assert answer.status == 303
    assert "id_token_hint" not in sent_to_idp(answer)


@pytest.mark.parametrize(
    "state", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "x" * 43, APP]
)
def test_case_48_a_state_that_is_an_address_is_never_gone_to(browser, state):
    browser.logout(client_id=CLIENT, post_logout_redirect_uri=APP)
    answer = browser.logged_out({"state": state})
    assert answer.status == 200
    assert "location" not in answer.headers
    assert "signed out" in answer.body
    assert "evil" not in answer.body
    assert answer.reasons == ["logout_state_unknown"]


def test_case_48_the_applications_state_is_handed_back_and_never_read(browser):
    sent = sent_to_idp(
        browser.logout(client_id=CLIENT, post_logout_redirect_uri=APP, state="https://evil.example/?a=b&c")
    )
    assert sent["state"] != "https://evil.example/?a=b&c"
    answer = browser.logged_out({"state": sent["state"]})
    assert answer.headers["location"].startswith(f"{APP}?state=https%3A%2F%2Fevil.example")
    assert answer.location == {"state": "https://evil.example/?a=b&c"}


def test_case_48_the_state_of_one_browser_moves_no_other(browser, gateway):
    state = sent_to_idp(browser.logout(client_id=CLIENT, post_logout_redirect_uri=APP))["state"]
    assert "location" not in Visitor(gateway).logged_out({"state": state}).headers
    assert browser.logged_out({"state": state}).headers["location"] == APP
    # … and works once: the cookie went with it.
    assert "location" not in browser.logged_out({"state": state}).headers


# --- 141: what belongs to A is worthless at B ------------------------------------------------------------------------


def test_case_141_a_session_of_a_is_none_of_bs(browser):
    theirs = tuple(cookie.replace("session-acme", "session-bank") for cookie in browser.cookies)
    answer = browser.gateway.send("GET", LOGOUT, name="bank", cookies=theirs)
    assert "id_token_hint" not in answer.headers["location"]


def test_case_141_a_sign_out_of_a_does_not_end_at_b(browser):
    state = sent_to_idp(browser.logout(client_id=CLIENT, post_logout_redirect_uri=APP))["state"]
    theirs = tuple(cookie.replace("logout-acme", "logout-bank") for cookie in browser.cookies)
    answer = browser.gateway.send("GET", LOGOUT_CALLBACK, name="bank", query={"state": state}, cookies=theirs)
    assert "location" not in answer.headers


def test_case_141_a_logout_token_of_a_is_none_at_b(provider):
    answer = provider.post(provider.token(), name="bank")
    assert answer.status == 400
    assert provider.pools.signed_out == []


def test_case_141_a_session_by_its_name_is_found_at_its_connection_alone(gateway, browser):
    for name in ("bank", "acme"):
        gateway.bridge.logout_tokens.known["t"] = EndedSession(
            issuer=ISSUER, subject=None, sid=SID, jti=name, until=1_900_000_000
        )
        answer = gateway.send("POST", BACKCHANNEL_LOGOUT, name=name, form={"logout_token": "t"})
        assert answer.status == 200
        assert bool(gateway.bridge.user_pools.signed_out) == (name == "acme")
