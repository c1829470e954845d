"""What the scheduled function does with client secrets, hour by hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fedbridge.client_secrets import SecretRotation, with_hashes
from fedbridge.configuration.document import encode
from fedbridge.model.client_secret import KNOWN, SPREAD
from fedbridge.model.connection import ClientAuthentication, ManagedSecret
from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import UserPool
from fedbridge.op.client_authentication import secret_hash
from fedbridge.secret_turns import SecretTurns, take_turns
from tests.fakes.telemetry import RecordingTelemetry
from tests.rotation.aws import Aws, running_aws
from tests.rotation.pools import refused
from tests.rotation.test_client_secret import FIRST, POOL, TABLE, Deployment, rests_on
from tests.rotation.timeline import DAY, HOUR


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with running_aws(TABLE) as aws:
        yield aws


@dataclass
class Function:
    """The scheduled function of a deployment; `minutes` are what Lambda gives it."""

    deployment: Deployment
    telemetry: RecordingTelemetry
    minutes: float = 10

    def run(self, **rotation: Any) -> int:
        """Run once, with a clock that waiting moves on; returns how many failed."""
        deployment = self.deployment
        ends = deployment.now + self.minutes * 60

        def one(connection: str, client_id: str, pool: UserPool) -> SecretRotation:
            assert (connection, client_id, pool) == ("acme", "cognito", POOL)
            return replace(deployment.rotation(), **rotation)

        turns = SecretTurns(
            connections=deployment.publisher.all,
            states=deployment.states,
            rotation=one,
            telemetry=self.telemetry,
            clock=deployment.clock,
        )
        failures = take_turns(
            turns, Deadline.after(self.minutes * 60, deployment.clock, correlation_id="A-RUN")
        )
        assert deployment.now < ends
        return failures

    def hours(self, number: int) -> None:
        for _ in range(number):
            began = self.deployment.now
            assert self.run() == 0
            self.deployment.sleep(began + HOUR - self.deployment.now)


@pytest.fixture
def function(account):
    for item in account.clients("dynamodb").scan(TableName=TABLE)["Items"]:
        account.clients("dynamodb").delete_item(TableName=TABLE, Key={"name": item["name"]})
    deployment = Deployment(account)
    managed(deployment, ManagedSecret(rotate_every=int(DAY)))
    deployment.sleep(HOUR)
    return Function(deployment, RecordingTelemetry())


def managed(deployment: Deployment, policy: ManagedSecret | None, **connection: Any) -> None:
    """Publish the connection with another policy of its secret."""
    current = deployment.current
    party = replace(current.relying_parties[0], managed_secret=policy)
    deployment.apply(replace(current, relying_parties=(party,), **connection))


def test_it_replaces_the_secret_every_day_in_two_runs(function):
    deployment = function.deployment
    function.hours(2)  # One that the bridge did not make has its turn at once.
    rests_on(deployment, deployment.drawn[0])
    function.hours(22)
    assert len(deployment.drawn) == 1
    function.hours(4)
    rests_on(deployment, deployment.drawn[1])
    assert len(deployment.drawn) == 2
    moved = [fields for name, fields in function.telemetry.events if name == "client_secret_moved"]
    assert [fields["step"] for fields in moved] == ["finish", "rest"] * 2
    assert {(each["connection"], each["client_id"], each["correlation_id"]) for each in moved} == {
        ("acme", "cognito", "A-RUN")
    }


def test_it_waits_no_longer_than_it_must(function):
    began = function.deployment.now
    function.run()
    assert function.deployment.now - began < KNOWN + 30
    function.deployment.sleep(HOUR)
    began = function.deployment.now
    function.run()
    assert function.deployment.now == began


def test_it_begins_nothing_that_it_could_not_bring_to_cognito(function):
    function.minutes = 2
    assert function.run() == 0
    assert function.deployment.drawn == []
    assert function.telemetry.events == []


@pytest.mark.parametrize("policy", [ManagedSecret(), None], ids=["without rotate_every", "not managed"])
def test_it_leaves_alone_what_it_is_not_told_to_replace(function, policy):
    managed(function.deployment, policy)
    function.deployment.sleep(HOUR)
    function.hours(2)
    rests_on(function.deployment, FIRST)


def test_it_ends_what_somebody_began(function):
    managed(function.deployment, ManagedSecret())
    function.deployment.sleep(HOUR)
    assert function.deployment.run(patience=KNOWN + 30) == "finish"
    function.deployment.sleep(SPREAD + HOUR)
    function.hours(1)
    rests_on(function.deployment, function.deployment.drawn[0])


def test_a_connection_that_is_switched_off_waits(function):
    function.deployment.publisher.disable("acme", Deadline.after(20))
    assert function.run() == 0
    assert function.deployment.drawn == []


def test_a_refusal_is_told_and_tried_again(function):
    function.deployment.pool.failure = refused("AccessDeniedException")
    assert function.run() == 1
    assert function.telemetry.fields("client_secret_failed") == {
        "connection": "acme",
        "client_id": "cognito",
        "reason": "user_pool_access_denied",
        "correlation_id": "A-RUN",
    }
    function.deployment.sleep(HOUR)
    function.hours(2)
    rests_on(function.deployment, function.deployment.drawn[-1])


def test_whatever_else_goes_wrong_is_told_by_its_kind_alone(function):
    def draw() -> str:
        raise ZeroDivisionError("a secret, perhaps")

    assert function.run(draw=draw) == 1
    told = function.telemetry.fields("client_secret_failed")
    assert (told["reason"], told["exception"]) == ("internal_error", "ZeroDivisionError")


def test_a_connection_that_cannot_be_read_stops_no_other(function):
    function.deployment.publisher.publish("broken", b'{"name": "broken", "new": 1}', "v", Deadline.after(20))
    assert function.run() == 1
    assert function.telemetry.fields("client_secret_failed")["connection"] == "broken"
    assert len(function.deployment.drawn) == 1


def test_a_state_that_is_damaged_stops_no_other(function, account):
    other = replace(function.deployment.current, name="another")
    function.deployment.publisher.publish("another", encode(other), "v", Deadline.after(20))
    state = {"revision": {"N": "1"}, "v": {"N": "1"}, "state": {"S": '{"unknown": 1}'}}
    name = f"secret:another:{other.relying_parties[0].client_id}"
    account.clients("dynamodb").put_item(TableName=TABLE, Item={"name": {"S": name}, **state})
    assert function.run() == 1
    told = function.telemetry.fields("client_secret_failed")
    assert (told["connection"], told["exception"]) == ("another", "TypeError")
    assert len(function.deployment.drawn) == 1


@pytest.mark.parametrize("days, expiring", [(31, False), (29, True), (-1, True)])
def test_it_counts_the_days_of_the_idps_secret(function, days, expiring):
    deployment = function.deployment
    authentication = ClientAuthentication(
        method="client_secret_basic", secret="secretsmanager:x", secret_expires="2027-05-31"
    )
    managed(deployment, ManagedSecret(), client_authentication=authentication)
    expires_at = authentication.secret_expires_at
    assert expires_at is not None
    deployment.now = expires_at - days * DAY
    assert function.run() == 0
    told = {"connection": "acme", "due_days": days, "correlation_id": "A-RUN"}
    expected = [("upstream_secret_checked", told), ("upstream_secret_expiring", told)]
    assert function.telemetry.events == expected[: 2 if expiring else 1]


def test_hashes_that_were_taken_back_are_published_again(function):
    deployment = function.deployment
    before = deployment.current
    function.run()
    deployment.watching = False  # From here on sign-ins fail, until the next run.
    deployment.apply(with_hashes(before, {"cognito": (secret_hash(FIRST),)}))
    deployment.sleep(HOUR)
    function.hours(2)
    deployment.watching = True
    rests_on(deployment, deployment.drawn[0])
