"""Plain data → the dataclasses of the model: unknown keys, missing keys and wrong types, all at once, by path."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, NamedTuple, TypeVar

T = TypeVar("T")

_INVALID = object()

_NAMES = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    type(None): "empty",
    tuple: "a list",
    dict: "a mapping",
}


class Problem(NamedTuple):
    """What is wrong, and where: `client_authentication.lifetime`, `relying_parties[0].client_id`. Never quotes values."""

    path: str
    message: str


def build(cls: type[T], data: Mapping[Any, Any], problems: list[Problem], path: str = "") -> T:
    """Return an instance of the dataclass; what is wrong goes to `problems`, and a default or nothing in its place.

    So whoever calls can go on and look for more that is wrong, and must refuse the result if there are problems.
    """
    kinds = hints(typing.cast("Any", cls))
    values: dict[str, Any] = {}
    for key, value in data.items():
        where = join(path, key)
        if key not in kinds:
            problems.append(Problem(where, _unknown(key, kinds)))
        elif (converted := _convert(kinds[key], value, where, problems)) is not _INVALID:
            values[key] = converted
    for field in fields(typing.cast("Any", cls)):
        if field.name in values or field.default is not MISSING or field.default_factory is not MISSING:
            continue
        if field.name not in data:
            problems.append(Problem(join(path, field.name), "is missing"))
        values[field.name] = "" if kinds[field.name] is str else ()
    return cls(**values)


@functools.cache
def hints(cls: Any) -> dict[str, Any]:
    """Return the resolved types of a dataclass's fields."""
    return typing.get_type_hints(cls)


def join(path: str, key: Any) -> str:
    """Return the path of a key below a path."""
    return f"{path}.{key}" if path else str(key)


def _convert(kind: Any, value: Any, path: str, problems: list[Problem]) -> Any:
    is_union = typing.get_origin(kind) in {
        types.UnionType,
        typing.Union,
    }  # the latter where a Literal is in it
    options = typing.get_args(kind) if is_union else (kind,)
    for option in options:
        shape = typing.get_origin(option) or option
        arguments = typing.get_args(option)
        if is_dataclass(option) and isinstance(value, Mapping):
            return build(typing.cast("type[Any]", option), value, problems, path)
        if shape is dict and isinstance(value, Mapping):
            return _mapping(arguments[1], value, path, problems)
        if shape is tuple and isinstance(value, list):
            items = [_convert(arguments[0], item, f"{path}[{i}]", problems) for i, item in enumerate(value)]
            return tuple(item for item in items if item is not _INVALID)
        if shape is Literal and isinstance(value, str) and value in arguments:
            return value
        if shape is Any or type(value) is option:
            return value
    problems.append(Problem(path, f"must be {' or '.join(map(_name, options))}{_advice(options, value)}"))
    return _INVALID


def _mapping(kind: Any, value: Mapping[Any, Any], path: str, problems: list[Problem]) -> dict[str, Any]:
    converted = {}
    for key, item in value.items():
        if isinstance(key, str):
            converted[key] = _convert(kind, item, join(path, key), problems)
        else:
            problems.append(Problem(join(path, key), "the key must be a string: put it into quotes"))
    return {key: item for key, item in converted.items() if item is not _INVALID}


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(typing.get_args(kind))}"
    if is_dataclass(kind):
        return _NAMES[dict]
    return _NAMES[typing.get_origin(kind) or kind]


def _advice(options: tuple[Any, ...], value: Any) -> str:
    scalar = isinstance(value, (bool, int, float)) or value is None
    return ": put the value into quotes" if str in options and scalar else ""


def _unknown(key: Any, kinds: Mapping[str, Any]) -> str:
    import difflib  # noqa: PLC0415  only ever needed to answer a mistake

    close = difflib.get_close_matches(str(key), kinds, n=1, cutoff=0.75)
    return f"is not known{f': did you mean {close[0]}?' if close else ''}"
