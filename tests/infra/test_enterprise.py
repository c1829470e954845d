"""What the parameters for enterprises make of the stack: each by itself, all that go together, and what is refused."""

import json
import re
from urllib.parse import unquote

import pytest

from tests.infra.enterprise import ACCOUNT, BOUNDARY, EVERYTHING, REST, STANDBY
from tests.infra.template import CUSTOM_DOMAIN, Template
from tests.infra.test_template import BACK_CHANNEL, FRONT_CHANNEL, SAML
from tests.infra.transform import transformed

FUNCTIONS = ("FrontChannel", "BackChannel", "Saml")
HTTP_ONLY = {f"AWS::ApiGatewayV2::{kind}" for kind in ("Api", "Stage", "Integration", "Route")}


def environment(parameters, function="FrontChannel"):
    variables: dict[str, str] = Template(parameters).properties(function)["Environment"]["Variables"]
    return variables


# --- what CloudFormation refuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters,said",
    [
        ({"DomainName": "login.example.com"}, "DomainName needs CertificateArn"),
        ({"HostedZoneId": "Z1"}, "HostedZoneId needs DomainName"),
        ({"ApiType": "rest"}, "A REST API needs DomainName, or BaseUrl for a domain that is mapped to it elsewhere"),
        ({"DisableExecuteApi": "true"}, "DisableExecuteApi needs DomainName or BaseUrl"),
        ({"WebAclArn": "none"}, "WebAclArn needs ApiType rest"),
        ({"Failover": "SECONDARY"}, "Failover needs HostedZoneId"),
        ({**CUSTOM_DOMAIN, "Failover": "PRIMARY"}, "Failover PRIMARY needs HealthCheckId"),
        ({"SnapStart": "true", "ProvisionedConcurrency": "1"}, "SnapStart does not go with ProvisionedConcurrency"),
        ({**STANDBY, "IdTokenKeyMultiRegion": "true"},
         "IdTokenKeyMultiRegion is for the region whose key IdTokenPrimaryKeyArn names"),
        ({"SubnetIds": "subnet-1"}, "SubnetIds and SecurityGroupIds go together"),
        ({"ConnectionsTableName": "fedbridge-Connections-1"},
         "ConnectionsTableName needs RotateKeys false, because another region rotates the keys of this table"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_anything_is_touched(parameters, said):
    assert Template(parameters).broken_rules() == [said]


@pytest.mark.parametrize(
    "parameters",
    [{}, CUSTOM_DOMAIN, EVERYTHING, STANDBY, {"ApiType": "rest", "BaseUrl": "https://login.example.com"}],
)
def test_what_works_is_not_refused(parameters):
    assert Template(parameters).broken_rules() == []


# --- the address --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters,hidden",
    [
        ({}, False),
        ({"BaseUrl": "https://login.example.com"}, False),
        ({"BaseUrl": "https://login.example.com", "DisableExecuteApi": "true"}, True),
        (CUSTOM_DOMAIN, True),
    ],
)
def test_the_apis_own_address_is_off_where_another_is_there(parameters, hidden):
    assert Template(parameters).properties("HttpApi")["DisableExecuteApiEndpoint"] is hidden


# --- a REST API ---------------------------------------------------------------------------------------------------


def test_a_rest_api_takes_the_place_of_the_http_api():
    kinds = {resource["Type"] for resource in Template(REST).resources().values()}
    assert not HTTP_ONLY & kinds
    assert {"AWS::Serverless::Api", "AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation"} <= kinds
    assert "AWS::Serverless::Api" not in {
        resource["Type"] for resource in Template(CUSTOM_DOMAIN).resources().values()
    }
    assert Template(REST).properties("DomainMapping") == {
        "ApiId": "RestApi",
        "DomainName": "Domain",
        "Stage": "RestApi.Stage",
    }
    assert environment(REST)["FEDBRIDGE_BASE_URL"] == "https://login.example.com"


def test_the_rest_api_has_the_routes_of_the_http_api():
    paths = Template(REST).properties("RestApi")["DefinitionBody"]["paths"]
    uri = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{}.Arn/invocations"
    served = {}
    for path, methods in paths.items():
        (integration,) = (method["x-amazon-apigateway-integration"] for method in methods.values())
        assert set(methods) == {"x-amazon-apigateway-any-method"}
        assert (integration["type"], integration["httpMethod"]) == ("aws_proxy", "POST")
        served[path] = integration["uri"]
    functions = {"FrontChannel": FRONT_CHANNEL, "BackChannel": BACK_CHANNEL, "Saml": SAML}
    assert served == {path: uri.format(name) for name, known in functions.items() for path in known}


def test_the_rest_api_passes_bodies_as_they_are_and_answers_at_the_domain_alone():
    properties = Template(REST).properties("RestApi")
    assert properties["BinaryMediaTypes"] == ["*~1*"]
    assert properties["DisableExecuteApiEndpoint"] is True
    assert properties["EndpointConfiguration"] == {"Type": "REGIONAL"}
    (settings,) = properties["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (100, 200)
    for name in ("FrontChannel", "BackChannel", "Saml"):
        source = Template(REST).properties(f"{name}Permission")["SourceArn"]
        assert source == f"arn:aws:execute-api:eu-central-1:{ACCOUNT}:RestApi/*"


def test_the_rest_api_writes_no_path_query_header_or_body_down():
    properties = Template(REST).properties("RestApi")
    (settings,) = properties["MethodSettings"]
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    line = json.loads(properties["AccessLogSetting"]["Format"])
    assert set(line.values()) == {
        "$context.requestId",
        "$context.httpMethod",
        "$context.resourcePath",
        "$context.status",
        "$context.responseLatency",
        "$context.responseLength",
        "$context.integration.latency",
        "$context.integration.error",
        "$context.error.responseType",
        "$context.wafResponseCode",
    }
    http = json.loads(Template().properties("DefaultStage")["AccessLogSettings"]["Format"])
    assert line.keys() - http.keys() == {"waf"}


def test_the_alarm_on_server_errors_watches_the_api_that_is_there():
    alarm = Template(REST).properties("ServerErrorsAlarm")
    assert (alarm["MetricName"], alarm["Dimensions"]) == (
        "5XXError",
        [{"Name": "ApiName", "Value": "fedbridge-prod"}],
    )
    assert Template(REST).properties("RestApi")["Name"] == "fedbridge-prod"


# --- the web ACL --------------------------------------------------------------------------------------------------

# What honest requests look like: SAML by POST and by redirect, JARM, a long state, an address as a parameter, a server
# that names no user agent. These rules of the managed groups would refuse one of them.
COUNTED = {
    "SizeRestrictions_BODY",
    "SizeRestrictions_QUERYSTRING",
    "NoUserAgent_HEADER",
    "GenericRFI_QUERYARGUMENTS",
    "GenericRFI_BODY",
    "CrossSiteScripting_BODY",
    "CrossSiteScripting_QUERYARGUMENTS",
    "JavaDeserializationRCE_BODY",
    "JavaDeserializationRCE_QUERYSTRING",
}


def web_acl_rules():
    return {rule["Name"]: rule for rule in Template(REST).properties("WebAcl")["Rules"]}


def test_the_web_acl_only_counts_what_identity_providers_do():
    overrides = [
        override
        for rule in web_acl_rules().values()
        for override in rule["Statement"].get("ManagedRuleGroupStatement", {}).get("RuleActionOverrides", [])
    ]
    assert {tuple(override["ActionToUse"]) for override in overrides} == {("Count",)}
    assert {override["Name"] for override in overrides} >= COUNTED
    assert len(overrides) < 15


def test_the_web_acl_uses_no_list_that_holds_cognito():
    groups = {
        rule["Statement"].get("ManagedRuleGroupStatement", {}).get("Name")
        for rule in web_acl_rules().values()
    }
    assert groups - {None} == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    }


@pytest.mark.parametrize("path", sorted(FRONT_CHANNEL | BACK_CHANNEL | set(SAML)))
def test_the_rate_limit_is_for_those_who_begin_something(path):
    statement = web_acl_rules()["rate-of-beginnings"]["Statement"]["RateBasedStatement"]
    assert (statement["Limit"], statement["EvaluationWindowSec"]) == (2000, 300)
    pattern = statement["ScopeDownStatement"]["RegexMatchStatement"]["RegexString"]
    limited = re.search(pattern, path.format(connection="bank")) is not None
    assert limited == path.endswith(("/authorize", "}/logout", "saml/login", "saml/logout"))


@pytest.mark.parametrize(
    "path", ["/bank/authorize/", "/bank/%61uthorize", "/bank/saml%2Flogin", "/bank/logout//"]
)
def test_nobody_gets_around_the_rate_limit_by_spelling_a_path_otherwise(path):
    statement = web_acl_rules()["rate-of-beginnings"]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]
    assert [each["Type"] for each in statement["RegexMatchStatement"]["TextTransformations"]] == [
        "URL_DECODE"
    ]
    assert re.search(statement["RegexMatchStatement"]["RegexString"], unquote(path))


def test_the_web_acl_samples_no_request():
    acl = Template(REST).properties("WebAcl")
    for configuration in (acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in acl["Rules"])):
        assert configuration["SampledRequestsEnabled"] is False
    assert len({rule["Priority"] for rule in acl["Rules"]}) == len(acl["Rules"])


@pytest.mark.parametrize(
    "given,made,associated",
    [
        ("", True, "WebAcl.Arn"),
        ("none", False, None),
        (
            f"arn:aws:wafv2:eu-central-1:{ACCOUNT}:regional/webacl/a/1",
            False,
            f"arn:aws:wafv2:eu-central-1:{ACCOUNT}:regional/webacl/a/1",
        ),
    ],
)
def test_the_web_acl_is_the_stacks_or_a_given_one_or_none(given, made, associated):
    resources = Template({**REST, "WebAclArn": given}).resources()
    assert ("WebAcl" in resources) == made
    association = resources.get("WebAclAssociation", {"Properties": {"WebACLArn": None}})["Properties"]
    assert association["WebACLArn"] == associated
    if associated:
        assert association["ResourceArn"].endswith("::/restapis/RestApi/stages/RestApi.Stage")


# --- the landing zone ---------------------------------------------------------------------------------------------


def test_no_arn_names_a_partition():
    written = json.dumps({key: Template().raw[key] for key in ("Globals", "Resources", "Outputs")})
    assert re.findall(r"arn:(?!\$\{AWS::Partition\})\S{,20}", written) == []
    assert "amazonaws.com.cn" not in written


@pytest.mark.parametrize("parameters", [EVERYTHING, STANDBY], ids=["everything", "standby"])
def test_every_role_has_the_permissions_boundary(parameters):
    roles = Template(parameters).resources("AWS::IAM::Role")
    assert len(roles) >= 3
    for name, role in roles.items():
        assert role["Properties"]["PermissionsBoundary"] == BOUNDARY, name
    for role in Template().resources("AWS::IAM::Role").values():
        assert "PermissionsBoundary" not in role["Properties"]


def test_functions_join_a_vpc_and_their_code_does_not_touch_it():
    template = Template(EVERYTHING)
    for name in template.resources("AWS::Serverless::Function"):
        assert template.properties(name)["VpcConfig"] == {
            "SubnetIds": ["subnet-1", "subnet-2"],
            "SecurityGroupIds": ["sg-1"],
        }
        role = template.properties(name)["Role"].removesuffix(".Arn")
        assert template.properties(role)["ManagedPolicyArns"] == ["VpcAccess"]
    allow, deny = template.properties("VpcAccess")["PolicyDocument"]["Statement"]
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert {action.partition(":")[0] for action in allow["Action"]} == {"ec2"}
    # Set by Lambda on what a function's code calls, and on nothing else.
    assert (deny["Action"], deny["Condition"]) == ("ec2:*", {"Null": {"lambda:SourceFunctionArn": "false"}})
    assert "VpcAccess" not in Template().resources()
    for name in Template().resources("AWS::Serverless::Function"):
        assert "VpcConfig" not in Template().properties(name)


def test_every_log_group_and_every_function_gets_what_hardens_it():
    template = Template(EVERYTHING)
    for group in template.resources("AWS::Logs::LogGroup").values():
        assert group["Properties"]["KmsKeyId"] == EVERYTHING["LogsKeyArn"]
    for name in FUNCTIONS:
        assert template.properties(name)["ReservedConcurrentExecutions"] == "20"
        assert environment(EVERYTHING, name)["AWS_USE_FIPS_ENDPOINT"] == "true"
        assert environment(EVERYTHING, name)["AWS_USE_DUALSTACK_ENDPOINT"] == "true"


# --- versions -----------------------------------------------------------------------------------------------------

VERSIONED = [
    {"SnapStart": "true"},
    {"ProvisionedConcurrency": "2"},
    {"TrafficShifting": "Linear10PercentEvery1Minute"},
]


@pytest.mark.parametrize("parameters", VERSIONED)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_called_through_their_alias_where_versions_matter(parameters, name):
    template = Template(parameters)
    assert template.properties(f"{name}Integration")["IntegrationUri"] == f"{name}.Alias"
    assert template.properties(f"{name}Permission")["FunctionName"] == f"{name}.Alias"
    rest = Template({**REST, **parameters}).properties("RestApi")["DefinitionBody"]["paths"]
    assert f"{name}.Alias/invocations" in json.dumps(rest)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_snapshots_and_warm_executions_are_there_when_asked_for(name):
    assert not {"SnapStart", "ProvisionedConcurrencyConfig"} & Template().properties(name).keys()
    assert Template({"SnapStart": "true"}).properties(name)["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    provisioned = Template({"ProvisionedConcurrency": "2"}).properties(name)
    assert provisioned["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": "2"}


def of_type(template, kind):
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}


def test_traffic_is_shifted_by_a_role_of_the_stack_and_goes_back_at_an_alarm():
    (plain, shifting) = transformed({}, EVERYTHING)
    assert of_type(plain, "AWS::CodeDeploy::DeploymentGroup") == {}
    assert of_type(plain, "AWS::CodeDeploy::Application") == {}
    groups = of_type(shifting, "AWS::CodeDeploy::DeploymentGroup")
    assert set(groups) == {f"{name}DeploymentGroup" for name in FUNCTIONS}
    for name in FUNCTIONS:
        group = groups[f"{name}DeploymentGroup"]["Properties"]
        assert "Canary10Percent5Minutes" in json.dumps(group["DeploymentConfigName"])
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        assert {alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]} == {
            f"{name}ErrorsAlarm",
            f"{name}ThrottlesAlarm",
            "FaultsAlarm",
        }
        alias = shifting["Resources"][f"{name}Aliaslive"]
        assert "CodeDeployLambdaAliasUpdate" in alias["UpdatePolicy"]
    # None that SAM makes by itself, without a boundary.
    assert of_type(shifting, "AWS::IAM::Role").keys() == Template().raw["Resources"].keys() & {
        name for name, each in Template().raw["Resources"].items() if each["Type"] == "AWS::IAM::Role"
    }


def versions(template):
    return set(of_type(template, "AWS::Lambda::Version"))


def test_a_version_is_published_for_new_code_a_new_layer_and_nothing_else():
    # What SAM does not see: the value of a parameter. So samconfig.toml is part of the layer (test_build.py).
    first, debug = transformed({}, {"LogLevel": "DEBUG"})
    (same,) = transformed({})
    (layer,) = transformed({}, layer="2")
    (code,) = transformed({}, code="2")
    assert len(versions(first)) == len(FUNCTIONS)
    assert versions(same) == versions(debug) == versions(first)
    assert not versions(layer) & versions(first)
    assert not versions(code) & versions(first)


def test_a_rest_api_is_deployed_anew_when_it_changes():
    (rest,) = transformed(REST)
    (deployment,) = of_type(rest, "AWS::ApiGateway::Deployment")
    assert re.fullmatch(r"RestApiDeployment[0-9a-f]{10}", deployment)
    (stage,) = of_type(rest, "AWS::ApiGateway::Stage").values()
    assert (stage["Condition"], stage["Properties"]["StageName"]) == ("IsRestApi", "live")


# --- two regions --------------------------------------------------------------------------------------------------


def test_the_standby_uses_the_replicas_of_table_and_key():
    template = Template(STANDBY)
    resources = template.resources()
    assert not {"Connections", "IdTokenKey"} & resources.keys()
    assert {"Transactions", "TableKey", "IdTokenReplicaKey"} <= resources.keys()
    assert template.properties("OperationsSchedule")["State"] == "DISABLED"
    variables = environment(STANDBY, "BackChannel")
    assert variables["FEDBRIDGE_CONNECTIONS"] == "dynamodb:fedbridge-Connections-1"
    assert variables["FEDBRIDGE_ID_TOKEN_KEYS"] == "kms:IdTokenReplicaKey.Arn"
    assert template.outputs()["ConnectionsTable"] == "fedbridge-Connections-1"
    assert template.properties("IdTokenKeyAlias")["TargetKeyId"] == "IdTokenReplicaKey"
    table = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/fedbridge-Connections-1"
    for name in FUNCTIONS:
        (policy,) = template.properties(f"{name}Role")["Policies"]
        (read,) = (each for each in policy["PolicyDocument"]["Statement"] if each["Sid"] == "ReadConnections")
        assert read["Resource"] == table


def test_the_replica_of_the_key_is_guarded_like_the_key():
    primary = Template(EVERYTHING).properties("IdTokenKey")
    replica = Template(STANDBY).properties("IdTokenReplicaKey")
    assert primary["MultiRegion"] is True
    assert "MultiRegion" not in Template().properties("IdTokenKey")
    assert replica["PrimaryKeyArn"] == STANDBY["IdTokenPrimaryKeyArn"]
    assert replica["Tags"] == primary["Tags"]
    manage, sign = replica["KeyPolicy"]["Statement"]
    assert sign == primary["KeyPolicy"]["Statement"][1]
    assert set(manage["Action"]) < set(primary["KeyPolicy"]["Statement"][0]["Action"])
    resource = Template(STANDBY).resource("IdTokenReplicaKey")
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_only_connections_are_replicated():
    template = Template({**EVERYTHING, "ConnectionsStream": "true"})
    assert template.properties("Connections")["StreamSpecification"] == {
        "StreamViewType": "NEW_AND_OLD_IMAGES"
    }
    assert "StreamSpecification" not in Template().properties("Connections")
    for name in ("Transactions", "Sessions"):
        properties = template.properties(name)
        assert "StreamSpecification" not in properties
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}
    assert "AWS::DynamoDB::GlobalTable" not in json.dumps(template.raw)


def test_the_record_is_half_of_a_pair_where_there_are_two():
    assert (
        not {"Failover", "SetIdentifier", "HealthCheckId"}
        & Template(CUSTOM_DOMAIN).properties("DomainRecord").keys()
    )
    primary = Template(EVERYTHING).properties("DomainRecord")
    secondary = Template(STANDBY).properties("DomainRecord")
    assert (primary["Failover"], primary["HealthCheckId"]) == ("PRIMARY", EVERYTHING["HealthCheckId"])
    assert secondary["Failover"] == "SECONDARY"
    assert "HealthCheckId" not in secondary
    assert primary["SetIdentifier"] == "eu-central-1"  # each region's own


def test_the_role_that_shifts_traffic_moves_aliases_of_this_stack_and_reads_alarms():
    role = Template(EVERYTHING).properties("TrafficShiftingRole")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "codedeploy.amazonaws.com"}
    (policy,) = role["Policies"]
    move, watch = policy["PolicyDocument"]["Statement"]
    assert move["Resource"] == f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:fedbridge-*"
    assert move["Action"] == [
        "lambda:GetAlias",
        "lambda:UpdateAlias",
        "lambda:GetProvisionedConcurrencyConfig",
    ]
    assert watch["Action"] == "cloudwatch:DescribeAlarms"
    assert "TrafficShiftingRole" not in Template().resources()
