"""Case 153 and decision 0028: one reference a sign-in, wherever it fails, and none for who only claims to belong to it."""

import re

import pytest

from fedbridge.errors import KeyUnavailable
from fedbridge.flows.handles import ID_LENGTH
from tests.negative.saml import SamlGateway, SamlVisitor
from tests.support.bridge import Bridge, SettableClock
from tests.support.gateway import Gateway, Visitor
from tests.unit.rp.idp import FakeIdp


@pytest.fixture
def gateway():
    return Gateway(Bridge(clock=SettableClock()))


def begin(gateway):
    """A browser under way, its state, and the sign-in's reference."""
    visitor = Visitor(gateway)
    answer = visitor.authorize()
    return visitor, answer.location["state"], reference_of(answer, "sign_in_started")


def reference_of(answer, event):
    (fields,) = [fields for name, fields in answer.events if name == event]
    return fields["correlation_id"]


def shown(answer):
    """The reference that the person or the app was shown."""
    text = answer.location["error_description"] if "location" in answer.headers else answer.body
    (found,) = re.findall(r"(?:\(ref |<code>|Reference: )(\w{16})", text)
    return found


def logged(answer):
    return {fields["correlation_id"] for _, fields in answer.events}


def test_a_whole_sign_in_has_one(gateway):
    visitor, state, reference = begin(gateway)
    back = visitor.callback(state)
    tokens = gateway.redeem(back.location["code"])
    read = gateway.read_userinfo(tokens.json["access_token"])
    assert [logged(answer) for answer in (back, tokens, read)] == [{reference}] * 3


def test_a_failure_at_the_callback_has_it(gateway):
    gateway.connect(FakeIdp(telemetry=gateway.bridge.telemetry))
    visitor, state, reference = begin(gateway)
    answer = visitor.callback(state, error="access_denied")
    assert (shown(answer), logged(answer)) == (reference, {reference})


def test_another_browser_of_the_same_state_has_it(gateway):
    _, state, reference = begin(gateway)
    other, _, _ = begin(gateway)
    answer = other.callback(state)
    assert (shown(answer), logged(answer)) == (reference, {reference})


def test_who_only_knows_the_id_has_another(gateway):
    visitor, state, reference = begin(gateway)
    guessed = state[:ID_LENGTH] + "0" * (len(state) - ID_LENGTH)
    answer = visitor.callback(guessed)
    assert answer.reasons == ["state_unknown"]
    assert reference not in answer.body
    assert logged(answer) == {shown(answer)} != {reference}
    code = visitor.callback(state).location["code"]
    refused = gateway.redeem(code[:ID_LENGTH] + "0" * (len(code) - ID_LENGTH))
    assert refused.reasons == ["code_refused"]
    assert logged(refused) == {shown(refused)} != {reference}


@pytest.mark.parametrize(
    "overrides",
    [{"redirect_uri": "https://elsewhere.example"}, {"code_verifier": "v" * 43}],
    ids=["redirect", "pkce"],
)
def test_a_refusal_behind_the_code_has_it(gateway, overrides):
    visitor, state, reference = begin(gateway)
    answer = gateway.redeem(visitor.callback(state).location["code"], **overrides)
    assert answer.status == 400
    assert (shown(answer), logged(answer)) == (reference, {reference})


def test_a_late_code_and_a_repeated_one_have_it(gateway):
    visitor, state, reference = begin(gateway)
    code = visitor.callback(state).location["code"]
    gateway.redeem(code)
    answer = gateway.redeem(code)
    assert (shown(answer), logged(answer)) == (reference, {reference})

    visitor, state, reference = begin(gateway)
    code = visitor.callback(state).location["code"]
    gateway.bridge.clock.now += 61
    answer = gateway.redeem(code)
    assert (shown(answer), logged(answer)) == (reference, {reference})


def test_a_key_that_fails_behind_the_code_has_it(gateway):
    visitor, state, reference = begin(gateway)
    code = visitor.callback(state).location["code"]
    signer = gateway.bridge.keys.signer

    def fail(*_):
        raise KeyUnavailable(reason="kms_key_disabled")

    signer.sign = fail
    answer = gateway.redeem(code)
    assert answer.status == 503
    assert (shown(answer), logged(answer)) == (reference, {reference})


def test_an_access_token_that_is_too_old_has_it(gateway):
    visitor, state, reference = begin(gateway)
    token = gateway.redeem(visitor.callback(state).location["code"]).json["access_token"]
    gateway.bridge.clock.now += 400
    answer = gateway.read_userinfo(token)
    assert answer.reasons == ["access_token_expired"]
    assert (shown(answer), logged(answer)) == (reference, {reference})


def test_a_defect_has_it(gateway):
    visitor, state, reference = begin(gateway)
    gateway.bridge.upstream.finish = lambda *_, **__: 1 / 0
    answer = visitor.callback(state)
    assert answer.status == 500
    assert (shown(answer), logged(answer)) == (reference, {reference})


def test_a_wrong_client_secret_is_tied_to_no_sign_in(gateway):
    visitor, state, reference = begin(gateway)
    answer = gateway.redeem(visitor.callback(state).location["code"], client_secret="wrong")
    assert answer.status == 401
    assert logged(answer) == {shown(answer)} != {reference}


def test_a_saml_sign_in_has_one():
    gateway = SamlGateway()
    visitor = SamlVisitor(gateway).start()
    reference = gateway.bridge.telemetry.fields("sign_in_started")["correlation_id"]
    answer = visitor.respond()
    tokens = gateway.redeem(answer.location["code"])
    assert [logged(answer), logged(tokens)] == [{reference}] * 2


def test_what_was_waited_for_is_in_the_line(gateway):
    gateway.connect(FakeIdp(telemetry=gateway.bridge.telemetry))
    visitor, state, _ = begin(gateway)
    answer = visitor.callback(state)
    (fields,) = [fields for name, fields in answer.events if name == "sign_in_authorized"]
    assert re.fullmatch(r"token=\d+ jwks=\d+ userinfo=\d+", fields["calls"])
    assert fields["upstream_ms"] >= 0
    assert fields["store_ms"] == 0
