"""B, the authorization response that the browser brings back (cases 12 to 19 and 21), as events through the edge.

Case 14 as the design has it: the same browser is sent the same redirect again; races are in tests/functional/test_races.py.
"""

import string

import pytest

from fedbridge.flows.handles import ALPHABET
from fedbridge.model.connection import AuthorizationRequestProfile
from tests.fakes.registry import FakeRegistry
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.bridge import STATE, Bridge, SettableClock, connection
from tests.support.counting import Counted
from tests.support.gateway import Gateway, Visitor, assert_page, assert_refused, assert_sent_back, signs_in
from tests.unit.rp.idp import FakeIdp


@pytest.fixture
def gateway():
    form_post = AuthorizationRequestProfile(response_mode="form_post")
    return Gateway(
        Bridge(
            registry=FakeRegistry(
                connection(), connection("bank"), connection("posting", authorization=form_post)
            )
        )
    )


@pytest.fixture
def browser(gateway):
    return Visitor(gateway)


@pytest.fixture
def counted(gateway):
    return Counted(gateway)


def assert_arrives(browser, state):
    """What was refused before has burned nothing."""
    answer = browser.callback(state)
    assert answer.status == 302
    assert answer.location["state"] == STATE
    assert browser.gateway.redeem(answer.location["code"], name=browser.name).status == 200


def refused_unmoved(counted, answer, reason):
    """The page, and no upstream call; a conditional write that was refused is all that the store saw."""
    assert set(counted.calls) <= {"connections.get", "store.claim"}, counted.calls
    assert_page(counted.gateway, answer, reason)


MALFORMED = {
    "missing": None,
    "empty": "",
    "truncated": "A" * 42,
    "one too many": "A" * 44,
    "the id alone": "A" * 21,
    "a line end": "A" * 43 + "\n",
    "a space": "A" * 42 + " ",
    "another alphabet": "A" * 42 + "-",
    "look-alike": "A" * 42 + "\u0410",
    "a path": "../" * 14 + "A",
    "a JWT": "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.",
    "a URL": "https://evil.example/callback?0123456789abc",
    "long": "A" * 4000,
}


@pytest.mark.parametrize("state", MALFORMED.values(), ids=MALFORMED)
def test_case_12_the_state_is_missing_or_no_state(counted, browser, state):
    browser.start()
    counted.calls.clear()
    answer = browser.callback(state, code="upstream-code")
    counted.assert_nothing()
    assert_page(counted.gateway, answer, "state_unknown")


def test_case_12_the_state_is_unknown(counted, browser):
    browser.start()
    counted.calls.clear()
    refused_unmoved(counted, browser.callback("A" * 43), "state_unknown")


def test_case_12_every_single_character_of_the_state_counts(gateway, counted, browser):
    state = browser.start()
    counted.calls.clear()
    for position in range(len(state)):
        for other in {ALPHABET[(ALPHABET.index(state[position]) + 1) % 62], state[position].swapcase()}:
            if other == state[position]:
                continue
            answer = browser.callback(state[:position] + other + state[position + 1 :])
            assert answer.status == 400
            assert_refused(answer, "state_unknown")
    assert set(counted.calls) == {"connections.get", "store.claim"}
    assert_arrives(browser, state)


def test_case_12_the_state_has_expired(counted, browser):
    state = browser.start()
    counted.gateway.bridge.clock.now += 300
    counted.calls.clear()
    refused_unmoved(counted, browser.callback(state), "sign_in_expired")


def test_case_12_the_state_in_the_last_second_still_arrives(gateway, browser):
    state = browser.start()
    gateway.bridge.clock.now += 299
    assert_arrives(browser, state)


def test_case_12_the_state_of_another_environment_on_the_same_table(gateway, browser):
    state = browser.start()
    other = Gateway(Bridge(environment="prod", registry=gateway.bridge.registry, store=gateway.bridge.store))
    counted = Counted(other)
    refused_unmoved(counted, Visitor(other, cookies=browser.cookies).callback(state), "state_unknown")
    assert_arrives(browser, state)


COOKIES = {
    "none": (),
    "another browser's": ("__Host-fedbridge=" + "B" * 43,),
    "empty": ("__Host-fedbridge=",),
    "malformed": ("__Host-fedbridge=" + "B" * 42 + "!",),
    "another name": ("__Host-other=" + "B" * 43,),
    "without the prefix": ("fedbridge={own}",),
    "in another case": ("__host-fedbridge={own}",),
    "two values": ("__Host-fedbridge={own}", "__Host-fedbridge=" + "B" * 43),
    "quoted": ('__Host-fedbridge="{own}"',),
}


@pytest.mark.parametrize("cookies", COOKIES.values(), ids=COOKIES)
def test_case_13_the_browser_is_not_the_one_that_began(gateway, counted, browser, cookies):
    state = browser.start()
    own = browser.cookies[0].partition("=")[2]
    stranger = Visitor(gateway, cookies=tuple(cookie.format(own=own) for cookie in cookies))
    counted.calls.clear()
    for attempt in (stranger.callback(state), stranger.callback(state, error="access_denied")):
        assert attempt.status == 400
        assert "location" not in attempt.headers
        (reason,) = attempt.reasons
        assert reason in {"browser_cookie_missing", "browser_mismatch"}
        assert_refused(attempt, reason)
    assert set(counted.calls) <= {"connections.get", "store.claim"}
    assert_arrives(browser, state)


def test_case_13_login_csrf_with_the_attackers_own_sign_in(gateway, browser):
    """The victim's browser, which has a sign-in of its own, is made to load the attacker's callback."""
    attacker = Visitor(gateway)
    planted = attacker.start()
    own = browser.start()
    answer = browser.callback(planted)
    assert_page(gateway, answer, "browser_mismatch")
    assert not gateway.bridge.upstream.finished[:-1]  # the last one is the good sign-in
    assert_arrives(browser, own)
    assert_arrives(attacker, planted)


def test_case_14_the_same_callback_again_is_the_same_redirect_and_no_second_code(gateway, browser):
    state = browser.start()
    first = browser.callback(state)
    for again in (browser.callback(state), browser.callback(state, code="another-upstream-code")):
        assert again.headers["location"] == first.headers["location"]
    assert len(gateway.bridge.upstream.finished) == 1
    assert gateway.redeem(first.location["code"]).status == 200
    assert_page(gateway, browser.callback(state), "sign_in_already_complete")
    assert gateway.redeem(first.location["code"]).status == 400


def test_case_14_after_the_code_has_expired_there_is_no_other(gateway, browser):
    state = browser.start()
    browser.callback(state)
    gateway.bridge.clock.now += 60
    assert_page(gateway, browser.callback(state), "sign_in_expired")


@pytest.mark.parametrize("parameters", [{}, {"error": "access_denied"}])
def test_case_15_the_state_of_one_connection_at_the_callback_of_another(
    gateway, counted, browser, parameters
):
    state = browser.start()
    at_bank = Visitor(gateway, "bank", browser.cookies)
    at_bank.start()
    counted.calls.clear()
    refused_unmoved(counted, at_bank.callback(state, **parameters), "state_unknown")
    assert_arrives(browser, state)


@pytest.mark.parametrize("outcome", ["code=x", "error=access_denied"])
@pytest.mark.parametrize(
    "iss",
    ["https://idp.example/", "https://IDP.example", "http://idp.example", "https%3A%2F%2Fbank.example", ""],
)
def test_case_16_the_issuer_of_the_response_is_another(gateway, browser, iss, outcome):
    idp = FakeIdp()
    gateway.connect(idp)
    state = browser.start()
    answer = browser.callback_raw(f"state={state}&{outcome}&iss={iss}")
    assert [request.url for request in idp.http.sent if request.method == "POST"] == []
    assert_page(gateway, answer, "authorization_response_iss_mismatch")
    assert_page(gateway, browser.callback(state, code="x", iss=idp.issuer), "sign_in_already_failed")


@pytest.mark.parametrize("second", ["https://idp.example", "https://bank.example"])
def test_case_16_the_issuer_is_there_twice(gateway, browser, second):
    idp = FakeIdp()
    gateway.connect(idp)
    state = browser.start()
    answer = browser.callback_raw(f"state={state}&code=x&iss={idp.issuer}&iss={second}")
    assert [request.url for request in idp.http.sent if request.method == "POST"] == []
    assert_page(gateway, answer, "repeated_parameter")
    assert_arrives(browser, browser.start())


@pytest.mark.parametrize("outcome", ["code=x", "error=access_denied"])
def test_case_16_the_issuer_is_absent_although_it_was_promised(gateway, browser, outcome):
    idp = FakeIdp(metadata={"authorization_response_iss_parameter_supported": True})
    gateway.connect(idp)
    answer = browser.callback_raw(f"state={browser.start()}&{outcome}")
    assert [request.url for request in idp.http.sent if request.method == "POST"] == []
    assert answer.status == 400
    assert "location" not in answer.headers
    assert_refused(answer, "authorization_response_iss_missing")
    good = browser.callback(browser.start(), code="x", iss=idp.issuer)
    assert gateway.redeem(good.location["code"]).status == 200


RESPONSES = [
    ("code=x&error=access_denied", "authorization_response_ambiguous"),
    ("code=x&error=access_denied&error_description=y", "authorization_response_ambiguous"),
    ("", "authorization_response_empty"),
    ("code=", "authorization_response_empty"),
    ("error=", "authorization_response_empty"),
    ("code=&error=", "authorization_response_empty"),
    ("access_token=x&id_token=y", "authorization_response_empty"),
    ("code=" + "x" * 2049, "authorization_code_malformed"),
    ("code=a%0D%0ASet-Cookie%3A+x", "authorization_code_malformed"),
    ("code=a%0Ab", "authorization_code_malformed"),
    ("code=%C3%A9", "authorization_code_malformed"),
]


@pytest.mark.parametrize(("response", "reason"), RESPONSES)
def test_case_17_not_exactly_one_of_code_and_error(gateway, browser, response, reason):
    idp = FakeIdp()
    gateway.connect(idp)
    answer = browser.callback_raw(f"state={browser.start()}&{response}")
    assert [request.url for request in idp.http.sent if request.method == "POST"] == []
    assert_sent_back(gateway, answer, "server_error", reason)


def test_case_17_a_code_of_10_kb_by_form_post(gateway):
    idp = FakeIdp()
    gateway.connect(idp, authorization=AuthorizationRequestProfile(response_mode="form_post"))
    browser = Visitor(gateway)
    answer = browser.callback_raw(f"state={browser.start()}&code={'x' * 10_000}", method="POST")
    assert answer.status == 303
    assert answer.location["error"] == "server_error"
    assert_refused(answer, "authorization_code_malformed")
    assert not [request for request in idp.http.sent if request.method == "POST"]


@pytest.mark.parametrize(
    ("response", "reason", "status"),
    [
        ("code=x&code=x", "repeated_parameter", 400),
        ("code=x&code=y", "repeated_parameter", 400),
        ("code=x&state={state}", "repeated_parameter", 400),
        ("code=a%00b", "control_character", 400),
        ("code=%FF", "malformed_encoding", 400),
        ("code=" + "x" * 10_000, "query_too_long", 413),
        ("code=x" + "".join(f"&a{number}" for number in range(64)), "too_many_parameters", 400),
    ],
)
def test_case_17_a_response_that_cannot_be_read_one_way_only(counted, browser, response, reason, status):
    """Refused by the edge before anything of it, the state included, is used: nothing is burned."""
    state = browser.start()
    counted.calls.clear()
    answer = browser.callback_raw(f"state={state}&{response.format(state=state)}")
    counted.assert_nothing()
    assert_page(counted.gateway, answer, reason, status=status)
    assert_arrives(browser, state)


HOSTILE = {
    "HTML": "<script>alert(document.domain)</script>",
    "line break": "denied\r\nLocation: https://evil.example/",
    "long": "d" * 3_000,
    "quotes": 'denied" onload="alert(1)\\',
    "ANSI": "denied\x9b31m red",
    "not ASCII": "verweigert \u2013 für immer und ewig",
    "our secrets": "s3" * 21 + "s",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_case_18_hostile_text_of_the_idp_goes_nowhere(gateway, browser, text):
    gateway.connect(FakeIdp())
    state = browser.start()
    answer = browser.callback(
        state, error="access_denied", error_description=text, error_uri=f"https://evil.example/{text}"
    )
    assert_sent_back(gateway, answer, "access_denied", "authorization_response_error")
    told = answer.location["error_description"].partition(" (ref ")[0]
    assert told == "The sign-in was cancelled or refused at the identity provider."


def test_case_18_a_nul_in_the_description_is_refused_by_the_edge(counted, browser):
    state = browser.start()
    counted.calls.clear()
    answer = browser.callback(state, error="access_denied", error_description="a\x00b")
    counted.assert_nothing()
    assert_page(counted.gateway, answer, "control_character")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("access_denied", "access_denied"),
        ("login_required", "login_required"),
        ("interaction_required", "interaction_required"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_request", "server_error"),
        ("Y000400", "server_error"),
        ("no such code, and a sentence", "server_error"),
        ("<b>x</b>" * 40, "server_error"),
        ("access_denied\r\nX: y", "server_error"),
        ("ACCESS_DENIED", "server_error"),
    ],
)
def test_case_18_the_idps_code_becomes_a_registered_one(gateway, browser, code, error):
    gateway.connect(FakeIdp())
    answer = browser.callback(browser.start(), error=code)
    assert_sent_back(gateway, answer, error, "authorization_response_error")
    (logged,) = [fields["upstream_code"] for name, fields in answer.events if name == "sign_in_failed"]
    assert logged == (code if set(code) <= set(string.ascii_letters + string.digits + "_") else "free_text")


@pytest.mark.parametrize("state", [None, "", "A" * 43, "https://evil.example/"])
def test_case_19_an_error_without_a_valid_state_leads_nowhere(counted, browser, state):
    browser.start()
    counted.calls.clear()
    answer = browser.callback(
        state, error="access_denied", error_description="x", redirect_uri="https://evil.example/"
    )
    refused_unmoved(counted, answer, "state_unknown")


@pytest.mark.parametrize("parameters", [{"code": "x"}, {"error": "access_denied"}, {"response": "a.b.c"}])
@pytest.mark.parametrize(("name", "method"), [("posting", "GET"), ("acme", "POST")])
def test_case_20_the_response_comes_another_way_than_it_was_asked_for(counted, name, method, parameters):
    """Refused before the transaction is touched, so that the response that was asked for still arrives."""
    gateway = counted.gateway
    browser = Visitor(gateway, name)
    state = browser.start()
    counted.calls.clear()
    answer = browser.callback(state, method=method, **parameters)
    counted.assert_nothing()
    assert_page(gateway, answer, "response_mode_mismatch")
    arrived = browser.callback(state, method="POST" if method == "GET" else "GET")
    assert gateway.redeem(arrived.location["code"], name=name).status == 200


@pytest.mark.parametrize("beside", [{}, {"code": "x"}, {"error": "access_denied"}])
def test_case_20_a_jwt_where_none_was_asked_for(counted, browser, beside):
    state = browser.start()
    counted.calls.clear()
    answer = browser.callback(state, response="eyJhbGciOiJub25lIn0.e30.", **beside)
    counted.assert_nothing()
    assert_page(counted.gateway, answer, "response_mode_mismatch")
    assert_arrives(browser, state)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_case_21_another_method_does_not_spend_the_state(gateway, counted, browser, method):
    state = browser.start()
    counted.calls.clear()
    answer = gateway.send(method, "callback", query=f"state={state}&code=x", cookies=browser.cookies)
    counted.assert_nothing()
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"
    assert "location" not in answer.headers
    assert_refused(answer, "method_not_allowed")
    assert_arrives(browser, state)


def test_case_21_a_link_preview_does_not_spend_the_state(gateway, counted, browser):
    state = browser.start()
    counted.calls.clear()
    preview = gateway.send(
        "GET",
        "callback",
        query=f"state={state}&code=upstream-code",
        headers=[("user-agent", "Slackbot-LinkExpanding 1.0"), ("purpose", "prefetch")],
    )
    counted.assert_nothing()
    assert_page(gateway, preview, "browser_cookie_missing")
    assert_arrives(browser, state)


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ([("content-type", "application/json")], b'{"state":"x"}', "unsupported_content_type"),
        ([("content-type", "multipart/form-data; boundary=x")], b"--x", "unsupported_content_type"),
        ([], b"state=x", "unsupported_content_type"),
        (
            [("content-type", "application/x-www-form-urlencoded; charset=utf-16")],
            b"s\x00",
            "unsupported_charset",
        ),
        ([("content-type", "application/x-www-form-urlencoded")], b"state=\xff", "malformed_encoding"),
    ],
)
def test_a_posted_response_that_is_no_form(gateway, counted, headers, body, reason):
    browser = Visitor(gateway, "posting")
    state = browser.start()
    counted.calls.clear()
    answer = gateway.send(
        "POST", "callback", name="posting", headers=headers, body=body, cookies=browser.cookies
    )
    counted.assert_nothing()
    assert_page(gateway, answer, reason)
    assert browser.callback(state, method="POST").status == 303


def test_the_next_sign_in_works_after_an_exchange_that_broke_down():
    """An exception that nobody planned for is one line without its message, a page, and nothing issued."""
    gateway = Gateway(Bridge(telemetry=RecordingTelemetry(), clock=SettableClock()))
    gateway.bridge.upstream.outcome = RuntimeError("a secret of the upstream library: " + "S" * 43)
    browser = Visitor(gateway)
    answer = browser.callback(browser.start())
    assert answer.status == 500
    assert "location" not in answer.headers
    assert_refused(answer, "internal_error")
    gateway.bridge.upstream.outcome = type(gateway.bridge.upstream)().outcome
    signs_in(gateway)
