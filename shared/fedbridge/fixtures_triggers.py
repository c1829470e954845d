"""Fixtures mode of the triggers: a user pool in memory with a few profiles, for `events/triggers/`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from fedbridge.model.user_profile import CONFIRMED, UserProfile
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
        self._users = {profile.username: profile for profile in (ana, eve)}

    def find_by_email(self, pool_id: str, email: str, deadline: Deadline) -> tuple[UserProfile, ...]:
        """Return the profiles with the address."""
        deadline.remaining()
        return tuple(profile for profile in self._users.values() if pool_id and profile.email == email)

    def read(self, pool_id: str, username: str, deadline: Deadline) -> UserProfile | None:
        """Return the profile."""
        deadline.remaining()
        return self._users.get(username) if pool_id else None

    def create(self, pool_id: str, username: str, email: str, deadline: Deadline) -> bool:
        """Refuse: nothing is created in fixtures."""
        deadline.remaining()
        return not (pool_id and username and email)

    def set_password(self, pool_id: str, username: str, password: str, deadline: Deadline) -> None:
        """Take the password, for as long as the process lives."""
        deadline.remaining()
        assert pool_id  # noqa: S101
        assert username in self._users  # noqa: S101
        assert password  # noqa: S101

    def link(self, pool_id: str, username: str, provider: str, subject: str, deadline: Deadline) -> None:
        """Link, for as long as the process lives."""
        deadline.remaining()
        identities = json.dumps([{"providerName": provider, "userId": subject}])
        profile = self._users[username]
        self._users[username] = replace(
            profile, attributes={**profile.attributes, "identities": identities, "pool": pool_id}
        )
