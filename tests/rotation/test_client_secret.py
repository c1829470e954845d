"""Cognito's client secret is replaced: nobody notices, whatever interrupts it, and nothing of it is kept anywhere."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fedbridge.client_secrets import SecretRotation, with_hashes, with_managed_secrets
from fedbridge.configuration.document import decode, encode, version_of
from fedbridge.errors import ConfigurationError, UserPoolError
from fedbridge.model.client_secret import KNOWN, SETTLED, SPREAD, SecretState
from fedbridge.model.connection import Connection, ManagedSecret
from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import UserPool
from fedbridge.op.client_authentication import secret_hash
from fedbridge.store.client_secrets_dynamodb import DynamoDBSecretStates
from fedbridge.store.connections_dynamodb import ConnectionPublisher, DynamoDBConnections
from fedbridge.store.registry import FRESH_FOR
from fedbridge.user_pools import CognitoProviderClients
from tests.conformance.transactions import soon
from tests.rotation.aws import Aws, running_aws
from tests.rotation.pools import FakeIdentityProviders, refused
from tests.rotation.timeline import HOUR
from tests.support.bridge import connection

TABLE = "connections"
POOL = UserPool(id="eu-north-1_EXAMPLE01", identity_provider="Bank")
FIRST = "the-first-secret-of-the-user-pool-0000000000"
PATIENT = 24 * HOUR


class Killed(BaseException):
    """The process ends, at once."""


@dataclass
class Watched:
    """Somewhere that effects go, by the methods named; the one with the number `fatal` is the last."""

    inner: Any
    effects: frozenset[str]
    kill: Callable[[], str | None]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name not in self.effects:
            return method

        def call(*arguments: Any, **named: Any) -> Any:
            when = self.kill()
            if when == "before":
                raise Killed
            result = method(*arguments, **named)
            if when == "after":
                raise Killed
            return result

        return call


@dataclass
class Deployment:
    """A table, a pool and a clock; while time passes, Cognito must never have a secret that some sandbox refuses."""

    aws: Aws
    managed: bool = True
    now: float = 1_800_000_000.0
    said: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    effects: int = 0
    fatal: tuple[int, str] | None = None
    published: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None
    watching: bool = True
    seen: int = 0

    def __post_init__(self) -> None:
        dynamodb = self.aws.clients("dynamodb")
        self.publisher = ConnectionPublisher(dynamodb, TABLE, clock=self.clock)
        self.states = DynamoDBSecretStates(dynamodb, TABLE)
        details = {
            "oidc_issuer": "https://bridge.example/acme",
            "client_id": "cognito",
            "client_secret": FIRST,
            "authorize_scopes": "openid",
        }
        self.pool = FakeIdentityProviders(self.clock, details)
        party = replace(
            connection().relying_parties[0],
            secret_hashes=(secret_hash(FIRST),),
            managed_secret=ManagedSecret() if self.managed else None,
            user_pool=POOL,
        )
        self.apply(connection(relying_parties=(party,)))
        self.now += SETTLED

    def clock(self) -> float:
        return self.now

    def apply(self, connection: Connection) -> None:
        """Publish as `connections apply` does."""
        version = version_of(connection)
        self.publisher.publish("acme", encode(connection), version, soon())
        self._note()

    @property
    def current(self) -> Connection:
        found = DynamoDBConnections(self.aws.clients("dynamodb"), TABLE, decode).find("acme", soon())
        assert found is not None
        return found.current

    @property
    def hashes(self) -> tuple[str, ...]:
        return self.current.relying_parties[0].secret_hashes

    def rotation(self, **others: Any) -> SecretRotation:
        watched = {
            "states": Watched(self.states, frozenset({"write"}), self._effect),
            "publisher": Watched(self.publisher, frozenset({"publish"}), self._effect),
            "clients": Watched(
                CognitoProviderClients(self.pool.clients, sleep=lambda _: None),
                frozenset({"give"}),
                self._effect,
            ),
        }
        return SecretRotation(
            connection="acme",
            client_id="cognito",
            pool=POOL,
            draw=self._draw,
            tell=self.said.append,
            clock=self.clock,
            sleep=self.sleep,
            **{**watched, **others},
        )

    def run(self, *, patience: float = PATIENT, **others: Any) -> str:
        return self.rotation(**others).run(patience=patience).action

    def sleep(self, seconds: float) -> None:
        """Let time pass, and look every few seconds whether anybody could be refused meanwhile."""
        self.on_wait()
        end = self.now + seconds
        while self.now < end:
            self.watch()
            self.now = min(end, self.now + (5 if seconds < HOUR else 60))
        self.watch()

    def watch(self) -> None:
        self._note()
        stale = self.now - FRESH_FOR
        ended = [since for since, _ in self.published[1:]] + [float("inf")]
        served = [hashes for (_, hashes), until in zip(self.published, ended, strict=True) if until > stale]
        for secret in self.pool.in_use() if self.watching else ():
            assert all(secret_hash(secret) in hashes for hashes in served), (
                f"refused at {self.now}: {self.said}"
            )

    def _note(self) -> None:
        if len(self.aws.writes) != self.seen:
            self.seen = len(self.aws.writes)
            if not self.published or self.published[-1][1] != self.hashes:
                self.published.append((self.now, self.hashes))

    def _draw(self) -> str:
        self.drawn.append(f"secret-number-{len(self.drawn)}-of-the-user-pool-000000000")
        return self.drawn[-1]

    def _effect(self) -> str | None:
        self.effects += 1
        self.watch()
        return self.fatal[1] if self.fatal is not None and self.fatal[0] == self.effects else None


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with running_aws(TABLE) as aws:
        yield aws


@pytest.fixture
def aws(account: Aws) -> Aws:
    for item in account.clients("dynamodb").scan(TableName=TABLE)["Items"]:
        account.clients("dynamodb").delete_item(TableName=TABLE, Key={"name": item["name"]})
    account.writes.clear()
    return account


def rests_on(deployment: Deployment, secret: str) -> None:
    """Assert that Cognito and the bridge know this secret and no other, and that nobody was refused on the way there."""
    deployment.sleep(2 * FRESH_FOR)
    assert deployment.pool.in_use() == [secret]
    assert deployment.hashes == (secret_hash(secret),)


@pytest.mark.parametrize("managed", [True, False])
def test_a_secret_is_replaced_while_both_are_accepted(aws, managed):
    deployment = Deployment(aws, managed=managed)
    began = deployment.now
    assert deployment.run() == "rest"
    rests_on(deployment, deployment.drawn[0])
    assert len(deployment.drawn) == 1
    (_, before), (t1, both), (t2, after) = deployment.published
    assert (before, after) == ((secret_hash(FIRST),), (secret_hash(deployment.drawn[0]),))
    assert both == (*before, *after)
    given = deployment.pool.secrets[1][0]
    assert given - t1 >= KNOWN
    assert t2 - given >= SPREAD
    assert t2 - t1 >= SETTLED
    assert deployment.now - began < HOUR


def test_again_and_again(aws):
    deployment = Deployment(aws)
    for turn in range(3):
        assert deployment.run() == "rest"
        rests_on(deployment, deployment.drawn[turn])


def test_nothing_of_the_secret_is_written_or_said(aws):
    deployment = Deployment(aws)
    deployment.run()
    written = json.dumps(aws.writes, default=repr) + "".join(deployment.said)
    assert secret_hash(deployment.drawn[0]) in written
    assert deployment.drawn[0] not in written
    assert FIRST not in written


def test_the_first_secret_of_a_pool_that_nobody_told_the_bridge(aws):
    deployment = Deployment(aws)
    deployment.apply(with_hashes(deployment.current, {"cognito": ()}))
    deployment.watching = False  # nobody can sign in yet
    deployment.now += HOUR
    assert deployment.run() == "rest"
    deployment.watching = True
    rests_on(deployment, deployment.drawn[0])


EFFECTS = 9
"""Of one rotation: drawn, published and noted, about to send, given, sent, finished, published and noted."""


def test_how_many_effects_there_are(aws):
    deployment = Deployment(aws)
    deployment.run()
    assert deployment.effects == EFFECTS


@pytest.mark.parametrize("pause", [45, 2 * HOUR], ids=lambda seconds: f"{seconds:.0f}s")
@pytest.mark.parametrize(
    "effect,when",
    [*((n, when) for n in range(1, EFFECTS) for when in ("before", "after")), (EFFECTS, "before")],
)
def test_it_may_end_anywhere_and_is_taken_up_again(aws, effect, when, pause):
    deployment = Deployment(aws)
    deployment.fatal = (effect, when)
    with pytest.raises(Killed):
        deployment.run()
    deployment.sleep(pause)
    assert deployment.run() == "rest"
    rests_on(deployment, deployment.drawn[-1])
    given = [secret for _, secret in deployment.pool.secrets[1:]]
    assert given == [deployment.drawn[-1]]
    # Only a secret that was in nobody's hands any more is replaced by another.
    assert len(deployment.drawn) == (2 if effect < 5 or (effect, when) == (5, "before") else 1)


@pytest.mark.parametrize("effects", list(itertools.combinations(range(1, EFFECTS), 2))[::4], ids=str)
def test_it_may_end_twice(aws, effects):
    deployment = Deployment(aws)
    for effect in effects:
        deployment.fatal = (deployment.effects + effect, "after")
        try:
            deployment.run()
        except Killed:
            deployment.sleep(7)
    deployment.fatal = None
    assert deployment.run() == "rest"
    rests_on(deployment, deployment.drawn[-1])


def test_what_scheduled_runs_do_in_turn(aws):
    """An hour apart, each with little patience: the first gives the secret to Cognito, the second forgets the old one."""
    deployment = Deployment(aws)
    assert deployment.run(patience=120) == "finish"
    deployment.sleep(HOUR)
    assert deployment.run(patience=120) == "rest"
    rests_on(deployment, deployment.drawn[0])
    assert len(deployment.drawn) == 1


def test_an_answer_that_is_lost_is_looked_up(aws):
    deployment = Deployment(aws)
    deployment.pool.failure, deployment.pool.done = refused("InternalErrorException", 500), True
    deployment.pool.update_identity_provider = _once_and_never_again(deployment.pool)  # type: ignore[method-assign]
    with pytest.raises(UserPoolError):
        deployment.run()
    assert deployment.run() == "rest"
    rests_on(deployment, deployment.drawn[0])


def _once_and_never_again(pool: FakeIdentityProviders) -> Callable[..., Any]:
    update = pool.update_identity_provider
    taken: list[None] = []

    def call(**request: Any) -> Any:
        if taken:
            raise refused("InternalErrorException", 500)
        taken.append(None)
        return update(**request)

    return call


def test_what_cognito_tells_late_is_waited_for(aws):
    deployment = Deployment(aws)
    deployment.fatal = (5, "after")  # Cognito has it, and nobody noted that
    deployment.pool.stale = 120
    with pytest.raises(Killed):
        deployment.run()
    assert deployment.run() == "rest"
    rests_on(deployment, deployment.drawn[0])
    assert len(deployment.drawn) == 1


def test_a_refusal_leaves_the_old_secret_alone(aws):
    deployment = Deployment(aws)
    deployment.pool.failure = refused("InvalidParameterException")
    with pytest.raises(UserPoolError):
        deployment.run()
    deployment.sleep(HOUR)
    assert deployment.pool.in_use() == [FIRST]
    assert deployment.run() == "rest"
    rests_on(deployment, deployment.drawn[1])


def test_two_runs_at_once_do_not_fight(aws):
    deployment = Deployment(aws)
    others: list[str] = []

    def meanwhile() -> None:
        if not others:
            others.append("")
            others[0] = deployment.run(patience=PATIENT)

    deployment.on_wait = meanwhile
    # The second finds the first one's secret published and in nobody's hands that it knows of, waits, and begins anew.
    assert deployment.run() == "rest"
    assert others == ["rest"]
    rests_on(deployment, deployment.drawn[-1])


def test_a_run_that_was_overtaken_gives_up(aws):
    deployment = Deployment(aws)

    def overtake() -> None:
        deployment.on_wait = lambda: None
        stored = deployment.states.read("acme", "cognito", soon())
        assert stored is not None
        state = replace(stored.state, next=secret_hash("another"))
        deployment.states.write("acme", "cognito", state, stored.revision, soon())

    deployment.on_wait = overtake
    with pytest.raises(ConfigurationError, match="another run began anew"):
        deployment.run()
    assert deployment.pool.in_use() == [FIRST]


def test_a_run_that_stood_still_does_not_send(aws):
    """A laptop that is closed between noting and sending: an hour later somebody else may have begun anew."""
    deployment = Deployment(aws)

    class Asleep(Watched):
        def __getattr__(self, name: str) -> Any:
            method = super().__getattr__(name)

            def write(*arguments: Any) -> Any:
                result = method(*arguments)
                if arguments[2].sending_at is not None:
                    deployment.now += HOUR
                return result

            return write if name == "write" else method

    with pytest.raises(ConfigurationError, match="stopped for too long"):
        deployment.run(states=Asleep(deployment.states, frozenset(), lambda: None))
    assert deployment.pool.in_use() == [FIRST]


def test_hashes_that_somebody_took_back_are_published_again(aws):
    """`connections restore`, or a file from before: Cognito has the new secret by then."""
    deployment = Deployment(aws)
    before = deployment.current
    assert deployment.run(patience=120) == "finish"
    deployment.watching = False  # from here on sign-ins fail
    deployment.apply(before)
    assert deployment.run() == "rest"
    deployment.watching = True
    rests_on(deployment, deployment.drawn[0])


def test_a_version_that_is_restored_is_mended_at_once(aws):
    deployment = Deployment(aws)
    before = deployment.current
    deployment.run()
    deployment.sleep(HOUR)
    deployment.watching = False
    deployment.apply(before)
    began = deployment.now
    assert deployment.rotation().run(patience=0, begin=False).action == "rest"
    assert deployment.now == began
    deployment.sleep(FRESH_FOR)
    deployment.watching = True
    rests_on(deployment, deployment.drawn[0])


def test_a_secret_that_was_changed_by_hand_in_the_file_is_where_it_begins(aws):
    deployment = Deployment(aws, managed=False)
    assert deployment.run() == "rest"
    by_hand = "given-to-cognito-by-hand-00000000000000000"
    both = (secret_hash(deployment.drawn[0]), secret_hash(by_hand))
    deployment.apply(with_hashes(deployment.current, {"cognito": both}))
    deployment.sleep(HOUR)
    deployment.pool.secrets.append((deployment.now, by_hand))
    deployment.sleep(HOUR)
    deployment.apply(with_hashes(deployment.current, {"cognito": (secret_hash(by_hand),)}))
    deployment.sleep(HOUR)
    assert deployment.run() == "rest"
    rests_on(deployment, deployment.drawn[1])


def test_without_one_under_way_there_is_nothing_to_finish(aws):
    deployment = Deployment(aws)
    assert deployment.rotation().run(patience=PATIENT, begin=False).action == "rest"
    assert deployment.drawn == []
    assert deployment.run(patience=120) == "finish"
    assert deployment.rotation().run(patience=PATIENT, begin=False).action == "rest"
    rests_on(deployment, deployment.drawn[0])


@pytest.mark.parametrize("newest", [0, 1])
def test_of_two_live_secrets_the_one_that_cognito_has_stays(aws, newest):
    deployment = Deployment(aws, managed=False)
    other = "another-live-secret-of-the-user-pool-000000"
    both = (secret_hash(FIRST), secret_hash(other))[:: 1 if newest else -1]
    deployment.apply(with_hashes(deployment.current, {"cognito": both}))
    deployment.now += HOUR
    assert deployment.run() == "rest"
    rests_on(deployment, FIRST if not newest and not deployment.drawn else deployment.pool.in_use()[-1])


def test_a_provider_that_is_somebody_elses_is_left_alone(aws):
    deployment = Deployment(aws)
    for member, value in (("client_id", "another"), ("oidc_issuer", "https://bridge.example/other")):
        deployment.pool.details |= {member: value}
        with pytest.raises(ConfigurationError, match="not this relying party"):
            deployment.run()
    assert len(deployment.pool.secrets) == 1
    assert deployment.hashes == (secret_hash(FIRST),)


def test_a_secret_that_the_bridge_does_not_take_is_not_given_away(aws):
    """As where --table names another environment's."""
    deployment = Deployment(aws)

    def prove(token_url: str, client_id: str, secret: str) -> None:
        assert (token_url, client_id) == ("https://bridge.example/acme/token", "cognito")
        assert secret == deployment.drawn[-1]
        raise ConfigurationError("the bridge refuses it")

    with pytest.raises(ConfigurationError, match="the bridge refuses it"):
        deployment.run(prove=prove)
    assert deployment.pool.in_use() == [FIRST]


def test_a_version_that_was_just_published_is_left_alone_for_a_while(aws):
    """Sign-ins that began on the version before it would be lost."""
    deployment = Deployment(aws)
    deployment.apply(replace(deployment.current, user_agent="changed"))
    changed_at = deployment.now
    deployment.run()
    assert deployment.published[-2][0] - changed_at >= SETTLED


# --- what `connections apply` fills in ------------------------------------------------------------------------------


def filled(deployment: Deployment, connection: Connection, published: Connection | None) -> tuple[str, ...]:
    filled = with_managed_secrets(connection, published, deployment.states, Deadline.after(20))
    return filled.relying_parties[0].secret_hashes


def of_file(deployment: Deployment, managed: ManagedSecret | None) -> Connection:
    party = replace(deployment.current.relying_parties[0], managed_secret=managed, secret_hashes=())
    return replace(deployment.current, relying_parties=(party,))


def test_applying_the_file_undoes_no_rotation(aws):
    deployment = Deployment(aws)
    deployment.run()
    file = of_file(deployment, ManagedSecret())
    assert filled(deployment, file, deployment.current) == (secret_hash(deployment.drawn[0]),)
    deployment.sleep(HOUR)
    deployment.run(patience=120)
    both = (secret_hash(deployment.drawn[0]), secret_hash(deployment.drawn[1]))
    assert filled(deployment, file, deployment.current) == both


def test_a_secret_becomes_managed_with_the_hash_that_is_published(aws):
    deployment = Deployment(aws, managed=False)
    file = of_file(deployment, ManagedSecret())
    for _ in range(2):
        assert filled(deployment, file, deployment.current) == (secret_hash(FIRST),)
        deployment.apply(with_managed_secrets(file, deployment.current, deployment.states, soon()))
    deployment.sleep(SETTLED)
    deployment.run()
    assert filled(deployment, file, deployment.current) == (secret_hash(deployment.drawn[0]),)
    assert filled(deployment, file, None) == (secret_hash(deployment.drawn[0]),)


def test_a_new_connection_has_no_secret_yet(aws):
    deployment = Deployment(aws)
    assert filled(deployment, of_file(deployment, ManagedSecret()), None) == ()


def test_a_state_of_another_release_is_not_guessed_at(aws):
    deployment = Deployment(aws)
    deployment.states.write("acme", "cognito", SecretState(), 0, soon())
    deployment.aws.clients("dynamodb").update_item(
        TableName=TABLE,
        Key={"name": {"S": "secret:acme:cognito"}},
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"N": "2"}},
    )
    with pytest.raises(Exception, match="another version of fedbridge"):
        deployment.run()
