"""The tests' own judge of policies judges as IAM's documentation says."""

import pytest

from tests.support.iam import Access, allowed

READ = {"Effect": "Allow", "Action": "s:Get*", "Resource": ["arn:a/*", "arn:b"]}


def statement(**members):
    return {**READ, **members}


@pytest.mark.parametrize(
    "action,resource,expected",
    [
        ("s:GetItem", "arn:a/1", True),
        ("s:getitem", "arn:a/1/2", True),
        ("s:GetItem", "arn:b", True),
        ("s:GetItem", "arn:A/1", False),
        ("s:GetItem", "arn:b/1", False),
        ("s:PutItem", "arn:b", False),
        ("t:GetItem", "arn:b", False),
    ],
)
def test_actions_and_resources_match_by_their_patterns(action, resource, expected):
    assert allowed([READ], Access(action=action, resource=resource)) is expected


def test_what_nothing_allows_is_denied_and_what_is_denied_is_not_allowed():
    access = Access(action="s:GetItem", resource="arn:a/secret/1")
    deny = statement(Effect="Deny", Resource="arn:a/secret/*")
    assert not allowed([], access)
    assert allowed([READ], access)
    assert not allowed([READ, deny], access)
    assert not allowed([deny], access)


@pytest.mark.parametrize(
    "condition,context,expected",
    [
        ({"StringEquals": {"aws:ResourceTag/k:use": "a"}}, {"aws:ResourceTag/k:use": "a"}, True),
        ({"StringEquals": {"AWS:resourcetag/k:use": "a"}}, {"aws:ResourceTag/k:use": "a"}, True),
        ({"StringEquals": {"aws:ResourceTag/K:use": "a"}}, {"aws:ResourceTag/k:use": "a"}, False),
        ({"StringEquals": {"aws:ResourceTag/k:use": ["b", "a"]}}, {"aws:ResourceTag/k:use": "a"}, True),
        ({"StringEquals": {"aws:ResourceTag/k:use": "a"}}, {}, False),
        ({"StringEquals": {"a:b": "1", "a:c": "2"}}, {"a:b": "1"}, False),
        ({"StringLike": {"a:b": "x*"}}, {"a:b": "xyz"}, True),
        ({"Null": {"a:b": "false"}}, {"a:b": "1"}, True),
        ({"Null": {"a:b": "false"}}, {}, False),
        ({"Null": {"a:b": "true"}}, {}, True),
    ],
)
def test_every_condition_has_to_hold(condition, context, expected):
    access = Access(action="s:GetItem", resource="arn:b", context=context)
    assert allowed([statement(Condition=condition)], access) is expected


@pytest.mark.parametrize(
    "members", [{"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, {"NotAction": "s:Put"}]
)
def test_what_it_does_not_know_it_does_not_judge(members):
    with pytest.raises((NotImplementedError, AssertionError)):
        allowed([statement(**members)], Access(action="s:GetItem", resource="arn:b"))
