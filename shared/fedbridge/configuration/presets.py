"""Presets: what is known of an IdP, under what a connection says itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from fedbridge.configuration.structure import Problem, build, hints, join
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection

_FOLDER = resources.files("fedbridge") / "presets"

OWN_FILE = re.compile(r"\./(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\.toml")
"""A preset of the operator's own: a file beside connections.yaml or below, never above it."""

NOT_A_PRESETS = ("name", "version", "client_jwks", "rings", "snapshot", "preset", "relying_parties")
"""Keys of a connection that no preset sets."""

Mark = Literal["documented", "source code", "our choice", "uncertain"]
"""Where a value comes from: the IdP's documentation, its source code or SDK, nowhere but here, or nobody is sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A key of the connection that the preset leaves to the operator; `example` is a value that would load.

    An `optional` one is not demanded: another key may stand in its place.
    """

    key: str
    words: str
    example: Any
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Keys that go over the preset's: another environment of the IdP, or another way to use it.

    `without` are keys that do not go with them: left out of the connection, and emptied where the preset sets them.
    """

    name: str
    words: str = ""
    keys: dict[str, Any]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """Where the values come from, by key or by the key above: `authorization` speaks for all below it."""

    documented: tuple[str, ...] = ()
    source_code: tuple[str, ...] = ()
    our_choice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The table `preset` of a preset: it sets nothing, and says what the values cannot.

    `register` are the steps at the IdP and `limits` what it holds the bridge to, in Markdown, where `{callback}`,
    `{client_jwks}` and `{connection}` stand for the connection's own. `uncertain` says by key what is not sure about a
    value that is set or left out; `open` is what else is not known. `probe` is false where `fedbridge check` must not
    authenticate with a code that is made up, because the IdP raises an alarm or locks the client.
    """

    title: str
    group: Literal["government", "health", "broker", "workforce", "consumer", "generic"] = "generic"
    description: str
    sources: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    environments: tuple[Overlay, ...] = ()
    variants: tuple[Overlay, ...] = ()
    register: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    confidence: Confidence = field(default_factory=Confidence)
    uncertain: dict[str, str] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    probe: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A preset: the keys of a connection that it sets, and what there is to know about them."""

    name: str
    keys: Mapping[str, Any]
    about: About

    def marks(self) -> Iterator[tuple[str, Any, Mark | None]]:
        """Yield every key that is set, its value, and where that comes from: the mark nearest to the key, or None."""
        confidence = self.about.confidence
        named: dict[str, Mark] = {
            **dict.fromkeys(confidence.documented, "documented"),
            **dict.fromkeys(confidence.source_code, "source code"),
            **dict.fromkeys(confidence.our_choice, "our choice"),
            **dict.fromkeys(self.about.uncertain, "uncertain"),
        }
        for path, value in leaves(self.keys):
            nearest = max((name for name in named if _holds(name, path)), key=len, default=None)
            yield path, value, None if nearest is None else named[nearest]

    def missing(self, own: Mapping[Any, Any]) -> Iterator[Problem]:
        """Yield what the preset leaves to the operator and neither sets.

        A connection that names another client authentication method needs nothing of what this one's takes.
        """
        merged = under(self.keys, own)
        for need in self.about.needs:
            if need.key.startswith("client_authentication.") and _other_method(self.keys, own):
                continue
            if not need.optional and not _is_set(merged, need.key):
                yield Problem(need.key, f"is missing: the preset {self.name} leaves it to you: {need.words}")


def preset_names() -> list[str]:
    """Return the names of all presets that fedbridge brings, sorted."""
    return sorted(
        file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")
    )


def read_preset(name: str, folder: Path | None = None) -> Preset:
    """Return a preset of fedbridge's, or from `folder` one of the operator's own, which is named `./our-bank.toml`.

    Raises ConfigurationError: there is no such preset, or the file is not one.
    """
    text = _text(name, folder)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name} is not TOML: {error}") from None
    keys = {key: value for key, value in content.items() if key != "preset"}
    problems = [Problem(key, "is not a preset's to set") for key in NOT_A_PRESETS if key in keys]
    about = content.get("preset", {"title": name, "description": ""})
    if not isinstance(about, dict):
        problems, about = (
            [*problems, Problem("preset", "must be a table")],
            {"title": name, "description": ""},
        )
    known = build(About, about, problems, "preset")
    problems += _about_problems(known)
    if problems:
        raise ConfigurationError("; ".join(f"{name}: {path}: {message}" for path, message in problems))
    return Preset(name=name, keys=keys, about=known)


def under(preset: Mapping[str, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a connection's own keys over a preset's.

    A connection that names another client authentication method takes nothing of the preset's: it would not apply.
    """
    if _other_method(preset, own):
        preset = {key: value for key, value in preset.items() if key != "client_authentication"}
    return merge(preset, own)


def merge(preset: Mapping[str, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the preset with the connection's own keys over it: mappings merge key by key, all else is replaced."""
    merged: dict[Any, Any] = {**preset, **own}
    for key in preset.keys() & own.keys():
        if isinstance(preset[key], Mapping) and isinstance(own[key], Mapping):
            merged[key] = merge(preset[key], own[key])
    return merged


def leaves(keys: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of all that is no mapping; an empty mapping is a value."""
    for key, value in keys.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, join(path, key))
        else:
            yield join(path, key), value


def is_key(path: str) -> bool:
    """Tell whether a connection may have this key: `client_authentication.key`, `authorization.parameters.aud`."""
    kind: Any = Connection
    for step in path.split("."):
        if is_dataclass(kind) and isinstance(kind, type):
            if step not in hints(kind):
                return False
            kind = _inner(hints(kind)[step])
        elif kind is not dict:  # Anything goes below a mapping.
            return False
    return True


def _text(name: str, folder: Path | None) -> str:
    if name in preset_names():
        return (_FOLDER / f"{name}.toml").read_text("utf-8")
    if folder is None or not OWN_FILE.fullmatch(name):
        raise ConfigurationError(
            f"there is no such preset; there are {', '.join(preset_names())}, and files such as ./our-bank.toml"
        )
    try:
        return (folder / name).read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name} must be UTF-8") from None


def _about_problems(about: About) -> Iterator[Problem]:
    named = {
        "needs": [need.key for need in about.needs],
        "confidence": [
            *about.confidence.documented,
            *about.confidence.source_code,
            *about.confidence.our_choice,
        ],
        "uncertain": list(about.uncertain),
        "variants": [path for variant in about.variants for path in variant.without],
    }
    for table, paths in named.items():
        for path in paths:
            if not is_key(path):
                yield Problem(f"preset.{table}", f"names {path}, which no connection has")
    twice = {path for path in named["confidence"] if named["confidence"].count(path) > 1}
    for path in sorted(twice | (set(named["confidence"]) & set(named["uncertain"]))):
        yield Problem("preset.confidence", f"names {path} twice")
    for source in about.sources:
        if not source.startswith("https://"):
            yield Problem("preset.sources", "must be https:// addresses")


def _inner(hint: Any) -> Any:
    """Return the dataclass or the container in a hint, whatever else may stand in its place."""
    for option in (hint, *get_args(hint)):
        if is_dataclass(option):
            return option
        if (get_origin(option) or option) is dict:
            return dict
    return None


def _holds(name: str, path: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _is_set(keys: Mapping[Any, Any], path: str) -> bool:
    here: Any = keys
    for step in path.split("."):
        if not isinstance(here, Mapping) or step not in here:
            return False
        here = here[step]
    return True


def _other_method(preset: Mapping[str, Any], own: Mapping[Any, Any]) -> bool:
    theirs, ours = (table.get("client_authentication") for table in (preset, own))
    return (
        isinstance(theirs, Mapping)
        and isinstance(ours, Mapping)
        and "method" in theirs
        and ours.get("method", theirs["method"]) != theirs["method"]
    )
