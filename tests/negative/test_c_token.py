"""C, the token request of Cognito (cases 22 to 32), as events through the edge; races are in tests/functional."""

import base64
import hmac
import inspect
import json
import sys
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from fedbridge.errors import OAuthError
from fedbridge.flows.handles import ALPHABET
from fedbridge.model.deadline import Deadline
from fedbridge.op import client_authentication
from fedbridge.op.client_authentication import secret_hash
from tests.fakes.registry import FakeRegistry
from tests.support import bridge as bridge_support
from tests.support.bridge import CLIENT, REDIRECT_URI, SECRET, Bridge, connection, s256
from tests.support.counting import Counted
from tests.support.gateway import FORM, Gateway, Visitor, assert_json_error, assert_refused, signs_in

OTHER_SECRET = "another-secret-that-fedbridge-generated-0001"
VERIFIER = "v" * 43
PKCE = {"code_challenge": s256(VERIFIER), "code_challenge_method": "S256"}


@pytest.fixture
def gateway():
    first, second = (
        connection(secret=secret, party_client_id=client_id).relying_parties[0]
        for client_id, secret in ((CLIENT, SECRET), ("second", OTHER_SECRET))
    )
    return Gateway(
        Bridge(
            registry=FakeRegistry(
                connection(relying_parties=(first, second)),
                connection("bank", secret=OTHER_SECRET),
            )
        )
    )


@pytest.fixture
def counted(gateway):
    return Counted(gateway)


@pytest.fixture
def code(gateway):
    return Visitor(gateway).sign_in()


def basic(client_id, secret, scheme="Basic"):
    credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return [("authorization", f"{scheme} {credentials}")]


def raw_basic(value):
    return [("authorization", value)]


UNAUTHENTICATED = {
    "nothing": ({"client_id": None, "client_secret": None}, [], "client_authentication_missing"),
    "no secret": ({"client_secret": None}, [], "client_authentication_missing"),
    "an empty secret": ({"client_secret": ""}, [], "client_authentication_missing"),
    "no client": ({"client_id": None}, [], "client_authentication_missing"),
    "a wrong secret": ({"client_secret": "x" * 43}, [], "client_authentication_failed"),
    "the first byte wrong": ({"client_secret": "X" + SECRET[1:]}, [], "client_authentication_failed"),
    "the last byte wrong": ({"client_secret": SECRET[:-1] + "X"}, [], "client_authentication_failed"),
    "a space more": ({"client_secret": SECRET + " "}, [], "client_authentication_failed"),
    "another case": ({"client_secret": SECRET.upper()}, [], "client_authentication_failed"),
    "the hash": ({"client_secret": secret_hash(SECRET)}, [], "client_authentication_failed"),
    "an unknown client": ({"client_id": "nobody"}, [], "client_authentication_failed"),
    "another connection's secret": ({"client_secret": OTHER_SECRET}, [], "client_authentication_failed"),
    "another client's secret": ({"client_id": "second"}, [], "client_authentication_failed"),
    "basic, wrong secret": ({"client_secret": None}, basic(CLIENT, "x"), "client_authentication_failed"),
    "basic, unknown client": (
        {"client_id": None, "client_secret": None},
        basic("nobody", SECRET),
        "client_authentication_failed",
    ),
    "basic and post": ({}, basic(CLIENT, SECRET), "two_client_authentications"),
    "basic and an empty post": (
        {"client_secret": ""},
        basic(CLIENT, SECRET),
        "two_client_authentications",
    ),
    "basic and another client_id": (
        {"client_id": "second", "client_secret": None},
        basic(CLIENT, SECRET),
        "two_client_ids",
    ),
    **{
        f"basic: {kind}": (
            {"client_id": None, "client_secret": None},
            raw_basic(value),
            "basic_credentials_malformed",
        )
        for kind, value in {
            "no base64": "Basic !!!!",
            "junk within base64": basic(CLIENT, SECRET)[0][1][:10] + "!" + basic(CLIENT, SECRET)[0][1][10:],
            "a blank within base64": basic(CLIENT, SECRET)[0][1][:10]
            + " "
            + basic(CLIENT, SECRET)[0][1][10:],
            "bad padding": "Basic YTpiY",
            "url-safe base64": "Basic " + base64.urlsafe_b64encode(b"\xfb\xff:b").decode(),
            "no colon": "Basic " + base64.b64encode(b"cognito").decode(),
            "not UTF-8": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
            "escapes that are not UTF-8": "Basic " + base64.b64encode(b"cognito:%FF%FE").decode(),
            "no client": "Basic " + base64.b64encode(b":secret").decode(),
            "no secret": "Basic " + base64.b64encode(b"cognito:").decode(),
            "empty": "Basic ",
            "the scheme alone": "Basic",
            "two headers": f"{basic(CLIENT, SECRET)[0][1]},{basic(CLIENT, SECRET)[0][1]}",
        }.items()
    },
    **{
        f"scheme: {value.partition(' ')[0]}": (
            {"client_id": None, "client_secret": None},
            raw_basic(value),
            "authorization_scheme",
        )
        for value in ("Bearer abcdefghijkl", "Digest x", "x", "Basic\tabc", "")
    },
    "an assertion": (
        {
            "client_secret": None,
            "client_assertion": "a.b.c",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        },
        [],
        "client_authentication_missing",
    ),
}


@pytest.mark.parametrize(("changes", "headers", "reason"), UNAUTHENTICATED.values(), ids=UNAUTHENTICATED)
def test_case_22_the_client_is_not_authenticated(counted, code, changes, headers, reason):
    counted.calls.clear()
    answer = counted.gateway.redeem(code, headers=headers, **changes)
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, "invalid_client", reason, status=401)
    assert answer.headers["www-authenticate"] == 'Basic realm="fedbridge"'
    assert counted.gateway.redeem(code).status == 200


def test_case_22_the_secret_in_the_query(gateway, counted, code):
    counted.calls.clear()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    for query, more in (
        ({"client_secret": SECRET, "client_id": CLIENT}, {}),
        ({"client_secret": SECRET}, {"client_id": CLIENT, "client_secret": SECRET}),
    ):
        answer = gateway.send("POST", "token", query=query, form=form | more)
        assert answer.status == 401
        assert_refused(answer, "client_secret_in_query")
    counted.assert_nothing()


def test_case_22_one_answer_for_an_unknown_client_and_a_wrong_secret(gateway, code):
    answers = [
        gateway.redeem(code, **changes)
        for changes in ({"client_id": "nobody"}, {"client_secret": "x" * 43}, {"client_secret": OTHER_SECRET})
    ]
    assert len({answer.without_correlation_id() for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


@pytest.mark.parametrize("method", ["basic", "post"])
def test_case_22_the_good_twins(gateway, code, method):
    if method == "post":
        assert gateway.redeem(code).status == 200
    else:
        headers = basic(CLIENT, SECRET, "bAsIc")
        assert gateway.redeem(code, client_id=CLIENT, client_secret=None, headers=headers).status == 200


def test_case_22_two_secrets_are_live_while_they_are_changed(gateway, code):
    party = gateway.bridge.registry.get("acme", None).relying_parties[0]
    both = replace(party, secret_hashes=(secret_hash(OTHER_SECRET), secret_hash(SECRET)))
    gateway.bridge.registry.put(connection(version="v2", relying_parties=(both,)))
    assert gateway.redeem(code).status == 200
    assert gateway.redeem(Visitor(gateway).sign_in(), client_secret=OTHER_SECRET).status == 200
    assert gateway.redeem(code, client_secret="x" * 43).status == 401


def calls_while_authenticating(at, client_id, secret):
    """Return the names of what the check of these credentials calls, Python's functions and C's, in order."""
    form = {"client_id": client_id, "client_secret": secret}
    request = bridge_support.request("token", method="POST", form=form)
    parsed = request.form()
    calls = []

    def note(frame, event, argument):
        if event == "call":
            calls.append(frame.f_code.co_qualname)
        elif event == "c_call":
            calls.append(argument.__qualname__)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        client_authentication.authenticate(at, request, parsed)
    except OAuthError:
        calls.append("refused")
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("live", [1, 2])
def test_case_23_every_wrong_credential_takes_the_same_way_through_a_constant_time_comparison(live):
    """Structure instead of a stopwatch: the same calls in the same order, all digests compared, none skipped."""
    party = connection().relying_parties[0]
    hashes = (secret_hash(SECRET), secret_hash(OTHER_SECRET))[:live]
    at = connection(relying_parties=(replace(party, secret_hashes=hashes),))
    wrong = {
        "first byte": "X" + SECRET[1:],
        "last byte": SECRET[:-1] + "X",
        "all": "x" * len(SECRET),
        "length": "x",
    }
    ways = {kind: calls_while_authenticating(at, CLIENT, secret) for kind, secret in wrong.items()}
    first = ways["first byte"]
    assert all(way == first for way in ways.values())
    assert "refused" in first
    assert first.count(hmac.compare_digest.__qualname__) == live
    if live == 1:
        # But for how a generator ends, which differs between versions of Python; a client id is no secret.
        unknown = calls_while_authenticating(at, "nobody", SECRET)
        assert [call for call in unknown if "genexpr" not in call] == [
            call for call in first if "genexpr" not in call
        ]
    # The right secret is compared with every live one as well, whichever it equals.
    for secret in (SECRET, OTHER_SECRET)[:live]:
        right = calls_while_authenticating(at, CLIENT, secret)
        assert "refused" not in right
        assert right.count(hmac.compare_digest.__qualname__) == live


def test_case_23_what_is_compared_are_digests_of_one_length():
    source = inspect.getsource(client_authentication._is_live)
    assert "==" not in source
    assert len(secret_hash("")) == len(secret_hash("x" * 1000)) == len(client_authentication._NO_SECRET)


@pytest.mark.parametrize("grant_type", [None, ""])
def test_case_24_the_grant_type_is_missing(counted, code, grant_type):
    counted.calls.clear()
    answer = counted.gateway.redeem(code, grant_type=grant_type)
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, "invalid_request", "grant_type_missing")


@pytest.mark.parametrize(
    "grant_type",
    ["refresh_token", "password", "client_credentials", "implicit", "Authorization_Code", "authorization_code ", "x" * 99,
     "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange"],
)  # fmt: skip
def test_case_24_another_grant_type(counted, code, grant_type):
    counted.calls.clear()
    answer = counted.gateway.redeem(code, grant_type=grant_type)
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, "unsupported_grant_type", "grant_type_unsupported")
    assert counted.gateway.redeem(code).status == 200


@pytest.mark.parametrize(
    "code",
    [None, "", "x", "A" * 42, "A" * 44, "A" * 42 + "-", "A" * 43 + "\n", "upstream-code-of-the-idp", "x" * 60_000,
     "eyJhbGciOiJub25lIn0.e30.", "../" * 14 + "A", "A" * 42 + "é"],
    ids=lambda code: repr(code)[:20],
)  # fmt: skip
def test_case_25_the_code_is_no_code(counted, code):
    answer = counted.gateway.redeem(code)
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, "invalid_grant", "code_malformed")


def test_case_25_the_code_is_above_every_cap(counted):
    answer = counted.gateway.redeem("x" * 100_000)
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, "invalid_request", "body_too_large", status=413)


def test_case_25_the_code_is_unknown(counted):
    answer = counted.gateway.redeem("A" * 43)
    assert counted.calls["store.redeem"] == 1
    assert not {call for call in counted.calls if call.startswith("upstream.")}
    assert_json_error(counted.gateway, answer, "invalid_grant", "code_refused")


def test_case_25_every_single_character_of_the_code_counts(gateway, counted, code):
    counted.calls.clear()
    for position in range(len(code)):
        other = ALPHABET[(ALPHABET.index(code[position]) + 1) % 62]
        answer = gateway.redeem(code[:position] + other + code[position + 1 :])
        assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
        assert_refused(answer, "code_refused")
    assert not {call for call in counted.calls if call.startswith("upstream.")}
    assert gateway.redeem(code).status == 200


@pytest.mark.parametrize(
    "artefact", ["the upstream state", "the upstream's code", "the cookie", "the access token"]
)
def test_case_25_something_else_for_a_code(gateway, artefact):
    browser = Visitor(gateway)
    state = browser.start()
    code = browser.callback(state, code="U" * 43).location["code"]
    presented = {
        "the upstream state": state,
        "the upstream's code": "U" * 43,
        "the cookie": browser.cookies[0].partition("=")[2],
        "the access token": "",
    }[artefact]
    if not presented:
        presented = gateway.redeem(code).json["access_token"]
    assert_json_error(gateway, gateway.redeem(presented), "invalid_grant", "code_refused")


def test_case_26_a_code_is_redeemed_once_and_the_first_token_stays_valid(gateway, code):
    first = gateway.redeem(code)
    assert first.status == 200
    for _ in range(2):
        again = gateway.redeem(code)
        assert "code_replayed" in {name for name, _ in again.events}
        assert_json_error(gateway, again, "invalid_grant", "code_refused")
    assert gateway.read_userinfo(first.json["access_token"]).status == 200


def test_case_27_the_code_of_one_client_presented_by_another(gateway, code):
    answer = gateway.redeem(code, client_id="second", client_secret=OTHER_SECRET)
    assert_json_error(gateway, answer, "invalid_grant", "code_refused")
    assert gateway.redeem(code).status == 200


def test_case_27_the_code_of_one_connection_presented_at_another(gateway, code):
    answer = gateway.redeem(code, name="bank", client_secret=OTHER_SECRET)
    assert_json_error(gateway, answer, "invalid_grant", "code_refused")
    assert gateway.redeem(code).status == 200


@pytest.mark.parametrize(
    "redirect_uri",
    [None, "", REDIRECT_URI + "/", REDIRECT_URI.upper(), "https://evil.example/", REDIRECT_URI + "?"],
)
def test_case_28_the_redirect_uri_is_absent_or_another(gateway, code, redirect_uri):
    answer = gateway.redeem(code, redirect_uri=redirect_uri)
    assert_json_error(gateway, answer, "invalid_grant", "token_redirect_uri_mismatch")
    assert_json_error(gateway, gateway.redeem(code), "invalid_grant", "code_refused")  # it is spent


@pytest.mark.parametrize(
    ("challenge", "verifier", "reason"),
    [
        (PKCE, None, "pkce_missing_or_unexpected"),
        (PKCE, "", "pkce_missing_or_unexpected"),
        ({}, VERIFIER, "pkce_missing_or_unexpected"),
        (PKCE, "w" * 43, "pkce_mismatch"),
        (PKCE, PKCE["code_challenge"], "pkce_mismatch"),
        (PKCE, "v" * 42, "pkce_verifier_malformed"),
        (PKCE, "v" * 129, "pkce_verifier_malformed"),
        (PKCE, VERIFIER + "\n", "pkce_verifier_malformed"),
        (PKCE, "v" * 42 + "é", "pkce_verifier_malformed"),
        (
            {"code_challenge": s256("v" * 42), "code_challenge_method": "S256"},
            "v" * 42,
            "pkce_verifier_malformed",
        ),
        (
            {"code_challenge": s256("v" * 129), "code_challenge_method": "S256"},
            "v" * 129,
            "pkce_verifier_malformed",
        ),
    ],
)
def test_case_29_the_verifier_is_wrong_missing_or_unasked_for(gateway, challenge, verifier, reason):
    code = Visitor(gateway).sign_in(**challenge)
    answer = gateway.redeem(code, code_verifier=verifier)
    assert_json_error(gateway, answer, "invalid_grant", reason)
    assert gateway.redeem(code, code_verifier=VERIFIER).status == 400  # it is spent


@pytest.mark.parametrize("verifier", ["v" * 43, "v" * 128, "-._~" * 11])
def test_case_29_the_good_twins(gateway, verifier):
    code = Visitor(gateway).sign_in(code_challenge=s256(verifier), code_challenge_method="S256")
    assert gateway.redeem(code, code_verifier=verifier).status == 200


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400), (61, 400), (3600, 400)])
def test_case_30_the_code_lives_60_seconds_whatever_the_table_still_holds(gateway, code, seconds, status):
    gateway.bridge.clock.now += seconds
    answer = gateway.redeem(code)
    assert gateway.bridge.store.read(code[:21], Deadline.after(5)) is not None
    assert answer.status == status
    if status == 400:
        assert_json_error(gateway, answer, "invalid_grant", "code_refused")


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE"])
def test_case_31_another_method(gateway, counted, code, method):
    counted.calls.clear()
    query = {"grant_type": "authorization_code", "code": code}
    answer = gateway.send(method, "token", query=query)
    counted.assert_nothing()
    assert answer.headers["allow"] == "POST"
    assert_json_error(gateway, answer, "invalid_request", "method_not_allowed", status=405)


def encoded(code, **more):
    return urlencode(
        {
            "grant_type": "authorization_code",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uri": REDIRECT_URI,
            "code": code,
            **more,
        }
    ).encode()


BODIES = {
    "JSON": (b'{"grant_type":"authorization_code"}', "application/json", "unsupported_content_type", 400),
    "multipart": (b"--x", "multipart/form-data; boundary=x", "unsupported_content_type", 400),
    "no type": (None, "", "unsupported_content_type", 400),
    "plain text": (None, "text/plain", "unsupported_content_type", 400),
    "utf-16": (None, f"{FORM[1]}; charset=utf-16", "unsupported_charset", 400),
    "utf-16 bytes": ("grant_type=x".encode("utf-16"), FORM[1], "malformed_encoding", 400),
    "not UTF-8": (b"grant_type=%FF", FORM[1], "malformed_encoding", 400),
    "raw bytes": (b"grant_type=\xff\xfe", FORM[1], "malformed_encoding", 400),
    "a broken escape": (b"grant_type=%G1", FORM[1], "malformed_encoding", 400),
    "NUL": (b"grant_type=a%00b", FORM[1], "control_character", 400),
    "1 MB": (b"code=" + b"x" * 1_000_000, FORM[1], "body_too_large", 413),
    "10,000 parameters": (
        "&".join(f"a{number}=" for number in range(10_000)).encode(), FORM[1], "body_too_large", 413,
    ),
    "5,000 parameters": (
        "&".join(f"a{number}=" for number in range(5_000)).encode(), FORM[1], "too_many_parameters", 400,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "content_type", "reason", "status"), BODIES.values(), ids=BODIES)
def test_case_31_a_body_that_is_no_form(counted, body, content_type, reason, status):
    gateway = counted.gateway
    code = Visitor(gateway).sign_in()
    counted.calls.clear()
    headers = [("content-type", content_type)] if content_type else []
    answer = gateway.send("POST", "token", body=encoded(code) if body is None else body, headers=headers)
    counted.assert_nothing()
    assert_json_error(gateway, answer, "invalid_request", reason, status=status)
    assert gateway.redeem(code).status == 200


@pytest.mark.parametrize("name", ["code", "grant_type", "client_id", "client_secret", "redirect_uri", "x"])
def test_case_31_a_repeated_parameter(counted, code, name):
    counted.calls.clear()
    body = encoded(code, x="1") + f"&{name}=again".encode()
    answer = counted.gateway.send("POST", "token", body=body, headers=[FORM])
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, "invalid_request", "repeated_parameter")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"body": "%%%", "isBase64Encoded": True}, "malformed_encoding"),
        ({"body": "YWJ", "isBase64Encoded": True}, "malformed_encoding"),
        ({"body": "é", "isBase64Encoded": True}, "malformed_encoding"),
        ({"body": "grant_type=\ud800", "isBase64Encoded": False}, "malformed_encoding"),
        ({"body": ["grant_type=x"], "isBase64Encoded": False}, "malformed_event"),
        ({"body": "x", "isBase64Encoded": "yes"}, "malformed_event"),
    ],
)
def test_case_31_a_body_that_is_flagged_as_what_it_is_not(counted, members, reason):
    answer = counted.gateway.send("POST", "token", headers=[FORM], members=members)
    counted.assert_nothing()
    assert_json_error(counted.gateway, answer, "invalid_request", reason)


def test_case_31_an_empty_body_is_a_client_that_is_not_authenticated(counted):
    for body in (None, b"", b"&&&"):
        answer = counted.gateway.send("POST", "token", body=body, headers=[FORM])
        assert_json_error(
            counted.gateway, answer, "invalid_client", "client_authentication_missing", status=401
        )


def test_case_32_every_answer_is_json_that_nobody_stores(gateway, code):
    answers = [
        gateway.redeem(code),
        gateway.redeem(code),
        gateway.redeem(code, client_secret="x" * 43),
        gateway.redeem(code, grant_type="password"),
        gateway.redeem("not-a-code-at-all"),
        gateway.send("GET", "token"),
        gateway.send("POST", "token", body=b"x" * 70_000, headers=[FORM]),
        gateway.send("POST", "token", name="nobody", body=b"", headers=[FORM]),
    ]
    assert [answer.status for answer in answers] == [200, 400, 401, 400, 400, 405, 413, 404]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert isinstance(json.loads(answer.body), dict)
        assert not answer.cookies
        assert SECRET not in answer.body
        assert code not in answer.body
    signs_in(gateway)
