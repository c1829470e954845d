"""What template.yaml promises: one deploy, explicit routes, least privilege, nothing public, nothing logged in clear."""

import ast
import json
import re

import pytest

from fedbridge.telemetry.events import EVENTS
from tests.infra.template import Template
from tests.support.machine import ROOT

FRONT_CHANNEL = {"/{connection}/authorize", "/{connection}/callback"}
BACK_CHANNEL = {
    "/{connection}/token",
    "/{connection}/userinfo",
    "/{connection}/.well-known/openid-configuration",
    "/{connection}/.well-known/jwks.json",
    "/{connection}/client-jwks.json",
}
CUSTOM_DOMAIN = {
    "DomainName": "login.example.com",
    "CertificateArn": "arn:aws:acm:eu-central-1:111122223333:certificate/1",
    "HostedZoneId": "Z1",
}
KEYS = "arn:aws:kms:eu-central-1:111122223333:key/*"
SECRETS = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:fedbridge/prod"
PARAMETERS = "arn:aws:ssm:eu-central-1:111122223333:parameter/fedbridge/prod"
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
        "Allow logs:CreateLogStream on FrontChannelLog.Arn",
        "Allow logs:PutLogEvents on FrontChannelLog.Arn",
        "Allow dynamodb:PutItem on Transactions.Arn",
        "Allow dynamodb:UpdateItem on Transactions.Arn",
        f"Allow kms:Sign on {KEYS} if {ENVIRONMENT}; {USE} = client-assertion",
        f"Allow kms:GetPublicKey on {KEYS} if {ENVIRONMENT}; {USE} = client-assertion",
        f"Allow secretsmanager:GetSecretValue on {SECRETS}/*",
        f"Allow ssm:GetParameter on {PARAMETERS}/*",
        f"Deny secretsmanager:GetSecretValue on {SECRETS}/id-token/*",
        f"Deny ssm:GetParameter on {PARAMETERS}/id-token/*",
    },
    "BackChannelRole": COMMON_GRANTS
    | {
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


@pytest.fixture
def template():
    return Template()


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


def routes(template):
    """Return route key → logical id of the function."""
    integrations = template.resources("AWS::ApiGatewayV2::Integration")
    found = {}
    for route in template.resources("AWS::ApiGatewayV2::Route").values():
        integration = integrations[route["Properties"]["Target"].removeprefix("integrations/")]["Properties"]
        found[route["Properties"]["RouteKey"]] = integration["IntegrationUri"].removesuffix(".Arn")
    return found


# --- one deploy ---------------------------------------------------------------------------------------------------


def test_resources_can_be_created_in_one_pass(template):
    order = template.order()
    assert set(order) == set(template.raw["Resources"])
    assert order.index("HttpApi") < order.index("FrontChannel") < order.index("AuthorizeRoute")
    assert template.raw["Transform"] == "AWS::Serverless-2016-10-31"


def test_every_parameter_has_a_default(template):
    parameters = template.raw["Parameters"]
    assert [name for name in parameters if "Default" not in parameters[name]] == []


def test_every_parameter_is_used(template):
    written = json.dumps({key: template.raw[key] for key in ("Resources", "Conditions", "Globals")})
    unused = [
        name
        for name in template.raw["Parameters"]
        if f'{{"Ref": "{name}"}}' not in written and f"${{{name}}}" not in written
    ]
    assert unused == []


@pytest.mark.parametrize(
    "parameters,base_url",
    [
        ({}, "https://HttpApi.execute-api.eu-central-1.amazonaws.com"),
        (CUSTOM_DOMAIN, "https://login.example.com"),
        (CUSTOM_DOMAIN | {"BaseUrl": "https://sign-in.example.com"}, "https://sign-in.example.com"),
    ],
    ids=["api", "custom-domain", "something-in-front"],
)
def test_functions_and_outputs_know_the_same_base_url(parameters, base_url):
    template = Template(parameters)
    for name in ("FrontChannel", "BackChannel"):
        assert template.properties(name)["Environment"]["Variables"]["FEDBRIDGE_BASE_URL"] == base_url
    outputs = template.outputs()
    issuer = f"{base_url}/{{connection}}"
    addresses = {name: value for name, value in outputs.items() if value.startswith("https:")}
    assert {name: value.removeprefix(issuer) for name, value in addresses.items()} == {
        "CognitoOidcIssuer": "",
        "CognitoAuthorizeUrl": "/authorize",
        "CognitoTokenUrl": "/token",
        "CognitoAttributesUrl": "/userinfo",
        "CognitoJwksUri": "/.well-known/jwks.json",
        "CallbackUrl": "/callback",
        "ClientJwksUri": "/client-jwks.json",
    }


def test_the_outputs_name_what_operators_need(template):
    outputs = template.outputs()
    assert outputs["ConnectionsTable"] == "Connections"
    assert outputs["TransactionsTable"] == "Transactions"
    assert outputs["IdTokenKeyArn"] == "IdTokenKey.Arn"
    assert outputs["SecretsPrefix"] == "fedbridge/prod/"
    assert "DomainTarget" not in outputs
    assert Template(CUSTOM_DOMAIN).outputs()["DomainTarget"] == "Domain.RegionalDomainName"


def test_a_custom_domain_replaces_the_apis_own_address(template):
    domain = {"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet"}
    assert not domain & {resource["Type"] for resource in template.resources().values()}
    assert template.properties("HttpApi")["DisableExecuteApiEndpoint"] is False
    template = Template(CUSTOM_DOMAIN)
    assert domain <= {resource["Type"] for resource in template.resources().values()}
    assert template.properties("HttpApi")["DisableExecuteApiEndpoint"] is True
    (configuration,) = template.properties("Domain")["DomainNameConfigurations"]
    assert configuration["SecurityPolicy"] == "TLS_1_2"


# --- routes and functions -----------------------------------------------------------------------------------------


def test_each_path_is_one_explicit_route_for_any_method(template):
    assert routes(template) == {f"ANY {path}": "FrontChannel" for path in FRONT_CHANNEL} | {
        f"ANY {path}": "BackChannel" for path in BACK_CHANNEL
    }


def test_the_routes_are_those_that_the_code_knows(template):
    known: dict[str, str] = {}
    for name in template.resources("AWS::Serverless::Function"):
        source = ROOT / template.properties(name)["CodeUri"] / "app.py"
        (table,) = [
            statement.value
            for statement in ast.parse(source.read_text()).body
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "ROUTES"
        ]
        assert isinstance(table, ast.Dict)
        known |= {f"ANY {ast.literal_eval(path)}": name for path in table.keys if path}
    assert routes(template) == known


def test_every_route_is_served_by_the_default_stage_of_the_only_api(template):
    assert list(template.resources("AWS::ApiGatewayV2::Api")) == ["HttpApi"]
    for kind in ("Route", "Integration", "Stage"):
        for resource in template.resources(f"AWS::ApiGatewayV2::{kind}").values():
            assert resource["Properties"]["ApiId"] == "HttpApi"
    stage = template.properties("DefaultStage")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}


@pytest.mark.parametrize("name", ["FrontChannel", "BackChannel"])
def test_the_api_and_nobody_else_invokes_the_functions(template, name):
    integration = template.properties(f"{name}Integration")
    assert integration["IntegrationType"] == "AWS_PROXY"
    assert integration["PayloadFormatVersion"] == "2.0"
    permissions = [
        permission["Properties"]
        for permission in template.resources("AWS::Lambda::Permission").values()
        if permission["Properties"]["FunctionName"] == name
    ]
    assert permissions == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": name,
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": "arn:aws:execute-api:eu-central-1:111122223333:HttpApi/*",
        }
    ]


@pytest.mark.parametrize("name", ["FrontChannel", "BackChannel"])
def test_each_function_runs_as_measured(template, name):
    function = template.properties(name)
    folder = {"FrontChannel": "front_channel", "BackChannel": "back_channel"}[name]
    assert function["Runtime"] == "python3.13"
    assert function["Handler"] == "app.handler"
    assert function["CodeUri"] == f"functions/{folder}/"
    assert function["Architectures"] == ["arm64"]
    assert function["MemorySize"] == 512
    assert function["Timeout"] == 29
    assert function["Layers"] == ["FedbridgeLayer"]
    assert function["Role"] == f"{name}Role.Arn"
    # No X-Ray, whose SDK costs more than the rest of a cold start; no event, which would make the API a circle.
    assert "Tracing" not in function
    assert "Events" not in function
    assert "ReservedConcurrentExecutions" not in function
    assert Template({"ReservedConcurrency": "5"}).properties(name)["ReservedConcurrentExecutions"] == "5"
    assert Template({"Architecture": "x86_64"}).properties(name)["Architectures"] == ["x86_64"]


@pytest.mark.parametrize("name,service", [("FrontChannel", "front_channel"), ("BackChannel", "back_channel")])
def test_each_function_has_the_environment_that_the_settings_read(template, name, service):
    assert template.properties(name)["Environment"]["Variables"] == {
        "FEDBRIDGE_ENVIRONMENT": "prod",
        "FEDBRIDGE_BASE_URL": "https://HttpApi.execute-api.eu-central-1.amazonaws.com",
        "FEDBRIDGE_TRANSACTIONS": "dynamodb:Transactions",
        "FEDBRIDGE_CONNECTIONS": "dynamodb:Connections",
        "FEDBRIDGE_ID_TOKEN_KEYS": "kms:IdTokenKey.Arn",
        "FEDBRIDGE_PRIVATE_HOSTS": "",
        "FEDBRIDGE_CA_BUNDLE": "",
        "FEDBRIDGE_FIXTURES": "",
        "POWERTOOLS_METRICS_NAMESPACE": "fedbridge/prod",
        "POWERTOOLS_SERVICE_NAME": service,
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_no_parameter_turns_fixtures_on():
    everything = dict.fromkeys(Template().raw["Parameters"], "x")
    variables = Template(everything).properties("BackChannel")["Environment"]["Variables"]
    assert variables["FEDBRIDGE_FIXTURES"] == ""


def test_further_authorities_come_in_a_layer_of_their_own():
    arn = "arn:aws:lambda:eu-central-1:111122223333:layer:authorities:1"
    function = Template({"CaBundle": "/opt/authorities.pem", "CaBundleLayerArn": arn}).properties(
        "FrontChannel"
    )
    assert function["Layers"] == ["FedbridgeLayer", arn]
    assert function["Environment"]["Variables"]["FEDBRIDGE_CA_BUNDLE"] == "/opt/authorities.pem"


def test_id_tokens_can_be_signed_by_other_keys():
    references = "secretsmanager:fedbridge/prod/id-token/2027,kms:arn"
    variables = Template({"IdTokenKeys": references}).properties("BackChannel")["Environment"]["Variables"]
    assert variables["FEDBRIDGE_ID_TOKEN_KEYS"] == references


# --- privileges ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", GRANTS)
def test_each_role_may_do_exactly_what_its_function_does(template, role):
    properties = template.properties(role)
    assert "ManagedPolicyArns" not in properties
    (policy,) = properties["Policies"]
    assert grants(policy["PolicyDocument"]["Statement"]) == GRANTS[role]
    assert properties["AssumeRolePolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]


def test_every_function_has_a_role_of_its_own(template):
    functions = template.resources("AWS::Serverless::Function")
    assert {template.properties(name)["Role"].removesuffix(".Arn") for name in functions} == set(GRANTS)
    assert set(template.resources("AWS::IAM::Role")) == set(GRANTS)


def test_nothing_of_another_environment_is_reached():
    (policy,) = Template({"Environment": "staging"}).properties("FrontChannelRole")["Policies"]
    by_name_or_tag = [grant for grant in grants(policy["PolicyDocument"]["Statement"]) if "/*" in grant]
    assert len(by_name_or_tag) == 7
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


def test_nobody_reads_with_the_table_key_but_through_dynamodb(template):
    key = template.properties("TableKey")
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
        "AWS::DynamoDB::Table",
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
    # In a key policy "*" is the key itself (AWS KMS, "Key policies"); nowhere else is it a resource.
    with_any_resource = {
        name for name, resource in template.resources().items() if '"Resource": "*"' in json.dumps(resource)
    }
    assert with_any_resource == {"TableKey", "IdTokenKey"}


def test_no_other_origin_reads_answers(template):
    assert "CorsConfiguration" not in template.properties("HttpApi")


# --- data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table,key", [("Transactions", "id"), ("Connections", "name")])
def test_tables_are_encrypted_under_the_stacks_key_and_pay_by_request(template, table, key):
    properties = template.properties(table)
    assert properties["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
    assert properties["AttributeDefinitions"] == [{"AttributeName": key, "AttributeType": "S"}]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"] == {
        "SSEEnabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": "TableKey.Arn",
    }


def test_transactions_expire_and_are_never_restored(template):
    properties = template.properties("Transactions")
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}


def test_connections_and_keys_outlive_the_stack(template):
    properties = template.properties("Connections")
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    for name in ("Connections", "TableKey", "IdTokenKey"):
        resource = template.resource(name)
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


# --- logs and alarms ----------------------------------------------------------------------------------------------


def test_the_access_log_says_what_happened_and_not_who_it_was(template):
    settings = template.properties("DefaultStage")["AccessLogSettings"]
    assert settings["DestinationArn"] == "arn:aws:logs:eu-central-1:111122223333:log-group:AccessLog"
    line = json.loads(settings["Format"])
    assert "\n" not in settings["Format"]
    # No $context.path, .identity.*, .authorizer.* or $request.*: paths, queries, cookies and addresses are not logged.
    assert set(line.values()) == {
        "$context.requestId",
        "$context.requestTimeEpoch",
        "$context.httpMethod",
        "$context.routeKey",
        "$context.status",
        "$context.responseLatency",
        "$context.responseLength",
        "$context.integration.integrationStatus",
        "$context.integrationLatency",
        "$context.integrationErrorMessage",
        "$context.error.responseType",
    }


@pytest.mark.parametrize("name", ["FrontChannel", "BackChannel"])
def test_each_function_writes_to_its_own_log_group(template, name):
    logging = template.properties(name)["LoggingConfig"]
    assert logging == {
        "LogGroup": f"{name}Log",
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "WARN",
    }


def test_every_log_group_forgets(template):
    groups = template.resources("AWS::Logs::LogGroup")
    assert set(groups) == {"FrontChannelLog", "BackChannelLog", "AccessLog"}
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == 30
        assert "KmsKeyId" not in group["Properties"]
    arn = "arn:aws:kms:eu-central-1:111122223333:key/1"
    for group in Template({"LogsKeyArn": arn}).resources("AWS::Logs::LogGroup").values():
        assert group["Properties"]["KmsKeyId"] == arn


def test_alarms_notify_the_topic_if_there_is_one(template):
    alarms = template.resources("AWS::CloudWatch::Alarm")
    assert set(alarms) == {
        "ServerErrorsAlarm",
        "FrontChannelErrorsAlarm",
        "FrontChannelThrottlesAlarm",
        "BackChannelErrorsAlarm",
        "BackChannelThrottlesAlarm",
        "FaultsAlarm",
        "BrokenSignInsAlarm",
    }
    topic = "arn:aws:sns:eu-central-1:111122223333:on-call"
    for name, alarm in alarms.items():
        assert alarm["Properties"]["AlarmActions"] == []
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching"
        assert Template({"AlarmTopicArn": topic}).properties(name)["AlarmActions"] == [topic]


def alarm_of(template, metric_filter):
    """Return the alarm that watches what a metric filter counts."""
    (metric,) = template.properties(metric_filter)["MetricTransformations"]
    (name,) = [
        name
        for name, alarm in template.resources("AWS::CloudWatch::Alarm").items()
        if (alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"])
        == (metric["MetricNamespace"], metric["MetricName"])
    ]
    return name


@pytest.mark.parametrize("function", ["FrontChannel", "BackChannel"])
def test_an_alarm_counts_what_the_functions_log_as_errors(template, function):
    properties = template.properties(f"{function}Faults")
    assert properties["LogGroupName"] == f"{function}Log"
    assert properties["FilterPattern"] == '{ $.level = "ERROR" }'
    assert alarm_of(template, f"{function}Faults") == "FaultsAlarm"
    assert {name for name, event in EVENTS.items() if event.level == "ERROR"} == {
        "internal_error",
        "configuration_error",
    }


def test_the_alarm_on_broken_sign_ins_reads_what_the_front_channel_logs(template):
    properties = template.properties("BrokenSignIns")
    assert properties["LogGroupName"] == "FrontChannelLog"
    (event,) = re.findall(r'\$\.message = "(\w+)"', properties["FilterPattern"])
    fields = set(re.findall(r"\$\.(\w+) =", properties["FilterPattern"])) - {"message"}
    assert fields <= EVENTS[event].fields
    assert EVENTS[event].level == "WARNING"
    assert "ERROR" not in template.raw["Parameters"]["LogLevel"]["AllowedValues"]
    assert alarm_of(template, "BrokenSignIns") == "BrokenSignInsAlarm"


# --- the layer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_the_layer_is_built_for_the_architecture_of_the_functions(architecture):
    template = Template({"Architecture": architecture})
    layer = template.resource("FedbridgeLayer")
    assert layer["Metadata"] == {
        "BuildMethod": "makefile",
        "BuildArchitecture": architecture,
        "ContextPath": f"shared/architectures/{architecture}",
    }
    assert layer["Properties"]["CompatibleArchitectures"] == [architecture]
    for name in ("FrontChannel", "BackChannel"):
        assert template.properties(name)["Architectures"] == [architecture]
