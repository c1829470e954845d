"""`UserProfiles` over a dictionary, with what Cognito would answer, and faults on request."""

import json
from dataclasses import dataclass, field, replace

from fedbridge.errors import UserPoolError
from fedbridge.model.deadline import Deadline
from fedbridge.model.user_profile import CONFIRMED, FORCE_CHANGE_PASSWORD, UserProfile


def profile(
    username: str,
    email: str = "alice@example.com",
    *,
    verified: bool = True,
    status: str = CONFIRMED,
    enabled: bool = True,
    **attributes: str,
) -> UserProfile:
    """A native profile; `attributes` are further ones."""
    held = {"email": email, "email_verified": "true" if verified else "false", **attributes}
    return UserProfile(username=username, status=status, enabled=enabled, attributes=held)


def identities(*linked: tuple[str, str]) -> str:
    """The attribute `identities` as Cognito writes it, of (provider, subject)."""
    return json.dumps(
        [
            {"userId": subject, "providerName": provider, "providerType": "OIDC", "issuer": None,
             "primary": "false", "dateCreated": "1700000000000"}
            for provider, subject in linked
        ],
        separators=(",", ":"),
    )  # fmt: skip


@dataclass
class FakeUserProfiles:
    """`listed` is what ListUsers still believes, where it differs from `users`; `faults` are raised by name, in order.

    `lost_answers` names calls that happen, and whose answer is lost then. `log` is what was called.
    """

    users: dict[str, UserProfile] = field(default_factory=dict)
    listed: list[UserProfile] | None = None
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    lost_answers: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)

    def __init__(self, *profiles: UserProfile) -> None:
        self.users = {each.username: each for each in profiles}
        self.listed, self.faults, self.lost_answers, self.log, self.passwords = None, {}, set(), [], {}

    def find_by_email(self, pool_id: str, email: str, deadline: Deadline) -> tuple[UserProfile, ...]:
        self._called("find", deadline)
        return tuple(each for each in self.listed or self.users.values() if each.email == email)

    def read(self, pool_id: str, username: str, deadline: Deadline) -> UserProfile | None:
        self._called("read", deadline)
        return self.users.get(username)

    def create(self, pool_id: str, username: str, email: str, deadline: Deadline) -> bool:
        self._called("create", deadline)
        if username in self.users:
            return False
        self.users[username] = profile(username, email, status=FORCE_CHANGE_PASSWORD)
        self._answered("create")
        return True

    def set_password(self, pool_id: str, username: str, password: str, deadline: Deadline) -> None:
        self._called("set_password", deadline)
        self.users[username] = replace(self.users[username], status=CONFIRMED)
        self.passwords[username] = password

    def link(self, pool_id: str, username: str, provider: str, subject: str, deadline: Deadline) -> None:
        self._called("link", deadline)
        taken = {pair for user in self.users.values() for pair in self.links(user.username)}
        if (provider, subject) in taken:
            # https://github.com/aws/aws-sdk-js-v3/issues/5281
            raise UserPoolError("Invalid SourceUser: …", reason="user_pool_rejected")
        linked = identities(*self.links(username), (provider, subject))
        held = self.users[username]
        self.users[username] = replace(held, attributes={**held.attributes, "identities": linked})
        self._answered("link")

    def links(self, username: str) -> list[tuple[str, str]]:
        """Who may sign in as the profile."""
        held = json.loads(self.users[username].attributes.get("identities") or "[]")
        return [(each["providerName"], each["userId"]) for each in held]

    def linked(self) -> dict[str, list[tuple[str, str]]]:
        return {name: links for name in self.users if (links := self.links(name))}

    def _called(self, name: str, deadline: Deadline) -> None:
        deadline.remaining()
        self.log.append(name)
        if self.faults.get(name):
            raise self.faults[name].pop(0)

    def _answered(self, name: str) -> None:
        if name in self.lost_answers:
            self.lost_answers.discard(name)
            raise UserPoolError("ReadTimeoutError", reason="user_pool_unreachable")
