"""Secrets Manager and SSM beyond the common suite: rotation by stages, and what a secret must not be."""

import boto3
import pytest
from moto import mock_aws

from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from tests.fakes.telemetry import NullTelemetry

NAME = "fedbridge/test/client-secret"


@pytest.fixture
def manager(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


def read(reference=f"secretsmanager:{NAME}") -> str:
    secrets = CachedSecrets(sdk_client, allow_local=False, telemetry=NullTelemetry())
    return secrets.get(reference, Deadline.after(20))


def test_the_current_version_is_read_while_another_one_is_pending(manager):
    manager.create_secret(Name=NAME, SecretString="old")
    version = manager.put_secret_value(SecretId=NAME, SecretString="new", VersionStages=["AWSPENDING"])[
        "VersionId"
    ]
    assert read() == "old"

    old = manager.describe_secret(SecretId=NAME)["VersionIdsToStages"]
    (current,) = [name for name, stages in old.items() if "AWSCURRENT" in stages]
    manager.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=current
    )

    assert read() == "new"


def test_a_secret_by_its_arn(manager):
    arn = manager.create_secret(Name=NAME, SecretString="value")["ARN"]

    assert read(f"secretsmanager:{arn}") == "value"


def test_a_binary_secret_is_refused(manager):
    manager.create_secret(Name=NAME, SecretBinary=b"\x00\x01")

    with pytest.raises(ConfigurationError, match="not text"):
        read()


def test_a_secret_that_is_marked_for_deletion(manager):
    manager.create_secret(Name=NAME, SecretString="value")
    manager.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)

    with pytest.raises(KeyUnavailable) as caught:
        read()

    assert (caught.value.reason, caught.value.transient) == ("secret_deleted", False)


@pytest.mark.parametrize("reference", [f"secretsmanager:{NAME}", "ssm:/fedbridge/none"])
def test_a_secret_that_is_not_there(manager, reference):
    with pytest.raises(KeyUnavailable) as caught:
        read(reference)

    assert (caught.value.reason, caught.value.transient) == ("secret_not_found", False)
    assert reference in str(caught.value)


def test_a_parameter_by_version(manager):
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/fedbridge/p", Value="one", Type="String")
    ssm.put_parameter(Name="/fedbridge/p", Value="two", Type="String", Overwrite=True)

    assert (read("ssm:/fedbridge/p"), read("ssm:/fedbridge/p:1")) == ("two", "one")
