"""Values in the shape that Cognito accepts: strings of at most 2,048 bytes, booleans, lists of strings.

Cognito's pages name the limit twice, as 2,048 characters a mapped value and as 2,048 bytes an attribute value; bytes are
the stricter. It flattens a list to `[a,b,c]` with form-encoded items, and the flattened text has to fit as well.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedbridge.model.connection import ClaimRule
    from fedbridge.model.identity import ClaimValue

LIMIT = 2048
"""Bytes of UTF-8."""

EXACT_FLOAT = 2**53
"""From here on a JSON number that was read as a float may not be the one that was sent."""

_BEYOND_LIMIT = 10**LIMIT

# C0, DEL, C1; bidirectional controls (they make text look like other text); line and paragraph separators; lone
# surrogates and noncharacters (they are not text).
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_LINE_BREAK = re.compile("\r\n|\n")

_FORM_ENCODED_AS_ONE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-*_ "
)  # A space becomes a plus sign.


class Unusable(ValueError):
    """The value cannot become a claim; `reason` is `claim_unusable` or `claim_too_long`. It never holds the value."""

    def __init__(self, reason: str = "claim_unusable") -> None:
        super().__init__(reason)
        self.reason = reason


def normalize(value: Any, rule: ClaimRule, *, lines: bool = False) -> ClaimValue | None:
    """Return the claim in the rule's type, None where the value is null, blank or empty; raises Unusable.

    `auto` keeps strings, booleans and lists, and turns numbers into strings. `string` turns booleans into `true` and
    `false`, objects and lists into JSON text. `boolean` takes JSON booleans and exactly the strings `true` and `false`.
    `list` makes a list of one scalar. `joined` refuses items that hold the separator, because `["a,admin"]` would
    join to what `["a", "admin"]` joins to. Items of lists are scalars. Nothing is ever cut. `lines` lets line breaks
    stand, which the formatted address has (OpenID Connect Core §5.1.1).
    """
    if _is_empty(value):
        return None
    match rule.type:
        case "auto":
            if isinstance(value, bool):
                return value
            return _items(value) if isinstance(value, list) else _text(value, lines=lines)
        case "string":
            return _json_text(value) if isinstance(value, (dict, list)) else _text(value, lines=lines)
        case "boolean":
            return _boolean(value)
        case "list":
            return _items(value if isinstance(value, list) else [value])
        case "joined":
            return _joined(value if isinstance(value, list) else [value], rule.separator)


def flattened_size(items: list[str]) -> int:
    """Return the bytes of `[a,b,c]` as Cognito writes a list: form-encoded except `. - * _`."""
    encoded = (1 if byte in _FORM_ENCODED_AS_ONE else 3 for item in items for byte in item.encode())
    return len("[]") + max(0, len(items) - 1) + sum(encoded)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _text(value: Any, *, lines: bool = False) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) >= _BEYOND_LIMIT:  # str() refuses thousands of digits, and so does Cognito
            raise Unusable("claim_too_long")
        return str(value)
    if isinstance(value, float):
        return _float_text(value)
    if not isinstance(value, str):
        raise Unusable
    return _checked(value, lines=lines)


def _float_text(value: float) -> str:
    if not math.isfinite(value) or abs(value) >= EXACT_FLOAT:
        raise Unusable
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")


def _checked(text: str, *, lines: bool = False) -> str:
    if len(text) > LIMIT:
        raise Unusable("claim_too_long")
    if _FORBIDDEN.search(_LINE_BREAK.sub("", text) if lines else text):
        raise Unusable
    if len(text.encode()) > LIMIT:
        raise Unusable("claim_too_long")
    return text


def _items(values: list[Any]) -> list[str] | None:
    items = [_text(value) for value in values if not _is_empty(value)]
    if flattened_size(items) > LIMIT:
        raise Unusable("claim_too_long")
    return items or None


def _joined(values: list[Any], separator: str) -> str | None:
    items = [_text(value) for value in values if not _is_empty(value)]
    if any(separator in item for item in items):
        raise Unusable
    return _checked(separator.join(items)) or None


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Unusable


def _json_text(value: Any) -> str:
    # JSON escapes what _checked would refuse, so the strings inside are looked at before they are written.
    nested = [value]
    while nested:
        item = nested.pop()
        if isinstance(item, dict):
            nested += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            nested += item
        elif isinstance(item, str) and _FORBIDDEN.search(item):
            raise Unusable
    try:
        return _checked(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    except Unusable:
        raise
    except (TypeError, ValueError, RecursionError):
        raise Unusable from None
