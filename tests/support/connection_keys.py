"""`docs/connection-keys.md`: every key of `connections.yaml`. `python -m tests.support.connection_keys` writes it."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from fedbridge.configuration.descriptions import DESCRIPTIONS
from fedbridge.configuration.document import default_of
from fedbridge.configuration.file import FILLED_IN
from fedbridge.configuration.structure import hints
from fedbridge.model.connection import Connection
from fedbridge.model.key_ring import KeyRing
from tests.support.markdown import ROOT

PAGE = ROOT / "docs" / "connection-keys.md"

_HEAD = """\
# Every key of connections.yaml

Generated from the model; the same words stand in the JSON Schema that `fedbridge connections schema` prints. How to use the
keys is told in [Add an identity provider](add-an-idp.md); `key_rings`, which stands beside `connections`, in
[Rotate keys and secrets](rotate-keys.md). Its keys are under [KeyRing](#keyring).
"""


def page() -> str:
    """Return the page as it must be."""
    return "\n".join([_HEAD, *(_table(kind) for root in (Connection, KeyRing) for kind in kinds(root))])


def kinds(kind: Any) -> list[Any]:
    """Return the dataclass and all that its fields hold, each once, in the order of the model."""
    found = {kind: None}
    for name, hint in hints(kind).items():
        for inner in _dataclasses(hint) if kind is not Connection or name not in FILLED_IN else ():
            found |= dict.fromkeys(kinds(inner))
    return list(found)


def _dataclasses(hint: Any) -> list[Any]:
    if is_dataclass(hint):
        return [hint]
    return [found for argument in get_args(hint) for found in _dataclasses(argument)]


def _table(kind: Any) -> str:
    rows = [
        f"| `{field.name}` | {_default(field)} | {_words(kind, field)} |"
        for field in fields(kind)
        if kind is not Connection or field.name not in FILLED_IN
    ]
    return "\n".join(
        [f"## {kind.__name__}", "", "| key | default | what it says |", "| --- | --- | --- |", *rows, ""]
    )


def _words(kind: Any, field: Field[Any]) -> str:
    description, rules = DESCRIPTIONS[f"{kind.__name__}.{field.name}"]
    links = [
        f"[{inner.__name__}](#{inner.__name__.lower()})" for inner in _dataclasses(hints(kind)[field.name])
    ]
    choices = [f"`{choice}`" for choice in _literals(hints(kind)[field.name])]
    limits = [f"{name} {rules[name]}" for name in ("minimum", "maximum") if name in rules]
    return " ".join([description, *links, *([f"({', '.join(choices)})"] if choices else []), *limits])


def _literals(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [found for argument in get_args(hint) for found in _literals(argument)]


def _default(field: Field[Any]) -> str:
    value = default_of(field)
    match value:
        case _ if value is MISSING:
            return "required"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple() if value:
            return ", ".join(f"`{item}`" for item in value)
        case str() | int():
            return f"`{value}`"
    return "see there" if is_dataclass(value) else "none"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
