"""Where the SDK's clients call, by the variables that the template's parameters set."""

import pytest

from fedbridge.aws import sdk_client
from tests.support.dynamodb import CREDENTIALS

FIPS, DUAL_STACK = "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"
SERVICES = ("dynamodb", "kms", "secretsmanager", "ssm", "cognito-idp")


@pytest.fixture
def endpoint(monkeypatch):
    """The host that a client of ours calls, under these variables."""
    for name, value in {**CREDENTIALS, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def endpoint(service, **environment):
        for name in (FIPS, DUAL_STACK):
            monkeypatch.setenv(name, environment.get(name, "false"))
        return sdk_client(service).meta.endpoint_url.removeprefix("https://")

    return endpoint


@pytest.mark.parametrize("service", SERVICES)
def test_the_template_s_defaults_change_nothing(endpoint, service):
    assert endpoint(service) == f"{service}.us-east-1.amazonaws.com"


@pytest.mark.parametrize("service", SERVICES)
def test_fips_endpoints_are_called_where_the_variable_says_so(endpoint, service):
    assert endpoint(service, **{FIPS: "true"}) == f"{service}-fips.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    "service,host",
    [
        ("dynamodb", "dynamodb.us-east-1.api.aws"),
        ("kms", "kms.us-east-1.api.aws"),
        ("secretsmanager", "secretsmanager.us-east-1.api.aws"),
        ("ssm", "ssm.us-east-1.api.aws"),
        ("cognito-idp", "cognito-idp.us-east-1.amazonaws.com"),
    ],
)
def test_dual_stack_endpoints_are_called_where_the_variable_says_so(endpoint, service, host):
    assert endpoint(service, **{DUAL_STACK: "true"}) == host


@pytest.mark.parametrize("service", SERVICES)
def test_both_go_together(endpoint, service):
    host = endpoint(service, **{FIPS: "true", DUAL_STACK: "true"})
    assert host.startswith(f"{service}-fips.us-east-1.")
    assert not host.endswith(".amazonaws.com") or service == "cognito-idp"
