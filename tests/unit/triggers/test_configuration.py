"""The triggers' configuration is read strictly: every problem at once, each with its path."""

import copy
import json
from typing import Any

import pytest

from fedbridge.errors import ConfigurationError
from fedbridge.trigger_settings import read_trigger_settings
from fedbridge.triggers.configuration import MAX_BYTES, decode_configuration

WHOLE = {
    "linking": {
        "providers": {"Bank": {"domains": ["example.com", "example.org"]}},
        "unlinkable": "refuse",
        "native_profile_missing": "create",
        "native_profile_unfit": "allow",
        "after_linking": "continue",
        "created_username": "uuid",
    },
    "groups": {
        "providers": {
            "Bank": {
                "attribute": "custom:groups",
                "form": "joined",
                "separator": ";",
                "existing": "replace",
                "claim": "groups",
                "rules": [
                    {
                        "group": "Treasury, senior",
                        "becomes": "finance",
                        "role": "arn:aws:iam::111122223333:role/a/finance",
                    },
                    {"prefix": "app-", "becomes": "bank-"},
                ],
            }
        },
        "linked_profiles": True,
    },
}


def test_everything_that_there_is():
    configuration = decode_configuration(json.dumps(WHOLE))
    assert configuration.linking is not None
    assert configuration.linking.providers == {"Bank": frozenset({"example.com", "example.org"})}
    assert configuration.linking.created_username == "uuid"
    assert configuration.groups is not None
    first, second = configuration.groups.providers["Bank"].rules
    assert (first.group, first.becomes, second.prefix, second.becomes) == (
        "Treasury, senior",
        "finance",
        "app-",
        "bank-",
    )


def test_defaults_refuse_what_is_in_doubt():
    linking = decode_configuration(
        '{"linking": {"providers": {"Bank": {"domains": ["example.com"]}}}}'
    ).linking
    assert linking is not None
    assert (linking.native_profile_missing, linking.native_profile_unfit, linking.after_linking) == (
        "allow",
        "refuse",
        "sign_in_again",
    )


def changed(path, value):
    document: Any = copy.deepcopy(WHOLE)
    *parents, last = path
    place = document
    for step in parents:
        place = place[step]
    if value is DELETED:
        del place[last]
    else:
        place[last] = value
    return document


DELETED = object()
BANK = ("groups", "providers", "Bank")
RULE = (*BANK, "rules", 0)


@pytest.mark.parametrize(
    "path,value,problem",
    [
        (("linking", "providers"), DELETED, "linking.providers: must be an object of 1 to 300"),
        (("linking", "providers"), {}, "linking.providers: must be an object of 1 to 300"),
        (("linking", "providers"), [], "linking.providers: must be an object of 1 to 300"),
        (("linking", "providers"), {"B k": {"domains": ["a.example"]}}, "linking.providers: 'B k' is no name"),
        (("linking", "providers"), {"ab": {"domains": ["a.example"]}}, "linking.providers: 'ab' is no name"),
        (("linking", "providers"), {"Ba_nk": {"domains": ["a.example"]}}, "linking.providers: 'Ba_nk' is no name"),
        (("linking", "providers", "bANK"), {"domains": ["a.example"]}, "is there twice but for"),
        (("linking", "providers", "Bank"), ["example.com"], "linking.providers.Bank: must be an object"),
        (("linking", "providers", "Bank", "domains"), [], "linking.providers.Bank.domains: must be a list of 1 to 100"),
        (("linking", "providers", "Bank", "domains"), "example.com", "domains: must be a list"),
        (("linking", "providers", "Bank", "domains"), ["*"], "domains: '*' is no domain"),
        (("linking", "providers", "Bank", "domains"), ["*.example.com"], "domains: '*.example.com' is no domain"),
        (("linking", "providers", "Bank", "domains"), ["Example.com"], "domains: 'Example.com' is no domain"),
        (("linking", "providers", "Bank", "domains"), ["com"], "domains: 'com' is no domain"),
        (("linking", "providers", "Bank", "domains"), [7], "domains: 7 is no domain"),
        (("linking", "native_profile_missing"), "maybe", "native_profile_missing: must be one of allow, refuse, create"),
        (("linking", "native_profile_unfit"), True, "native_profile_unfit: must be one of refuse, allow"),
        (("linking", "nativeProfileMissing"), "allow", "linking.nativeProfileMissing: is no key that exists here"),
        (("link",), {}, "link: is no key that exists here"),
        (("linking",), [], "linking: must be an object"),
        (("groups", "linked_profiles"), "yes", "groups.linked_profiles: must be true or false"),
        ((*BANK, "attribute"), DELETED, "groups.providers.Bank.attribute: is missing"),
        ((*BANK, "attribute"), "email", "groups.providers.Bank.attribute: must be a custom attribute"),
        ((*BANK, "separator"), "a", "separator: must be one sign that is no letter"),
        ((*BANK, "claim"), "sub", "claim: sub is Cognito's or the protocol's own"),
        ((*BANK, "claim"), "cognito:groups", "claim: cognito:groups is Cognito's or the protocol's own"),
        ((*BANK, "claim"), "email_verified", "claim: email_verified is Cognito's or the protocol's own"),
        ((*BANK, "rules"), [], "groups.providers.Bank.rules: must be a list of 1 to 100"),
        ((*BANK, "rules"), [{"becomes": "x", "group": "y"}] * 101, "rules: must be a list of 1 to 100"),
        ((*RULE, "prefix"), "x", "rules[0]: has either group or prefix"),
        ((*RULE, "group"), DELETED, "rules[0]: has either group or prefix"),
        ((*BANK, "rules", 1, "prefix"), "", "rules[1].prefix: must be a text"),
        ((*RULE, "becomes"), "", "rules[0].becomes: must be the name of a group"),
        ((*RULE, "becomes"), "a b", "rules[0].becomes: must be the name of a group"),
        ((*RULE, "becomes"), DELETED, "rules[0].becomes: is missing"),
        ((*RULE, "role"), "arn:aws:iam::aws:policy/AdministratorAccess", "rules[0].role: must be the ARN of an IAM role"),
        ((*RULE, "rôle"), "x", "rules[0].rôle: is no key"),
    ],
)  # fmt: skip
def test_a_problem_is_named_with_its_place(path, value, problem):
    with pytest.raises(ConfigurationError) as refused:
        decode_configuration(json.dumps(changed(path, value)))
    assert any(problem in each for each in refused.value.problems), refused.value.problems


def test_all_problems_are_told_at_once():
    document = changed(("linking", "native_profile_missing"), "maybe")
    document["groups"]["providers"]["Bank"]["claim"] = "sub"
    with pytest.raises(ConfigurationError) as refused:
        decode_configuration(json.dumps(document))
    assert len(refused.value.problems) == 2


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "null", '{"a": 1, "a": 2}', '{"linking": NaN}', "{" * 50, "{}", "\ufeff{}"]
)
def test_what_is_no_configuration(text):
    with pytest.raises(ConfigurationError):
        decode_configuration(text)


def test_a_document_larger_than_a_parameter():
    with pytest.raises(ConfigurationError, match="larger than"):
        decode_configuration(json.dumps({"linking": {"x": "y" * MAX_BYTES}}))


# --- the environment ----------------------------------------------------------------------------------------------

ENVIRONMENT = {
    "FEDBRIDGE_USER_POOL_ID": "eu-west-1_AbCdEfGhI",
    "FEDBRIDGE_TRIGGERS": "ssm:/fedbridge/prod/triggers",
}


def test_the_environment_is_read():
    settings = read_trigger_settings({**ENVIRONMENT, "AWS_LAMBDA_FUNCTION_NAME": "f"})
    assert (settings.pool_id, settings.configuration) == (
        "eu-west-1_AbCdEfGhI",
        "ssm:/fedbridge/prod/triggers",
    )
    assert not settings.local


@pytest.mark.parametrize(
    "change,problem",
    [
        ({"FEDBRIDGE_USER_POOL_ID": ""}, "FEDBRIDGE_USER_POOL_ID"),
        ({"FEDBRIDGE_USER_POOL_ID": "eu-west-1_A/*"}, "FEDBRIDGE_USER_POOL_ID"),
        ({"FEDBRIDGE_TRIGGERS": "{}"}, "FEDBRIDGE_TRIGGERS"),
        ({"FEDBRIDGE_TRIGGERS": "kms:x"}, "FEDBRIDGE_TRIGGERS"),
        ({"FEDBRIDGE_FIXTURES": "on"}, "FEDBRIDGE_FIXTURES"),
    ],
)
def test_an_environment_that_cannot_be_right(change, problem):
    with pytest.raises(ConfigurationError, match=problem):
        read_trigger_settings({**ENVIRONMENT, "AWS_LAMBDA_FUNCTION_NAME": "f", **change})
