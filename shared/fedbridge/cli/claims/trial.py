"""What a sample comes to: who Cognito would see, and what became of each rule."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedbridge.cli.claims.rules import Tried
    from fedbridge.model.connection import Connection
    from fedbridge.model.identity import Identity

MAX_USERNAME = 128
LONGEST_PROVIDER = 32
"""Characters of a user name, and of an identity provider's name, in Cognito."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the sign-in would end: the reason that logs have, what it means, and what to do."""

    reason: str
    means: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a sample comes to. `identity` is None where the sign-in would be refused.

    `unmapped` are the names that the provider sends and no rule reads. `username` is what Cognito would call the person,
    with as many characters as the longest name of a provider where nobody has said what the bridge is called.
    """

    connection: Connection = field(repr=False)
    identity: Identity | None
    rules: tuple[Tried, ...]
    refusal: Refusal | None = None
    unmapped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provider_name: str | None = None

    @property
    def username(self) -> str | None:
        """The user name, None without a subject."""
        if self.identity is None:
            return None
        return f"{self.provider_name or '?' * LONGEST_PROVIDER}_{self.identity.subject}"

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        identity = self.identity
        return {
            "connection": self.connection.name,
            "subject": identity.subject if identity else None,
            "username": self.username,
            "username_length": len(self.username) if self.username else None,
            "claims": dict(identity.claims) if identity else None,
            "acr": identity.acr if identity else None,
            "amr": list(identity.amr) if identity else None,
            "auth_time": identity.auth_time if identity else None,
            "rules": [asdict(each) for each in self.rules],
            "refused": asdict(self.refusal) if self.refusal else None,
            "unmapped": list(self.unmapped),
            "notes": list(self.notes),
        }
