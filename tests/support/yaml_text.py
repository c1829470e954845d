"""Plain data as YAML that people would write: small mappings and lists in one line, quotes only where they are needed."""

from __future__ import annotations

import re
from typing import Any

WIDTH = 130

# No indicator at the beginning, nothing within that ends a plain scalar, in a flow collection either.
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:+@?=-]*(?: [A-Za-z0-9_./:+@?=-]+)*")
_OTHER = re.compile(
    r"(?:true|false|null|yes|no|on|off|~|[-+.]?[0-9][0-9_.eE+-]*|0x[0-9a-f]+|0o[0-7]+)", re.IGNORECASE
)


def to_yaml(value: Any, indent: int = 0) -> str:
    """Return a mapping as lines, each ending in a line feed."""
    return "".join(_member(_scalar(key), item, indent) for key, item in value.items())


def _member(head: str, value: Any, indent: int) -> str:
    pad = " " * indent
    line = f"{pad}{head}: {_flow(value)}\n"
    if not isinstance(value, (dict, list)) or not value or (_is_small(value) and len(line) <= WIDTH):
        return line
    if isinstance(value, dict):
        return f"{pad}{head}:\n{to_yaml(value, indent + 2)}"
    return f"{pad}{head}:\n" + "".join(_item(item, indent + 2) for item in value)


def _item(value: Any, indent: int) -> str:
    pad = " " * indent
    if isinstance(value, dict):
        return f"{pad}- {to_yaml(value, indent + 2).lstrip()}"
    return f"{pad}- {_flow(value)}\n"


def _is_small(value: dict[str, Any] | list[Any]) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, dict) for item in items)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: str | int | bool | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    plain = _PLAIN.fullmatch(value) and not _OTHER.fullmatch(value) and not value.endswith(":")
    return value if plain and ": " not in value else "'" + value.replace("'", "''") + "'"
