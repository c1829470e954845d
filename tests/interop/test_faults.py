"""What goes wrong at the IdP, as Cognito's app sees it: a registered error, our own words, and the id of the log line."""

import json
import re
import time
from collections import Counter
from dataclasses import KW_ONLY, dataclass

import pytest

from fedbridge.cli.explain import explain, parse_records
from tests.counterparts.cognito import SignInError
from tests.counterparts.faults import ANSWERS, Answer, AuthorizationError, Fault, IdTokenTampering
from tests.counterparts.oidc_provider import OidcProvider, Route, sign_in
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import COLD, WARM, made_by_bridge, pass_through, sign_in_at_pool, user_pool

pytestmark = pytest.mark.interop

BROKEN = "The sign-in could not be completed."
BUSY = "The identity provider is not available right now. Try again."
DENIED = "The sign-in was cancelled or refused at the identity provider."
TOLD = re.compile(r"Bank Error - (\w+) (.+) \(ref ([0-9A-HJKMNP-TV-Z]{16})\)")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What the app was told, the id, and what the bridge had asked the IdP for until then."""

    error: str
    description: str
    correlation_id: str
    calls: Counter[str]

    @property
    def told(self):
        return self.error, self.description


@dataclass(frozen=True)
class Case:
    """A fault, what the app is told of it, and the reason that operators read."""

    route: Route
    fault: Fault
    _: KW_ONLY
    told: tuple[str, str]
    reason: str


def token(answer, error, description, reason):
    return Case("token", Fault(answer=ANSWERS[answer]), told=(error, description), reason=reason)


def forged(reason, **tampering):
    fault = Fault(id_token=IdTokenTampering(**tampering))
    return Case("token", fault, told=("server_error", BROKEN), reason=f"id_token_{reason}")


def refused(error, told, description):
    fault = Fault(error=AuthorizationError(error, "do not relay <b>this</b>"))
    return Case("authorization", fault, told=(told, description), reason="authorization_response_error")


def replaced(route, reason, **members):
    return Case(route, Fault(members=members), told=("server_error", BROKEN), reason=reason)


HTML = Answer(status=200, body="<html>hello</html>", content_type="text/html")
JWT = Answer(status=200, body="a.b.c", content_type="application/jwt")
CASES = {
    "token-rfc-json": token("rfc json", "temporarily_unavailable", BUSY, "authorization_code_refused"),
    "token-free-text": token("free text", "server_error", BROKEN, "token_endpoint_refused"),
    "token-empty-403": token("empty 403", "server_error", BROKEN, "token_endpoint_refused"),
    "token-html-200": token("html 200", "server_error", BROKEN, "token_endpoint_answer_invalid"),
    "token-broken-json": token("broken json", "server_error", BROKEN, "token_endpoint_answer_invalid"),
    "token-server-error": token(
        "server error", "temporarily_unavailable", BUSY, "token_endpoint_unavailable"
    ),
    "token-unavailable": token("unavailable", "temporarily_unavailable", BUSY, "token_endpoint_unavailable"),
    "token-cut-off": Case(
        "token", Fault(drop=True), told=("temporarily_unavailable", BUSY), reason="upstream_unreachable"
    ),
    "token-answer-lost": Case(
        "token",
        Fault(answer=Answer(status=502), after=True),
        told=("temporarily_unavailable", BUSY),
        reason="token_endpoint_unavailable",
    ),
    "token-redirect": Case(
        "token",
        Fault(answer=Answer(status=307, headers={"location": "http://127.0.0.1:9/"})),
        told=("server_error", BROKEN),
        reason="token_endpoint_redirected",
    ),
    "token-type": replaced("token", "token_type_unsupported", token_type="mac"),
    "token-without-id-token": replaced("token", "id_token_missing", id_token=None),
    "token-without-access-token": replaced("token", "access_token_missing", access_token=None),
    "alg-none": forged("algorithm_refused", key="none"),
    "alg-hs256-by-public-key": forged("algorithm_refused", key="public-key-as-secret"),
    "strangers-key": forged("signature_invalid", key="stranger"),
    "unknown-kid": forged("key_unknown", header={"kid": "nobody's"}),
    "other-nonce": forged("nonce_mismatch", claims={"nonce": "n" * 43}),
    "no-nonce": forged("nonce_mismatch", claims={"nonce": None}),
    "other-issuer": forged("issuer_mismatch", claims={"iss": "https://elsewhere.example"}),
    "other-audience": forged("audience_mismatch", claims={"aud": "somebody"}),
    "untrusted-audience": forged("audience_mismatch", claims={"aud": ["somebody"]}),
    "other-azp": forged("azp_mismatch", claims={"azp": "somebody"}),
    "expired": forged("expired", claims={"exp": 1_700_000_000}),
    "no-expiry": forged("exp_malformed", claims={"exp": None}),
    "from-the-future": forged("from_the_future", claims={"iat": 4_102_444_800}),
    "no-subject": forged("subject_malformed", claims={"sub": None}),
    "other-access-token": forged("at_hash_mismatch", claims={"at_hash": "A" * 22}),
    "userinfo-of-another": replaced("userinfo", "userinfo_subject_mismatch", sub="Nb-4712.Bob"),
    "userinfo-of-nobody": replaced("userinfo", "userinfo_subject_mismatch", sub=None),
    "userinfo-html": Case(
        "userinfo", Fault(answer=HTML), told=("server_error", BROKEN), reason="userinfo_content_type"
    ),
    "userinfo-signed": Case(
        "userinfo", Fault(answer=JWT), told=("server_error", BROKEN), reason="userinfo_signed_unexpected"
    ),
    "userinfo-refused": Case(
        "userinfo",
        Fault(answer=Answer(status=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})),
        told=("server_error", BROKEN),
        reason="userinfo_refused",
    ),
    "userinfo-unavailable": Case(
        "userinfo",
        Fault(answer=ANSWERS["unavailable"]),
        told=("temporarily_unavailable", BUSY),
        reason="userinfo_refused",
    ),
    "userinfo-cut-off": Case(
        "userinfo", Fault(drop=True), told=("temporarily_unavailable", BUSY), reason="upstream_unreachable"
    ),
    "discovery-unavailable": Case(
        "discovery",
        Fault(answer=ANSWERS["unavailable"]),
        told=("temporarily_unavailable", BUSY),
        reason="metadata_unavailable",
    ),
    "discovery-of-another": replaced(
        "discovery", "metadata_issuer_mismatch", issuer="https://elsewhere.example"
    ),
    "discovery-elsewhere": replaced(
        "discovery", "metadata_host_refused", token_endpoint="https://elsewhere.example/token"
    ),
    "jwks-unavailable": Case(
        "jwks",
        Fault(answer=ANSWERS["server error"]),
        told=("temporarily_unavailable", BUSY),
        reason="jwks_unavailable",
    ),
    "jwks-empty": replaced("jwks", "jwks_without_usable_key", keys=[]),
    "denied": refused("access_denied", "access_denied", DENIED),
    "cancelled": refused("user_cancel", "access_denied", DENIED),
    "login-required": refused(
        "login_required", "login_required", "The identity provider asks for a new sign-in."
    ),
    "busy": refused("temporarily_unavailable", "temporarily_unavailable", BUSY),
    "misconfigured": refused("invalid_scope", "server_error", BROKEN),
    "free-text": refused("Something went wrong for alice", "server_error", BROKEN),
}
CONNECTIONS = [
    *(f"fault-{name}" for name in CASES),
    *("slow", "rotated", "withdrawn", "hammered", "down", "bothered"),
]


def connection(name):
    return Declared(
        name=name,
        key="P-256",
        yaml="client_authentication: {method: private_key_jwt, key: $key}",
        client={"token_endpoint_auth_signing_alg": "ES256"},
    )


@pytest.fixture(scope="module")
def op():
    with OidcProvider(code_lifetime=30) as op:
        yield op


@pytest.fixture(scope="module")
def bridge(op, tmp_path_factory):
    declared = [connection(name) for name in CONNECTIONS]
    with running_bridge(op, tmp_path_factory.mktemp("bridge"), declared) as bridge:
        yield bridge


@pytest.fixture(autouse=True)
def mended(bridge):
    yield
    bridge.op.clear_faults()


@pytest.fixture
def refusal(bridge, browser):
    """Sign in where it must fail, at a new user pool."""

    def refusal(name):
        with user_pool(bridge, name) as pool:
            passage = pass_through(bridge, browser, pool.authorize("Bank"), until=pool.redirect_uri)
            with pytest.raises(SignInError) as caught:
                pool.idpresponse(passage.trip.url)
        told = TOLD.fullmatch(caught.value.description)
        assert told, caught.value.description
        error, description, correlation_id = told.groups()
        return Refusal(
            error=error, description=description, correlation_id=correlation_id, calls=passage.calls
        )

    return refusal


@pytest.fixture
def log(capsys):
    """The log lines of one kind, by the id that the app was told."""

    def log(correlation_id, message):
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        return [
            line for line in lines if (line["correlation_id"], line["message"]) == (correlation_id, message)
        ]

    return log


@pytest.mark.parametrize("name", CASES)
def test_the_app_is_told_and_the_log_says_why(bridge, browser, refusal, log, name):
    case = CASES[name]
    bridge.op.set_fault(case.route, case.fault)
    found = refusal(f"fault-{name}")
    assert found.told == case.told
    (line,) = log(found.correlation_id, "sign_in_failed")
    assert (line["level"], line["connection"]) == ("WARNING", f"fault-{name}")
    assert (line["reason"], line["error"]) == (case.reason, found.error)

    bridge.op.clear_faults()
    with user_pool(bridge, f"fault-{name}") as pool:
        user, _ = sign_in_at_pool(bridge, pool, browser)
    assert user.attributes["email"] == "alice@example.com"


@pytest.mark.parametrize(
    "name",
    ["token-rfc-json", "token-server-error", "token-cut-off", "strangers-key", "other-nonce", "other-issuer", "expired",
     "userinfo-of-another", "denied"],
)  # fmt: skip
def test_explain_tells_the_same_from_what_the_app_was_told(bridge, refusal, capsys, name):
    case = CASES[name]
    bridge.op.set_fault(case.route, case.fault)
    found = refusal(f"fault-{name}")
    story = explain(parse_records(capsys.readouterr().out.splitlines()), found.correlation_id)
    assert (story.outcome, story.reason, story.connection) == ("failed", case.reason, f"fault-{name}")
    told = " ".join(step.what for step in story.steps)
    for endpoint in found.calls.keys() & {"token", "userinfo"}:
        assert f"the provider's {endpoint}" in told


@pytest.mark.parametrize(
    "name,code", [("denied", "access_denied"), ("cancelled", "user_cancel"), ("free-text", "free_text")]
)
def test_the_idp_s_own_error_code_is_in_the_log_alone(bridge, refusal, log, name, code):
    bridge.op.set_fault("authorization", CASES[name].fault)
    (line,) = log(refusal(f"fault-{name}").correlation_id, "sign_in_failed")
    assert line["upstream_code"] == code


@pytest.mark.timeout(60)
def test_a_token_endpoint_that_takes_ten_seconds_still_signs_in(bridge, browser):
    bridge.op.set_fault("token", Fault(delay=10))
    with user_pool(bridge, "slow") as pool:
        user, passage = sign_in_at_pool(bridge, pool, browser)
    assert user.attributes["email"] == "alice@example.com"
    assert passage.calls == COLD


def test_a_code_that_lives_for_seconds_is_redeemed_before_cognito_comes_for_its_own(tmp_path, browser):
    with (
        OidcProvider(code_lifetime=3) as op,
        running_bridge(op, tmp_path, [connection("bank")]) as bridge,
        user_pool(bridge, "bank") as pool,
    ):
        passage = pass_through(bridge, browser, pool.authorize("Bank"), until=pool.redirect_uri)
        time.sleep(4)
        user = pool.redeem(pool.idpresponse(passage.trip.url).code)
    assert user.attributes["email"] == "alice@example.com"


def test_an_idp_slower_than_the_function_may_run_is_given_up_in_time(tmp_path, browser):
    with (
        OidcProvider() as op,
        running_bridge(op, tmp_path, [connection("bank")], function_timeout=4.0) as bridge,
        user_pool(bridge, "bank") as pool,
    ):
        sign_in_at_pool(bridge, pool, browser)
        op.set_fault("token", Fault(delay=5))
        passage = pass_through(bridge, browser, pool.authorize("Bank"), until=pool.redirect_uri)
        with pytest.raises(SignInError, match=rf"^Bank Error - temporarily_unavailable {BUSY} \(ref "):
            pool.idpresponse(passage.trip.url)


def test_keys_that_rotate_between_authorize_and_callback_are_fetched_once(bridge, browser):
    with user_pool(bridge, "rotated") as pool:
        sign_in_at_pool(bridge, pool, browser)
        location = browser.get(pool.authorize("Bank")).headers["location"]
        bridge.op.rotate_keys()
        bridge.op.clear_journal()
        answer = browser.send(sign_in(browser, location))
        assert [entry.route for entry in made_by_bridge(bridge.op.journal())] == ["token", "jwks", "userinfo"]
        pool.redeem(pool.idpresponse(answer.headers["location"]).code)
        _, later = sign_in_at_pool(bridge, pool, browser)
    assert later.calls == WARM


def test_keys_that_were_withdrawn_at_once_are_replaced_too(bridge, browser):
    with user_pool(bridge, "withdrawn") as pool:
        sign_in_at_pool(bridge, pool, browser)
        bridge.op.rotate_keys(publish_old=False)
        _, passage = sign_in_at_pool(bridge, pool, browser)
    assert passage.calls == WARM + Counter(jwks=1)


def test_unknown_keys_make_nobody_fetch_over_and_over(bridge, browser, refusal, log):
    with user_pool(bridge, "hammered") as pool:
        sign_in_at_pool(bridge, pool, browser)
    bridge.op.set_fault("token", CASES["unknown-kid"].fault)
    found = [refusal("hammered") for _ in range(3)]
    assert [each.calls for each in found] == [Counter(token=1, jwks=1), Counter(token=1), Counter(token=1)]
    (line,) = log(found[2].correlation_id, "sign_in_failed")
    assert line["reason"] == "id_token_key_unknown"


def test_an_idp_that_is_down_is_left_alone_after_five_failures(bridge, refusal, log):
    bridge.op.set_fault("token", Fault(drop=True))
    found = [refusal("down") for _ in range(6)]
    assert {each.told for each in found} == {("temporarily_unavailable", BUSY)}
    assert [each.calls["token"] for each in found] == [1, 1, 1, 1, 1, 0]
    (line,) = log(found[5].correlation_id, "sign_in_failed")
    assert line["reason"] == "upstream_circuit_open"


def test_an_idp_that_answers_codes_with_errors_is_not_taken_for_down(bridge, browser, refusal):
    """Or else whoever brings junk for codes could keep everybody else out."""
    bridge.op.set_fault("token", Fault(answer=ANSWERS["unavailable"]))
    found = [refusal("bothered") for _ in range(7)]
    assert [each.calls["token"] for each in found] == [1] * 7
    bridge.op.clear_faults()
    with user_pool(bridge, "bothered") as pool:
        user, _ = sign_in_at_pool(bridge, pool, browser)
    assert user.attributes["email"] == "alice@example.com"
