"""JSON that can be read in one way only (RFC 8259 §4, RFC 8725 §3.10): every document of an IdP comes through here.

The standard library takes the last of repeated members, NaN, lone surrogates and any depth. Two readers that disagree
about one document are how checks are walked around, so all of these are refused.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 32
"""Levels of nesting. OpenID Connect's deepest documents (verified claims) stay below 12."""

MAX_NUMBER = 32
"""Characters of one number."""

# An unterminated string runs to the end, and nothing backtracks (possessive quantifiers): linear in any input.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


class InvalidJson(ValueError):
    """Not a JSON object in the strict sense; the message never quotes the document."""


def decode_object(document: bytes) -> dict[str, Any]:
    """Return the JSON object in `document`; raises InvalidJson as `decode` does, and for anything but an object."""
    value = decode(document)
    if not isinstance(value, dict):
        raise InvalidJson("not an object")
    return value


def decode(document: bytes) -> Any:
    """Return the JSON value in `document` (UTF-8, no byte order mark); raises InvalidJson.

    Refused: repeated members, NaN and Infinity in any spelling, numbers above 32 characters, more than 32 levels, and
    lone surrogates. The size is the caller's cap.
    """
    try:
        text = document.decode("utf-8")
        _check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=_unique_members,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_refuse_constant,
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except InvalidJson:
        raise
    except ValueError:
        raise InvalidJson("not JSON in UTF-8") from None
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for piece in _STRUCTURE.finditer(text):
        match piece[0]:
            case "[" | "{":
                depth += 1
                if depth > MAX_DEPTH:
                    raise InvalidJson("nested too deeply")
            case "]" | "}":
                depth -= 1


def _unique_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise InvalidJson("repeated member")
    return value


def _integer(digits: str) -> int:
    _check_length(digits)
    return int(digits)


def _float(digits: str) -> float:
    _check_length(digits)
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidJson("number out of range")
    return value


def _check_length(digits: str) -> None:
    if len(digits) > MAX_NUMBER:
        raise InvalidJson("number too long")


def _refuse_constant(_name: str) -> NoReturn:
    raise InvalidJson("not a number")
