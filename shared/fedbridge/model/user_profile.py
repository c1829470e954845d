"""A user's profile in a Cognito user pool, as its API tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIRMED = "CONFIRMED"
EXTERNAL_PROVIDER = "EXTERNAL_PROVIDER"
FORCE_CHANGE_PASSWORD = "FORCE_CHANGE_PASSWORD"  # noqa: S105  a status


@dataclass(frozen=True, slots=True, kw_only=True)
class UserProfile:
    """`status` is the API's `UserStatus`: CONFIRMED, EXTERNAL_PROVIDER (a federated profile), FORCE_CHANGE_PASSWORD, …"""

    username: str = field(repr=False)
    status: str
    enabled: bool
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_federated(self) -> bool:
        """Whether Cognito made it for somebody who signed in at an identity provider: nobody has a password for it."""
        return self.status == EXTERNAL_PROVIDER

    @property
    def email(self) -> str:
        """The address, empty where there is none."""
        return self.attributes.get("email", "")

    @property
    def email_is_verified(self) -> bool:
        """Whether Cognito says that whoever has the profile has the address."""
        return self.attributes.get("email_verified") == "true"
