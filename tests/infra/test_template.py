"""What template.yaml promises: one deploy, explicit routes, functions as measured, one base URL, the right layer."""

import ast
import json

import pytest

from tests.infra.template import CUSTOM_DOMAIN, Template
from tests.support.machine import ROOT

SAML = (
    "/{connection}/saml/login",
    "/{connection}/saml/acs",
    "/{connection}/saml/metadata",
    "/{connection}/saml/logout",
    "/{connection}/saml/slo",
)
FRONT_CHANNEL = {
    "/{connection}/authorize",
    "/{connection}/callback",
    "/{connection}/logout",
    "/{connection}/logout/callback",
    "/{connection}/frontchannel-logout",
}
BACK_CHANNEL = {
    "/{connection}/token",
    "/{connection}/userinfo",
    "/{connection}/.well-known/openid-configuration",
    "/{connection}/.well-known/jwks.json",
    "/{connection}/client-jwks.json",
    "/{connection}/backchannel-logout",
}


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
    written = json.dumps({key: template.raw[key] for key in ("Resources", "Conditions", "Globals", "Rules")})
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
    for name in ("FrontChannel", "BackChannel", "Saml"):
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
        "LogoutUrl": "/logout",
        "PostLogoutRedirectUri": "/logout/callback",
        "BackChannelLogoutUri": "/backchannel-logout",
        "FrontChannelLogoutUri": "/frontchannel-logout",
        "ClientJwksUri": "/client-jwks.json",
        "SamlLoginUrl": "/saml/login",
        "SamlAcsUrl": "/saml/acs",
        "SamlMetadataUrl": "/saml/metadata",
        "SamlSingleLogoutUrl": "/saml/slo",
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
    } | {f"ANY {path}": "Saml" for path in SAML}


def test_the_routes_are_those_that_the_code_knows(template):
    known: dict[str, str] = {}
    for name in template.resources("AWS::Serverless::Function").keys() - {"Operations"}:  # which nobody calls
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


@pytest.mark.parametrize("name", ["FrontChannel", "BackChannel", "Saml"])
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


@pytest.mark.parametrize("name", ["FrontChannel", "BackChannel", "Saml"])
def test_each_function_runs_as_measured(template, name):
    function = template.properties(name)
    folder = {"FrontChannel": "front_channel", "BackChannel": "back_channel", "Saml": "saml"}[name]
    assert function["Runtime"] == "python3.13"
    assert function["Handler"] == "app.handler"
    assert function["CodeUri"] == f"functions/{folder}/"
    assert function["Architectures"] == ["arm64"]
    assert function["MemorySize"] == 512
    assert function["Timeout"] == 29
    assert function["Layers"] == ["FedbridgeLayer"]
    assert function["Role"] == f"{name}Role.Arn"
    # No event, which would make the API a circle.
    assert "Events" not in function
    assert "ReservedConcurrentExecutions" not in function
    assert Template({"ReservedConcurrency": "5"}).properties(name)["ReservedConcurrentExecutions"] == "5"
    assert Template({"Architecture": "x86_64"}).properties(name)["Architectures"] == ["x86_64"]


@pytest.mark.parametrize(
    "name,service", [("FrontChannel", "front_channel"), ("BackChannel", "back_channel"), ("Saml", "saml")]
)
def test_each_function_has_the_environment_that_the_settings_read(template, name, service):
    assert template.properties(name)["Environment"]["Variables"] == {
        "FEDBRIDGE_ENVIRONMENT": "prod",
        "FEDBRIDGE_BASE_URL": "https://HttpApi.execute-api.eu-central-1.amazonaws.com",
        "FEDBRIDGE_TRANSACTIONS": "dynamodb:Transactions",
        "FEDBRIDGE_CONNECTIONS": "dynamodb:Connections",
        "FEDBRIDGE_SESSIONS": "",
        "FEDBRIDGE_ID_TOKEN_KEYS": "kms:IdTokenKey.Arn",
        "FEDBRIDGE_PRIVATE_HOSTS": "",
        "FEDBRIDGE_CA_BUNDLE": "",
        "FEDBRIDGE_METRIC_CONNECTIONS": "",
        "FEDBRIDGE_FIXTURES": "",
        "POWERTOOLS_METRICS_NAMESPACE": "fedbridge/prod",
        "POWERTOOLS_SERVICE_NAME": service,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "AWS_USE_FIPS_ENDPOINT": "false",
        "AWS_USE_DUALSTACK_ENDPOINT": "false",
    }


@pytest.mark.parametrize("name", ["FrontChannel", "BackChannel", "Saml"])
def test_traces_are_made_by_lambda_alone_and_where_they_are_asked_for(template, name):
    assert template.properties(name)["Tracing"] == "PassThrough"
    traced = Template({"Tracing": "true"})
    assert traced.properties(name)["Tracing"] == "Active"
    assert traced.properties(f"{name}Role")["ManagedPolicyArns"] == ["TraceAccess"]
    in_vpc = Template({"Tracing": "true", "SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1"})
    assert in_vpc.properties(f"{name}Role")["ManagedPolicyArns"] == ["VpcAccess", "TraceAccess"]
    (statement,) = traced.properties("TraceAccess")["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]


def test_no_parameter_turns_fixtures_on():
    everything = {
        name: parameter.get("AllowedValues", ["x"])[-1]
        for name, parameter in Template().raw["Parameters"].items()
    }
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
    for name in ("FrontChannel", "BackChannel", "Saml"):
        assert template.properties(name)["Architectures"] == [architecture]
