"""What is written into a user pool changes one thing and leaves the rest: against moto, whose pools keep all fields."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from fedbridge.cli.cognito.calls import CognitoRefused, ask, issuer_of, pool_client, region_of
from fedbridge.cli.cognito.pool import (
    describe_identity_provider,
    describe_pool,
    enable_for_app_client,
    update_identity_provider,
)
from fedbridge.errors import ConfigurationError

REGION = "eu-north-1"
DETAILS = {
    "client_id": "cognito",
    "client_secret": "old",
    "authorize_scopes": "openid",
    "attributes_request_method": "GET",
    "oidc_issuer": "https://login.example.com/bank",
}


@pytest.fixture
def cognito(monkeypatch):
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",  # another than the pool's
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield boto3.client("cognito-idp", region_name=REGION)


@pytest.fixture
def pool_id(cognito):
    return cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]


def test_a_change_leaves_everything_else_as_it_is(cognito, pool_id):
    cognito.create_identity_provider(
        UserPoolId=pool_id,
        ProviderName="Bank",
        ProviderType="OIDC",
        ProviderDetails={**DETAILS, "authorize_url": "https://login.example.com/bank/authorize"},
        AttributeMapping={"username": "sub", "email": "email"},
        IdpIdentifiers=["bank.example"],
        AcrMapping={"Level1": "standard"},
    )
    before = cognito.describe_identity_provider(UserPoolId=pool_id, ProviderName="Bank")["IdentityProvider"]
    changed = {**before["ProviderDetails"], "client_secret": "new"}
    update_identity_provider(pool_client(pool_id), pool_id, "Bank", ProviderDetails=changed)
    after = cognito.describe_identity_provider(UserPoolId=pool_id, ProviderName="Bank")["IdentityProvider"]
    assert after["ProviderDetails"] == changed
    for field in ("AttributeMapping", "IdpIdentifiers", "AcrMapping", "ProviderType"):
        assert after[field] == before[field]


def test_enabling_a_provider_keeps_every_other_setting_of_the_app_client(cognito, pool_id):
    settings = {
        "ClientName": "web",
        "RefreshTokenValidity": 7,
        "TokenValidityUnits": {"RefreshToken": "days"},
        "ReadAttributes": ["email"],
        "WriteAttributes": ["email", "name"],
        "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"],
        "CallbackURLs": ["https://app.example.com/callback"],
        "LogoutURLs": ["https://app.example.com/bye"],
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "email"],
        "AllowedOAuthFlowsUserPoolClient": True,
        "PreventUserExistenceErrors": "ENABLED",
        "EnableTokenRevocation": False,
        "AuthSessionValidity": 5,
    }
    made = cognito.create_user_pool_client(
        UserPoolId=pool_id, GenerateSecret=True, SupportedIdentityProviders=["COGNITO"], **settings
    )["UserPoolClient"]
    sent = []
    client = pool_client(pool_id)
    client.meta.events.register(
        "before-parameter-build.cognito-idp.UpdateUserPoolClient",
        lambda params, **_: sent.append(dict(params)),
    )
    enable_for_app_client(client, pool_id, made["ClientId"], ["COGNITO", "Bank"])
    # All is given again, because what is left out becomes a default in AWS, which moto does not do.
    (given,) = sent
    assert {name: given[name] for name in settings} == settings
    assert given["SupportedIdentityProviders"] == ["COGNITO", "Bank"]
    assert "ClientSecret" not in given
    after = cognito.describe_user_pool_client(UserPoolId=pool_id, ClientId=made["ClientId"])["UserPoolClient"]
    assert after["SupportedIdentityProviders"] == ["COGNITO", "Bank"]


def test_a_provider_that_is_not_there_is_none_and_a_pool_that_is_not_there_is_refused(pool_id):
    client = pool_client(pool_id)
    assert describe_identity_provider(client, pool_id, "Bank") is None
    with pytest.raises(CognitoRefused) as refused:
        describe_identity_provider(client, f"{REGION}_NOWHERE", "Bank")
    assert refused.value.code == "ResourceNotFoundException"


def test_the_schema_is_read_with_its_limits(cognito):
    schema = [
        {"Name": "groups", "AttributeDataType": "String", "Mutable": True,
         "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "256"}},
        {"Name": "email", "AttributeDataType": "String", "Required": True, "Mutable": False},
    ]  # fmt: skip
    made = cognito.create_user_pool(
        PoolName="people", Schema=schema, UsernameConfiguration={"CaseSensitive": False}
    )
    pool = describe_pool(cognito, made["UserPool"]["Id"])
    groups, email = pool.schema["custom:groups"], pool.schema["email"]
    assert (groups.mutable, groups.min_length, groups.max_length) == (True, 1, 256)
    assert (email.mutable, email.required) == (False, True)
    assert pool.case_sensitive is False
    assert pool.updated_issuer is False
    moved = cognito.create_user_pool(PoolName="people", IssuerConfiguration={"Type": "UPDATED"})
    assert describe_pool(cognito, moved["UserPool"]["Id"]).updated_issuer is True


def test_a_busy_cognito_is_asked_again_and_a_refusal_is_not(pool_id):
    class Busy:
        def __init__(self, *codes):
            self.codes = list(codes)

        def describe_user_pool(self, **_):
            if self.codes:
                raise ClientError({"Error": {"Code": self.codes.pop(0), "Message": "no"}}, "DescribeUserPool")
            return {"UserPool": {}}

    pauses: list[float] = []
    busy = Busy("TooManyRequestsException", "InternalErrorException")
    assert ask(busy, "describe_user_pool", sleep=pauses.append) == {"UserPool": {}}
    assert pauses == [0.5, 1.0]
    denied = Busy("AccessDeniedException")
    with pytest.raises(CognitoRefused, match="AccessDeniedException"):
        ask(denied, "describe_user_pool", sleep=pauses.append)
    assert len(pauses) == 2


@pytest.mark.parametrize(
    "parameters", [{"ProviderDetails": {"client_secret": "s3cr3t-value"}}, {"AccessToken": "s3cr3t-value"}]
)
def test_a_refusal_that_quotes_a_secret_is_told_without_it(parameters):
    class Quoting:
        def create_identity_provider(self, **_):
            message = "1 validation error detected: Value 's3cr3t-value' failed to satisfy constraint."
            raise ClientError({"Error": {"Code": "InvalidParameterException", "Message": message}}, "Create")

    with pytest.raises(CognitoRefused) as refused:
        ask(Quoting(), "create_identity_provider", **parameters)
    assert "Value '(secret)' failed" in str(refused.value)
    assert "s3cr3t" not in f"{refused.value!r}{refused.value.__cause__!r}"


def test_a_pool_names_one_of_two_issuers():
    assert issuer_of("eu-north-1_A1") == "https://cognito-idp.eu-north-1.amazonaws.com/eu-north-1_A1"
    assert (
        issuer_of("eu-north-1_A1", updated=True)
        == "https://issuer-cognito-idp.eu-north-1.amazonaws.com/eu-north-1_A1"
    )
    assert issuer_of("cn-north-1_A1") == "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A1"


def test_the_region_is_that_of_the_pools_id(pool_id):
    assert pool_client(pool_id).meta.region_name == REGION
    with pytest.raises(ConfigurationError, match="is no id of a user pool"):
        region_of("people")
