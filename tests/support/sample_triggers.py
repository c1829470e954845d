"""The sample events of `events/triggers/`: a user pool's calls, and what is answered. Written by `tests.support.sample_events`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fedbridge.fixtures_triggers import POOL_ID, PROVIDER, SUBJECT

FUNCTIONS = {"PreSignUp": "pre_sign_up", "PreTokenGeneration": "pre_token_generation"}
"""Logical id of the function → its handler in functions/triggers/app.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A call, and texts that the answer holds: the response, or where it is refused the message of the error."""

    function: str
    event: dict[str, Any]
    holds: tuple[str, ...]
    refused: bool = False


def _event(
    source: str, attributes: dict[str, str], response: dict[str, Any], *, version: str = "1", **request: Any
) -> dict[str, Any]:
    return {
        "version": version,
        "triggerSource": source,
        "region": "eu-west-1",
        "userPoolId": POOL_ID,
        "userName": f"{PROVIDER}_{SUBJECT}",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
        "request": {"userAttributes": attributes, **request},
        "response": response,
    }


def _sign_up(
    email: str, *, verified: str = "true", source: str = "PreSignUp_ExternalProvider"
) -> dict[str, Any]:
    attributes = {
        "email": email,
        "email_verified": verified,
        "cognito:email_alias": "",
        "cognito:phone_number_alias": "",
    }
    response = {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False}
    return _event(source, attributes, response, validationData={})


def _tokens(groups: str, *, status: str = "EXTERNAL_PROVIDER") -> dict[str, Any]:
    identity = {
        "userId": SUBJECT,
        "providerName": PROVIDER,
        "providerType": "OIDC",
        "issuer": None,
        "primary": "true",
        "dateCreated": "1800000000000",
    }
    attributes = {
        "sub": "0b0c3a52-3021-70ab-d0f5-6fa3b1d0a111",
        "cognito:user_status": status,
        "custom:groups": groups,
        **(
            {"identities": json.dumps([identity], separators=(",", ":"))}
            if status == "EXTERNAL_PROVIDER"
            else {}
        ),
    }
    configuration = {
        "groupsToOverride": [f"{POOL_ID}_{PROVIDER}"],
        "iamRolesToOverride": [],
        "preferredRole": None,
    }
    response = {"claimsAndScopeOverrideDetails": None}
    return _event(
        "TokenGeneration_HostedAuth",
        attributes,
        response,
        version="2",
        groupConfiguration=configuration,
        scopes=["openid", "email"],
    )


CASES: dict[str, Case] = {
    "pre-sign-up-linked": Case(
        function="PreSignUp",
        event=_sign_up("ana@example.com"),
        holds=("Your accounts are linked now. Please sign in once more. (ref ",),
        refused=True,
    ),
    "pre-sign-up-squatted": Case(
        function="PreSignUp",
        event=_sign_up("victim@example.com"),
        holds=("This sign-in was refused. (ref ",),
        refused=True,
    ),
    "pre-sign-up-new": Case(
        function="PreSignUp", event=_sign_up("new@example.com"), holds=('"autoConfirmUser": false',)
    ),
    "pre-sign-up-unverified": Case(
        function="PreSignUp",
        event=_sign_up("ana@example.com", verified="false"),
        holds=('"autoConfirmUser": false',),
    ),
    "pre-sign-up-native": Case(
        function="PreSignUp",
        event=_sign_up("ana@example.com", source="PreSignUp_SignUp"),
        holds=('"autoConfirmUser": false',),
    ),
    "pre-token-generation": Case(
        function="PreTokenGeneration",
        event=_tokens("[treasury,app-ledger,secret+project]"),
        holds=(
            f'"groupsToOverride": ["{POOL_ID}_{PROVIDER}", "finance", "example-ledger"]',
            '"claimsToSuppress": ["custom:groups"]',
        ),
    ),
    "pre-token-generation-native": Case(
        function="PreTokenGeneration",
        event=_tokens("[treasury]", status="CONFIRMED"),
        holds=('"claimsAndScopeOverrideDetails": null',),
    ),
}


def sample_files() -> dict[str, str]:
    """Return path below `events/` → text."""
    return {
        f"triggers/{name}.json": json.dumps(case.event, indent=2, ensure_ascii=False) + "\n"
        for name, case in CASES.items()
    }
