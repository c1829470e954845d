"""A, the authorization request that reaches the bridge (cases 1 to 11), as HTTP API events through the edge."""

from urllib.parse import quote, urlencode

import pytest

from fedbridge.model.connection import AuthorizationRequestProfile
from tests.fakes.registry import FakeRegistry
from tests.support.bridge import CLIENT, REDIRECT_URI, STATE, Bridge, connection, s256
from tests.support.counting import Counted
from tests.support.gateway import Gateway, Visitor, assert_page, assert_refused, assert_sent_back, signs_in

CHALLENGE = s256("v" * 43)
GOOD = {
    "client_id": CLIENT,
    "redirect_uri": REDIRECT_URI,
    "state": STATE,
    "response_type": "code",
    "scope": "openid",
}


@pytest.fixture
def gateway():
    return Gateway(
        Bridge(
            registry=FakeRegistry(
                connection(),
                connection("bank", party_client_id="client-of-the-bank"),
                connection("strict", require_pkce=True),
                connection("silent", authorization=AuthorizationRequestProfile(pass_through=())),
                connection(
                    "open",
                    authorization=AuthorizationRequestProfile(
                        pass_through=("login_hint", "prompt", "max_age", "ui_locales", "claims")
                    ),
                ),
            )
        )
    )


@pytest.fixture
def counted(gateway):
    """Counts what a request may not cause before client and redirect URI are proven; the good sign-in is not counted."""
    return Counted(gateway)


@pytest.fixture
def browser(gateway):
    return Visitor(gateway)


def without(*names, **changes):
    """Return the good query without these parameters and with others."""
    return urlencode(
        {name: value for name, value in {**GOOD, **changes}.items() if name not in names}, quote_via=quote
    )


def refused_unproven(counted, browser, query, reason, status=400):
    counted.calls.clear()
    answer = browser.authorize_raw(query)
    counted.assert_nothing()
    assert_page(counted.gateway, answer, reason, status=status)


@pytest.mark.parametrize(
    "client_id",
    [
        None, "", "nobody", "Cognito", " cognito", "cognito ", "cognito\n", "client-of-the-bank", "*", "cognito,other",
        "\u0441ognito", "cognito%00",
    ],
)  # fmt: skip
def test_case_01_the_client_is_absent_empty_unknown_or_of_another_connection(counted, browser, client_id):
    query = without("client_id") if client_id is None else without(client_id=client_id)
    refused_unproven(counted, browser, query, "unknown_client")


@pytest.mark.parametrize("second", [CLIENT, "client-of-the-bank", ""])
def test_case_01_the_client_is_there_twice(counted, browser, second):
    for query in (f"{without()}&client_id={second}", f"client_id={second}&{without()}"):
        refused_unproven(counted, browser, query, "repeated_parameter")


HOST = "acme.auth.eu-west-1.amazoncognito.com"
REDIRECT_URIS = [
    REDIRECT_URI + "/",
    REDIRECT_URI[:-1],
    REDIRECT_URI + "x",
    f"https://{HOST}/oauth2/IdpResponse",
    f"https://{HOST}/oauth2/idpresponse?a=b",
    f"https://{HOST}/oauth2/idpresponse?",
    f"https://{HOST}/oauth2/idpresponse#",
    f"https://{HOST}/oauth2/idpresponse#fragment",
    f"https://{HOST}//oauth2/idpresponse",
    f"https://{HOST}/oauth2//idpresponse",
    f"https://{HOST}/oauth2/../oauth2/idpresponse",
    f"https://{HOST}/oauth2/./idpresponse",
    f"https://{HOST}/oauth2/%2e%2e/oauth2/idpresponse",
    f"https://{HOST}/oauth2%2Fidpresponse",
    f"https://{HOST}/oauth2/idpres%70onse",
    f"https://{HOST}/oauth2/idpresponse/../../evil",
    f"https://{HOST}@evil.example/oauth2/idpresponse",
    f"https://user@{HOST}/oauth2/idpresponse",
    f"https://{HOST}:443/oauth2/idpresponse",
    f"https://{HOST}:8443/oauth2/idpresponse",
    f"http://{HOST}/oauth2/idpresponse",
    f"HTTPS://{HOST}/oauth2/idpresponse",
    f"https://{HOST.upper()}/oauth2/idpresponse",
    f"https://{HOST}./oauth2/idpresponse",
    f"https://{HOST}.evil.example/oauth2/idpresponse",
    f"https://evil-{HOST}/oauth2/idpresponse",
    f"https://evil.example/?u={REDIRECT_URI}",
    f"https://\u0430cme{HOST[4:]}/oauth2/idpresponse",  # a Cyrillic letter
    f"https://xn--cme-5cd{HOST[4:]}/oauth2/idpresponse",
    f"https://{HOST}\\oauth2\\idpresponse",
    f"https:\\\\{HOST}/oauth2/idpresponse",
    f"//{HOST}/oauth2/idpresponse",
    "/oauth2/idpresponse",
    f"{REDIRECT_URI}\t",
    f"{REDIRECT_URI}\r",
    f"{REDIRECT_URI}\n",
    f"{REDIRECT_URI}\r\nSet-Cookie: a=b",
    f" {REDIRECT_URI}",
    f"{REDIRECT_URI} ",
    f"{REDIRECT_URI},{REDIRECT_URI}",
    "javascript:alert(document.domain)",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "urn:ietf:wg:oauth:2.0:oob",
    f"https://[::1]/{HOST}",
    "*",
    "null",
    "",
]


def test_case_02_there_are_enough_redirect_uris():
    assert len(set(REDIRECT_URIS)) >= 25
    assert REDIRECT_URI not in REDIRECT_URIS


@pytest.mark.parametrize("redirect_uri", REDIRECT_URIS)
def test_case_02_the_redirect_uri_is_not_the_registered_one(counted, browser, redirect_uri):
    refused_unproven(counted, browser, without(redirect_uri=redirect_uri), "redirect_uri_mismatch")


@pytest.mark.parametrize("ending", ["\x00", "\x7f", "\x08"])
def test_case_02_the_redirect_uri_holds_a_control_character(counted, browser, ending):
    refused_unproven(counted, browser, without(redirect_uri=REDIRECT_URI + ending), "control_character")


def test_case_02_the_redirect_uri_of_another_client_of_the_same_connection(gateway, counted, browser):
    other = connection(party_client_id="second").relying_parties[0]
    elsewhere = type(other)(
        client_id="second",
        secret_hashes=other.secret_hashes,
        redirect_uris=("https://second.example/oauth2/idpresponse",),
        restart_url="https://app.example/second",
    )
    parties = (*connection().relying_parties, elsewhere)
    gateway.bridge.registry.put(connection(version="v2", relying_parties=parties))
    query = without(redirect_uri="https://second.example/oauth2/idpresponse")
    refused_unproven(counted, browser, query, "redirect_uri_mismatch")


def test_case_03_the_redirect_uri_is_absent(counted, browser):
    refused_unproven(counted, browser, without("redirect_uri"), "redirect_uri_mismatch")


@pytest.mark.parametrize("query", [without("response_type"), without(response_type="")])
def test_case_04_the_response_type_is_missing(gateway, browser, query):
    assert_sent_back(gateway, browser.authorize_raw(query), "invalid_request", "response_type_missing")


@pytest.mark.parametrize(
    "response_type",
    ["token", "id_token", "none", "code token", "code id_token", "code id_token token", "Code", "CODE", "code ", " code",
     "code,code", "cod", "code%00x"],
)  # fmt: skip
def test_case_04_another_response_type(gateway, browser, response_type):
    answer = browser.authorize(response_type=response_type)
    assert_sent_back(gateway, answer, "unsupported_response_type", "response_type_unsupported")


@pytest.mark.parametrize(
    "scope", [None, "", "email", "OpenID", "openid,email", "openidx", "email\topenid", "xopenid"]
)
def test_case_05_the_scope_lacks_openid(gateway, browser, scope):
    assert_sent_back(gateway, browser.authorize(scope=scope), "invalid_scope", "scope_without_openid")


def test_case_05_the_scope_is_too_long(counted, browser):
    refused_unproven(counted, browser, without(scope="openid " + "s" * 1018), "scope_too_long")
    assert browser.authorize_raw(without("state", scope="openid " + "s" * 1017)).status == 302


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "state", "nonce", "scope", "response_type", "x"]
)
@pytest.mark.parametrize(
    "spell", [str, lambda name: f"%{ord(name[0]):02x}{name[1:]}"], ids=["plain", "escaped"]
)
def test_case_06_a_parameter_is_repeated(counted, browser, name, spell):
    value = GOOD.get(name, "n")
    query = f"{without(name)}&{name}={quote(value)}&{spell(name)}={quote(value)}"
    refused_unproven(counted, browser, query, "repeated_parameter")


def test_case_06_an_encoded_comma_is_no_repeat_and_arrives_whole(gateway, browser):
    state = "one,two,three"
    answer = browser.callback(browser.start(state=state))
    assert answer.location["state"] == state
    hinted = Visitor(gateway).authorize(login_hint="a,b")
    assert hinted.location["login_hint"] == "a,b"


@pytest.mark.parametrize(
    "mode", ["fragment", "form_post", "web_message", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt", "Query", "query "]
)  # fmt: skip
def test_case_07_another_response_mode(gateway, browser, mode):
    answer = browser.authorize(response_mode=mode)
    assert_sent_back(gateway, answer, "invalid_request", "response_mode_unsupported")


def test_case_07_the_good_twins(browser):
    assert browser.start(response_mode="query")
    assert browser.start(response_mode="")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_object"),
        ({"request_uri": "https://evil.example/r"}, "request_uri"),
        ({"request_uri": "http://169.254.169.254/"}, "request_uri"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:1"}, "request_uri"),
        ({"request": "a.b.c", "request_uri": "https://x.example"}, "request_object"),
    ],
)
def test_case_08_request_objects_are_refused_and_nothing_is_fetched(counted, browser, parameters, reason):
    error = {"request_object": "request_not_supported", "request_uri": "request_uri_not_supported"}[reason]
    answer = browser.authorize(**parameters)
    counted.assert_nothing()
    assert_sent_back(counted.gateway, answer, error, reason)


@pytest.mark.parametrize("prompt", ["none", "none login", "login none"])
def test_case_09_a_silent_sign_in_that_cannot_be_had(gateway, counted, prompt):
    answer = Visitor(gateway, "silent").authorize(prompt=prompt)
    counted.assert_nothing()
    assert_sent_back(gateway, answer, "login_required", "prompt_none")


@pytest.mark.parametrize("name", ["acme", "silent"])
@pytest.mark.parametrize(
    "max_age", ["-1", "NaN", "1e30", "1" + "0" * 30, "1.5", " 1", "+1", "0x1", "\u0661", "x"]
)
def test_case_09_a_max_age_that_is_none(gateway, counted, name, max_age):
    answer = Visitor(gateway, name).authorize(max_age=max_age)
    counted.assert_nothing()
    assert_sent_back(gateway, answer, "invalid_request", "max_age_malformed")


def test_case_09_a_max_age_that_could_not_be_kept(gateway):
    answer = Visitor(gateway, "silent").authorize(max_age="60")
    assert_sent_back(gateway, answer, "invalid_request", "max_age_unsupported")


@pytest.mark.parametrize("name", ["login_hint", "ui_locales", "claims", "prompt"])
@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=y", "a\nb", "a\rb", "\n", "x" * 2049])
def test_case_09_a_value_that_would_travel_on_is_too_long_or_breaks_the_line(gateway, counted, name, value):
    answer = Visitor(gateway, "open").authorize(**{name: value})
    counted.assert_nothing()
    assert_sent_back(gateway, answer, "invalid_request", "parameter_unusable")


@pytest.mark.parametrize(
    "claims", ["{", "[]", "null", "{" * 500, '{"id_token":' * 70 + "1" + "}" * 70, "a\r\nSet-Cookie: x=y", "a\nb"]
)  # fmt: skip
def test_case_09_claims_and_locales_that_are_not_offered_are_dropped_unread(gateway, claims):
    """Core §5.5 lets an OP that does not support `claims` ignore it: nothing of it goes anywhere."""
    visitor = Visitor(gateway)
    answer = visitor.authorize(claims=claims, ui_locales=claims)
    assert answer.status == 302
    assert answer.headers["location"].startswith("https://acme.idp.example/authorize?")
    assert {"claims", "ui_locales"}.isdisjoint(gateway.bridge.upstream.began[-1])
    assert "\r" not in str(answer.headers)
    assert "\n" not in str(answer.headers)
    signs_in(gateway)


@pytest.mark.parametrize(
    ("query", "reason", "status"),
    [
        (without(claims="x" * 65_536), "query_too_long", 413),
        (without(x="y" * 8_200), "query_too_long", 413),
        (without(state="s" * 4_097), "state_unusable", 400),
        (without(state="a\nb"), "state_unusable", 400),
        (without(state="ü"), "state_unusable", 400),
        (without() + "".join(f"&a{number}=" for number in range(1_000)), "too_many_parameters", 400),
        (without() + "".join(f"&a{number}" for number in range(60)), "too_many_parameters", 400),
        (without() + "&x=%FF", "malformed_encoding", 400),
        (without() + "&x=%C0%AF", "malformed_encoding", 400),
        (without() + "&x=%ED%A0%80", "malformed_encoding", 400),
        (without() + "&x=%", "malformed_encoding", 400),
        (without() + "&x=%zz", "malformed_encoding", 400),
        (without() + "&%ff=x", "malformed_encoding", 400),
        (without() + "&x=%00", "control_character", 400),
        (without() + "&%00=x", "control_character", 400),
        (without() + "&x=%1b%5b31m", "control_character", 400),
    ],
    ids=lambda value: str(value)[-24:],
)
def test_case_10_a_query_that_is_too_much_or_no_text(counted, browser, query, reason, status):
    refused_unproven(counted, browser, query, reason, status)


def test_case_10_a_long_state_arrives_whole(browser):
    """The good twin: a Cognito state at the cap."""
    state = "s" * 4096
    assert browser.callback(browser.start(state=state)).location["state"] == state


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "pkce_missing"),
        ({"code_challenge": ""}, "pkce_missing"),
        ({"code_challenge_method": "S256"}, "pkce_missing"),
        ({"code_challenge": CHALLENGE}, "pkce_method"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "pkce_method"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "s256"}, "pkce_method"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S512"}, "pkce_method"),
        *(
            ({"code_challenge": challenge, "code_challenge_method": "S256"}, "pkce_challenge_malformed")
            for challenge in (
                CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE + "=", CHALLENGE[:-1] + "+", CHALLENGE[:-1] + "\n", "v" * 128,
                CHALLENGE[:-1] + "é",
            )
        ),
    ],
)  # fmt: skip
def test_case_11_pkce_that_is_required(gateway, counted, parameters, reason):
    answer = Visitor(gateway, "strict").authorize(**parameters)
    counted.assert_nothing()
    assert_sent_back(gateway, answer, "invalid_request", reason)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"code_challenge_method": "S256"}, "pkce_missing"),
        ({"code_challenge": CHALLENGE}, "pkce_method"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "pkce_method"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "pkce_challenge_malformed"),
    ],
)
def test_case_11_pkce_that_is_optional_is_whole_or_absent(gateway, browser, parameters, reason):
    assert_sent_back(gateway, browser.authorize(**parameters), "invalid_request", reason)


def test_case_11_the_good_twin(gateway):
    code = Visitor(gateway, "strict").sign_in(code_challenge=CHALLENGE, code_challenge_method="S256")
    assert gateway.redeem(code, name="strict", code_verifier="v" * 43).status == 200


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_another_method_of_authorize_is_a_405(gateway, counted, method):
    answer = gateway.send(method, "authorize", query=without())
    counted.assert_nothing()
    assert answer.status == 405
    assert answer.headers["allow"] == "GET"
    assert_refused(answer, "method_not_allowed")
