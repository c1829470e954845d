"""The triggers in the stack: absent by default, each with what it needs, and for one user pool alone."""

import json
from dataclasses import replace

import boto3
import pytest
from botocore.config import Config

from fedbridge import wiring
from fedbridge.errors import UserPoolError
from fedbridge.model.deadline import Deadline
from fedbridge.model.trigger_event import TriggerEvent
from fedbridge.telemetry.events import EVENTS
from fedbridge.triggers.group_mapping import map_groups
from fedbridge.triggers.linking import link
from tests.infra.template import Template
from tests.infra.test_least_privilege import access_of
from tests.infra.test_privileges import grants
from tests.support.iam import allowed, listed
from tests.support.recorded_aws import CREDENTIALS, recorded_aws
from tests.support.triggers import LINKING, SOURCE, pre_sign_up, pre_token_generation

POOL_ID = "eu-central-1_AbCdEfGhI"
POOL = f"arn:aws:cognito-idp:eu-central-1:111122223333:userpool/{POOL_ID}"
CONFIGURATION = "arn:aws:ssm:eu-central-1:111122223333:parameter/fedbridge/prod/triggers"
ON = {"TriggerUserPoolId": POOL_ID, "LinkProfiles": "true", "MapGroups": "true"}
FUNCTIONS = {"PreSignUp": "pre_sign_up", "PreTokenGeneration": "pre_token_generation"}

# As in test_privileges.py: to change a policy is to change this list.
GRANTS = {
    "PreSignUpRole": {
        "Allow logs:CreateLogStream on PreSignUpLog.Arn",
        "Allow logs:PutLogEvents on PreSignUpLog.Arn",
        f"Allow ssm:GetParameter on {CONFIGURATION}",
        f"Allow cognito-idp:ListUsers on {POOL}",
        f"Allow cognito-idp:AdminGetUser on {POOL}",
        f"Allow cognito-idp:AdminLinkProviderForUser on {POOL}",
    },
    "PreTokenGenerationRole": {
        "Allow logs:CreateLogStream on PreTokenGenerationLog.Arn",
        "Allow logs:PutLogEvents on PreTokenGenerationLog.Arn",
        f"Allow ssm:GetParameter on {CONFIGURATION}",
    },
}
CREATING = {
    f"Allow cognito-idp:AdminCreateUser on {POOL}",
    f"Allow cognito-idp:AdminSetUserPassword on {POOL}",
}


def of_triggers(template):
    return {name for name in template.resources() if name.startswith(("PreSignUp", "PreTokenGeneration"))}


def test_nothing_of_it_is_there_by_default():
    assert of_triggers(Template()) == set()
    assert not [name for name in Template().outputs() if name.startswith("Pre")]


@pytest.mark.parametrize(
    "parameter,function", [("LinkProfiles", "PreSignUp"), ("MapGroups", "PreTokenGeneration")]
)
def test_each_is_turned_on_by_itself(parameter, function):
    template = Template({"TriggerUserPoolId": POOL_ID, parameter: "true"})
    assert of_triggers(template) == {
        f"{function}{part}" for part in ("", "Role", "Log", "Permission", "Faults", "Broken")
    }
    assert template.outputs()[f"{function}Arn"] == f"{function}.Arn"


def test_none_is_made_without_a_pool_that_it_is_for():
    assert of_triggers(Template({"LinkProfiles": "true", "MapGroups": "true"})) == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_runs_in_the_time_that_cognito_gives(name):
    function = Template(ON).properties(name)
    assert function["Handler"] == f"app.{FUNCTIONS[name]}"
    assert function["CodeUri"] == "functions/triggers/"
    assert function["Timeout"] == 5
    assert function["Role"] == f"{name}Role.Arn"
    variables = function["Environment"]["Variables"]
    assert variables["FEDBRIDGE_TRIGGERS"] == "ssm:/fedbridge/prod/triggers"
    assert variables["FEDBRIDGE_USER_POOL_ID"] == POOL_ID
    assert variables["FEDBRIDGE_FIXTURES"] == ""
    assert variables["POWERTOOLS_SERVICE_NAME"] == FUNCTIONS[name]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_pool_and_nobody_else_invokes_it(name):
    assert Template(ON).properties(f"{name}Permission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": name,
        "Principal": "cognito-idp.amazonaws.com",
        "SourceAccount": "111122223333",
        "SourceArn": POOL,
    }


@pytest.mark.parametrize("role", GRANTS)
def test_each_role_may_do_exactly_what_its_trigger_does(role):
    (policy,) = Template(ON).properties(role)["Policies"]
    assert grants(policy["PolicyDocument"]["Statement"]) == GRANTS[role]


@pytest.mark.parametrize("role", GRANTS)
def test_creating_profiles_is_a_permission_of_its_own_and_of_one_role(role):
    (policy,) = Template(ON | {"CreateProfiles": "true"}).properties(role)["Policies"]
    expected = GRANTS[role] | (CREATING if role == "PreSignUpRole" else set())
    assert grants(policy["PolicyDocument"]["Statement"]) == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_writes_to_its_own_log_group(name):
    template = Template(ON | {"LogsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/1"})
    assert template.properties(name)["LoggingConfig"]["LogGroup"] == f"{name}Log"
    log = template.properties(f"{name}Log")
    assert log["LogGroupName"] == f"/fedbridge/prod/{FUNCTIONS[name].replace('_', '-')}"
    assert (log["RetentionInDays"], log["KmsKeyId"]) == (30, "arn:aws:kms:eu-central-1:111122223333:key/1")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_refusal_wakes_nobody_and_a_fault_does(name):
    """What a trigger raises is an error of its function to Lambda, so neither `Errors` nor a line's level will do."""
    faults, broken = (
        Template(ON).properties(f"{name}{part}")["FilterPattern"] for part in ("Faults", "Broken")
    )
    assert {event for event in EVENTS if f'"{event}"' in faults} == {"internal_error", "configuration_error"}
    assert {event for event in EVENTS if f'"{event}"' in broken} == {"trigger_failed"}


# --- what they call, against what they may ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calls():
    """Role → the calls of a sign-in that creates and links a profile, and of one that maps groups."""
    with recorded_aws() as aws, pytest.MonkeyPatch.context() as environment:
        for name, value in {**CREDENTIALS, "AWS_DEFAULT_REGION": "eu-central-1"}.items():
            environment.setenv(name, value)
        # Unhurried, because the first call of a service loads it.
        unhurried = Config(read_timeout=60)
        ssm = boto3.client("ssm", endpoint_url=aws.endpoint("operator"), config=unhurried)
        document = {
            "linking": {**LINKING, "native_profile_missing": "create"},
            "groups": {"providers": {"Bank": SOURCE}},
        }
        value = json.dumps(document)
        ssm.put_parameter(Name="/fedbridge/prod/triggers", Type="String", Value=value, Overwrite=True)
        cognito = boto3.client("cognito-idp", endpoint_url=aws.endpoint("operator"), config=unhurried)
        pool_id = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]

        def call(function, flow, event):
            environment.setenv("AWS_ENDPOINT_URL", aws.endpoint(function))
            variables = Template(ON | {"TriggerUserPoolId": pool_id}).properties(function)["Environment"][
                "Variables"
            ]
            services = wiring.triggers({**variables, "AWS_LAMBDA_FUNCTION_NAME": function})
            return flow(
                services,
                TriggerEvent(
                    source=event["triggerSource"],
                    version=event["version"],
                    pool_id=pool_id,
                    username=event["userName"],
                    attributes=event["request"]["userAttributes"],
                    request=event["request"],
                    deadline=Deadline.after(30),  # Cognito's patience is not what this is about
                ),
            )

        with pytest.raises(UserPoolError):  # moto has users, and no links
            call("PreSignUp", link, pre_sign_up())
        call("PreTokenGeneration", map_groups, pre_token_generation("[treasury]"))
        made = {f"{function}Role": aws.calls[function] for function in FUNCTIONS}
        yield made, pool_id


@pytest.mark.parametrize("role", GRANTS)
def test_every_call_is_allowed_and_every_permission_used(calls, role):
    made, pool_id = calls
    template = Template(ON | {"CreateProfiles": "true", "TriggerUserPoolId": pool_id})
    (policy,) = template.properties(role)["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    asked = {access_of(call) for call in made[role]}
    assert [access for access in asked if not allowed(statements, access)] == []
    granted = {
        action for each in statements for action in listed(each["Action"]) if not action.startswith("logs:")
    }
    assert {access.action for access in asked} == granted


def test_no_other_pool_and_no_other_parameter_is_within_reach(calls):
    made, pool_id = calls
    template = Template(ON | {"CreateProfiles": "true"})  # for another pool
    (policy,) = template.properties("PreSignUpRole")["Policies"]
    for call in made["PreSignUpRole"]:
        access = access_of(call)
        if call.service == "ssm":
            access = replace(access, resource=access.resource + "2")
        assert not allowed(policy["PolicyDocument"]["Statement"], access), (access, pool_id)
