"""Events of Cognito's triggers, and the flows behind their edge as Lambda calls them."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fedbridge.model.user_profile import UserProfile
from fedbridge.net.trigger_edge import serve_trigger
from fedbridge.triggers.configuration import decode_configuration
from fedbridge.triggers.group_mapping import map_groups
from fedbridge.triggers.linking import link
from fedbridge.triggers.services import Triggers
from tests.fakes.telemetry import RecordingTelemetry
from tests.fakes.user_profiles import FakeUserProfiles, identities
from tests.support import canaries

POOL = "eu-west-1_Pool00001"
SUBJECT = "5f0c" * 16
PASSWORD = "a-password-of-nobodys-aA1!"
ROLE = "arn:aws:iam::111122223333:role"
LINKING = {"providers": {"Bank": {"domains": ["example.com"]}}}
RULES = [
    {"group": "treasury", "becomes": "finance", "role": f"{ROLE}/finance"},
    {"group": "audit", "becomes": "auditors", "role": f"{ROLE}/auditors"},
    {"prefix": "app-", "becomes": "bank-"},
]
SOURCE = {"attribute": "custom:groups", "rules": RULES}


def pre_sign_up(
    *,
    username: str = f"Bank_{SUBJECT}",
    source: str = "PreSignUp_ExternalProvider",
    pool: str = POOL,
    **attributes: Any,
) -> dict[str, Any]:
    """The event; `attributes` go over a verified address of Alice's."""
    told = {"email": "alice@example.com", "email_verified": "true", **attributes}
    return {
        "version": "1",
        "triggerSource": source,
        "region": "eu-west-1",
        "userPoolId": pool,
        "userName": username,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
        "request": {
            "userAttributes": {name: value for name, value in told.items() if value is not None},
            "validationData": {},
        },
        "response": {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
    }


def pre_token_generation(
    groups: Any = None,
    *,
    username: str = f"Bank_{SUBJECT}",
    status: str | None = "EXTERNAL_PROVIDER",
    linked: Sequence[tuple[str, str]] = (("Bank", SUBJECT),),
    source: str = "TokenGeneration_HostedAuth",
    version: str = "2",
    existing: Sequence[str] = (),
    roles: Sequence[str] = (),
    preferred: str | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    """The event of a federated user whose `custom:groups` is `groups`."""
    told = {
        "sub": "a1b2",
        "cognito:user_status": status,
        "identities": identities(*linked) if linked else None,
        "custom:groups": groups,
        **attributes,
    }
    return {
        "version": version,
        "triggerSource": source,
        "region": "eu-west-1",
        "userPoolId": POOL,
        "userName": username,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
        "request": {
            "userAttributes": {name: value for name, value in told.items() if value is not None},
            "groupConfiguration": {
                "groupsToOverride": list(existing),
                "iamRolesToOverride": list(roles),
                "preferredRole": preferred,
            },
            "scopes": ["openid"],
        },
        "response": {"claimsAndScopeOverrideDetails": None},
    }


class Pool:
    """Both triggers over a pool in memory; `linking` and `groups` go over the configuration."""

    def __init__(
        self,
        *profiles: UserProfile,
        linking: Mapping[str, Any] | None = None,
        groups: Mapping[str, Any] | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> None:
        self.profiles = FakeUserProfiles(*profiles)
        self.telemetry = RecordingTelemetry()
        document = {
            "linking": {**LINKING, **(linking or {})},
            "groups": {"providers": {"Bank": {**SOURCE, **(source or {})}}, **(groups or {})},
        }
        configuration = decode_configuration(json.dumps(document))
        self.services = Triggers(
            pool_id=POOL,
            configuration=lambda _deadline: configuration,
            profiles=lambda: self.profiles,
            new_password=lambda: PASSWORD,
            telemetry=self.telemetry,
        )

    def serve(
        self, flow: Callable[..., dict[str, Any] | None], event: Any, context: Any = None
    ) -> dict[str, Any]:
        canaries.watch(PASSWORD, "password")
        for name, value in event["request"]["userAttributes"].items():
            if name not in {"cognito:user_status", "identities"}:
                canaries.watch(value, name)
        canaries.watch(event["userName"], "username")
        return serve_trigger(
            event, context, flow=partial(flow, self.services), pool_id=POOL, telemetry=self.telemetry
        )

    def sign_up(self, event: Any = None, **event_parts: Any) -> dict[str, Any]:
        """The pre sign-up trigger's answer; raises SignInRefused."""
        return self.serve(link, event or pre_sign_up(**event_parts))

    def tokens(self, event: Any = None, **event_parts: Any) -> Any:
        """What the pre token generation trigger overrides, None for nothing."""
        event = event or pre_token_generation(**event_parts)
        return self.serve(map_groups, event)["response"]["claimsAndScopeOverrideDetails"]

    @property
    def reasons(self) -> list[Any]:
        return [fields.get("reason") for _, fields in self.telemetry.events]
