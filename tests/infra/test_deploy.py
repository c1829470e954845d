"""The built stack, deployed: it comes up in one pass, its API reaches the functions, and each may do its own work only."""

import base64
import io
import json
import textwrap
import time
import zipfile

import httpx
import pytest

from tests.infra.test_template import BACK_CHANNEL, FRONT_CHANNEL

pytestmark = [
    pytest.mark.built,
    pytest.mark.ministack,
    pytest.mark.timeout(300),
]

# A function that makes the calls it is told to make, with the role that it is given. Its boto3 is ministack's own,
# because the stack's layer knows no services beyond those that the bridge calls.
PROBE = textwrap.dedent("""
    import base64

    import boto3

    def handler(calls, context):
        outcomes = {}
        for name, (service, method, arguments) in calls.items():
            for blob in arguments.keys() & {"Message", "CiphertextBlob"}:
                arguments[blob] = base64.b64decode(arguments[blob])
            client = boto3.client(service)
            try:
                getattr(client, method)(**arguments)
                outcomes[name] = "done"
            except client.exceptions.ClientError as error:
                outcomes[name] = error.response["Error"]["Code"]
        return outcomes
""")
LOG_SECONDS = 20
DENIED = ("AccessDeniedException", "AccessDenied")
DIGEST = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # of nothing


@pytest.fixture(scope="module")
def keys(stack):
    """Keys by what their tags say."""
    kms = stack.client("kms")

    def create(usage="SIGN_VERIFY", **tags):
        key = kms.create_key(
            KeySpec="RSA_2048",
            KeyUsage=usage,
            Tags=[{"TagKey": f"fedbridge:{name}", "TagValue": value} for name, value in tags.items()],
        )
        return key["KeyMetadata"]["Arn"]

    return {
        "the stack's": stack.outputs["IdTokenKeyArn"],
        "id-token": create(environment="prod", use="id-token"),
        "client-assertion": create(environment="prod", use="client-assertion"),
        "id-token of staging": create(environment="staging", use="id-token"),
        "client-assertion of staging": create(environment="staging", use="client-assertion"),
        "token-decryption": create("ENCRYPT_DECRYPT", environment="prod", use="token-decryption"),
        "token-decryption of staging": create(
            "ENCRYPT_DECRYPT", environment="staging", use="token-decryption"
        ),
        "use without environment": create(use="client-assertion"),
        "no tags": create(),
    }


@pytest.fixture(scope="module")
def secrets(stack):
    """Names of secrets and, after a slash, of parameters."""
    names = [
        "fedbridge/prod/acme/client-secret",
        "fedbridge/prod/id-token/2027",
        "fedbridge/prod/registration/acme",
        "fedbridge/staging/acme/client-secret",
        "fedbridge/production/acme/client-secret",
        "acme/client-secret",
    ]
    for name in names:
        stack.client("secretsmanager").create_secret(Name=name, SecretString="s3cret")
        stack.client("ssm").put_parameter(Name=f"/{name}", Value="s3cret", Type="SecureString")
    return names


@pytest.fixture
def attempt(stack):
    """A function that tries calls under the role of one of the stack's functions, and tells which of them are allowed."""
    functions = stack.client("lambda")

    def attempt(function, calls):
        deployed = functions.get_function(FunctionName=stack.resources[function])["Configuration"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("probe.py", PROBE)
        name = f"probe-{function}"
        functions.create_function(
            FunctionName=name,
            Runtime=deployed["Runtime"],
            Role=deployed["Role"],
            Handler="probe.handler",
            Timeout=29,
            Code={"ZipFile": code.getvalue()},
        )
        try:
            answer = functions.invoke(FunctionName=name, Payload=json.dumps(calls))
            outcomes = json.load(answer["Payload"])
        finally:
            functions.delete_function(FunctionName=name)
        assert "FunctionError" not in answer, outcomes
        assert set(outcomes.values()) <= {"done", *DENIED}, outcomes
        return {name for name, outcome in outcomes.items() if outcome == "done"}

    return attempt


def everything(stack, keys, secrets):
    """Return calls that a function might make, by name: what it must be able to do, and what an intruder would try."""
    item = {"id": {"S": "1"}}
    name = {"name": {"S": "1"}}
    change = {"UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "1"}}}
    transactions = {"TableName": stack.outputs["TransactionsTable"]}
    connections = {"TableName": stack.outputs["ConnectionsTable"]}
    calls = {
        "put transaction": ("dynamodb", "put_item", transactions | {"Item": item}),
        "update transaction": ("dynamodb", "update_item", transactions | {"Key": item} | change),
        "read transaction": ("dynamodb", "get_item", transactions | {"Key": item}),
        "delete transaction": ("dynamodb", "delete_item", transactions | {"Key": item}),
        "scan transactions": ("dynamodb", "scan", transactions),
        "read connection": ("dynamodb", "get_item", connections | {"Key": name}),
        "put connection": ("dynamodb", "put_item", connections | {"Item": name}),
        "update connection": ("dynamodb", "update_item", connections | {"Key": name} | change),
        "delete connection": ("dynamodb", "delete_item", connections | {"Key": name}),
        "scan connections": ("dynamodb", "scan", connections),
        "list tables": ("dynamodb", "list_tables", {}),
        "create key": ("kms", "create_key", {}),
        "list keys": ("kms", "list_keys", {}),
        "list secrets": ("secretsmanager", "list_secrets", {}),
        "create secret": (
            "secretsmanager",
            "create_secret",
            {"Name": "fedbridge/prod/x", "SecretString": "x"},
        ),
        "list buckets": ("s3", "list_buckets", {}),
        "list roles": ("iam", "list_roles", {}),
    }
    for tags, arn in keys.items():
        signature = {
            "KeyId": arn,
            "Message": DIGEST,
            "MessageType": "DIGEST",
            "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
        }
        if tags.startswith("token-decryption"):
            oaep = {"KeyId": arn, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
            ciphertext = stack.client("kms").encrypt(Plaintext=b"a key", **oaep)["CiphertextBlob"]
            sent = {**oaep, "CiphertextBlob": base64.b64encode(ciphertext).decode()}
            calls[f"decrypt with {tags}"] = ("kms", "decrypt", sent)
        else:
            calls[f"sign with {tags}"] = ("kms", "sign", signature)
        calls[f"publish {tags}"] = ("kms", "get_public_key", {"KeyId": arn})
        calls[f"disable {tags}"] = ("kms", "disable_key", {"KeyId": arn})
    for secret in secrets:
        calls[f"read {secret}"] = ("secretsmanager", "get_secret_value", {"SecretId": secret})
        calls[f"read /{secret}"] = ("ssm", "get_parameter", {"Name": f"/{secret}", "WithDecryption": True})
    return calls


def test_the_stack_comes_up_in_one_deploy(stack):
    (description,) = stack.client("cloudformation").describe_stacks(StackName="fedbridge")["Stacks"]
    assert description["StackStatus"] == "CREATE_COMPLETE"
    assert stack.outputs["CognitoOidcIssuer"] == f"{stack.base_url}/{{connection}}"
    assert stack.outputs["IdTokenKeyArn"].startswith("arn:aws:kms:eu-central-1:")


@pytest.mark.parametrize("path", sorted(FRONT_CHANNEL | BACK_CHANNEL))
def test_every_route_is_answered_by_the_bridge_and_not_by_the_gateway(stack, path):
    url = stack.base_url + path.format(connection="unknown")
    unknown = httpx.get(url, verify=stack.trust, timeout=30)
    wrong_method = httpx.delete(url, verify=stack.trust, timeout=30)
    assert wrong_method.status_code == 405
    assert wrong_method.headers["allow"]
    if path.endswith(("/token", "/backchannel-logout")):  # POST alone
        assert unknown.status_code == 405
    else:
        assert unknown.status_code in (400, 401, 404)
        assert unknown.text != '{"message":"Not Found"}'
    assert "set-cookie" not in unknown.headers


@pytest.mark.parametrize(
    "function,route",
    [("FrontChannel", "/{connection}/authorize"), ("BackChannel", "/{connection}/.well-known/jwks.json")],
)
def test_each_function_logs_and_counts_where_the_alarms_look(stack, function, route):
    httpx.get(stack.base_url + route.format(connection="unknown"), verify=stack.trust, timeout=30)
    patience = LOG_SECONDS
    while not (found := _refusals(stack, function, route)) and patience:
        time.sleep(1)  # The emulator, like CloudWatch, has a function's last lines a moment after its answer.
        patience -= 1
    line = found[0]
    assert (line["level"], line["message"]) == ("WARNING", "request_refused")
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "fedbridge/prod"


def _refusals(stack, function, route):
    lines = [json.loads(line) for line in stack.log(function) if line.startswith("{")]
    return [
        line for line in lines if (line.get("route"), line.get("reason")) == (route, "unknown_connection")
    ]


@pytest.mark.parametrize("path", ["/", "/acme", "/acme/sign-out", "/acme/authorize/x", "/a/b/authorize"])
def test_what_has_no_route_never_reaches_a_function(stack, path):
    answer = httpx.get(stack.base_url + path, verify=stack.trust, timeout=30)
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_the_front_channel_may_start_and_finish_sign_ins_and_nothing_else(stack, keys, secrets, attempt):
    assert attempt("FrontChannel", everything(stack, keys, secrets)) == {
        "put transaction",
        "update transaction",
        "read connection",
        "sign with client-assertion",
        "publish client-assertion",
        "decrypt with token-decryption",
        "publish token-decryption",
        "read fedbridge/prod/acme/client-secret",
        "read /fedbridge/prod/acme/client-secret",
    }


def test_the_back_channel_may_redeem_and_sign_id_tokens_and_nothing_else(stack, keys, secrets, attempt):
    assert attempt("BackChannel", everything(stack, keys, secrets)) == {
        "update transaction",
        "read transaction",
        "read connection",
        "sign with the stack's",
        "sign with id-token",
        "publish the stack's",
        "publish id-token",
        "read fedbridge/prod/id-token/2027",
        "read /fedbridge/prod/id-token/2027",
    }
