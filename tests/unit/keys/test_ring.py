"""The ring of ID-token keys."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbridge.errors import ConfigurationError, DeadlineExceeded, KeyUnavailable
from fedbridge.keys.jwk import ImportedKey
from fedbridge.keys.local import LocalSigner
from fedbridge.keys.ring import STALE, IdTokenKeyRing
from fedbridge.model.deadline import Deadline
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.bridge import SettableClock
from tests.support.keys import ec_key, rsa_key

THROTTLED = KeyUnavailable("arn", reason="kms_throttled", transient=True)
DISABLED = KeyUnavailable("arn", reason="kms_key_disabled")
BROKEN = ConfigurationError("file:key: broken")
FAILURES = [THROTTLED, DISABLED, BROKEN, DeadlineExceeded()]


class FakeKeys:
    """Signers by reference; a failure stands in the place of a signer that cannot be had."""

    def __init__(self, **signers) -> None:
        self.signers = dict(signers)

    def signer(self, reference, algorithm, deadline):
        assert algorithm is None
        found = self.signers[reference]
        if isinstance(found, Exception):
            raise found
        return found

    def decrypter(self, reference, deadline):
        raise AssertionError("ID tokens are signed, never decrypted")

    def client_certificate(self, policy, deadline):
        raise AssertionError("Cognito is shown no certificate")


def local(key) -> LocalSigner:
    return LocalSigner.of(ImportedKey(key=key), None, source="test")


NEW, OLD, OTHER = local(rsa_key()), local(ec_key()), local(ec_key("P-256", 1))


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(20)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys(new=NEW, old=OLD)


@pytest.fixture
def ring(keys, clock, telemetry) -> IdTokenKeyRing:
    return IdTokenKeyRing(["new", "old"], keys, telemetry=telemetry, clock=clock)


@pytest.fixture
def kids(ring, deadline):
    return lambda: [jwk["kid"] for jwk in ring.public_jwks(deadline)]


def test_the_first_signs_and_all_are_published(ring, kids, deadline, telemetry):
    assert ring.active(deadline) is NEW
    assert kids() == [NEW.kid, OLD.kid]
    assert telemetry.events == []


def test_a_key_under_two_references_is_published_once(deadline, telemetry):
    ring = IdTokenKeyRing(["a", "b", "c"], FakeKeys(a=NEW, b=NEW, c=OLD), telemetry=telemetry)

    assert [jwk["kid"] for jwk in ring.public_jwks(deadline)] == [NEW.kid, OLD.kid]


@pytest.mark.parametrize("references", [[], ["a", "a"]])
def test_references_that_make_no_ring(references, telemetry):
    with pytest.raises(ConfigurationError):
        IdTokenKeyRing(references, FakeKeys(), telemetry=telemetry)


def test_whoever_changes_what_is_published_changes_nothing(ring, deadline):
    ring.public_jwks(deadline)[0]["d"] = "mine"

    assert "d" not in ring.public_jwks(deadline)[0]


@pytest.mark.parametrize("fault", [*itertools.product(["new", "old"], FAILURES)], ids=repr)
def test_the_last_good_key_is_published_for_an_hour(kids, keys, clock, telemetry, fault):
    reference, failure = fault
    before = kids()
    keys.signers[reference] = failure
    clock.now += STALE - 1

    assert kids() == before
    expected = {"new": NEW, "old": OLD}[reference].kid
    assert telemetry.events == [("keys_stale", {"reason": failure.reason, "kid": expected})]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.reason)
def test_without_the_active_key_there_is_no_set(kids, keys, clock, failure):
    kids()
    keys.signers["new"] = failure
    clock.now += STALE

    with pytest.raises(KeyUnavailable) as caught:
        kids()

    assert caught.value.reason == failure.reason
    assert caught.value.transient == (failure in (THROTTLED, FAILURES[3]))


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.reason)
def test_another_key_that_nobody_knows_is_left_out(kids, keys, telemetry, failure):
    keys.signers["old"] = failure

    assert kids() == [NEW.kid]
    assert telemetry.events == [("keys_stale", {"reason": failure.reason})]


def test_it_recovers(kids, keys, telemetry):
    keys.signers["new"] = THROTTLED
    with pytest.raises(KeyUnavailable):
        kids()

    keys.signers["new"] = NEW

    assert kids() == [NEW.kid, OLD.kid]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.reason)
def test_nothing_is_signed_without_the_active_key(ring, keys, deadline, failure):
    keys.signers["new"] = failure

    with pytest.raises(type(failure)):
        ring.active(deadline)


STATES = [NEW, OLD, OTHER, *FAILURES]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(STATES), st.integers(0, 5000)), max_size=8)
)
def test_case_039_no_answer_in_any_key_state_holds_a_private_member(history):
    """Nor is an answer ever empty, nor without the key that signs."""
    clock, keys = SettableClock(), FakeKeys()
    ring = IdTokenKeyRing(["new", "old"], keys, telemetry=RecordingTelemetry(), clock=clock)
    for new, old, seconds in history:
        keys.signers, clock.now = {"new": new, "old": old}, clock.now + seconds
        try:
            jwks = ring.public_jwks(Deadline.after(20))
        except KeyUnavailable:
            assert isinstance(new, Exception)
            continue
        assert set(itertools.chain.from_iterable(jwks)).isdisjoint(
            {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
        )
        assert jwks
        assert isinstance(new, Exception) or jwks[0]["kid"] == new.kid
        assert len({jwk["kid"] for jwk in jwks}) == len(jwks)
