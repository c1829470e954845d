"""Fixtures mode of the triggers: a user pool in memory with a few profiles, for `events/triggers/`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from fedbridge.model.user_profile import CONFIRMED, FORCE_CHANGE_PASSWORD, UserProfile
from fedbridge.triggers.configuration import decode_configuration
from fedbridge.triggers.services import Triggers

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Telemetry

POOL_ID = "eu-west-1_FixturePool"
PROVIDER = "Example"
SUBJECT = "5f0c" * 16
CONFIGURATION = {
    "linking": {"providers": {PROVIDER: {"domains": ["example.com"]}}},
    "groups": {
        "providers": {
            PROVIDER: {
                "attribute": "custom:groups",
                "claim": "groups",
                "rules": [
                    {
                        "group": "treasury",
                        "becomes": "finance",
                        "role": "arn:aws:iam::111122223333:role/finance",
                    },
                    {"prefix": "app-", "becomes": "example-"},
                ],
            }
        }
    },
}


def triggers(telemetry: Telemetry) -> Triggers:
    """Return the services of both triggers over the fixtures."""
    configuration = decode_configuration(json.dumps(CONFIGURATION))
    return Triggers(
        pool_id=POOL_ID,
        configuration=lambda _deadline: configuration,
        profiles=_Profiles,
        new_password=lambda: "fixture-Password-1!",
        telemetry=telemetry,
    )


class _Profiles:
    """`ana` is confirmed and has proven her address, `eve` has registered with somebody's and proven nothing."""

    def __init__(self) -> None:
        ana = UserProfile(
            username="ana",
            status=CONFIRMED,
            enabled=True,
            attributes={"email": "ana@example.com", "email_verified": "true"},
        )
        eve = replace(
            ana, username="eve", attributes={"email": "victim@example.com", "email_verified": "false"}
        )
        self._profiles = {(POOL_ID, profile.username): profile for profile in (ana, eve)}
        self._passwords: dict[tuple[str, str], str] = {}

    def find_by_email(self, pool_id: str, email: str, deadline: Deadline) -> tuple[UserProfile, ...]:
        """Return the profiles with the address."""
        deadline.remaining()
        return tuple(
            profile
            for (pool, _), profile in self._profiles.items()
            if pool == pool_id and profile.email == email
        )

    def read(self, pool_id: str, username: str, deadline: Deadline) -> UserProfile | None:
        """Return the profile."""
        deadline.remaining()
        return self._profiles.get((pool_id, username))

    def create(self, pool_id: str, username: str, email: str, deadline: Deadline) -> bool:
        """Create the profile, for as long as the process lives."""
        deadline.remaining()
        if (pool_id, username) in self._profiles:
            return False
        attributes = {"email": email, "email_verified": "true"}
        self._profiles[pool_id, username] = UserProfile(
            username=username, status=FORCE_CHANGE_PASSWORD, enabled=True, attributes=attributes
        )
        return True

    def set_password(self, pool_id: str, username: str, password: str, deadline: Deadline) -> None:
        """Set it, likewise."""
        deadline.remaining()
        self._passwords[pool_id, username] = password
        profile = self._profiles[pool_id, username]
        self._profiles[pool_id, username] = replace(profile, status=CONFIRMED)

    def link(self, pool_id: str, username: str, provider: str, subject: str, deadline: Deadline) -> None:
        """Link, likewise."""
        deadline.remaining()
        profile = self._profiles[pool_id, username]
        identities = json.dumps([{"providerName": provider, "userId": subject}])
        self._profiles[pool_id, username] = replace(
            profile, attributes={**profile.attributes, "identities": identities}
        )
