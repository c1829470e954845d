"""The client secret of a relying party whose other half the bridge itself replaces at Cognito.

The secret is never stored, only its hash. So whoever is interrupted has lost it, and the next one finds out how far the last one
came: from this state, which is noted before and after each step, and from the hash of what Cognito has. Everything here is a
pure function of a state and a time. Times in seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

KNOWN = 90
"""Seconds until every function takes a secret that was published: each keeps a connection for 60."""

SPREAD = 300
"""Seconds until all of Cognito uses a new secret: it takes about a minute."""

SETTLED = 600
"""Seconds between two versions of a connection. Sign-ins end on the version that they began with, and one former version is
kept: until every function has the new one (60 s) and no sign-in that began before is under way (300 s), and some more."""

SENDING = 30
"""Seconds in which Cognito is told after that was noted, or not at all: another run might have taken over since."""

Action = Literal["draw", "publish", "send", "look", "finish", "rest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretState:
    """The hashes of the secret that Cognito `current`ly has, and of the one that comes `next`: both are accepted.

    `published_at` is when the bridge began to accept exactly these, None until it does. Of the next one: `sending_at` is
    noted before Cognito is told, `sent_at` once it is known to have it. `rotated_at` is when the current one came to be.
    """

    current: str | None = None
    next: str | None = None
    published_at: int | None = None
    sending_at: int | None = None
    sent_at: int | None = None
    rotated_at: int | None = None

    @property
    def hashes(self) -> tuple[str, ...]:
        """What a published connection holds; nothing before the first secret."""
        return tuple(each for each in (self.current, self.next) if each is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A state as it is stored; `revision` grows with every write and is 0 before the first."""

    state: SecretState
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderClient:
    """What a user pool tells of an OIDC identity provider: where it redeems codes, and which client it is there."""

    token_url: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretStep:
    """What comes next, and not before when. `look`: ask Cognito which secret it has. `rest`: nothing to do."""

    action: Action
    at: int = 0


def upcoming(state: SecretState, *, held: str | None = None) -> SecretStep:
    """Return the step that comes next; `held` is the hash of the secret that is in memory, if one is."""
    if state.next is None:
        return SecretStep(action="publish" if state.current and state.published_at is None else "rest")
    if state.sending_at is None and held != state.next:
        # Whoever had it is gone, and never told Cognito: another takes its place.
        return SecretStep(action="draw")
    if state.published_at is None:
        return SecretStep(action="publish")
    if state.sent_at is not None:
        return SecretStep(action="finish", at=state.sent_at + SPREAD)
    if state.sending_at is not None:
        return SecretStep(action="look", at=state.sending_at + SPREAD)
    return SecretStep(action="send", at=state.published_at + KNOWN)


def drawn(state: SecretState, secret_hash: str) -> SecretState:
    """Return the state with a new secret beside the current one, in the place of one that Cognito never got."""
    return replace(state, next=secret_hash, published_at=None, sending_at=None, sent_at=None)


def published(state: SecretState, now: float) -> SecretState:
    """Return the state whose hashes the bridge accepts from now on."""
    return replace(state, published_at=int(now))


def sending(state: SecretState, now: float) -> SecretState:
    """Return the state in which Cognito may have the next secret from now on."""
    return replace(state, sending_at=int(now))


def sent(state: SecretState, now: float) -> SecretState:
    """Return the state in which Cognito has the next secret, though not yet everywhere."""
    return replace(state, sent_at=int(now))


def unsent(state: SecretState) -> SecretState:
    """Return the state in which Cognito is known not to have the next secret."""
    return replace(state, sending_at=None, sent_at=None)


def finished(state: SecretState, now: float) -> SecretState:
    """Return the state in which the former secret is accepted no longer, once that is published."""
    return SecretState(current=state.next, rotated_at=int(now))
