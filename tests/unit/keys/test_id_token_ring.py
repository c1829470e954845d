"""The keys of ID tokens out of a ring: who signs, what is published, and what happens while the table does not answer."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from fedbridge.errors import KeyUnavailable, StoreUnavailable
from fedbridge.keys.id_token_ring import FRESH, RETRY, STALE, CachedRing
from fedbridge.keys.ring import IdTokenKeyRing
from fedbridge.model.key_ring import KeyRing, RingKey, RingState, StoredRing
from tests.conformance.transactions import soon
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.bridge import SettableClock

POLICY = KeyRing(use="id-token", kind="secretsmanager:P-256")


@dataclass
class NamedSigner:
    kid: str
    algorithm: str = "ES256"

    @property
    def public_jwk(self) -> dict[str, Any]:
        return {"kid": self.kid}


class NamedKeys:
    """Every reference is the key of its name."""

    def signer(self, reference: str, algorithm: str | None, deadline: Any) -> NamedSigner:
        return NamedSigner(reference)


@dataclass
class Table:
    """Holds one ring, or none; `down` fails every read."""

    clock: SettableClock = field(default_factory=SettableClock)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    state: RingState | None = None
    down: bool = False
    reads: int = 0

    def find(self, deadline: Any) -> StoredRing | None:
        self.reads += 1
        if self.down:
            raise StoreUnavailable(reason="store_throttled")
        if self.state is None:
            return None
        return StoredRing(name="id-token", policy=POLICY, state=self.state, revision=1)

    def keys(self, *references: str) -> IdTokenKeyRing:
        ring = CachedRing(self.find, telemetry=self.telemetry, clock=self.clock)
        named: Any = NamedKeys()
        return IdTokenKeyRing(references, named, telemetry=self.telemetry, clock=self.clock, ring=ring)


def ring(**states: Any) -> RingState:
    return RingState(
        keys=tuple(
            RingKey(kid=name, reference=name, created_at=0, state=state) for name, state in states.items()
        )
    )


def kids(keys: IdTokenKeyRing) -> list[str]:
    return [jwk["kid"] for jwk in keys.public_jwks(soon())]


FULL = ring(old="retired", now="active", soon="next", gone="removed")


def test_the_active_key_signs_and_all_that_anybody_may_meet_are_published():
    keys = Table(state=FULL).keys("stack")
    assert keys.active(soon()).kid == "now"
    assert kids(keys) == ["now", "old", "soon", "stack"]


@pytest.mark.parametrize("state", [None, RingState(), ring(soon="next")])
def test_until_the_ring_has_an_active_key_the_named_one_signs(state):
    keys = Table(state=state).keys("stack")
    assert keys.active(soon()).kid == "stack"
    assert kids(keys) == (["stack", "soon"] if state and state.keys else ["stack"])


def test_without_any_key_nothing_is_signed():
    keys = Table(state=ring(soon="next")).keys()
    with pytest.raises(KeyUnavailable) as failure:
        keys.active(soon())
    assert failure.value.reason == "ring_empty"


def test_the_ring_is_read_once_a_minute():
    table = Table(state=FULL)
    keys = table.keys()
    for _ in range(5):
        keys.active(soon())
        kids(keys)
    assert table.reads == 1
    table.state = ring(now="retired", soon="active")
    table.clock.now += FRESH - 1
    assert keys.active(soon()).kid == "now"
    table.clock.now += 1
    assert keys.active(soon()).kid == "soon"


def test_what_was_read_serves_for_ten_minutes_while_the_table_does_not_answer():
    table = Table(state=FULL)
    keys = table.keys("stack")
    keys.active(soon())
    table.down = True
    table.clock.now += FRESH
    for _ in range(3):
        assert keys.active(soon()).kid == "now"
    assert table.reads == 2
    assert table.telemetry.fields("keys_stale") == {"reason": "store_throttled"}
    table.clock.now += RETRY
    assert keys.active(soon()).kid == "now"
    assert table.reads == 3
    table.clock.now += STALE
    with pytest.raises(KeyUnavailable) as failure:
        keys.active(soon())  # and the stack's key is no way out: others may not know that it signs again
    assert (failure.value.reason, failure.value.transient) == ("store_throttled", True)
    table.down = False
    assert keys.active(soon()).kid == "now"


def test_nothing_is_signed_before_the_ring_was_read_once():
    table = Table(state=FULL, down=True)
    with pytest.raises(KeyUnavailable):
        table.keys("stack").active(soon())


def test_a_clock_that_was_set_back_trusts_nothing_old():
    table = Table(state=FULL)
    keys = table.keys()
    keys.active(soon())
    table.clock.now -= 3600
    keys.active(soon())
    assert table.reads == 2
