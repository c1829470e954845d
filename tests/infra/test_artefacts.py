"""What `sam build` made, run as Lambda runs it: awslambdaric, function and layer on the path, and nothing else.

A whole sign-in goes through it, so the layer is whole; DynamoDB, KMS and Secrets Manager are ministack's.
"""

import json
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import trustme

from tests.counterparts.api_gateway import ApiGateway
from tests.counterparts.cognito import FederatedUser
from tests.counterparts.ministack import MiniStack
from tests.counterparts.runtime_api import InitError, LambdaSandbox
from tests.infra.onboarding import CONNECTIONS, Onboarded, onboard, strict_idp, watch
from tests.infra.proxy import Proxy
from tests.interop.passage import WARM, Passage
from tests.support import canaries
from tests.support.machine import require_lambda_python
from tests.support.sample_events import CASES, FOLDER

pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

FUNCTIONS = {"front_channel": "FrontChannel", "back_channel": "BackChannel", "saml": "Saml"}
TABLES = {"Transactions": "id", "Connections": "name"}
PROBE = """
import sys
import app

def handler(event, context):
    return sorted(sys.modules) if event == "modules" else app.handler(event, context)
"""
SIGN_IN = Counter(
    {"DynamoDB_20120810.PutItem": 1, "DynamoDB_20120810.UpdateItem": 3, "DynamoDB_20120810.GetItem": 1}
)
SIGNATURE = "TrentService.Sign"
SIGNATURES = {"kms": 2, "key": 1, "secret": 1}
"""The ID token's, and the client assertion's where its key is in KMS."""
MODULES_OF_XML = {"lxml", "xmlsec", "onelogin", "signxml", "defusedxml"}
"""Top-level modules that belong to the SAML function."""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """A layer with a handler around the function's own, which tells what modules the process has loaded."""
    layer = tmp_path_factory.mktemp("probe")
    (layer / "python").mkdir()
    (layer / "python" / "probe.py").write_text(PROBE)
    return layer


@dataclass(frozen=True, kw_only=True)
class Running:
    """The bridge that the built functions are, the processes that they run in, and their calls of AWS."""

    bridge: Onboarded
    sandboxes: Mapping[str, LambdaSandbox]
    aws_calls: list[str]


@pytest.fixture(scope="module")
def running(host_build, probe, tmp_path_factory):
    """Both functions behind an HTTP API with TLS, and what they need of AWS."""
    require_lambda_python()
    folder, authority = tmp_path_factory.mktemp("artefacts"), trustme.CA()
    authority_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with ExitStack() as stack:
        aws = stack.enter_context(MiniStack(host="127.0.0.1"))
        _, _, port = aws.url.rpartition(":")
        proxy = stack.enter_context(Proxy(target=("127.0.0.1", int(port))))
        op = stack.enter_context(strict_idp(authority, folder))
        for table, key in TABLES.items():
            aws.client("dynamodb").create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        id_token_key = aws.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
        gateway = ApiGateway({}, tls=tls)
        environment = {
            **aws.aws_environment,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
            "FEDBRIDGE_ENVIRONMENT": "prod",
            "FEDBRIDGE_BASE_URL": gateway.url,
            "FEDBRIDGE_TRANSACTIONS": "dynamodb:Transactions",
            "FEDBRIDGE_CONNECTIONS": "dynamodb:Connections",
            "FEDBRIDGE_ID_TOKEN_KEYS": f"kms:{id_token_key['KeyMetadata']['Arn']}",
            "FEDBRIDGE_PRIVATE_HOSTS": op.origin.removeprefix("https://"),
            "FEDBRIDGE_CA_BUNDLE": str(authority_file),
            "POWERTOOLS_METRICS_NAMESPACE": "fedbridge/prod",
        }
        front, back = (
            stack.enter_context(
                LambdaSandbox(
                    function=host_build.function(FUNCTIONS[name]),
                    layers=[host_build.layer.parent, probe],
                    handler="probe.handler",
                    env={**environment, "POWERTOOLS_SERVICE_NAME": name},
                )
            )
            for name in ("front_channel", "back_channel")
        )
        gateway.routes = {
            **dict.fromkeys(["ANY /{connection}/authorize", "ANY /{connection}/callback"], front),
            "ANY /{connection}/token": back,
            "ANY /{connection}/userinfo": back,
            "ANY /{connection}/.well-known/openid-configuration": back,
            "ANY /{connection}/.well-known/jwks.json": back,
            "ANY /{connection}/client-jwks.json": back,
        }
        stack.enter_context(gateway)
        bridge = onboard(
            base_url=gateway.url,
            authority=authority_file,
            op=op,
            table="Connections",
            aws=aws.client,
            aws_environment=aws.aws_environment,
            folder=folder,
        )
        yield Running(
            bridge=bridge,
            sandboxes={"front_channel": front, "back_channel": back},
            aws_calls=proxy.aws_calls,
        )


@dataclass(frozen=True, kw_only=True)
class SignIns:
    """Two sign-ins through one connection, and the AWS calls of the second."""

    users: tuple[FederatedUser, ...]
    passages: tuple[Passage, ...]
    aws_calls: Sequence[str]


@pytest.fixture(scope="module")
def sign_ins(running):
    """A cold and a warm sign-in through each connection."""

    def sign_in_twice(name):
        cold = running.bridge.sign_in(name)
        running.aws_calls.clear()
        warm = running.bridge.sign_in(name)
        users, passages = zip(cold, warm, strict=True)
        return SignIns(users=users, passages=passages, aws_calls=list(running.aws_calls))

    return {name: sign_in_twice(name) for name in CONNECTIONS}


@pytest.mark.ministack
@pytest.mark.interop
@pytest.mark.parametrize("name", CONNECTIONS)
def test_the_built_functions_sign_a_user_in(sign_ins, name):
    first, second = sign_ins[name].users
    assert first.attributes == {"email": "alice@example.com", "email_verified": "true"}
    assert first.username == second.username
    # Publishing took a snapshot of the provider, so that not even the first one asks for metadata and keys.
    assert [passage.calls for passage in sign_ins[name].passages] == [WARM, WARM]


@pytest.mark.ministack
@pytest.mark.interop
@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_warm_sign_in_makes_five_calls_of_dynamodb_and_one_a_signature(sign_ins, name):
    assert Counter(sign_ins[name].aws_calls) == SIGN_IN + Counter({SIGNATURE: SIGNATURES[name]})


@pytest.mark.ministack
@pytest.mark.interop
def test_no_log_of_the_built_functions_holds_a_secret(sign_ins, running):
    for made in sign_ins.values():
        for user, passage in zip(made.users, made.passages, strict=True):
            watch(user, passage)
    for sandbox in running.sandboxes.values():
        log = sandbox.log(1_000_000)
        assert log.count('"connection":"kms"') >= 2
        canaries.observe_output(log, sandbox.function.name)


@pytest.mark.ministack
@pytest.mark.interop
def test_the_back_channel_loads_neither_joserfc_nor_an_http_client(sign_ins, running):
    loaded = {name: sandbox.invoke("modules").payload for name, sandbox in running.sandboxes.items()}
    packages = {name: {module.partition(".")[0] for module in modules} for name, modules in loaded.items()}
    assert {"fedbridge", "botocore"} <= packages["front_channel"] & packages["back_channel"]
    assert "joserfc" in packages["front_channel"]
    assert packages["back_channel"] & {"joserfc", "httpx", "httpcore", "h11", "yaml"} == set()
    assert [
        name for name in loaded["back_channel"] if name.startswith(("fedbridge.rp", "fedbridge.cli"))
    ] == []
    for found in packages.values():
        assert not found & MODULES_OF_XML


def test_only_the_saml_function_holds_an_xml_library(host_build):
    names = {
        part.name: {path.name.partition(".")[0].partition("-")[0] for path in part.rglob("*")}
        for part in host_build.folder.iterdir()
    }
    assert "joserfc" in names["FedbridgeLayer"]
    assert {name for name, found in names.items() if found & MODULES_OF_XML} == {"Saml"}


# --- fixtures mode ------------------------------------------------------------------------------------------------

FIXTURES = {
    "AWS_SAM_LOCAL": "true",
    "FEDBRIDGE_FIXTURES": "on",
    "FEDBRIDGE_ENVIRONMENT": "prod",
    "FEDBRIDGE_BASE_URL": "https://HttpApi.execute-api.eu-west-1.amazonaws.com",
    "FEDBRIDGE_TRANSACTIONS": "dynamodb:Transactions",
    "FEDBRIDGE_CONNECTIONS": "dynamodb:Connections",
    "FEDBRIDGE_ID_TOKEN_KEYS": "kms:IdTokenKey",
}
SUCCEEDING = [name for name, case in CASES.items() if case.status < 400]


@pytest.fixture
def sandbox(host_build):
    """A fresh process of a built function, as `sam local invoke` starts one for each call."""
    require_lambda_python()

    def sandbox(function, environment):
        return LambdaSandbox(
            function=host_build.function(FUNCTIONS[function]),
            layers=[host_build.layer.parent],
            env={**environment, "POWERTOOLS_SERVICE_NAME": function},
        )

    return sandbox


@pytest.mark.parametrize("name", SUCCEEDING)
@pytest.mark.parametrize("payload", ["http", "rest"])
def test_each_sample_event_that_shall_succeed_succeeds_in_a_fresh_process(sandbox, name, payload):
    case, event = CASES[name], json.loads((FOLDER / payload / f"{name}.json").read_text())
    with sandbox(case.function, FIXTURES) as fresh:
        answer = fresh.invoke(event).payload
    assert answer["statusCode"] == case.status
    said = json.dumps(answer.get("headers") or answer.get("multiValueHeaders")) + answer["body"]
    said += " ".join(answer.get("cookies", []))
    assert [text for text in case.holds if text not in said] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_fixtures_do_not_start_on_lambda(sandbox, function):
    on_lambda = {name: value for name, value in FIXTURES.items() if name != "AWS_SAM_LOCAL"}
    with pytest.raises(InitError, match="FEDBRIDGE_FIXTURES"), sandbox(function, on_lambda):
        pass
