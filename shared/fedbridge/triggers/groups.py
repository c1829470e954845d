"""Groups as they arrive in an attribute of the user pool, and which of them become groups and roles of the pool.

Cognito keeps one string an attribute. A JSON array of a claim becomes `[a,b]`, each item form-encoded (all but letters,
digits and `.-*_`), so that a comma or bracket within one is escaped; a text stays as it is, not encoded at all.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-specifying-attribute-mapping.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fedbridge.triggers.configuration import GroupRule, GroupSource

MAX_ATTRIBUTE = 2048
"""Characters that Cognito keeps of a mapped value."""

MAX_GROUPS = 100
"""Cognito's own limit of a user's groups."""

MAX_CHARACTERS = 4096
"""Of all group names together: they are in both tokens, and gateways end requests with headers above 8 or 10 KB."""

GROUP_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}")
"""GroupNameType of the API, which has no blanks."""

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Unreadable(ValueError):
    """The attribute is not in the form that was configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Groups and roles in the order of precedence, and how many groups were left out because of the limits."""

    groups: tuple[str, ...]
    roles: tuple[str, ...]
    left_out: int


def read_groups(value: object, source: GroupSource) -> tuple[str, ...]:
    """Return the IdP's groups, in order and each once; raises Unreadable.

    `list`: `[a,b]` is decoded, and what has no brackets is the name of one group, as it stands. The name of one that
    begins and ends with brackets cannot be told from a list. `joined`: parts between separators, as they stand.
    """
    if value is None:
        return ()
    if not isinstance(value, str) or len(value) > MAX_ATTRIBUTE:
        raise Unreadable
    if source.form == "joined":
        names = value.split(source.separator)
    elif value.startswith("[") and value.endswith("]") and len(value) > 1:
        names = [_decoded(item.strip(" ")) for item in value[1:-1].split(",")]
    else:
        names = [value]
    return tuple(dict.fromkeys(name for name in names if name))


def _decoded(item: str) -> str:
    if _BROKEN_ESCAPE.search(item):
        raise Unreadable
    try:
        return unquote_plus(item, errors="strict")
    except UnicodeDecodeError:
        raise Unreadable from None


def map_names(names: Iterable[str], rules: Iterable[GroupRule], existing: Iterable[str]) -> Mapped:
    """Return what the rules make of the names, after the groups that the user has already. What no rule names is gone."""
    present = tuple(names)
    groups = dict.fromkeys(existing)
    roles: dict[str, None] = {}
    for rule in rules:
        for name in present:
            becomes = _become(name, rule)
            if becomes is not None:
                groups[becomes] = None
                roles |= dict.fromkeys([rule.role] if rule.role else [])
    kept = _within_limits(groups)
    return Mapped(groups=kept, roles=tuple(roles), left_out=len(groups) - len(kept))


def _become(name: str, rule: GroupRule) -> str | None:
    if rule.group is not None:
        return rule.becomes if name == rule.group else None
    prefix = rule.prefix or ""
    if not name.startswith(prefix) or len(name) == len(prefix):
        return None
    becomes = rule.becomes + name.removeprefix(prefix)
    return becomes if GROUP_NAME.fullmatch(becomes) else None


def _within_limits(groups: Iterable[str]) -> tuple[str, ...]:
    kept: list[str] = []
    characters = 0
    for group in groups:
        characters += len(group)
        if len(kept) == MAX_GROUPS or characters > MAX_CHARACTERS:
            break
        kept.append(group)
    return tuple(kept)
