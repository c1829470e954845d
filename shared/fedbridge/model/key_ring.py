"""Keys that are replaced before they are old: what a ring is told (`KeyRing`), what it holds, and what it does next.

A key is *next* (others get to know it), *active* (it signs, or is encrypted to), *retired* (it is still accepted) and
*removed* (nobody uses it; it is switched off and forgotten). There is never a second active key.

Everything here is a pure function of a policy, a state and a time. Whoever carries a step out writes the new state by one
conditional write (`ports.KeyRings`), and stamps it (`noted`) only once it is published where others read it: a time that
was never noted makes every later step wait. Times in seconds since the epoch, lifetimes in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fedbridge.errors import ConfigurationError

RING_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""What a ring may be called; the same shape as a connection's name."""

DAY = 86_400

SPREAD = 1800
"""Until every function has what was published, and no sign-in that began before is under way: a connection is served for
60 s, for 10 minutes while the table cannot be read, and a sign-in takes 5 minutes at most."""

CACHED = 25 * 3600
"""Identity providers keep our keys for up to 24 hours, whatever we say; and an hour more."""

UPLOADED = 14 * DAY
"""What people have for an upload before the key is due."""

Use = Literal[
    "client-assertion",
    "request-object",
    "token-decryption",
    "saml-signing",
    "saml-decryption",
    "client-tls",
    "id-token",
]

Kind = Literal[
    "kms:RSA_2048",
    "kms:RSA_3072",
    "kms:RSA_4096",
    "kms:ECC_NIST_P256",
    "kms:ECC_NIST_P384",
    "kms:ECC_NIST_P521",
    "secretsmanager:RSA-2048",
    "secretsmanager:RSA-3072",
    "secretsmanager:RSA-4096",
    "secretsmanager:P-256",
    "secretsmanager:P-384",
    "secretsmanager:P-521",
]

DECRYPTION = ("token-decryption", "saml-decryption")
CERTIFIED = ("saml-signing", "saml-decryption", "client-tls")
"""Uses whose keys are published in certificates."""

KeyState = Literal["next", "active", "retired", "removed"]
Action = Literal["stage", "publish", "confirm", "activate", "remove", "disable", "rest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """What is told of a ring in `connections.yaml`.

    An active key gives way `rotate_every` seconds after it became active. The next one is published `publish_for` seconds
    before (a decryption key: it decrypts, and is published when it becomes active), by default 25 hours, or 14 days where
    somebody must upload it. The former one is accepted for `retire_after` more, by default 25 hours, 14 days for SAML.

    `confirmation: required` never activates a key that `fedbridge keys confirm` did not confirm; it is the default for
    SAML, whose IdPs hardly fetch metadata by themselves. `certificate_lifetime` makes each key a certificate (SAML and
    client TLS: 3 years unless told), named `certificate_subject` (RFC 4514).
    """

    use: Use
    kind: Kind
    rotate_every: int = 90 * DAY
    publish_for: int | None = None
    retire_after: int | None = None
    confirmation: Literal["automatic", "required"] | None = None
    certificate_lifetime: int | None = None
    certificate_subject: str | None = None

    @property
    def needs_confirmation(self) -> bool:
        """Whether somebody must say that the IdP has the next key."""
        if self.confirmation is None:
            return self.use in {"saml-signing", "saml-decryption"}
        return self.confirmation == "required"

    @property
    def published_for(self) -> int:
        """Seconds that a key is next before it may become active."""
        if self.publish_for is not None:
            return self.publish_for
        return UPLOADED if self.needs_confirmation else CACHED

    @property
    def retired_for(self) -> int:
        """Seconds that a key is accepted after it was active."""
        if self.retire_after is not None:
            return self.retire_after
        return UPLOADED if self.use.startswith("saml-") else CACHED

    @property
    def certified_for(self) -> int | None:
        """Seconds that a certificate of a key is valid, None where keys get none."""
        if self.certificate_lifetime is None and self.use in CERTIFIED:
            return 3 * 365 * DAY
        return self.certificate_lifetime

    @property
    def store(self) -> str:
        """Where private keys are: the scheme of their references."""
        return self.kind.partition(":")[0]

    @property
    def is_rsa(self) -> bool:
        """Whether the keys are RSA keys; all others are on NIST curves."""
        return "RSA" in self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """One key: references to it and to its certificate, and when what became of it. `not_after` ends the certificate.

    `made` tells a key that the ring made from one that was there before: that one is never switched off.
    """

    kid: str
    reference: str
    created_at: int
    state: KeyState = "next"
    certificate: str | None = None
    made: bool = True
    published_at: int | None = None
    confirmed_at: int | None = None
    activated_at: int | None = None
    retired_at: int | None = None
    removed_at: int | None = None
    not_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RingState:
    """All keys of a ring. `serial` counts the keys that were begun; `making` is the one that is being made right now.

    That number is written before the key is made and cleared in the write that takes the key up, so that a run which
    crashed in between leaves a trace. `lost` are numbers under which a key may exist that the ring does not know.
    """

    keys: tuple[RingKey, ...] = ()
    serial: int = 0
    making: int | None = None
    lost: tuple[int, ...] = ()

    def of(self, *states: KeyState) -> tuple[RingKey, ...]:
        """Return the keys in these states."""
        return tuple(key for key in self.keys if key.state in states)

    @property
    def active(self) -> RingKey | None:
        """The key in use."""
        return next(iter(self.of("active")), None)

    @property
    def next(self) -> RingKey | None:
        """The key that comes next."""
        return next(iter(self.of("next")), None)

    def key(self, kid: str) -> RingKey:
        """Return the key of this kid, or of the only one that begins so; raises ConfigurationError."""
        found = [key for key in self.keys if key.kid.startswith(kid)]
        if len(found) != 1:
            raise ConfigurationError(f"{kid}: names {'no key' if not found else 'several keys'} of the ring")
        return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRing:
    """A ring as it is stored; `revision` grows by one with every write."""

    name: str
    policy: KeyRing
    state: RingState
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What comes next and when: `kid` is the key that it is about, if it is about one.

    `publish`: a former step is not published yet. `confirm`: somebody must upload the key and say so. `rest`: nothing.
    """

    action: Action
    at: int = 0
    kid: str | None = None


_LAST: Mapping[Action, int] = {"disable": 1, "confirm": 2}
"""Action → its turn among those that are due. A key that cannot be switched off holds up no other."""


def upcoming(policy: KeyRing, state: RingState) -> tuple[Step, ...]:
    """Return what will happen, the earliest first."""
    if state.making is not None or not state.of("next", "active"):
        return (Step(action="stage"),)
    unnoted = next((key for key in state.keys if _noted_at(key) is None), None)
    if unnoted is not None:
        return (Step(action="publish", kid=unnoted.kid),)
    return tuple(sorted(_steps(policy, state), key=lambda step: step.at))


def due(policy: KeyRing, state: RingState, now: float) -> Step:
    """Return the step that is to be taken now; `confirm` where nothing else is, `rest` until the next one otherwise."""
    steps = upcoming(policy, state)
    now_due = sorted((step for step in steps if step.at <= now), key=lambda step: _LAST.get(step.action, 0))
    return now_due[0] if now_due else Step(action="rest", at=steps[0].at, kid=steps[0].kid)


def replaced_at(policy: KeyRing, key: RingKey) -> int:
    """Return when an active key gives way: by its age, or before its certificate ends."""
    by_age = (key.activated_at or key.created_at) + policy.rotate_every
    return by_age if key.not_after is None else min(by_age, key.not_after - policy.retired_for)


def overdue(policy: KeyRing, state: RingState, now: float) -> bool:
    """Whether the active key should have given way a day ago."""
    return state.active is not None and now > replaced_at(policy, state.active) + DAY


def ready_at(policy: KeyRing, key: RingKey) -> int | None:
    """Return when a next key may become active without harm; None as long as nothing tells.

    Confirmed, it only has to reach the functions. Unconfirmed, it waits out the caches, or for the confirmation.
    """
    if key.published_at is None:
        return None
    if key.confirmed_at is not None:
        return max(key.published_at + SPREAD, key.confirmed_at)
    return None if policy.needs_confirmation else key.published_at + max(SPREAD, policy.published_for)


def _steps(policy: KeyRing, state: RingState) -> Iterator[Step]:
    if state.next is not None:
        ready = ready_at(policy, state.next)
        if ready is None:
            yield Step(action="confirm", at=state.next.published_at or 0, kid=state.next.kid)
        else:
            yield Step(action="activate", at=ready, kid=state.next.kid)
    elif state.active is not None:
        yield Step(action="stage", at=replaced_at(policy, state.active) - policy.published_for)
    for key in state.of("retired"):
        yield Step(action="remove", at=(key.retired_at or 0) + policy.retired_for, kid=key.kid)
    for key in state.of("removed"):
        yield Step(action="disable", at=(key.removed_at or 0) + SPREAD, kid=key.kid)


def _noted_at(key: RingKey) -> int | None:
    times = {
        "next": key.published_at,
        "active": key.activated_at,
        "retired": key.retired_at,
        "removed": key.removed_at,
    }
    return times[key.state]


def begun(state: RingState, *, lost: bool = False) -> RingState:
    """Return the state with a number for the key that is made next.

    One that was begun and not finished is begun again, unless it is `lost`: made, maybe, and not to be found.
    """
    if state.making is not None and not lost:
        return state
    gone = () if state.making is None else (state.making,)
    return replace(state, serial=state.serial + 1, making=state.serial + 1, lost=(*state.lost, *gone))


def staged(policy: KeyRing, state: RingState, key: RingKey) -> RingState:
    """Return the state with a new key: the next one, or the active one of a ring that has none.

    The first key of ID tokens is the next one, too: others sign until everybody knows it (`keys.id_token_ring`).
    """
    if state.next is not None:
        raise ConfigurationError(f"{state.next.kid} is next already: activate or retire it first")
    if any(other.kid == key.kid for other in state.keys):
        raise ConfigurationError(f"{key.kid} is in the ring already")
    first = state.active is None and policy.use != "id-token"
    return replace(state, keys=(*state.keys, replace(key, state="active" if first else "next")), making=None)


def confirmed(state: RingState, kid: str, now: float) -> RingState:
    """Return the state in which the IdP is known to have a key."""
    key = state.key(kid)
    if key.state not in {"next", "active"}:
        raise ConfigurationError(f"{key.kid} is {key.state}: only a next or an active key is confirmed")
    return _with(state, replace(key, confirmed_at=key.confirmed_at or int(now)))


def activated(state: RingState, kid: str) -> RingState:
    """Return the state in which the next key is active and the former one retired, in one move."""
    key = state.key(kid)
    if key.state != "next":
        raise ConfigurationError(f"{key.kid} is {key.state}: only a next key becomes active")
    if state.active is not None:
        state = _with(state, replace(state.active, state="retired", retired_at=None))
    return _with(state, replace(key, state="active", activated_at=None))


def removed(state: RingState, kid: str) -> RingState:
    """Return the state in which a retired key, or a next one that is not wanted, is used no longer."""
    key = state.key(kid)
    if key.state not in {"retired", "next"}:
        raise ConfigurationError(f"{key.kid} is {key.state}: only a retired or a next key is removed")
    return _with(state, replace(key, state="removed", removed_at=None))


def forgotten(state: RingState, kid: str) -> RingState:
    """Return the state without a removed key."""
    key = state.key(kid)
    if key.state != "removed":
        raise ConfigurationError(f"{key.kid} is {key.state}: only a removed key is forgotten")
    return replace(state, keys=tuple(other for other in state.keys if other is not key))


def noted(state: RingState, now: float) -> RingState:
    """Return the state with the time of everything that is published now and was not before."""
    return replace(state, keys=tuple(_note(key, int(now)) for key in state.keys))


def _note(key: RingKey, now: int) -> RingKey:
    published = now if key.published_at is None else key.published_at
    match key.state:
        case "next":
            return replace(key, published_at=published)
        case "active":
            active = now if key.activated_at is None else key.activated_at
            return replace(key, published_at=published, activated_at=active)
        case "retired":
            return replace(key, retired_at=now if key.retired_at is None else key.retired_at)
        case "removed":
            return replace(key, removed_at=now if key.removed_at is None else key.removed_at)


def _with(state: RingState, key: RingKey) -> RingState:
    return replace(state, keys=tuple(key if other.kid == key.kid else other for other in state.keys))
