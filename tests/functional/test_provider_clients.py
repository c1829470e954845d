"""`CognitoProviderClients` against moto, whose pools keep all that they are given."""

import boto3
import pytest
from moto import mock_aws

from fedbridge.errors import UserPoolError
from fedbridge.model.logout import UserPool
from fedbridge.user_pools import CognitoProviderClients
from tests.conformance.transactions import soon

DETAILS = {
    "client_id": "cognito",
    "client_secret": "old",
    "authorize_scopes": "openid",
    "attributes_request_method": "GET",
    "oidc_issuer": "https://bridge.example/bank",
}


@pytest.fixture
def cognito(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("cognito-idp", region_name="eu-north-1")


@pytest.fixture
def pool(cognito):
    pool_id = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    return UserPool(id=pool_id, identity_provider="Bank")


@pytest.fixture
def clients(cognito):
    return CognitoProviderClients(lambda _: cognito, sleep=lambda _: None)


def made(cognito, pool, kind="OIDC", details=DETAILS, **others):
    cognito.create_identity_provider(
        UserPoolId=pool.id,
        ProviderName=pool.identity_provider,
        ProviderType=kind,
        ProviderDetails=details,
        **others,
    )


def test_a_new_secret_changes_nothing_else(cognito, pool, clients):
    others = {
        "AttributeMapping": {"email": "email", "username": "sub"},
        "IdpIdentifiers": ["bank.example"],
        "AcrMapping": {"Level1": "standard"},
    }
    made(cognito, pool, **others)
    clients.give(pool, "new", soon())
    told = cognito.describe_identity_provider(UserPoolId=pool.id, ProviderName="Bank")["IdentityProvider"]
    assert told["ProviderDetails"] == {**DETAILS, "client_secret": "new"}
    assert {name: told[name] for name in others} == others
    assert clients.read(pool, soon()).secret == "new"


@pytest.mark.parametrize(
    "more, token_url",
    [
        ({}, "https://bridge.example/bank/token"),
        # Where tokens are relayed the issuer is the upstream's, and the endpoints are typed in.
        (
            {"oidc_issuer": "https://idp.example", "token_url": "https://bridge.example/bank/token"},
            "https://bridge.example/bank/token",
        ),
    ],
)
def test_where_it_redeems_codes(cognito, pool, clients, more, token_url):
    made(cognito, pool, details={**DETAILS, **more})
    assert clients.read(pool, soon()).token_url == token_url


def test_a_provider_of_another_kind_has_no_secret_of_ours(cognito, pool, clients):
    made(cognito, pool, "SAML", {"MetadataURL": "https://idp.example/metadata"})
    with pytest.raises(UserPoolError) as refused:
        clients.read(pool, soon())
    assert refused.value.reason == "user_pool_rejected"


def test_a_pool_that_is_not_there(pool, clients):
    with pytest.raises(UserPoolError) as refused:
        clients.give(UserPool(id="eu-north-1_Nowhere01", identity_provider="Bank"), "new", soon())
    assert refused.value.reason == "user_pool_missing"
