"""What an operator writes to sign in through a preset."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedbridge.configuration.presets import Overlay, Preset, leaves, merge
from tests.support.markdown import page

RELYING_PARTY: dict[str, Any] = {
    "client_id": "cognito",
    "secret_hashes": ["sha256:87c1e2940a9075f75c37ef3bac185899fae880e2347000f492e0b003af464d5c"],
    "redirect_uris": ["https://acme.auth.eu-north-1.amazoncognito.com/oauth2/idpresponse"],
    "restart_url": "https://app.example.com/",
}


def example(preset: Preset) -> dict[str, Any]:
    """Return a connection as plain data: the preset, what it needs, and the relying party."""
    body: dict[str, Any] = {"preset": preset.name}
    for need in preset.about.needs:
        put(body, need.key, need.example)
    return {**body, "relying_parties": [copy.deepcopy(RELYING_PARTY)]}


def with_overlay(preset: Preset, overlay: Overlay, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a connection, the example unless another is given, with an environment's or a variant's keys over it."""
    body = merge(example(preset) if own is None else own, overlay.keys)
    parties = body.pop("relying_parties")
    ours = dict(leaves(preset.keys))
    for path in overlay.without:
        if any(name == path or name.startswith(f"{path}.") for name in ours):
            put(body, path, None)
        else:
            _drop(body, path)
    return {**body, "relying_parties": parties}


def write_worked_example(folder: Path) -> Path:
    """Write the connection and the preset of docs/write-a-preset.md as it says, and return the connections file."""
    documentation = page("docs/write-a-preset.md")
    (connections,) = documentation.fences("yaml")
    (preset,) = documentation.fences("toml")
    (name,) = re.findall(r"preset: (\./\S+)", connections.text)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(preset.text, "utf-8")
    file = folder / "connections.yaml"
    file.write_text(connections.text, "utf-8")
    return file


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set a key by its path, with the mappings above it."""
    *way, last = path.split(".")
    for step in way:
        body = body.setdefault(step, {})
    body[last] = copy.deepcopy(value)


def _drop(body: dict[str, Any], path: str) -> None:
    *way, last = path.split(".")
    for step in way:
        body = body[step]
    del body[last]
