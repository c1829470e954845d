"""IAM's decision over identity policies: who may do what to which resource, under which conditions.

As much as the template's policies use, and an error for the rest, so that nothing is decided by guesswork.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Statement = Mapping[str, Any]
_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}


@dataclass(frozen=True, kw_only=True)
class Access:
    """One request to AWS as IAM sees it: `context` are the condition keys that it has, by name."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.action, self.resource, tuple(sorted(self.context.items()))))


def allowed(statements: Sequence[Statement], access: Access) -> bool:
    """Tell whether the policies allow it: some statement does, and none denies it."""
    effects = {statement["Effect"] for statement in matching(statements, access)}
    return effects == {"Allow"}


def matching(statements: Sequence[Statement], access: Access) -> Iterator[Statement]:
    """Yield the statements that are about the request."""
    for statement in statements:
        assert not statement.keys() - _ELEMENTS, statement
        if (
            any(like(pattern, access.action, fold=True) for pattern in listed(statement["Action"]))
            and any(like(pattern, access.resource) for pattern in listed(statement["Resource"]))
            and all(
                _holds(operator, key, listed(wanted), access.context)
                for operator, keys in statement.get("Condition", {}).items()
                for key, wanted in keys.items()
            )
        ):
            yield statement


def listed(value: Any) -> list[Any]:
    """Return what may be one or several as a list."""
    return value if isinstance(value, list) else [value]


def like(pattern: str, value: str, *, fold: bool = False) -> bool:
    """Match with `*` and `?`, letter by letter otherwise; names of actions know no case."""
    expression = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(expression, value, re.DOTALL | (re.IGNORECASE if fold else 0)) is not None


def _holds(operator: str, key: str, wanted: list[str], context: Mapping[str, str]) -> bool:
    # Names of condition keys know no case, but for that of the tag in them.
    given = {_folded(name): value for name, value in context.items()}.get(_folded(key))
    if operator.endswith("IfExists"):
        return given is None or _holds(operator.removesuffix("IfExists"), key, wanted, context)
    match operator:
        case "StringEquals":  # A key that is absent equals nothing.
            return given is not None and given in wanted
        case "StringLike" | "ArnLike":
            return given is not None and any(like(each, given) for each in wanted)
        case "Null":
            return wanted == [str(given is None).lower()]
    raise NotImplementedError(operator)


def _folded(key: str) -> str:
    name, slash, tag = key.partition("/")
    return f"{name.lower()}{slash}{tag}"
