"""What the console shows, and where it comes from. Pages know this and nothing of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.explain import Failure, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A connection as the list shows it. `published_at` is in seconds since the epoch, None where nobody knows."""

    name: str
    protocol: str
    issuer: str
    preset: str | None
    version: str
    published_at: float | None
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Something to paste elsewhere, under the name that it has there."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key or a secret: what it is for and how it stands. Times in seconds since the epoch.

    `state` is *next*, *active* or *retired*. `created_at` is None where nobody has noted it, `expires_at` where it does not
    expire. `next_step` is a sentence: what happens to it, and when.
    """

    use: str
    kid: str
    reference: str
    state: Literal["next", "active", "retired"]
    ring: str | None = None
    created_at: float | None = None
    expires_at: float | None = None
    next_step: str = ""
    awaits_confirmation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One connection whole. `document` is what was published, as YAML; `previous` names the version that can be restored."""

    row: Row
    for_provider: tuple[Value, ...]
    for_cognito: tuple[Value, ...]
    keys: tuple[Key, ...]
    document: str
    previous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found, and what it did not look at: sentences, so that silence is not taken for praise."""

    findings: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()


class Unavailable(Exception):
    """Something that a page needs could not be read; the text says what, and what to do."""


class Desk(Protocol):
    """Where it comes from. Every method may raise Unavailable and FedbridgeError; KeyError for a name that there is not."""

    @property
    def title(self) -> str:
        """Which bridge this is: environment and address, or file."""

    def connections(self) -> Sequence[Row]:
        """Return every connection, by name."""

    def detail(self, name: str) -> Detail:
        """Return one."""

    def check(self, name: str) -> Checked:
        """Test one for real, as `fedbridge check` does. Takes seconds."""

    def rotated_keys(self) -> Sequence[Key]:
        """Return the keys that are rotated, those of ID tokens among them."""

    def failures(self) -> Sequence[Failure]:
        """Return what failed lately, the latest first."""

    def story(self, reference: str) -> Story:
        """Return what became of one sign-in."""
