"""A thousand sign-ins while both client secrets are replaced again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from fedbridge.client_secrets import SecretRotation
from fedbridge.model.connection import ClientAuthentication, Connection, IdTokenPolicy
from fedbridge.store.client_secrets_dynamodb import DynamoDBSecretStates
from fedbridge.user_pools import CognitoProviderClients
from tests.rotation.aws import Aws, running_aws
from tests.rotation.bridge import TABLE
from tests.rotation.openid_idp import CLIENT_ID, ISSUER, OpenidIdp, OpenidPage
from tests.rotation.stage import POOL, Stage, parties
from tests.rotation.timeline import HOUR, Timeline
from tests.rotation.world import COGNITO, NAME, World

pytestmark = pytest.mark.timeout(300)  # On a machine that does something else besides.

SIGN_INS = 1_000
UPSTREAM = "secretsmanager:fedbridge/test/acme/secret"
START = 1_800_000_000.0


@pytest.fixture
def aws():
    with running_aws(TABLE) as aws:
        yield aws


def stage(aws: Aws) -> tuple[Stage, OpenidIdp, World]:
    timeline = Timeline(START)
    idp = OpenidIdp(timeline, client_secrets={"upstream-secret-0"})
    made = Stage(aws, timeline, idp)
    made.put_secret(UPSTREAM, "upstream-secret-0")
    made.apply(
        Connection(
            name=NAME,
            issuer=ISSUER,
            client_id=CLIENT_ID,
            relying_parties=parties(),
            id_token=IdTokenPolicy(algorithms=("ES256",)),
            client_authentication=ClientAuthentication(method="client_secret_basic", secret=UPSTREAM),
        )
    )
    return made, idp, made.world(OpenidPage(idp))


def people(world: World, number: int, *, hours: float) -> None:
    """Let people sign in evenly, who take from no time at all to nearly five minutes at the IdP."""
    gap = hours * HOUR / number
    for i in range(number):
        world.sign_in(world.timeline.now + gap * (i + 0.5), (1, 20, 45, 90, 180, 285)[i % 6])


def rotation(stage: Stage) -> SecretRotation:
    return SecretRotation(
        connection=NAME,
        client_id=COGNITO,
        pool=POOL,
        states=DynamoDBSecretStates(stage.aws.clients("dynamodb"), TABLE),
        publisher=stage.publisher,
        clients=CognitoProviderClients(stage.pool.clients),
        draw=lambda: f"secret-{len(stage.pool.secrets)}-of-the-user-pool-00000000",
        tell=lambda _: None,
        clock=stage.timeline,
        sleep=stage.timeline.sleep,
    )


def test_both_client_secrets(aws):
    """Cognito's by the scheduled function, ten times; the IdP's twenty times, at first with two of them live, then with one."""
    made, idp, world = stage(aws)
    refused_with_two: list[int] = []

    def at(hours: float, action: Callable[[], object]) -> None:
        made.timeline.at(START + hours * HOUR, action)

    def replaced(number: int, overlap: float) -> None:
        """Let the IdP make a new secret, which the operator stores in time."""
        old, new = f"upstream-secret-{number}", f"upstream-secret-{number + 1}"
        idp.client_secrets.add(new)
        made.timeline.at(made.timeline.now + overlap / 2, lambda: made.put_secret(UPSTREAM, new))
        made.timeline.at(made.timeline.now + overlap, lambda: idp.client_secrets.discard(old))

    for i in range(10):
        at(2 * i + 1, lambda: rotation(made).run(patience=120))
        at(2 * i + 2, lambda: rotation(made).run(patience=120, begin=False))
    for i in range(20):
        at(i + 1.25, partial(replaced, i, 0.5 * HOUR if i < 10 else 0.0))
    at(11, lambda: refused_with_two.append(len(idp.refusals)))
    people(world, SIGN_INS, hours=22)
    made.timeline.run()

    assert world.failures == []
    assert world.ended == SIGN_INS
    assert len(made.pool.secrets) == 11
    assert idp.client_secrets == {"upstream-secret-20"}
    # With one secret whoever still has the old one is refused by the IdP, and tries again unseen.
    assert refused_with_two == [0]
    assert set(idp.refusals) == {"invalid_client"}


def test_cognitos_secret_by_one_command(aws):
    """That waits while the world goes on."""
    made, _, world = stage(aws)
    for i in range(1, 4):
        made.timeline.at(START + i * HOUR, lambda: rotation(made).run(patience=HOUR))
    people(world, 100, hours=4)
    made.timeline.run()
    assert (world.failures, world.ended, len(made.pool.secrets)) == ([], 100, 4)


def test_without_waiting_sign_ins_fail(aws):
    """What the waiting is for: Cognito gets the new secret at once, and the old one is forgotten at once."""
    made, _, world = stage(aws)

    def hurried() -> None:
        skipped = [0.0]
        hurrying = replace(
            rotation(made), clock=lambda: made.timeline.now + sum(skipped), sleep=skipped.append
        )
        assert hurrying.run(patience=HOUR).action == "rest"

    made.timeline.at(START + HOUR, hurried)
    for i in range(40):
        world.sign_in(START + HOUR - 30 + 3 * i, 1.0)
        world.sign_in(START + HOUR - 120 + 3 * i, 240.0)
    made.timeline.run()
    # Some while one half of Cognito has the other secret, some because their version of the connection is gone.
    assert any("invalid_client" in failure for failure in world.failures)
    assert any("Try again" in failure for failure in world.failures)


def test_an_idps_secret_that_nobody_stored(aws):
    """What storing it is for: the old one works until the IdP drops it."""
    made, idp, world = stage(aws)
    dropped = made.timeline.now + HOUR
    made.timeline.at(
        dropped, lambda: idp.client_secrets.symmetric_difference_update({"upstream-secret-0", "another"})
    )
    people(world, 60, hours=2)
    made.timeline.run()
    assert 0 < len(world.failures) < 60
    assert all(float(failure.split()[5].rstrip(":,")) >= dropped for failure in world.failures)
