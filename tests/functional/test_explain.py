"""Failed sign-ins of different causes: from what the user was shown, `fedbridge explain` tells the right one.

Each is played through the functions' edge and flows, with a fault made where it would be. All of them are in one log, in
which they are an hour apart and shuffled; the command gets that log, and the page's reference or the app's error, no more.
"""

import contextlib
import io
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import pytest
import time_machine

from fedbridge.cli import main
from fedbridge.cli.explain import parse_records, recent_failures
from fedbridge.errors import UpstreamError
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring import IdTokenKeyRing
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import AuthorizationRequestProfile, ClaimRule, IdTokenPolicy
from fedbridge.store.dynamodb import DynamoDBTransactionStore
from fedbridge.telemetry.powertools import PowertoolsTelemetry
from tests.fakes.http import json_answer
from tests.fakes.kms import FakeKms, KmsKey
from tests.fakes.telemetry import NullTelemetry, RecordingTelemetry
from tests.negative.encrypted_tokens import EC, POLICY
from tests.negative.saml import SamlGateway, SamlVisitor
from tests.support import canaries
from tests.support.bridge import Bridge, SettableClock
from tests.support.dynamodb import refuse, running_dynamodb
from tests.support.gateway import Answer, Gateway, Visitor
from tests.support.keys import rsa_key
from tests.unit.rp.encryption import decryption_key, encrypt
from tests.unit.rp.idp import FakeClock, FakeIdp, KeyDecrypter, private_key
from tests.unit.sp.idp import Message, at

BEGAN = 1_700_000_000
"""Long ago, so that whatever may still end well has not."""

HOUR = 3600


class Written(RecordingTelemetry):
    """What the fakes record, and the very lines that a function writes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = PowertoolsTelemetry(service="functions", namespace="fedbridge/test")

    def event(self, name: str, **fields: Any) -> None:
        super().event(name, **fields)
        self.lines.event(name, **fields)


class Now(SettableClock, FakeClock):
    """The time that log lines have."""

    def __init__(self) -> None: ...

    def __call__(self) -> float:
        return time.time()


@dataclass
class World:
    """A bridge, the IdP behind it, and a way to wait."""

    wait: Callable[[float], None]
    clock: Now = field(default_factory=Now)

    def __post_init__(self) -> None:
        self.gateway = Gateway(Bridge(telemetry=Written(), clock=self.clock))
        self.idp = FakeIdp(clock=self.clock, telemetry=self.gateway.bridge.telemetry)
        self.gateway.connect(self.idp)

    @property
    def bridge(self) -> Bridge:
        return self.gateway.bridge

    def visitor(self) -> Visitor:
        return Visitor(self.gateway)

    def connect(self, **fields: Any) -> None:
        self.gateway.connect(self.idp, **fields)

    def sign_in(self) -> Answer:
        """Come back with the IdP's code, in a browser that began."""
        visitor = self.visitor()
        return visitor.callback(visitor.start())


@dataclass(frozen=True)
class Case:
    """What is played, and what must be told: reason, whose it is first of all, and words of the cause."""

    play: Callable[[World], Answer]
    _: KW_ONLY
    reason: str | None
    whose: str
    words: str
    outcome: str = "failed"
    told: str = ""
    """The reason of the sign-in, where another one stands for what was shown."""
    travels: bool = True


CASES: dict[str, Case] = {}


def case(**told: Any) -> Callable[[Callable[[World], Answer]], Callable[[World], Answer]]:
    def add(play: Callable[[World], Answer]) -> Callable[[World], Answer]:
        CASES[play.__name__] = Case(play, **told)
        return play

    return add


# --- at the provider and on the way back ----------------------------------------------------------------------------


@case(reason="authorization_response_error", whose="user", words="the person declined")
def user_denied(world: World) -> Answer:
    visitor = world.visitor()
    return visitor.callback(visitor.start(), error="access_denied")


@case(reason="authorization_response_error", whose="configuration", words="does not take our request")
def scope_not_registered(world: World) -> Answer:
    visitor = world.visitor()
    return visitor.callback(visitor.start(), error="invalid_scope")


@case(reason="client_authentication_refused", whose="configuration", words="`invalid_client`")
def wrong_secret_at_the_provider(world: World) -> Answer:
    world.idp.answer_token(json_answer({"error": "invalid_client"}, 401))
    return world.sign_in()


@case(reason="authorization_code_refused", whose="provider", words="`invalid_grant`")
def upstream_code_refused(world: World) -> Answer:
    world.idp.answer_token(json_answer({"error": "invalid_grant"}, 400))
    return world.sign_in()


@case(reason="sign_in_expired", whose="user", words="after five minutes", outcome="refused")
def back_too_late(world: World) -> Answer:
    visitor = world.visitor()
    state = visitor.start()
    world.wait(301)
    return visitor.callback(state)


@case(reason="state_unknown", whose="nobody", words="no sign-in has this state", outcome="refused")
def made_up_state(world: World) -> Answer:
    visitor = world.visitor()
    state = visitor.start()
    return visitor.callback("Z" * len(state))


@case(reason="browser_mismatch", whose="user", words="another browser", outcome="refused")
def wrong_browser(world: World) -> Answer:
    state, other = world.visitor().start(), world.visitor()
    other.start()
    return other.callback(state)


@case(reason="browser_cookie_missing", whose="user", words="sent no cookie", outcome="refused")
def cookies_blocked(world: World) -> Answer:
    return world.visitor().callback(world.visitor().start())


@case(reason="sign_in_already_complete", whose="nobody", words="redeemed already", outcome="complete")
def replayed_state(world: World) -> Answer:
    visitor = world.visitor()
    state = visitor.start()
    code = visitor.callback(state).location["code"]
    world.gateway.read_userinfo(world.gateway.redeem(code).json["access_token"])
    return visitor.callback(state)


@case(
    reason="sign_in_already_failed",
    told="authorization_response_error",
    whose="user",
    words="the person declined",
)
def reload_after_a_failure(world: World) -> Answer:
    visitor = world.visitor()
    state = visitor.start()
    visitor.callback(state, error="access_denied")
    return visitor.callback(state, error="access_denied")


@case(reason="authorization_response_iss_mismatch", whose="configuration", words="another issuer's")
def answer_of_another_issuer(world: World) -> Answer:
    visitor = world.visitor()
    return visitor.callback(visitor.start(), code="x", iss="https://elsewhere.example")


@case(reason="response_mode_mismatch", whose="configuration", words="answered by GET", outcome="refused")
def answer_by_the_wrong_method(world: World) -> Answer:
    visitor = world.visitor()
    return visitor.callback(visitor.start(), method="POST")


# --- the provider's endpoints ---------------------------------------------------------------------------------------


@case(reason="upstream_timeout", whose="provider", words="no answer in time")
def token_endpoint_hangs(world: World) -> Answer:
    world.idp.answer_token(UpstreamError("upstream_timeout", error="temporarily_unavailable"))
    return world.sign_in()


@case(reason="token_endpoint_unavailable", whose="provider", words="429 or 5xx")
def token_endpoint_down(world: World) -> Answer:
    world.idp.answer_token(json_answer({}, 503))
    return world.sign_in()


@case(reason="jwks_unavailable", whose="provider", words="no key set")
def keys_down(world: World) -> Answer:
    world.idp.http.answer("GET", world.idp.url("/jwks"), json_answer({}, 503))
    return world.sign_in()


@case(reason="metadata_issuer_mismatch", whose="configuration", words="not the connection's, to the byte")
def metadata_of_another_issuer(world: World) -> Answer:
    world.idp.serve_metadata(issuer="https://idp.example/")
    return world.visitor().authorize()


@case(
    reason="pushed_authorization_request_endpoint_refused",
    whose="configuration",
    words="does not take the request",
)
def pushed_request_refused(world: World) -> Answer:
    world.connect(authorization=AuthorizationRequestProfile(par="required"))
    world.idp.serve_par(json_answer({"error": "invalid_redirect_uri"}, 400))
    return world.visitor().authorize()


# --- tokens and claims ----------------------------------------------------------------------------------------------


@case(reason="id_token_nonce_mismatch", whose="attack", words="not the nonce")
def other_nonce(world: World) -> Answer:
    world.idp.claims["nonce"] = "n" * 43
    return world.sign_in()


@case(reason="id_token_signature_invalid", whose="provider", words="does not verify")
def forged_signature(world: World) -> Answer:
    stranger = replace(world.idp, key=private_key("ES256", 1), http=type(world.idp.http)())

    def forged(_: Any) -> Any:
        stranger.nonce, stranger.header = world.idp.nonce, {"kid": world.idp.key.kid}
        return stranger.token_answer()

    world.idp.answer_token(forged)
    return world.sign_in()


@case(reason="id_token_issuer_mismatch", whose="configuration", words="`iss` is not")
def token_of_another_issuer(world: World) -> Answer:
    world.idp.claims["iss"] = "https://elsewhere.example"
    return world.sign_in()


@case(reason="id_token_audience_mismatch", whose="configuration", words="for another client")
def token_for_another_client(world: World) -> Answer:
    world.idp.claims["aud"] = "somebody"
    return world.sign_in()


@case(reason="id_token_expired", whose="provider", words="`exp` lies in the past")
def expired_token(world: World) -> Answer:
    world.idp.claims["exp"] = BEGAN - 10_000
    return world.sign_in()


@case(reason="id_token_acr_unmet", whose="user", words="weaker than asked for")
def assurance_too_low(world: World) -> Answer:
    world.connect(authorization=AuthorizationRequestProfile(acr_values=("high",)))
    world.idp.claims["acr"] = "low"
    return world.sign_in()


@case(reason="id_token_decryption_key_unknown", whose="configuration", words="none of our keys'")
def encrypted_to_an_unknown_key(world: World) -> Answer:
    world.connect(
        id_token=IdTokenPolicy(algorithms=("ES256",), encryption="required"), token_decryption=POLICY
    )
    world.idp.keys.decrypters = {"file:ec": KeyDecrypter(EC), "file:rsa": KeyDecrypter(decryption_key("RSA"))}
    stranger = decryption_key("P-256", 7)
    world.idp.answer_token(
        lambda _: world.idp.token_answer(
            id_token=encrypt(world.idp.id_token(), stranger, "ECDH-ES", "A256GCM", kid=stranger.thumbprint())
        )
    )
    return world.sign_in()


@case(reason="userinfo_subject_mismatch", whose="provider", words="somebody else than the ID token")
def userinfo_of_somebody_else(world: World) -> Answer:
    world.idp.userinfo = {"sub": "bob"}
    return world.sign_in()


@case(reason="required_claim_missing", whose="configuration", words="is not there")
def required_claim_missing(world: World) -> Answer:
    world.connect(claims={"phone_number": ClaimRule(value="phone_number", required=True)})
    return world.sign_in()


# --- this side ------------------------------------------------------------------------------------------------------


@case(reason="redirect_uri_mismatch", whose="configuration", words="`redirect_uris`", outcome="refused")
def redirect_uri_not_registered(world: World) -> Answer:
    return world.visitor().authorize(redirect_uri="https://elsewhere.example/oauth2/idpresponse")


@case(reason="store_throttled", whose="aws", words="DynamoDB throttled")
def store_throttled(world: World) -> Answer:
    with running_dynamodb() as server:
        store = DynamoDBTransactionStore(server.client, server.create_table("id"), sleep=lambda _: None)
        world.gateway.serve_with(transactions=store)
        visitor = world.visitor()
        state = visitor.start()
        server.fail(
            None, *[refuse("ThrottlingException")] * 8
        )  # The claim passes, the identity cannot be kept.
        return visitor.callback(state)


@case(reason="kms_key_disabled", whose="configuration", words="the KMS key is disabled", outcome="refused")
def id_token_key_disabled(world: World) -> Answer:
    kms = FakeKms()
    key = KmsKey(rsa_key())
    reference = f"kms:{kms.add(key)}"
    keys = CachedKeys(CachedSecrets(kms.clients, allow_local=True, telemetry=NullTelemetry()), kms.clients)
    ring = IdTokenKeyRing([reference], keys, telemetry=NullTelemetry())
    world.bridge.back = replace(world.bridge.back, id_token_keys=ring)
    assert world.gateway.redeem(world.visitor().sign_in()).status == 200
    key.state = "Disabled"
    return world.gateway.redeem(world.visitor().sign_in())


@case(
    reason="client_authentication_failed", whose="configuration", words="`secret_hashes`", outcome="refused"
)
def wrong_secret_at_cognito(world: World) -> Answer:
    return world.gateway.redeem(world.visitor().sign_in(), client_secret="wrong")


@case(reason="code_refused", whose="caller", words="61 seconds after it was issued", outcome="refused")
def code_too_late(world: World) -> Answer:
    code = world.visitor().sign_in()
    world.wait(61)
    return world.gateway.redeem(code)


@case(reason="code_refused", whose="caller", words="redeemed 2 seconds before", outcome="refused")
def code_twice(world: World) -> Answer:
    code = world.visitor().sign_in()
    world.gateway.redeem(code)
    world.wait(2)
    return world.gateway.redeem(code)


@case(
    reason="token_redirect_uri_mismatch", whose="caller", words="not the redirect URI of", outcome="refused"
)
def other_redirect_uri_at_token(world: World) -> Answer:
    return world.gateway.redeem(world.visitor().sign_in(), redirect_uri="https://elsewhere.example")


# --- SAML, in the present: its certificates are of today ----------------------------------------------------------------


def respond(message: Message) -> Answer:
    gateway = SamlGateway()
    gateway.bridge.telemetry = written = Written()
    gateway.saml = replace(gateway.saml, telemetry=written)
    return SamlVisitor(gateway).start().respond(message)


@case(reason="saml_audience_mismatch", whose="configuration", words="without our entityID", travels=False)
def saml_for_another_service(_: World) -> Answer:
    audience = "<saml:AudienceRestriction><saml:Audience>https://x.example</saml:Audience></saml:AudienceRestriction>"
    return respond(Message(audience=audience))


@case(reason="saml_expired", whose="provider", words="`NotOnOrAfter` has passed", travels=False)
def saml_assertion_expired(_: World) -> Answer:
    return respond(Message(conditions={"NotOnOrAfter": at(-90)}))


@case(reason="saml_status_refused", whose="user", words="could not sign the person in", travels=False)
def saml_user_failed(_: World) -> Answer:
    codes = "urn:oasis:names:tc:SAML:2.0:status:"
    status = (
        f'<samlp:Status><samlp:StatusCode Value="{codes}Responder">'
        f'<samlp:StatusCode Value="{codes}AuthnFailed"/></samlp:StatusCode></samlp:Status>'
    )
    return respond(Message(status=status, assertions="", signed="response"))


# --- the test -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Played:
    """What people were shown, by case, and the log of everything."""

    shown: dict[str, str]
    lines: list[str]


@pytest.fixture(scope="module")
def played() -> Played:
    shown, written = {}, io.StringIO()
    with contextlib.redirect_stdout(written):
        for number, (name, each) in enumerate(CASES.items()):
            if not each.travels:
                shown[name] = _shown(each.play(World(wait=_never)))
                continue
            with time_machine.travel(BEGAN + number * HOUR, tick=True) as traveller:
                shown[name] = _shown(each.play(World(wait=traveller.shift)))
    canaries.observe_output(written.getvalue(), "the log")
    return Played(shown, written.getvalue().splitlines())


def _never(_: float) -> None:
    raise AssertionError("nobody can wait in the present")


def _shown(answer: Answer) -> str:
    """What a person sees: the reference at the foot of the page, or the error that Cognito hands to the app."""
    if "location" in answer.headers:
        return answer.location["error_description"]
    if answer.body.startswith("{"):
        told: str = answer.json["error_description"]
        return told
    (reference,) = re.findall(r"<code>(\w{16})</code>", answer.body)
    return str(reference)


@pytest.fixture
def log(played, tmp_path):
    lines = [*played.lines, "INFO something else", '{"message": "not ours"}', "{broken"]
    random.shuffle(lines)
    file = tmp_path / "functions.log"
    file.write_text("\n".join(lines))
    return str(file)


def test_there_are_at_least_twenty():
    assert len(CASES) >= 20
    assert len({each.reason for each in CASES.values()}) >= 20


@pytest.mark.parametrize("name", CASES)
def test_explain_names_the_cause_from_what_the_user_was_shown(name, played, log, capsys):
    expected = CASES[name]
    assert main(["explain", played.shown[name], "--log", log, "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert (story["outcome"], story["reason"]) == (expected.outcome, expected.told or expected.reason)
    assert story["whose"][0] == expected.whose
    assert expected.words in story["means"]
    assert story["todo"]
    assert story["connection"] == "acme"
    assert [step["at"] for step in story["steps"]] == sorted(step["at"] for step in story["steps"])

    assert main(["explain", played.shown[name], "--log", log]) == 0
    text = capsys.readouterr().out
    assert story["reason"] in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_what_went_well_before_is_told_too(played, log, capsys):
    main(["explain", played.shown["userinfo_of_somebody_else"], "--log", log, "--json"])
    steps = [(step["what"], step["went_well"]) for step in json.loads(capsys.readouterr().out)["steps"]]
    assert steps == [
        ("the provider's metadata answered", True),
        ("authorize: the browser was sent to the provider", True),
        ("the person was at the provider", None),
        ("the provider's token endpoint answered", True),
        ("the provider's keys answered", True),
        ("the provider's userinfo endpoint answered", True),
        ("the sign-in failed", False),
    ]


def test_a_wrong_secret_of_cognito_s_leads_to_the_sign_in_and_back(played, log, capsys):
    main(["explain", played.shown["wrong_secret_at_cognito"], "--log", log, "--json"])
    refused = json.loads(capsys.readouterr().out)
    (sign_in,) = refused["related"]
    assert "likely of this sign-in" in refused["steps"][0]["what"]
    assert main(["explain", sign_in, "--log", log, "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert (story["outcome"], story["reason"]) == ("not_redeemed", "client_authentication_failed")
    assert story["related"] == [refused["id"]]


def test_everything_that_failed_is_listed_the_latest_first(played, log, capsys):
    failures = recent_failures(parse_records(played.lines))
    assert [each.at for each in failures] == sorted((each.at for each in failures), reverse=True)
    assert {each.reason for each in failures} >= {each.reason for each in CASES.values()} - NO_FAILURES
    assert main(["explain", "--log", log]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(failures)


NO_FAILURES = {"sign_in_expired", "sign_in_already_complete", "sign_in_already_failed"}
"""Reloads and late returns: nobody failed anything."""
