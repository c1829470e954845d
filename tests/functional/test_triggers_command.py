"""`fedbridge triggers`: the file as the triggers read it, and the ways round it that a user pool leaves."""

import copy
import json
from typing import Any

import pytest
from moto import mock_aws

from fedbridge.aws import sdk_client
from fedbridge.cli import main
from fedbridge.net.trigger_edge import SignInRefused
from tests.fakes.user_profiles import profile
from tests.support.dynamodb import CREDENTIALS
from tests.support.markdown import page
from tests.support.triggers import LINKING, SOURCE, Pool, pre_sign_up, pre_token_generation

WHOLE: dict[str, Any] = {"linking": LINKING, "groups": {"providers": {"Bank": SOURCE}}}
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:x"
ATTACHED = {"PreSignUp": ARN, "PreTokenGenerationConfig": {"LambdaArn": ARN, "LambdaVersion": "V2_0"}}
USER_ADMIN = "aws.cognito.signin.user.admin"


@pytest.fixture
def file(tmp_path):
    def write(document=WHOLE):
        path = tmp_path / "triggers.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return write


def test_a_file_that_can_be_right(file, capsys):
    assert main(["triggers", "validate", file()]) == 0
    assert capsys.readouterr().out == "linking: Bank\ngroups: Bank\n"


def test_a_file_that_cannot(file, capsys):
    document = copy.deepcopy(WHOLE)
    document["linking"]["providers"]["Bank"]["domains"] = ["*"]
    assert main(["triggers", "validate", file(document)]) == 1
    assert "triggers.json: linking.providers.Bank.domains: '*' is no domain" in capsys.readouterr().err


def test_no_file(tmp_path, capsys):
    assert main(["triggers", "validate", str(tmp_path / "none.json")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_the_example_of_the_page_can_be_right(file):
    (example,) = [fence for fence in page("docs/triggers.md").fences("json") if "linking" in fence.text]
    assert main(["triggers", "validate", file(example.text)]) == 0


# --- the user pool ------------------------------------------------------------------------------------------------


@pytest.fixture
def cognito(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield sdk_client("cognito-idp")


@pytest.fixture
def pool(cognito):
    """A pool with what the triggers need, and one app client; `app` and `pool` change it."""

    def make(*, provider="Bank", attached=ATTACHED, **app):
        pool_id = cognito.create_user_pool(PoolName="people", LambdaConfig=attached)["UserPool"]["Id"]
        cognito.create_identity_provider(
            UserPoolId=pool_id, ProviderName=provider, ProviderType="OIDC", ProviderDetails={}
        )
        client = {
            "AllowedOAuthFlowsUserPoolClient": True,
            "AllowedOAuthFlows": ["code"],
            "AllowedOAuthScopes": ["openid", "email"],
            "WriteAttributes": ["email", "custom:groups"],
            "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"],
            **app,
        }
        cognito.create_user_pool_client(UserPoolId=pool_id, ClientName="app", **client)
        return pool_id

    return make


def findings(capsys, path, pool_id):
    code = main(["triggers", "check", path, "--user-pool-id", pool_id, "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert code == (1 if any(each["severity"] == "error" for each in found) else 0)
    return [each["code"] for each in found]


def test_a_pool_that_leaves_no_way_round(file, pool, capsys):
    assert findings(capsys, file(), pool()) == []
    assert main(["triggers", "check", file(), "--user-pool-id", pool()]) == 0
    assert "no problem found" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change,code",
    [
        ({"provider": "bank"}, ["trigger_provider_missing"]),
        ({"attached": {}}, ["trigger_not_attached", "trigger_not_attached"]),
        ({"attached": {"PreSignUp": ARN, "PreTokenGeneration": ARN}}, ["trigger_version_1"]),
        (
            {
                "attached": {
                    **ATTACHED,
                    "PreTokenGenerationConfig": {"LambdaArn": ARN, "LambdaVersion": "V1_0"},
                }
            },
            ["trigger_version_1"],
        ),
        ({"AllowedOAuthScopes": ["openid", USER_ADMIN]}, ["groups_attribute_writable"]),
        ({"AllowedOAuthScopes": ["openid", USER_ADMIN], "WriteAttributes": ["email"]}, []),
        ({"ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"]}, []),  # who is federated has no password
    ],
)
def test_what_a_pool_leaves_open(file, pool, capsys, change, code):
    assert findings(capsys, file(), pool(**change)) == code


def test_a_provider_of_another_kind_is_one_of_the_pools(file, pool, cognito, capsys):
    """Linking and groups are for any identity provider, whether or not the bridge is behind it."""
    pool_id = pool(provider="Other")
    cognito.create_identity_provider(
        UserPoolId=pool_id, ProviderName="Bank", ProviderType="SAML", ProviderDetails={}
    )
    assert findings(capsys, file(), pool_id) == []


def test_two_providers_that_differ_by_case_could_be_taken_for_one_another(file, pool, cognito, capsys):
    """`bank` is trusted with nothing, and its users' names begin like those of `Bank` where the pool ignores case."""
    pool_id = pool()
    cognito.create_identity_provider(
        UserPoolId=pool_id, ProviderName="bank", ProviderType="OIDC", ProviderDetails={}
    )
    assert findings(capsys, file(), pool_id) == ["trigger_provider_ambiguous"]


@pytest.mark.parametrize("flows", [["ALLOW_USER_SRP_AUTH"], ["USER_PASSWORD_AUTH"], []])
def test_linked_users_have_a_password_and_with_it_another_way(file, pool, capsys, flows):
    linked = {**WHOLE, "groups": {**WHOLE["groups"], "linked_profiles": True}}
    assert findings(capsys, file(linked), pool(ExplicitAuthFlows=flows)) == ["groups_attribute_writable"]


def test_a_pool_that_is_not_there(file, cognito, capsys):
    assert main(["triggers", "check", file(), "--user-pool-id", "eu-west-1_Nowhere01"]) == 1
    assert "ResourceNotFoundException" in capsys.readouterr().err


# --- from the reference that the app was shown --------------------------------------------------------------------


@pytest.mark.parametrize(
    "event,flow,reason",
    [
        (pre_sign_up(), "sign_up", "link_profile_disabled"),
        (pre_token_generation("[treasury]", version="1"), "tokens", "trigger_version"),
    ],
)
def test_the_reference_leads_to_the_reason(tmp_path, capsys, event, flow, reason):
    pool = Pool(profile("alice", enabled=False))
    with pytest.raises(SignInRefused) as refused:
        getattr(pool, flow)(event)
    (_, reference) = str(refused.value).rstrip(")").split("(ref ")
    log = tmp_path / "log.jsonl"
    lines = [
        {"level": "WARNING", "message": name, "timestamp": "2026-11-23T08:00:00.000Z", **fields}
        for name, fields in pool.telemetry.events
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["explain", reference, "--log", str(log), "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert (story["outcome"], story["reason"]) == ("refused", reason)
    assert "trigger" in story["summary"] or "version 1" in story["means"]
