"""Presets: what is known of an IdP, under what a connection says itself."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from fedbridge.errors import ConfigurationError

_FOLDER = resources.files("fedbridge") / "presets"


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    return sorted(
        file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")
    )


def read_preset(name: str) -> dict[str, Any]:
    """Return what a preset sets; raises ConfigurationError that names the presets there are.

    Its table `preset` says what the preset is and where that was read; it sets nothing.
    """
    if name not in preset_names():
        raise ConfigurationError(f"there is no such preset; there are {', '.join(preset_names())}")
    content = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    return {key: value for key, value in content.items() if key != "preset"}


def under(preset: Mapping[str, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a connection's own keys over a preset's.

    A connection that names another client authentication method takes nothing of the preset's: it would not apply.
    """
    theirs, ours = (table.get("client_authentication") for table in (preset, own))
    if (
        isinstance(theirs, Mapping)
        and isinstance(ours, Mapping)
        and ours.get("method", theirs["method"]) != theirs["method"]
    ):
        preset = {key: value for key, value in preset.items() if key != "client_authentication"}
    return merge(preset, own)


def merge(preset: Mapping[str, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the preset with the connection's own keys over it: mappings merge key by key, all else is replaced."""
    merged: dict[Any, Any] = {**preset, **own}
    for key in preset.keys() & own.keys():
        if isinstance(preset[key], Mapping) and isinstance(own[key], Mapping):
            merged[key] = merge(preset[key], own[key])
    return merged
