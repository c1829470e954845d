"""Who may do what in the stack: every grant of every role and key, and nothing that is public."""

import json
import re

import pytest

from tests.infra.template import CUSTOM_DOMAIN, Template

KEYS = "arn:aws:kms:eu-central-1:111122223333:key/*"
SECRETS = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:fedbridge/prod"
PARAMETERS = "arn:aws:ssm:eu-central-1:111122223333:parameter/fedbridge/prod"
USER_POOLS = "arn:aws:cognito-idp:eu-central-1:111122223333:userpool/*"
ENVIRONMENT = "aws:ResourceTag/fedbridge:environment = prod"
USE = "aws:ResourceTag/fedbridge:use"
VIA_DYNAMODB = "kms:ViaService = dynamodb.eu-central-1.amazonaws.com"
VIA_SECRET_STORES = (
    "kms:ViaService = secretsmanager.eu-central-1.amazonaws.com, ssm.eu-central-1.amazonaws.com"
)

# Every action that every role has, where, and under which conditions. To change a policy is to change this list.
COMMON_GRANTS = {
    "Allow dynamodb:GetItem on Connections.Arn",
    f"Allow kms:Decrypt on TableKey.Arn if {VIA_DYNAMODB}",
    f"Allow kms:Encrypt on TableKey.Arn if {VIA_DYNAMODB}",
    f"Allow kms:GenerateDataKey* on TableKey.Arn if {VIA_DYNAMODB}",
    f"Allow kms:ReEncrypt* on TableKey.Arn if {VIA_DYNAMODB}",
    f"Allow kms:DescribeKey on TableKey.Arn if {VIA_DYNAMODB}",
    f"Allow kms:Decrypt on {KEYS} if {ENVIRONMENT}; {USE} = secrets; {VIA_SECRET_STORES}",
}
GRANTS = {
    "FrontChannelRole": COMMON_GRANTS
    | {
        f"Allow cognito-idp:AdminUserGlobalSignOut on {USER_POOLS} if {ENVIRONMENT}",
        "Allow logs:CreateLogStream on FrontChannelLog.Arn",
        "Allow logs:PutLogEvents on FrontChannelLog.Arn",
        "Allow dynamodb:PutItem on Transactions.Arn",
        "Allow dynamodb:UpdateItem on Transactions.Arn",
        f"Allow kms:Sign on {KEYS} if {ENVIRONMENT}; {USE} = client-assertion",
        f"Allow kms:GetPublicKey on {KEYS} if {ENVIRONMENT}; {USE} = client-assertion",
        f"Allow kms:Decrypt on {KEYS} if {ENVIRONMENT}; {USE} = token-decryption",
        f"Allow kms:DeriveSharedSecret on {KEYS} if {ENVIRONMENT}; {USE} = token-decryption",
        f"Allow kms:GetPublicKey on {KEYS} if {ENVIRONMENT}; {USE} = token-decryption",
        f"Allow secretsmanager:GetSecretValue on {SECRETS}/*",
        f"Allow ssm:GetParameter on {PARAMETERS}/*",
        f"Deny secretsmanager:GetSecretValue on {SECRETS}/id-token/*",
        f"Deny ssm:GetParameter on {PARAMETERS}/id-token/*",
        f"Deny secretsmanager:GetSecretValue on {SECRETS}/registration/*",
        f"Deny ssm:GetParameter on {PARAMETERS}/registration/*",
        f"Deny secretsmanager:GetSecretValue on {SECRETS}/saml/*",
        f"Deny ssm:GetParameter on {PARAMETERS}/saml/*",
    },
    "SamlRole": COMMON_GRANTS
    | {
        f"Allow cognito-idp:AdminUserGlobalSignOut on {USER_POOLS} if {ENVIRONMENT}",
        "Allow logs:CreateLogStream on SamlLog.Arn",
        "Allow logs:PutLogEvents on SamlLog.Arn",
        "Allow dynamodb:PutItem on Transactions.Arn",
        "Allow dynamodb:UpdateItem on Transactions.Arn",
        f"Allow kms:Sign on {KEYS} if {ENVIRONMENT}; {USE} = saml-signing",
        f"Allow kms:GetPublicKey on {KEYS} if {ENVIRONMENT}; {USE} = saml-signing",
        f"Allow kms:Decrypt on {KEYS} if {ENVIRONMENT}; {USE} = saml-decryption",
        f"Allow kms:GetPublicKey on {KEYS} if {ENVIRONMENT}; {USE} = saml-decryption",
        f"Allow secretsmanager:GetSecretValue on {SECRETS}/*",
        f"Allow ssm:GetParameter on {PARAMETERS}/*",
        f"Deny secretsmanager:GetSecretValue on {SECRETS}/id-token/*",
        f"Deny ssm:GetParameter on {PARAMETERS}/id-token/*",
        f"Deny secretsmanager:GetSecretValue on {SECRETS}/registration/*",
        f"Deny ssm:GetParameter on {PARAMETERS}/registration/*",
        f"Deny secretsmanager:GetSecretValue on {SECRETS}/oidc/*",
        f"Deny ssm:GetParameter on {PARAMETERS}/oidc/*",
    },
    "BackChannelRole": COMMON_GRANTS
    | {
        f"Allow cognito-idp:AdminUserGlobalSignOut on {USER_POOLS} if {ENVIRONMENT}",
        "Allow logs:CreateLogStream on BackChannelLog.Arn",
        "Allow logs:PutLogEvents on BackChannelLog.Arn",
        "Allow dynamodb:UpdateItem on Transactions.Arn",
        "Allow dynamodb:GetItem on Transactions.Arn",
        f"Allow kms:Sign on {KEYS} if {ENVIRONMENT}; {USE} = id-token",
        f"Allow kms:GetPublicKey on {KEYS} if {ENVIRONMENT}; {USE} = id-token",
        f"Allow secretsmanager:GetSecretValue on {SECRETS}/id-token/*",
        f"Allow ssm:GetParameter on {PARAMETERS}/id-token/*",
    },
}
# What rotates keys makes and publishes them: for rings alone, and it reads no registration token.
_USES = "client-assertion, token-decryption, saml-signing, saml-decryption, id-token"
_NEW = f"aws:RequestTag/fedbridge:environment = prod; aws:RequestTag/fedbridge:use = {_USES}"
# with the operator …IfExists: a new key has no tags, and one that has some keeps them
_STAYS = f"{ENVIRONMENT}; {USE} = {_USES}; kms:KeySpec = RSA_*, ECC_NIST_*"
_OF_A_RING = "aws:ResourceTag/fedbridge:ring = false"  # with the operator Null: the tag is there
GRANTS["OperationsRole"] = COMMON_GRANTS | {
    "Allow logs:CreateLogStream on OperationsLog.Arn",
    "Allow logs:PutLogEvents on OperationsLog.Arn",
    "Allow dynamodb:Scan on Connections.Arn",
    "Allow dynamodb:PutItem on Connections.Arn",
    "Allow dynamodb:UpdateItem on Connections.Arn",
    f"Allow cognito-idp:DescribeIdentityProvider on {USER_POOLS} if {ENVIRONMENT}",
    f"Allow cognito-idp:UpdateIdentityProvider on {USER_POOLS} if {ENVIRONMENT}",
    f"Allow kms:CreateKey on * if {_NEW}; aws:RequestTag/fedbridge:ring = false",
    f"Allow kms:TagResource on {KEYS} if {_NEW}; {_STAYS}; aws:RequestTag/fedbridge:ring = false",
    f"Allow kms:GetPublicKey on {KEYS} if {ENVIRONMENT}; {USE} = {_USES}",
    f"Allow kms:Sign on {KEYS} if {ENVIRONMENT}; {USE} = client-assertion, saml-signing; {_OF_A_RING}",
    f"Allow kms:DisableKey on {KEYS} if {ENVIRONMENT}; {_OF_A_RING}",
    f"Allow secretsmanager:CreateSecret on {SECRETS}/oidc/rings/*",
    f"Allow secretsmanager:CreateSecret on {SECRETS}/saml/rings/*",
    f"Allow secretsmanager:CreateSecret on {SECRETS}/id-token/*",
    f"Allow secretsmanager:GetSecretValue on {SECRETS}/*",
    f"Allow ssm:GetParameter on {PARAMETERS}/*",
    f"Deny secretsmanager:GetSecretValue on {SECRETS}/registration/*",
    f"Deny ssm:GetParameter on {PARAMETERS}/registration/*",
}

# What the table of sessions adds, in a stack that has one.
_SESSIONS_KEY = {
    f"Allow kms:{action} on SessionsKey.Arn if {VIA_DYNAMODB}"
    for action in ("Decrypt", "Encrypt", "GenerateDataKey*", "ReEncrypt*", "DescribeKey")
}
SESSION_GRANTS = {
    "FrontChannelRole": _SESSIONS_KEY
    | {f"Allow dynamodb:{action} on Sessions.Arn" for action in ("PutItem", "GetItem", "DeleteItem")},
    "SamlRole": _SESSIONS_KEY
    | {f"Allow dynamodb:{action} on Sessions.Arn" for action in ("PutItem", "GetItem", "DeleteItem")},
    "BackChannelRole": _SESSIONS_KEY
    | {f"Allow dynamodb:{action} on Sessions.Arn" for action in ("GetItem", "DeleteItem")},
}


def as_list(value):
    return value if isinstance(value, list) else [value]


def grants(statements):
    """Return "Effect action on resource if conditions" for each action and each resource of its service."""
    found = set()
    for statement in statements:
        conditions = "; ".join(
            f"{key} = {', '.join(as_list(value))}"
            for operator in statement.get("Condition", {}).values()
            for key, value in operator.items()
        )
        found |= {
            f"{statement['Effect']} {action} on {resource}" + (f" if {conditions}" if conditions else "")
            for action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
            if not resource.startswith("arn:") or resource.split(":")[2] == action.split(":")[0]
        }
    return found


@pytest.mark.parametrize("role", GRANTS)
def test_each_role_may_do_exactly_what_its_function_does(template, role):
    properties = template.properties(role)
    assert "ManagedPolicyArns" not in properties
    (policy,) = properties["Policies"]
    assert grants(policy["PolicyDocument"]["Statement"]) == GRANTS[role]
    assert properties["AssumeRolePolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]


@pytest.mark.parametrize("role", GRANTS)
def test_sessions_add_what_keeping_them_takes_and_nothing_else(role):
    (policy,) = Template({"KeepSessions": "true"}).properties(role)["Policies"]
    assert grants(policy["PolicyDocument"]["Statement"]) == GRANTS[role] | SESSION_GRANTS.get(role, set())


def test_every_function_has_a_role_of_its_own(template):
    functions = template.resources("AWS::Serverless::Function")
    assert {template.properties(name)["Role"].removesuffix(".Arn") for name in functions} == set(GRANTS)
    assert set(template.resources("AWS::IAM::Role")) == set(GRANTS)


def test_nothing_of_another_environment_is_reached():
    (policy,) = Template({"Environment": "staging"}).properties("FrontChannelRole")["Policies"]
    by_name_or_tag = [grant for grant in grants(policy["PolicyDocument"]["Statement"]) if "/*" in grant]
    assert len(by_name_or_tag) == 15
    for grant in by_name_or_tag:
        assert "fedbridge/staging/" in grant or "fedbridge:environment = staging" in grant


def test_only_the_back_channel_signs_with_the_id_token_key(template):
    key = template.properties("IdTokenKey")
    assert (key["KeySpec"], key["KeyUsage"]) == ("RSA_2048", "SIGN_VERIFY")
    assert {tag["Key"]: tag["Value"] for tag in key["Tags"]} == {
        "fedbridge:environment": "prod",
        "fedbridge:use": "id-token",
    }
    manage, sign = key["KeyPolicy"]["Statement"]
    assert manage["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert not {"kms:*", "kms:Sign", "kms:CreateGrant"} & set(manage["Action"])
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource"} <= set(manage["Action"])
    assert sign["Principal"] == {"AWS": "BackChannelRole.Arn"}
    assert sign["Action"] == ["kms:Sign", "kms:GetPublicKey"]


@pytest.mark.parametrize("name", ["TableKey", "SessionsKey"])
def test_nobody_reads_with_the_key_of_a_table_but_through_dynamodb(template, name):
    key = template.properties(name)
    assert key["EnableKeyRotation"] is True
    manage, use = key["KeyPolicy"]["Statement"]
    cryptographic = re.compile(r"kms:(\*|Decrypt|Encrypt|GenerateDataKey|ReEncrypt|CreateGrant|Verify|Sign)")
    assert not [action for action in manage["Action"] if cryptographic.match(action)]
    assert use["Condition"] == {
        "StringEquals": {
            "kms:CallerAccount": "111122223333",
            "kms:ViaService": "dynamodb.eu-central-1.amazonaws.com",
        }
    }


def test_nothing_is_public_and_nothing_unexpected_is_created():
    template = Template(CUSTOM_DOMAIN)
    assert {resource["Type"] for resource in template.resources().values()} == {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::ApiGatewayV2::DomainName",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Logs::QueryDefinition",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::Logs::MetricFilter",
        "AWS::Route53::RecordSet",
        "AWS::Serverless::Function",
        "AWS::Serverless::LayerVersion",
    }
    assert '"*"' not in re.sub(r'"Resource": "\*"', "", json.dumps(template.resources()))
    # In a key policy "*" is the key itself (AWS KMS, "Key policies"); a key that is to be made has no ARN yet.
    with_any_resource = {
        name for name, resource in template.resources().items() if '"Resource": "*"' in json.dumps(resource)
    }
    assert with_any_resource == {"TableKey", "IdTokenKey", "OperationsRole"}


def test_no_other_origin_reads_answers(template):
    assert "CorsConfiguration" not in template.properties("HttpApi")
