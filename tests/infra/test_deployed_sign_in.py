"""The deployed stack signs users in, with IAM enforced: on-boarded by the operator's command, at two user pools.

The emulator's own Cognito is lax and the emulator of everything else; the strict user pool checks what Cognito checks.
"""

import json
import time
from collections import Counter

import pytest

from tests.counterparts.ministack import MiniStack
from tests.infra.onboarding import CONNECTIONS, emulated_domain, onboard, strict_idp, watch
from tests.interop.passage import WARM
from tests.support import canaries

pytestmark = [
    pytest.mark.built,
    pytest.mark.ministack,
    pytest.mark.interop,
    pytest.mark.timeout(300),
]

SIGN_IN = Counter(
    {"DynamoDB_20120810.PutItem": 1, "DynamoDB_20120810.UpdateItem": 3, "DynamoDB_20120810.GetItem": 1}
)
LOG_SECONDS = 20
SIGNATURES = {"kms": 2, "key": 1, "secret": 1}


@pytest.fixture(scope="module")
def bridge(stack, authority, idp_port, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onboarding")
    with strict_idp(authority, folder, idp_port) as op:
        yield onboard(
            base_url=stack.base_url,
            authority=stack.authority,
            op=op,
            table=stack.outputs["ConnectionsTable"],
            aws=stack.client,
            aws_environment=stack.operator_environment,
            folder=folder,
        )


@pytest.fixture(scope="module")
def cognito(stack):
    """A second account with the user pools: an emulator stands still while its own Cognito waits for an answer."""
    with MiniStack(env={"SSL_CERT_FILE": str(stack.authority)}) as cognito:
        yield cognito


@pytest.fixture(scope="module")
def sign_ins(stack, bridge):
    """Cold and warm sign-ins through each connection, and the AWS calls of the warm one."""

    def sign_in_twice(name):
        cold = bridge.sign_in(name)
        stack.aws_calls.clear()
        warm = bridge.sign_in(name)
        return cold, warm, Counter(stack.aws_calls)

    return {name: sign_in_twice(name) for name in CONNECTIONS}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_user_signs_in_at_a_strict_user_pool(sign_ins, name):
    (first, cold), (second, warm), _ = sign_ins[name]
    assert first.attributes == {"email": "alice@example.com", "email_verified": "true"}
    assert first.username == second.username
    # Publishing took a snapshot of the provider, so that not even the first one asks for metadata and keys.
    assert (cold.calls, warm.calls) == (WARM, WARM)


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_warm_sign_in_makes_five_calls_of_dynamodb_and_one_a_signature(sign_ins, name):
    _, _, aws_calls = sign_ins[name]
    assert aws_calls == SIGN_IN + Counter({"TrentService.Sign": SIGNATURES[name]})


@pytest.mark.usefixtures("sign_ins")  # which are the first ones
@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_user_signs_in_at_the_emulator_s_user_pool(cognito, bridge, name):
    pool = cognito.create_federated_pool(bridge.identity_provider(name), domain=emulated_domain(name))
    with bridge.browser(pool.origins) as browser:
        signed_in = pool.sign_in(browser)
    assert signed_in.claims["email"] == "alice@example.com"
    assert signed_in.claims["cognito:username"].startswith("Bank_")


def test_the_log_groups_say_what_happened_and_hold_no_secret(stack, sign_ins):
    for made in sign_ins.values():
        for user, passage in made[:2]:
            watch(user, passage)
    steps, patience = (
        ("sign_in_started", "sign_in_authorized", "sign_in_redeemed", "userinfo_read"),
        LOG_SECONDS,
    )
    # The emulator, like CloudWatch, has a function's last lines a moment after its answer.
    while min((messages := _messages(stack))[step] for step in steps) < 2 * len(CONNECTIONS) and patience:
        time.sleep(1)
        patience -= 1
    assert {step: messages[step] for step in steps if messages[step] < 2 * len(CONNECTIONS)} == {}


def _messages(stack):
    """Return how often each message was logged, all lines watched for canaries."""
    messages: Counter[str] = Counter()
    for function in ("FrontChannel", "BackChannel"):
        for line in stack.log(function):
            canaries.observe_output(line, function)
            if line.startswith("{"):
                messages[json.loads(line)["message"]] += 1
    return messages


def test_the_identity_provider_finds_the_public_keys_of_each_connection(bridge):
    with bridge.browser() as client:
        keys = {
            name: client.get(f"{bridge.base_url}/{name}/client-jwks.json").json()["keys"]
            for name in CONNECTIONS
        }
    assert [(key["kty"], key["alg"]) for key in keys["kms"]] == [("RSA", "PS256")]
    assert [(key["kty"], key["alg"]) for key in keys["key"]] == [("EC", "ES256")]
    assert keys["secret"] == []
