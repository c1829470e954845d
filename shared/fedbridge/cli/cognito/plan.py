"""What would change in a user pool, to be read by a person before it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.cli.cognito.pool import IdentityProvider

COMPARED = ("ProviderDetails", "AttributeMapping", "AcrMapping")
"""Fields whose members are set one by one; `IdpIdentifiers` are the pool's own, and never touched."""

_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One member that is added (`before` None), removed (`after` None) or set anew. Secrets are never in it."""

    path: str
    before: str | None
    after: str | None

    def lines(self) -> list[str]:
        """Return the change as it is printed."""
        path, before, after = _shown(self.path), _shown(self.before), _shown(self.after)
        if self.before is None:
            return [f"  + {path}: {after}"]
        if self.after is None:
            return [f"  - {path}: {before}"]
        line = f"  ~ {path}: {before} -> {after}"
        if len(line) <= _WIDTH:
            return [line]
        return [f"  ~ {path}:", f"      {before}", f"   -> {after}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An identity provider that is to be made or changed. `fields` is all of it, as the API takes it.

    `current` is what the changes were found in, None where there was none.
    """

    pool_id: str
    name: str
    new: bool
    changes: tuple[Change, ...]
    keeps_secret: bool
    fields: Mapping[str, Any] = field(repr=False)
    current: IdentityProvider | None = field(repr=False)

    def lines(self) -> Iterator[str]:
        """Yield what is printed: every change, and that the secret stays where it does."""
        if not self.changes:
            yield f"{self.name} in {self.pool_id}: nothing to change"
            return
        yield f"{self.name} in {self.pool_id}: {'to be created' if self.new else 'to be changed'}"
        for change in self.changes:
            yield from change.lines()
        if self.keeps_secret:
            yield "    ProviderDetails.client_secret: (secret, unchanged)"


def plan(
    pool_id: str, name: str, current: IdentityProvider | None, fields: Mapping[str, Mapping[str, str]]
) -> Plan:
    """Return what it takes to give an identity provider these fields, None where the pool has none yet."""
    before = {} if current is None else _fields(current)
    had, has = before.get("ProviderDetails", {}), fields["ProviderDetails"]
    changes = tuple(
        change for each in COMPARED for change in _changes(each, before.get(each, {}), fields.get(each, {}))
    )
    return Plan(
        pool_id=pool_id,
        name=name,
        new=current is None,
        changes=changes,
        keeps_secret=had.get("client_secret") == has["client_secret"],
        fields=dict(fields),
        current=current,
    )


def _shown(value: str | None) -> str:
    """Return a value so that a person sees all of it: what is not printed has its escape, and can hide no difference."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in value or "")


def not_kept(fields: Mapping[str, Mapping[str, str]], after: IdentityProvider) -> list[str]:
    """Return the members that Cognito was given and does not have, by their paths."""
    had = _fields(after)
    return [
        f"{each}.{member}"
        for each in COMPARED
        for member, value in fields.get(each, {}).items()
        if had[each].get(member) != value
    ]


def _fields(provider: IdentityProvider) -> dict[str, Mapping[str, str]]:
    return {
        "ProviderDetails": provider.details,
        "AttributeMapping": provider.attribute_mapping,
        "AcrMapping": provider.acr_mapping,
    }


def _changes(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for member in sorted(before.keys() | after.keys()):
        old, new = before.get(member), after.get(member)
        if old == new:
            continue
        if member == "client_secret":
            old, new = old and "(secret)", "(secret, new)"
        yield Change(path=f"{name}.{member}", before=old, after=new)
