"""No function can do more than its code calls: calls that were recorded, against the roles, both ways.

`everybody_signs_in_and_out` makes the calls. What AWS itself does with a function's role, and no code calls, is in
`implied`, each with the page that says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.infra.enterprise import ACCOUNT
from tests.infra.privileged import ARN, BASE_URL, USES, everybody_signs_in_and_out
from tests.infra.template import Template
from tests.support.iam import Access, allowed, listed, matching
from tests.support.recorded_aws import Call

PARAMETERS = {
    "BaseUrl": BASE_URL,
    "KeepSessions": "true",
    "IdTokenKeys": ",".join([
        f"kms:{ARN.format('id-token')}", "secretsmanager:fedbridge/prod/id-token/2027",
        "ssm:/fedbridge/prod/id-token/2027",
    ]),
    "SubnetIds": "subnet-1",
    "SecurityGroupIds": "sg-1",
    "Tracing": "true",
}  # fmt: skip
"""A stack in which every statement of every policy is there."""

FUNCTIONS = ("FrontChannel", "BackChannel", "Saml")
REGION = "eu-central-1"
TAG = "aws:ResourceTag/fedbridge:{}"
OF_PROD = {TAG.format("environment"): "prod"}


@pytest.fixture(scope="module")
def calls():
    """Function → the calls that it made."""
    with everybody_signs_in_and_out(PARAMETERS) as aws:
        return {function: list(aws.calls[function]) for function in FUNCTIONS}


def statements(function: str, **parameters: str) -> list[dict[str, Any]]:
    """Return the statements of every policy of the function's role."""
    template = Template(PARAMETERS | parameters)
    role = template.properties(template.properties(function)["Role"].removesuffix(".Arn"))
    documents = [policy["PolicyDocument"] for policy in role["Policies"]]
    documents += [template.properties(name)["PolicyDocument"] for name in role.get("ManagedPolicyArns", [])]
    return [statement for document in documents for statement in document["Statement"]]


def access_of(call: Call) -> Access:
    """Return what IAM is asked for a call: the resource's ARN, and the tags that it has."""
    action, asked = f"{call.service}:{call.operation}", call.parameters
    by_code = {"lambda:SourceFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}
    match call.service:
        case "dynamodb":
            return Access(action=action, resource=f"{asked['TableName']}.Arn", context=by_code)
        case "kms":
            tags = OF_PROD | {TAG.format("use"): USES[asked["KeyId"].rpartition("/")[2]]}
            return Access(action=action, resource=asked["KeyId"], context=by_code | tags)
        case "secretsmanager":
            # Secrets Manager puts six random characters behind every name.
            arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{asked['SecretId']}-a1b2c3"
            return Access(action=action, resource=arn, context=by_code)
        case "ssm":
            arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{asked['Name']}"
            return Access(action=action, resource=arn, context=by_code)
        case "cognito-idp":
            arn = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{asked['UserPoolId']}"
            return Access(action=action, resource=arn, context=by_code | OF_PROD)
    raise NotImplementedError(call.service)


def implied(function: str, made: set[Access]) -> Iterator[Access]:
    """Yield what AWS does under the function's role because of its calls, or for it to run at all."""
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html: Lambda ships logs with it.
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Access(action=f"logs:{action}", resource=f"{function}Log.Arn")
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
    for action in (
        "CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface",
        "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
    ):  # fmt: skip
        yield Access(action=f"ec2:{action}", resource="*")
    # https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html: Lambda hands traces over with it.
    for action in ("PutTraceSegments", "PutTelemetryRecords"):
        yield Access(action=f"xray:{action}", resource="*")
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html: what a principal that
    # uses a table under a customer managed key has to be allowed with it.
    for table in {access.resource for access in made if access.action.startswith("dynamodb:")}:
        key = "SessionsKey.Arn" if table == "Sessions.Arn" else "TableKey.Arn"
        for action in (
            "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom",
            "ReEncryptTo", "DescribeKey",
        ):  # fmt: skip
            via = {"kms:ViaService": f"dynamodb.{REGION}.amazonaws.com"}
            yield Access(action=f"kms:{action}", resource=key, context=via)
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html and
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html
    for service in {access.action.partition(":")[0] for access in made} & {"secretsmanager", "ssm"}:
        tags = OF_PROD | {TAG.format("use"): "secrets", "kms:ViaService": f"{service}.{REGION}.amazonaws.com"}
        yield Access(action="kms:Decrypt", resource=ARN.format("of-secrets"), context=tags)


def made_by(calls: Mapping[str, list[Call]], function: str) -> set[Access]:
    made = {access_of(call) for call in calls[function]}
    return made | set(implied(function, made))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_call_is_allowed(calls, function):
    made = made_by(calls, function)
    assert len(made) > 20
    assert [access for access in made if not allowed(statements(function), access)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_permission_is_used(calls, function):
    """Each action of each statement, on each kind of resource that the statement names."""
    made = made_by(calls, function)
    unused = [
        (statement["Sid"], action, resource)
        for statement in statements(function)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if _same_service(action, resource)
        and not any(
            list(matching([statement | {"Action": action, "Resource": resource}], access)) for access in made
        )
    ]
    assert unused == []


def _same_service(action: str, resource: str) -> bool:
    return not resource.startswith("arn:") or resource.split(":")[2] == action.partition(":")[0]


# --- and nothing else ---------------------------------------------------------------------------------------------


def elsewhere(access: Access) -> Iterator[Access]:
    """Yield requests like one that is allowed, to what it must not reach."""
    for key in access.context:
        if key.startswith("aws:ResourceTag/"):
            yield replace(access, context={**access.context, key: "other"})
            yield replace(
                access, context={name: value for name, value in access.context.items() if name != key}
            )
    if "kms:ViaService" in access.context:
        yield replace(access, context=_without(access.context, "kms:ViaService"))
        for service in ("s3", "secretsmanager", "ssm", "dynamodb"):
            other = f"{service}.{REGION}.amazonaws.com"
            if (service == "dynamodb") != access.context["kms:ViaService"].startswith("dynamodb"):
                yield replace(access, context={**access.context, "kms:ViaService": other})
    service, *_ = access.action.split(":")
    if service == "dynamodb":
        yield replace(access, resource="Others.Arn")
        for action in ("DeleteTable", "Scan", "Query", "BatchWriteItem", "ExportTableToPointInTime"):
            yield replace(access, action=f"dynamodb:{action}")
    if service in ("secretsmanager", "ssm"):
        for there in ("fedbridge/staging/", "fedbridge/production/", "fedbridge/prod-2/", ""):
            yield replace(access, resource=access.resource.replace("fedbridge/prod/", there))
        yield replace(
            access, resource=access.resource.replace("fedbridge/prod/", "fedbridge/prod/registration/")
        )
        yield replace(access, action=f"{service}:Put{'SecretValue' if service != 'ssm' else 'Parameter'}")
    if service == "kms":
        for action in ("CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion", "TagResource", "Verify"):
            yield replace(access, action=f"kms:{action}")
    if service == "ec2":
        by_code = {"lambda:SourceFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}
        yield replace(access, context=by_code)
    if service == "cognito-idp":
        for action in (
            "AdminGetUser",
            "AdminCreateUser",
            "AdminSetUserPassword",
            "ListUsers",
            "DeleteUserPool",
        ):
            yield replace(access, action=f"cognito-idp:{action}")
    for arn in (
        access.resource.replace(ACCOUNT, "999999999999"),
        access.resource.replace(REGION, "eu-west-9"),
    ):
        if arn != access.resource:
            yield replace(access, resource=arn)


def _without(context: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in context.items() if name != key}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_beside_it_is_allowed(calls, function):
    """Other environments, tags, tables, names, services, accounts and regions, and what administrators do."""
    others = {other for access in made_by(calls, function) for other in elsewhere(access)}
    assert len(others) > 100
    assert [access for access in others if allowed(statements(function), access)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_another_environment_s_role_may_do_none_of_it(calls, function):
    named = ("secretsmanager", "ssm", "kms", "cognito-idp")
    made = {
        access
        for access in made_by(calls, function)
        if access.action.startswith(named) and not access.resource.endswith(".Arn")
    }
    assert len(made) > 3
    staging = statements(function, Environment="staging")
    assert [access for access in made if allowed(staging, access)] == []


OWN = {
    "FrontChannel": {"client-assertion", "token-decryption"},
    "BackChannel": {"id-token"},
    "Saml": {"saml-signing", "saml-decryption"},
}
"""Whose KMS keys are whose."""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_may_do_with_keys_what_another_does(calls, function):
    for other in set(FUNCTIONS) - {function}:
        with_keys = [
            access
            for access in made_by(calls, other)
            if access.context.get(TAG.format("use")) in OWN[other] and access.action.startswith("kms:")
        ]
        assert len(with_keys) >= 2
        assert [access for access in with_keys if allowed(statements(function), access)] == []


@pytest.mark.parametrize(
    "function,name,expected",
    [
        ("FrontChannel", "bank/client", True),
        ("FrontChannel", "oidc/bank/client", True),
        ("FrontChannel", "saml/acme/key", False),
        ("FrontChannel", "id-token/2027", False),
        ("FrontChannel", "registration/bank", False),
        ("Saml", "acme-saml", True),
        ("Saml", "saml/acme/key", True),
        ("Saml", "oidc/bank/client", False),
        ("Saml", "id-token/2027", False),
        ("Saml", "registration/bank", False),
        ("BackChannel", "id-token/2027", True),
        ("BackChannel", "bank/client", False),
        ("BackChannel", "saml/acme/key", False),
        ("BackChannel", "registration/bank", False),
    ],
)
def test_secrets_are_parted_by_their_names(function, name, expected):
    secret = Call("secretsmanager", "GetSecretValue", {"SecretId": f"fedbridge/prod/{name}"})
    parameter = Call("ssm", "GetParameter", {"Name": f"/fedbridge/prod/{name}"})
    for call in (secret, parameter):
        assert allowed(statements(function), access_of(call)) is expected


JUDGED = {
    **{f"{function}Role": "test_least_privilege.py" for function in FUNCTIONS},
    "OperationsRole": "test_operations_privileges.py",
    "PreSignUpRole": "test_triggers.py",
    "PreTokenGenerationRole": "test_triggers.py",
    # CodeDeploy's, not a function's: what it does is AWS's own code.
    "TrafficShiftingRole": "test_enterprise.py",
}
"""Role → the test that holds it against what its function calls."""


def test_every_role_is_held_against_what_is_called():
    roles = {name for name, each in Template().raw["Resources"].items() if each["Type"] == "AWS::IAM::Role"}
    assert roles == JUDGED.keys(), (
        "record what the function calls (tests/infra/privileged.py), and judge its role"
    )
    for role, file in JUDGED.items():
        assert role.removesuffix("Role") in (Path(__file__).parent / file).read_text(), (role, file)
