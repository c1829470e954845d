"""Finding, creating and linking profiles: moto behind the SDK's own client, and faults in its place."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber
from moto import mock_aws

from fedbridge.aws import sdk_client
from fedbridge.errors import DeadlineExceeded, UserPoolError
from fedbridge.model.deadline import Deadline
from fedbridge.user_pools import CognitoUserProfiles
from tests.support.dynamodb import CREDENTIALS


@pytest.fixture
def cognito(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield sdk_client("cognito-idp")


@pytest.fixture
def pool_id(cognito):
    return cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]


@pytest.fixture
def profiles(cognito):
    return CognitoUserProfiles(lambda _: cognito, sleep=lambda _: None)


def deadline():
    return Deadline.after(20)


def test_a_profile_is_created_found_read_and_confirmed(profiles, pool_id):
    assert profiles.find_by_email(pool_id, "alice@example.com", deadline()) == ()
    assert profiles.read(pool_id, "alice", deadline()) is None
    assert profiles.create(pool_id, "alice", "alice@example.com", deadline())
    (found,) = profiles.find_by_email(pool_id, "alice@example.com", deadline())
    assert found == profiles.read(pool_id, "alice", deadline())
    assert (found.status, found.enabled, found.email) == ("FORCE_CHANGE_PASSWORD", True, "alice@example.com")
    assert found.email_is_verified
    assert not found.is_federated
    profiles.set_password(pool_id, "alice", "a-Password-of-nobodys-1!", deadline())
    assert profiles.read(pool_id, "alice", deadline()).status == "CONFIRMED"


def test_a_name_that_is_taken(profiles, pool_id):
    assert profiles.create(pool_id, "alice", "alice@example.com", deadline())
    assert not profiles.create(pool_id, "alice", "alice2@example.com", deadline())
    assert profiles.read(pool_id, "alice", deadline()).email == "alice@example.com"


def test_a_profile_that_is_disabled(cognito, profiles, pool_id):
    profiles.create(pool_id, "alice", "alice@example.com", deadline())
    cognito.admin_disable_user(UserPoolId=pool_id, Username="alice")
    assert not profiles.read(pool_id, "alice", deadline()).enabled


class Recorder:
    """A client that keeps what it was asked, and answers pages of users."""

    def __init__(self, *pages):
        self.pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def list_users(self, **parameters):
        self.asked.append(parameters)
        return self.pages.pop(0)

    def admin_link_provider_for_user(self, **parameters):
        self.asked.append(parameters)
        return {}


@pytest.mark.parametrize(
    "email,written",
    [
        ("alice@example.com", 'email = "alice@example.com"'),
        ('x" or email ^= "', 'email = "x\\" or email ^= \\""'),
        ('x\\" or email ^= "', 'email = "x\\\\\\" or email ^= \\""'),
        ("\\", 'email = "\\\\"'),
    ],
)
def test_no_address_gets_out_of_its_quotes(email, written):
    client = Recorder({"Users": []})
    CognitoUserProfiles(lambda _: client).find_by_email("p", email, deadline())
    assert client.asked[0]["Filter"] == written


def user(name):
    return {"Username": name, "UserStatus": "CONFIRMED", "Enabled": True, "Attributes": []}


def test_every_page_is_read():
    client = Recorder(
        {"Users": [user("a")], "PaginationToken": "1"},
        {"Users": [], "PaginationToken": "2"},
        {"Users": [user("b")]},
    )
    found = CognitoUserProfiles(lambda _: client).find_by_email("p", "x@example.com", deadline())
    assert [each.username for each in found] == ["a", "b"]
    assert [asked.get("PaginationToken") for asked in client.asked] == [None, "1", "2"]


def test_pages_without_an_end_are_no_answer():
    client = Recorder(*[{"Users": [], "PaginationToken": "again"}] * 9)
    with pytest.raises(UserPoolError) as failure:
        CognitoUserProfiles(lambda _: client).find_by_email("p", "x@example.com", deadline())
    assert failure.value.reason == "user_pool_rejected"


def test_a_link_is_what_the_model_takes_and_hangs_on_the_subject(cognito):
    """moto has no AdminLinkProviderForUser; the SDK's model has."""
    expected = {
        "UserPoolId": "eu-west-1_AbC",
        "DestinationUser": {"ProviderName": "Cognito", "ProviderAttributeValue": "alice"},
        "SourceUser": {
            "ProviderName": "Bank",
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": "5f0c",
        },
    }
    with Stubber(cognito) as stub:
        stub.add_response("admin_link_provider_for_user", {}, expected)
        CognitoUserProfiles(lambda _: cognito).link("eu-west-1_AbC", "alice", "Bank", "5f0c", deadline())
        stub.assert_no_pending_responses()


class Faulty:
    """Raises what it was given, whatever it is asked."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.calls = 0

    def __getattr__(self, name):
        def call(**_):
            self.calls += 1
            if self.faults:
                raise self.faults.pop(0)
            return {}

        return call


def refusal(code, status=400):
    response: Any = {"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "AdminLinkProviderForUser")


@pytest.mark.parametrize(
    "fault,reason,calls",
    [
        (refusal("AliasExistsException"), "user_pool_identity_taken", 1),
        (refusal("LimitExceededException"), "user_pool_link_limit", 1),
        (refusal("InvalidParameterException"), "user_pool_rejected", 1),
        (refusal("AccessDeniedException"), "user_pool_access_denied", 1),
        (refusal("TooManyRequestsException"), "user_pool_unavailable", 3),
        (refusal("InternalErrorException", 500), "user_pool_unavailable", 3),
        (ReadTimeoutError(endpoint_url="https://cognito"), "user_pool_unreachable", 3),
    ],
)
def test_what_does_not_mend_is_said(fault, reason, calls):
    client = Faulty(*[fault] * 5)
    with pytest.raises(UserPoolError) as failure:
        CognitoUserProfiles(lambda _: client, sleep=lambda _: None).link("p", "u", "Bank", "s", deadline())
    assert (failure.value.reason, client.calls) == (reason, calls)


def test_nothing_is_called_past_the_deadline():
    client = Faulty()
    with pytest.raises(DeadlineExceeded):
        CognitoUserProfiles(lambda _: client).read("p", "u", Deadline(at=0.0))
    assert client.calls == 0
