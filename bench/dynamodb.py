"""DynamoDB's tables, as much of them as fedbridge's and the stand-in's calls need; everything else is refused.

Items stay in the wire's form (`{"id": {"S": "…"}}`, binary values in base64). Semantics are those of the API
Reference for PutItem, GetItem and UpdateItem; the conformance suite of transaction stores runs over this (tests).
"""

from __future__ import annotations

import base64
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Item = dict[str, Any]

_COMPARISON = re.compile(r"(\S+) (=|<>|<|<=|>|>=) (\S+)")
_FUNCTION = re.compile(r"(attribute_exists|attribute_not_exists)\((\S+)\)")
_IF_NOT_EXISTS = re.compile(r"if_not_exists\((\S+?), ?(\S+)\)")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class ServiceError(Exception):
    """An error answer: its name, and members beside `message`."""

    def __init__(self, name: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.name = name
        self.members = members


class Table:
    """One table; `key` is its partition key. `largest` is the size of the largest item that was ever in it, in bytes."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.items: dict[str, Item] = {}
        self.largest = 0
        self.write_units = 0

    def get(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer GetItem."""
        item = self.items.get(self._key(request["Key"]))
        return {} if item is None else {"Item": item}

    def put(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer PutItem."""
        item = request["Item"]
        current = self.items.get(self._key(item))
        _require(request, current)
        self._store(item, before=current)
        return {}

    def update(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer UpdateItem."""
        current = self.items.get(self._key(request["Key"]))
        _require(request, current)
        changed = _updated(request, current or dict(request["Key"]))
        self._store(changed, before=current)
        return {"Attributes": current} if request.get("ReturnValues") == "ALL_OLD" and current else {}

    def _key(self, attributes: Item) -> str:
        value: str = attributes[self.key]["S"]
        return value

    def _store(self, item: Item, *, before: Item | None) -> None:
        self.items[self._key(item)] = item
        size = max(size_of(item), size_of(before or {}))
        self.largest = max(self.largest, size)
        self.write_units += -(-size // 1024)


def size_of(item: Item) -> int:
    """Return the bytes that DynamoDB counts: names and values as UTF-8 or raw bytes, numbers by their digits.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(base64.b64decode(value))
        case "N":
            digits = len(value.lstrip("-").replace(".", "").strip("0"))
            return (digits + 1) // 2 + 1
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + sum(len(name.encode()) + _value_size(member) + 1 for name, member in value.items())
    raise _unsupported(f"type {kind}")


def _require(request: Mapping[str, Any], current: Item | None) -> None:
    condition = request.get("ConditionExpression")
    if condition is None or _holds(condition, request, current or {}):
        return
    shown = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and current is not None
    raise ServiceError(
        "ConditionalCheckFailedException",
        "The conditional request failed",
        **({"Item": current} if shown else {}),
    )


def _holds(condition: str, request: Mapping[str, Any], item: Item) -> bool:
    if " OR " in condition:
        return any(_holds(part, request, item) for part in condition.split(" OR "))
    return all(_clause(part, request, item) for part in condition.split(" AND "))


def _clause(clause: str, request: Mapping[str, Any], item: Item) -> bool:
    if function := _FUNCTION.fullmatch(clause):
        return (_find(function[2], request, item) is None) == (function[1] == "attribute_not_exists")
    comparison = _COMPARISON.fullmatch(clause)
    if comparison is None:
        raise _unsupported(f"condition {clause}")
    found = _find(comparison[1], request, item)
    wanted = request["ExpressionAttributeValues"][comparison[3]]
    return found is not None and found.keys() == wanted.keys() and _compare(comparison[2], found, wanted)


def _compare(symbol: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    ((kind, left),), ((_, right),) = found.items(), wanted.items()
    if kind == "N":
        left, right = Decimal(left), Decimal(right)
    return _OPERATORS[symbol](left, right)


def _find(path: str, request: Mapping[str, Any], item: Item) -> Mapping[str, Any] | None:
    """Return the typed value at a path of names, `#current.#version`, None where there is none."""
    value: Mapping[str, Any] | None = {"M": item}
    for part in path.split("."):
        value = (value or {}).get("M", {}).get(_name(part, request))
    return value


def _name(part: str, request: Mapping[str, Any]) -> str:
    if not part.startswith("#"):
        return part
    name: str = request["ExpressionAttributeNames"][part]
    return name


def _updated(request: Mapping[str, Any], current: Item) -> Item:
    clauses = re.split(r"\b(SET|REMOVE) ", request["UpdateExpression"])
    changed = dict(current)
    for keyword, text in zip(clauses[1::2], clauses[2::2], strict=True):
        for action in re.split(r", (?![^(]*\))", text.strip()):
            if keyword == "REMOVE":
                changed.pop(_name(action, request), None)
                continue
            target, _, expression = action.partition(" = ")
            changed[_name(target, request)] = _evaluated(expression, request, current)
    return changed


def _evaluated(expression: str, request: Mapping[str, Any], current: Item) -> Any:
    values = request["ExpressionAttributeValues"]
    if default := _IF_NOT_EXISTS.fullmatch(expression):
        return _find(default[1], request, current) or values[default[2]]
    return values[expression]


def _unsupported(what: str) -> ServiceError:
    return ServiceError("ValidationException", f"the canned endpoint does not know this {what}")
