"""What the stack keeps, what it writes down, and what wakes somebody."""

import json
import re

import pytest

from fedbridge.telemetry.events import EVENTS
from tests.infra.template import Template

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


def test_sessions_cost_nothing_where_none_are_kept(template):
    assert not {"Sessions", "SessionsKey"} & set(template.resources())
    assert "SessionsTable" not in template.outputs()


def test_sessions_have_a_table_and_a_key_of_their_own():
    template = Template({"KeepSessions": "true"})
    properties = template.properties("Sessions")
    assert properties["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["KMSMasterKeyId"] == "SessionsKey.Arn"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}
    assert {"Sessions", "SessionsKey"} <= set(template.resources())
    for function in ("FrontChannel", "BackChannel"):
        variables = template.properties(function)["Environment"]["Variables"]
        assert variables["FEDBRIDGE_SESSIONS"] == "dynamodb:Sessions"
    assert template.outputs()["SessionsTable"] == "Sessions"


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
        "$context.httpMethod",
        "$context.routeKey",
        "$context.status",
        "$context.responseLatency",
        "$context.responseLength",
        "$context.integrationLatency",
        "$context.integrationErrorMessage",
        "$context.error.responseType",
    }


@pytest.mark.parametrize("name", ["FrontChannel", "BackChannel", "Saml"])
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
    assert set(groups) == {"FrontChannelLog", "BackChannelLog", "SamlLog", "OperationsLog", "AccessLog"}
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
        "SamlErrorsAlarm",
        "SamlThrottlesAlarm",
        "FaultsAlarm",
        "BrokenSignInsAlarm",
        "UnredeemedSignInsAlarm",
        "SlowProvidersAlarm",
        "RotationAlarm",
        "KeyConfirmationAlarm",
        "KeyCertificateAlarm",
        "UpstreamSecretAlarm",
        "OperationsSilentAlarm",
        "OperationsErrorsAlarm",
    }
    topic = "arn:aws:sns:eu-central-1:111122223333:on-call"
    for name, alarm in alarms.items():
        assert alarm["Properties"]["AlarmActions"] == []
        missing = "breaching" if name == "OperationsSilentAlarm" else "notBreaching"
        assert alarm["Properties"]["TreatMissingData"] == missing
        assert Template({"AlarmTopicArn": topic}).properties(name)["AlarmActions"] == [topic]


def alarm_of(template, metric_filter):
    """Return the alarm that watches what a metric filter counts."""
    (metric,) = template.properties(metric_filter)["MetricTransformations"]
    (name,) = [
        name
        for name, alarm in template.resources("AWS::CloudWatch::Alarm").items()
        if (alarm["Properties"].get("Namespace"), alarm["Properties"].get("MetricName"))
        == (metric["MetricNamespace"], metric["MetricName"])
    ]
    return name


@pytest.mark.parametrize("function", ["FrontChannel", "BackChannel", "Saml"])
def test_an_alarm_counts_what_the_functions_log_as_errors(template, function):
    properties = template.properties(f"{function}Faults")
    assert properties["LogGroupName"] == f"{function}Log"
    assert properties["FilterPattern"] == '{ $.level = "ERROR" }'
    assert alarm_of(template, f"{function}Faults") == "FaultsAlarm"
    assert {name for name, event in EVENTS.items() if event.level == "ERROR"} == {
        "internal_error",
        "configuration_error",
    }


@pytest.mark.parametrize("name,log", [("BrokenSignIns", "FrontChannelLog"), ("BrokenSamlSignIns", "SamlLog")])
def test_the_alarm_on_broken_sign_ins_reads_what_finishes_them_logs(template, name, log):
    properties = template.properties(name)
    assert properties["LogGroupName"] == log
    (event,) = re.findall(r'\$\.message = "(\w+)"', properties["FilterPattern"])
    fields = set(re.findall(r"\$\.(\w+) =", properties["FilterPattern"])) - {"message"}
    assert fields <= EVENTS[event].fields
    assert EVENTS[event].level == "WARNING"
    assert "ERROR" not in template.raw["Parameters"]["LogLevel"]["AllowedValues"]
    assert alarm_of(template, name) == "BrokenSignInsAlarm"
