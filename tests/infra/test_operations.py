"""What looks after key rings: when it runs, what it is given, and what wakes somebody."""

import pytest

from fedbridge.settings import read_settings
from tests.infra.template import Template


def test_it_runs_every_hour_and_nobody_else_may_call_it(template):
    rule = template.properties("OperationsSchedule")
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert [target["Arn"] for target in rule["Targets"]] == ["Operations.Arn"]
    permission = template.properties("OperationsPermission")
    assert (permission["Principal"], permission["SourceArn"]) == (
        "events.amazonaws.com",
        "OperationsSchedule.Arn",
    )
    assert template.properties("Operations")["EventInvokeConfig"] == {"MaximumRetryAttempts": 0}


def test_keys_of_one_table_rotate_in_one_place(template):
    assert template.properties("OperationsSchedule")["State"] == "ENABLED"
    elsewhere = Template({"RotateKeys": "false"})
    assert elsewhere.properties("OperationsSchedule")["State"] == "DISABLED"
    assert "OperationsSilentAlarm" not in elsewhere.resources("AWS::CloudWatch::Alarm")


@pytest.mark.parametrize(
    ("parameters", "keys"),
    [
        ({}, "kms:IdTokenKey.Arn"),
        ({"IdTokenKeyRing": "id-token"}, "ring:id-token,kms:IdTokenKey.Arn"),
        ({"IdTokenKeyRing": "ours", "IdTokenKeys": "kms:a,kms:b"}, "ring:ours,kms:a,kms:b"),
    ],
)
def test_the_ring_of_id_tokens_stands_before_keys_that_sign_until_it_does(parameters, keys):
    template = Template({"BaseUrl": "https://bridge.example", **parameters})
    variables = template.resolve(template.raw["Globals"]["Function"]["Environment"]["Variables"])
    assert variables["FEDBRIDGE_ID_TOKEN_KEYS"] == keys
    settings = read_settings(variables | {"AWS_LAMBDA_FUNCTION_NAME": "f"})
    assert settings.id_token_keys == tuple(keys.split(","))


@pytest.mark.parametrize("event", ["key_ring_failed", "key_rotation_overdue", "key_lost"])
def test_trouble_with_a_ring_is_counted(template, event):
    assert event in template.properties("RotationFailures")["FilterPattern"]
