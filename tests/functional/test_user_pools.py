"""Ending a user's sessions in Cognito: moto behind the SDK's own client, and faults in its place."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from fedbridge.aws import sdk_client
from fedbridge.errors import DeadlineExceeded, UserPoolError
from fedbridge.model.deadline import Deadline
from fedbridge.user_pools import CognitoUserPools
from tests.support.dynamodb import CREDENTIALS

USERNAME = "Bank_" + "a" * 64


@pytest.fixture
def cognito(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield sdk_client("cognito-idp")


@pytest.fixture
def pool(cognito):
    """A pool with one user, who is signed in."""
    pool_id = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    app = cognito.create_user_pool_client(
        UserPoolId=pool_id, ClientName="app", ExplicitAuthFlows=["ADMIN_NO_SRP_AUTH"]
    )
    cognito.admin_create_user(UserPoolId=pool_id, Username=USERNAME, TemporaryPassword="Passw0rd!x")
    cognito.admin_set_user_password(
        UserPoolId=pool_id, Username=USERNAME, Password="Passw0rd!x", Permanent=True
    )
    signed_in = cognito.admin_initiate_auth(
        UserPoolId=pool_id,
        ClientId=app["UserPoolClient"]["ClientId"],
        AuthFlow="ADMIN_NO_SRP_AUTH",
        AuthParameters={"USERNAME": USERNAME, "PASSWORD": "Passw0rd!x"},
    )
    return pool_id, signed_in["AuthenticationResult"]["AccessToken"]


def deadline():
    return Deadline.after(20)


def test_a_users_tokens_are_worth_nothing_afterwards(cognito, pool):
    pool_id, access_token = pool
    assert cognito.get_user(AccessToken=access_token)["Username"] == USERNAME
    pools = CognitoUserPools(lambda _: cognito)
    assert pools.sign_out(pool_id, USERNAME, deadline())
    with pytest.raises(ClientError) as refused:
        cognito.get_user(AccessToken=access_token)
    assert refused.value.response["Error"]["Code"] == "NotAuthorizedException"
    assert pools.sign_out(pool_id, USERNAME, deadline())  # which changes nothing


def test_a_stranger_is_none_of_the_pools(cognito, pool):
    assert not CognitoUserPools(lambda _: cognito).sign_out(pool[0], "Bank_nobody", deadline())


def test_a_pool_that_does_not_exist(cognito):
    with pytest.raises(UserPoolError) as failure:
        CognitoUserPools(lambda _: cognito).sign_out("eu-central-1_Nowhere", USERNAME, deadline())
    assert failure.value.reason == "user_pool_missing"


def refusal(code, status=400):
    response: Any = {"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "AdminUserGlobalSignOut")


class Faulty:
    """A client that raises what it was given, then answers."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.calls = 0

    def admin_user_global_sign_out(self, **_):
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return {}


def pools_of(client, slept):
    return CognitoUserPools(lambda service: {"cognito-idp": client}[service], sleep=slept.append)


@pytest.mark.parametrize(
    "fault",
    [
        refusal("TooManyRequestsException"),
        refusal("InternalErrorException", 500),
        refusal("Anything", 503),
        ReadTimeoutError(endpoint_url="https://cognito"),
        ConnectTimeoutError(endpoint_url="https://cognito"),
        EndpointConnectionError(endpoint_url="https://cognito"),
    ],
)
def test_what_fails_for_a_moment_is_tried_again(fault):
    slept: list[float] = []
    client = Faulty(fault, fault)
    assert pools_of(client, slept).sign_out("p", "u", deadline())
    assert (client.calls, slept) == (3, [0.2, 0.4])


@pytest.mark.parametrize(
    "fault, reason, calls",
    [
        (refusal("AccessDeniedException"), "user_pool_access_denied", 1),
        (refusal("NotAuthorizedException"), "user_pool_access_denied", 1),
        (refusal("InvalidParameterException"), "user_pool_rejected", 1),
        (refusal("TooManyRequestsException"), "user_pool_unavailable", 3),
        (ReadTimeoutError(endpoint_url="https://cognito"), "user_pool_unreachable", 3),
    ],
)
def test_what_does_not_mend_is_said(fault, reason, calls):
    client = Faulty(*[fault] * 5)
    with pytest.raises(UserPoolError) as failure:
        pools_of(client, []).sign_out("p", "u", deadline())
    assert (failure.value.reason, client.calls) == (reason, calls)


def test_a_refusal_after_a_lost_answer_does_not_say_that_nothing_was_done():
    """Cognito took the first try, and refuses the second one because it is still at it: a secret may have arrived."""
    client = Faulty(
        ReadTimeoutError(endpoint_url="https://cognito"), refusal("ConcurrentModificationException")
    )
    with pytest.raises(UserPoolError) as failure:
        pools_of(client, []).sign_out("p", "u", deadline())
    assert (failure.value.reason, client.calls) == ("user_pool_unreachable", 2)


def test_nothing_is_called_or_waited_for_past_the_deadline():
    client = Faulty()
    with pytest.raises(DeadlineExceeded):
        pools_of(client, []).sign_out("p", "u", Deadline(at=0.0))
    assert client.calls == 0
    slept: list[float] = []
    client = Faulty(refusal("TooManyRequestsException"))
    with pytest.raises(UserPoolError):
        pools_of(client, slept).sign_out("p", "u", Deadline.after(0.15))
    assert slept == []
