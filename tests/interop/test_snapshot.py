"""Sign-ins through connections that were published with a snapshot of what their provider publishes."""

from collections import Counter
from contextlib import contextmanager

import pytest

from fedbridge.cli import main
from tests.counterparts.cognito import UserPool
from tests.counterparts.faults import ANSWERS, Fault
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import COLD, WARM, sign_in_at_pool
from tests.support.dynamodb import running_dynamodb

pytestmark = pytest.mark.interop

BANK = Declared(
    name="bank",
    yaml="client_authentication: {key: $key}",
    key="P-256",
    authorization="{scope: openid email}",
    client={"token_endpoint_auth_signing_alg": "ES256"},
)


@pytest.fixture(scope="module")
def dynamodb():
    with running_dynamodb() as server:
        yield server


@pytest.fixture(scope="module")
def op():
    with OidcProvider() as op:
        yield op


@pytest.fixture
def cold_bridge(op, dynamodb, tmp_path, monkeypatch):
    """A bridge that nobody has used yet; its connections were published to a table as operators do it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url)
    op.clear_faults()
    op.set_clients()

    @contextmanager
    def cold_bridge(*options):
        def publish(file):
            table = dynamodb.create_table("name")
            assert main(["connections", "apply", "--local", "--table", table, *options, str(file)]) == 0
            return f"dynamodb:{table}"

        with running_bridge(op, tmp_path, [BANK], publish=publish) as bridge:
            yield bridge

    yield cold_bridge
    op.clear_faults()


def sign_in(bridge, browser):
    with UserPool() as pool:
        pool.create_identity_provider(bridge.identity_provider("bank"))
        user, passage = sign_in_at_pool(bridge, pool, browser)
    assert user.attributes["email"] == "alice@example.com"
    return passage.calls


def test_a_cold_sign_in_calls_no_discovery_and_fetches_no_keys(cold_bridge, browser):
    with cold_bridge() as bridge:
        assert sign_in(bridge, browser) == WARM


def test_without_a_snapshot_it_asks_for_everything_once(cold_bridge, browser):
    with cold_bridge("--offline") as bridge:
        assert sign_in(bridge, browser) == COLD


def test_a_cold_sign_in_goes_on_while_discovery_is_down(op, cold_bridge, browser):
    with cold_bridge() as bridge:
        for route in ("discovery", "jwks"):
            op.set_fault(route, Fault(answer=ANSWERS["unavailable"]))
        assert sign_in(bridge, browser) == WARM


def test_keys_that_the_provider_has_rotated_since_are_picked_up(op, cold_bridge, browser):
    with cold_bridge() as bridge:
        op.rotate_keys(publish_old=False)
        assert sign_in(bridge, browser) == WARM + Counter(jwks=1)
        assert sign_in(bridge, browser) == WARM
