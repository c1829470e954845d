"""Rotation over fakes on a clock that is set: whole lives of rings, and runs that end between any two calls."""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from fedbridge.configuration.document import decode, encode, version_of
from fedbridge.configuration.rings import filled
from fedbridge.errors import ConfigurationError, KeyNotMade, KeyUnavailable, RingMoved
from fedbridge.flows.ring_publication import Rotation
from fedbridge.flows.rotation import MOST_LOST, read, rotate, stage
from fedbridge.model.connection import ClientAuthentication, Connection
from fedbridge.model.key_ring import DAY, SPREAD, KeyRing, RingKey, RingState, StoredRing, confirmed, noted
from fedbridge.model.policies import TokenDecryption
from fedbridge.store.key_rings_memory import MemoryKeyRings
from tests.conformance.connections import connection
from tests.conformance.transactions import soon
from tests.fakes.ring_keys import FakeKeyMaker, FakePublished
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.bridge import SettableClock

HOUR = 3600
ASSERTION = KeyRing(use="client-assertion", kind="secretsmanager:P-256")
DECRYPTION = KeyRing(use="token-decryption", kind="secretsmanager:P-256")
ID_TOKEN = KeyRing(use="id-token", kind="kms:RSA_2048")


class Crashed(BaseException):
    """The run is over; nobody is there to catch it."""


@dataclass
class Crashing:
    """Passes every call on, and ends the run after a given number of those that changed something."""

    target: Any
    left: list[int]
    effects: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.target, name)
        if name not in self.effects:
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            answer = method(*arguments, **options)
            self.left[0] -= 1
            if self.left[0] == 0:
                raise Crashed
            return answer

        return call


@dataclass
class World:
    """Rings and connections, and a run of the function now and then."""

    clock: SettableClock = field(default_factory=SettableClock)
    rings: MemoryKeyRings = field(default_factory=MemoryKeyRings)
    maker: FakeKeyMaker = field(default_factory=FakeKeyMaker)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    id_token_ring: str | None = None
    refused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.published = FakePublished(self.clock)

    def services(self, left: list[int] | None = None) -> Rotation:
        """Return what a run works with that ends after as many effects as are `left`."""
        left = [0] if left is None else left
        return Rotation(
            rings=Crashing(self.rings, left, ("put",)),
            maker=Crashing(self.maker, left, ("make", "disable")),
            connections=Crashing(self.published, left, ("publish",)),
            publishable=lambda each: replace(each, version=version_of(each)),
            telemetry=self.telemetry,
            clock=self.clock,
            id_token_ring=self.id_token_ring,
            signer=self.load,
        )

    def load(self, reference: str, _deadline: Any) -> None:
        if reference in self.refused:
            raise KeyUnavailable(reference, reason="kms_access_denied")

    def run(self, crash_after: int = 0) -> int:
        try:
            return rotate(self.services([crash_after]), soon())
        except Crashed:
            return -1

    def hours(self, count: int) -> None:
        for _ in range(count):
            self.clock.now += HOUR
            assert self.run() == 0

    def begin(self, declared: Connection, **policies: KeyRing) -> None:
        """Publish a connection whose rings have a first key each."""
        for name, policy in policies.items():
            ring = self.rings.put(StoredRing(name=name, policy=policy, state=RingState(), revision=0), soon())
            ring = stage(self.services(), ring, soon())
            self.rings.put(replace(ring, state=noted(ring.state, self.clock())), soon())
        ready = filled(declared, {name: self.state(name) for name in policies})
        ready = replace(ready, version=version_of(ready))
        self.published.publish(ready.name, encode(ready), ready.version, soon())
        self.clock.now += SPREAD

    def state(self, ring: str) -> RingState:
        stored = self.rings.get(ring, soon())
        assert stored is not None
        return stored.state

    def next(self, ring: str) -> RingKey:
        key = self.state(ring).next
        assert key is not None
        return key

    def active(self, ring: str) -> RingKey:
        key = self.state(ring).active
        assert key is not None
        return key

    def change(self, ring: str, state: RingState) -> None:
        stored = self.rings.get(ring, soon())
        assert stored is not None
        self.rings.put(replace(stored, state=state), soon())

    def connection(self, name: str = "acme") -> Connection:
        return decode(self.published.items[name].current.document)


def signing(**changes: Any) -> Connection:
    return connection(**{"client_authentication": ClientAuthentication(key="ring:bank"), **changes})


@pytest.fixture
def world() -> World:
    world = World()
    world.begin(signing(), bank=ASSERTION)
    return world


def reference(number: int, ring: str = "bank") -> str:
    return f"secretsmanager:fedbridge/test/{ring}-{number}"


def test_a_ring_goes_round_by_itself(world):
    world.clock.now += 88 * DAY
    world.hours(24)
    authentication = world.connection().client_authentication
    assert (authentication.key, authentication.next_key) == (reference(1), reference(2))
    world.hours(24)
    authentication = world.connection().client_authentication
    assert (authentication.key, authentication.next_key) == (reference(2), None)
    assert authentication.retired_keys == (reference(1),)
    while world.connection().client_authentication.retired_keys:
        world.hours(1)
    assert world.maker.disabled == []
    world.hours(1)
    assert world.maker.disabled == ["kid-bank-1"]
    assert [key.kid for key in world.state("bank").keys] == ["kid-bank-2"]
    steps = [fields["step"] for name, fields in world.telemetry.events if name == "key_ring_moved"]
    assert steps == ["stage", "stage", "activate", "remove", "disable"]


def test_a_run_that_finds_nothing_due_writes_nothing(world):
    before = world.rings.get("bank", soon()), list(world.published.versions)
    assert world.run() == 0
    assert (world.rings.get("bank", soon()), world.published.versions) == before


def test_a_decryption_key_decrypts_before_anybody_can_encrypt_to_it():
    world = World()
    world.begin(connection(token_decryption=TokenDecryption(keys=("ring:codec",))), codec=DECRYPTION)
    world.clock.now += 88 * DAY
    world.hours(24)
    policy = world.connection().token_decryption
    assert policy is not None
    assert (policy.keys, policy.retired_keys) == ((reference(1, "codec"),), (reference(2, "codec"),))
    world.hours(24)
    policy = world.connection().token_decryption
    assert policy is not None
    assert (policy.keys, policy.retired_keys) == ((reference(2, "codec"),), (reference(1, "codec"),))


def test_two_rings_of_a_connection_are_published_together_and_never_twice_within_half_an_hour():
    world = World()
    world.begin(
        signing(token_decryption=TokenDecryption(keys=("ring:codec",))), bank=ASSERTION, codec=DECRYPTION
    )
    times = []
    world.clock.now += 88 * DAY
    for _ in range(6 * 24 * 4):
        world.clock.now += HOUR / 4
        count = len(world.published.versions)
        assert world.run() == 0
        times += [world.clock.now] * (len(world.published.versions) - count)
    assert len(times) == 3
    assert min(later - earlier for earlier, later in pairwise(times)) >= SPREAD


def test_what_was_published_by_hand_just_now_is_left_alone_until_sign_ins_under_way_have_ended(world):
    world.clock.now += 89 * DAY
    item = world.published.items["acme"]
    world.published.items["acme"] = replace(
        item, current=replace(item.current, published_at=int(world.clock.now) - 60)
    )
    assert world.run() == 0
    assert world.connection().client_authentication.next_key is None
    assert world.next("bank").published_at is None
    world.clock.now += SPREAD
    world.run()
    assert world.connection().client_authentication.next_key == reference(2)
    assert world.next("bank").published_at == world.clock.now


def test_a_key_that_must_be_confirmed_is_asked_for_every_hour_and_never_activated():
    world = World()
    world.begin(signing(), bank=replace(ASSERTION, confirmation="required"))
    world.clock.now += 75 * DAY
    world.hours(40 * 24)
    assert world.connection().client_authentication.key == reference(1)
    asked: list[Any] = [
        fields for name, fields in world.telemetry.events if name == "key_awaits_confirmation"
    ]
    assert asked[0]["kid"] == "kid-bank-2"
    assert 13.9 < asked[0]["due_days"] <= 14
    assert asked[-1]["due_days"] < 0
    assert len(asked) > 24 * 35
    assert "key_rotation_overdue" in world.telemetry.names()
    world.change("bank", confirmed(world.state("bank"), "kid-bank-2", world.clock()))
    world.hours(1)
    assert world.connection().client_authentication.key == reference(2)


def test_a_ring_that_fails_stops_no_other(world):
    other = signing(name="beta", issuer="https://beta.example")
    world.begin(replace(other, client_authentication=ClientAuthentication(key="ring:beta")), beta=ASSERTION)
    world.clock.now += 89 * DAY
    make = world.maker.make

    def failing(ring: str, *arguments: Any, **options: Any) -> Any:
        if ring == "bank":
            raise KeyUnavailable("KMS", reason="kms_throttled", transient=True)
        return make(ring, *arguments, **options)

    world.maker.make = failing
    assert world.run() == 1
    assert world.connection("beta").client_authentication.next_key == reference(2, "beta")
    assert world.telemetry.fields("key_ring_failed") == {"ring": "bank", "reason": "kms_throttled"}


def test_nor_does_one_that_fails_as_nobody_expected(world):
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    world.clock.now += 89 * DAY
    world.maker.make = broken
    assert world.run() == 1
    assert world.telemetry.fields("key_ring_failed") == {
        "ring": "bank",
        "reason": "internal_error",
        "exception": "ZeroDivisionError",
    }


def test_nor_does_a_connection_that_cannot_be_read(world):
    world.begin(
        signing(name="beta", client_authentication=ClientAuthentication(key="ring:beta")), beta=ASSERTION
    )
    world.published.spoil("acme")
    world.clock.now += 89 * DAY
    assert world.run() == 1
    assert world.telemetry.fields("key_ring_failed") == {
        "connection": "acme",
        "reason": "configuration_error",
    }
    assert world.connection("beta").client_authentication.next_key == reference(2, "beta")
    assert world.state("bank").next is None  # Nobody knows whether its key is in use.


def test_a_ring_that_fills_no_published_connection_waits():
    world = World()
    world.rings.put(StoredRing(name="early", policy=ASSERTION, state=RingState(), revision=0), soon())
    assert world.run() == 0
    assert world.maker.made == {}


def id_token_world() -> World:
    world = World(id_token_ring="id-token")
    world.rings.put(StoredRing(name="id-token", policy=ID_TOKEN, state=RingState(), revision=0), soon())
    return world


def test_the_ring_of_id_tokens_needs_no_connection():
    world = id_token_world()
    world.run()
    assert world.next("id-token").published_at == world.clock.now
    world.hours(25)
    assert world.active("id-token").activated_at == world.clock.now


def test_a_key_of_id_tokens_is_not_published_while_the_stack_names_no_ring():
    """Declared on Monday and deployed on Friday, it would sign on Friday what nobody can verify."""
    world = id_token_world()
    world.id_token_ring = None
    stage(world.services(), read(world.services(), "id-token", soon()), soon())  # `connections apply`
    world.hours(5 * 24)
    assert (world.next("id-token").published_at, world.state("id-token").active) == (None, None)
    world.id_token_ring = "id-token"
    world.hours(25)
    assert world.state("id-token").active is None
    world.hours(1)
    assert world.active("id-token").activated_at == world.clock.now


def test_a_key_of_id_tokens_that_cannot_be_loaded_never_signs():
    """Such as one that somebody made for another environment by hand, or deleted."""
    world = id_token_world()
    world.hours(26)
    assert world.active("id-token").kid == "kid-id-token-1"
    stage(world.services(), read(world.services(), "id-token", soon()), soon())
    world.refused.add("secretsmanager:fedbridge/test/id-token-2")
    world.clock.now += 26 * HOUR
    assert world.run() == 1
    assert world.telemetry.fields("key_ring_failed") == {"ring": "id-token", "reason": "kms_access_denied"}
    assert (world.active("id-token").kid, world.next("id-token").published_at) == ("kid-id-token-1", None)


def test_a_ring_that_fills_two_connections_is_left_alone_and_told(world):
    """Published in one of them and noted, its former key would be switched off under the other."""
    world.published.publish("beta", encode(replace(world.connection(), name="beta")), "v", soon())
    world.clock.now += 89 * DAY
    assert world.run() == 1
    assert world.telemetry.fields("key_ring_failed") == {"ring": "bank", "reason": "ring_shared"}
    assert world.state("bank").next is None


def test_a_key_that_another_connection_has_by_its_reference_is_not_switched_off(world):
    """A connection left the ring by writing down its key, and another one took the ring."""
    left = replace(
        signing(name="beta"), client_authentication=ClientAuthentication(key=reference(1)), rings={}
    )
    world.published.publish("beta", encode(left), "v", soon())
    world.clock.now += 88 * DAY
    failures = 0
    for _ in range(4 * 24):
        world.clock.now += HOUR
        if failures := world.run():
            break
    assert [key.kid for key in world.state("bank").of("removed")] == ["kid-bank-1"]
    assert failures == 1
    assert world.telemetry.fields("key_ring_failed") == {"ring": "bank", "reason": "ring_key_in_use"}
    assert world.maker.disabled == []


def test_a_ring_that_is_gone_from_the_table_is_told(world):
    world.rings = MemoryKeyRings()
    assert world.run() == 1
    assert world.telemetry.fields("key_ring_failed") == {"ring": "bank", "reason": "ring_unknown"}


def test_of_two_runs_at_once_one_takes_the_step(world):
    world.clock.now += 89 * DAY
    ring = world.rings.get("bank", soon())
    stage(world.services(), ring, soon())
    with pytest.raises(RingMoved):
        stage(world.services(), ring, soon())
    assert [key.kid for key in world.state("bank").keys] == ["kid-bank-1", "kid-bank-2"]


def test_a_key_that_cannot_be_found_again_is_lost_and_told(world):
    world.maker.finds = False
    world.clock.now += 89 * DAY
    world.run(crash_after=2)  # Begun, made, and not taken up.
    assert world.state("bank").making == 2
    assert world.run() == 0
    assert world.state("bank").lost == (2,)
    assert world.next("bank").kid == "kid-bank-3"
    lost = world.telemetry.fields("key_lost")
    assert (lost["ring"], lost["serial"]) == ("bank", 2)


def test_names_that_are_taken_are_passed_over_and_not_for_ever(world):
    policy = replace(ASSERTION)
    for serial in (2, 3):
        world.maker.make("bank", policy, serial, again=False, now=0, deadline=soon())
    world.clock.now += 89 * DAY
    world.run()
    assert world.next("bank").kid == "kid-bank-4"
    world.maker.made |= {f"bank-{serial}": world.maker.made["bank-1"] for serial in range(5, 9)}
    ring = replace(world.rings.get("bank", soon()), state=replace(world.state("bank"), keys=()))
    with pytest.raises(ConfigurationError) as refused:
        stage(world.services(), ring, soon())
    assert refused.value.reason == "ring_names_taken"


@pytest.mark.parametrize(
    ("effect", "finds"),
    [*((number, True) for number in range(1, 14)), *((number, False) for number in (1, 2, 3, 5))],
)
def test_a_run_may_end_after_any_effect(effect, finds):
    """Crash after the n-th effect of the rotation: it ends as it would have, only later, with one key active throughout."""
    world = World()
    world.begin(
        signing(token_decryption=TokenDecryption(keys=("ring:codec",))), bank=ASSERTION, codec=DECRYPTION
    )
    world.maker.finds = finds
    left, crashed = [effect], False
    world.clock.now += 88 * DAY
    for _ in range(5 * 24):
        world.clock.now += HOUR
        try:
            assert rotate(world.services(left), soon()) == 0
        except Crashed:
            crashed = True
        for name in ("bank", "codec"):
            assert Counter(key.state for key in world.state(name).keys)["active"] == 1
            assert len(world.state(name).of("next")) <= 1
        published = world.connection()
        known = {key.reference for name in ("bank", "codec") for key in world.state(name).keys}
        assert published.client_authentication.key in known
    assert crashed
    for name in ("bank", "codec"):
        state = world.state(name)
        (active,) = state.keys
        expected = 2 + len(state.lost)
        assert active.kid == f"kid-{name}-{expected}"
        made = {number for number in range(1, expected + 1) if f"{name}-{number}" in world.maker.made}
        accounted = {1, *state.lost, expected}
        assert made <= accounted
    assert world.connection().rings == {
        "client_authentication.key": ("bank",),
        "token_decryption.keys": ("codec",),
    }
    assert sorted(set(world.maker.disabled)) == ["kid-bank-1", "kid-codec-1"]


def test_a_key_that_is_refused_leaves_nothing_behind_and_is_asked_for_again(world):
    def refusing(*_: Any, **__: Any) -> Any:
        raise KeyNotMade("KMS", reason="kms_access_denied")

    make, world.maker.make = world.maker.make, refusing
    world.clock.now += 89 * DAY
    for _ in range(5):
        world.clock.now += HOUR
        assert world.run() == 1
    assert world.state("bank").lost == ()
    assert world.state("bank").making is None
    world.maker.make = make
    assert world.run() == 0
    assert world.next("bank").kid == f"kid-bank-{world.state('bank').serial}"


def test_after_three_lost_keys_no_more_are_made_until_somebody_looks(world):
    def hanging(*_: Any, again: bool, **__: Any) -> None:
        if not again:
            raise KeyUnavailable("KMS", reason="kms_timeout", transient=True)

    world.maker.finds = False
    world.clock.now += 89 * DAY
    make, world.maker.make = world.maker.make, hanging
    for _ in range(6):
        world.clock.now += HOUR
        assert world.run() == 1
    assert len(world.state("bank").lost) == MOST_LOST
    reasons = [fields["reason"] for name, fields in world.telemetry.events if name == "key_ring_failed"]
    assert reasons == ["kms_timeout"] * 4 + ["ring_keys_lost"] * 2
    world.maker.make = make
    ring = world.rings.get("bank", soon())
    stage(world.services(), replace(ring, state=replace(ring.state, lost=())), soon())
    assert world.next("bank").kid == f"kid-bank-{world.state('bank').serial}"
