"""`docs/idps`: one page a preset, and their list. `python -m tests.support.idp_pages` writes them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedbridge.configuration.presets import About, Need, Overlay, Preset, preset_names, read_preset
from tests.support.markdown import ROOT
from tests.support.presets import example, with_overlay
from tests.support.yaml_text import to_yaml

FOLDER = ROOT / "docs" / "idps"
BASE_URL = "https://login.example.com"

GROUPS = {
    "government": "Government",
    "health": "Health",
    "broker": "Brokers of national eIDs",
    "workforce": "Workforce",
    "consumer": "Consumer",
    "generic": "Any other",
}

_HEAD = """\
# Identity providers

One page for each preset: what to register at the provider, what to paste where, what is certain and what is not. The values were read in
the providers' documentation and source code, and were not run against the providers: sign in once in the provider's test environment before
you go live. What is wrong here fails closed, with a reason that [diagnose](../diagnose.md) explains.

Every value has a mark:

| mark | the value |
| --- | --- |
| documented | stands in the provider's own documentation |
| source code | was read in public source code: the provider's, or a maintained SDK or mock |
| our choice | is fedbridge's: the provider leaves it open, or it is a matter of taste |
| **uncertain** | is second-hand, or general knowledge; the page says what is not sure about it |

The lists count the values by their mark; what is *open* is known to be missing.

A connection names its preset and its client id, and refers to its keys; [what goes over what](../add-an-idp.md#presets) is told there. For a
provider that is not here, [write a preset](../write-a-preset.md): one file.
"""


MADE = {
    "client_authentication.key": "[keys that sign](../../README.md#from-clone-to-a-sign-in)",
    "client_authentication.certificate": "[certificates](../add-an-idp.md#keys-for-providers-that-fetch-none)",
    "token_decryption.keys": "[keys that decrypt](../add-an-idp.md#encrypted-tokens)",
    "client_authentication.secret": "[client secrets](../add-an-idp.md#a-client-secret)",
}
"""Where it is said how to make and store what references name."""


def pages() -> dict[Path, str]:
    """Return every page by its file, as it must be."""
    presets = [read_preset(name) for name in preset_names()]
    return {
        FOLDER / "README.md": _index(presets),
        **{FOLDER / f"{preset.name}.md": _page(preset) for preset in presets},
    }


def connection_name(preset: Preset) -> str:
    """Return what the example on a page calls its connection."""
    return preset.name.replace("_", "-")


def _index(presets: list[Preset]) -> str:
    parts = [_HEAD]
    for group, title in GROUPS.items():
        rows = [_row(preset) for preset in presets if preset.about.group == group]
        parts += [
            f"## {title}",
            "",
            "| provider | preset | you supply | marks |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    return "\n".join(parts)


def _row(preset: Preset) -> str:
    about = preset.about
    needs = ", ".join(_named(need) for need in about.needs)
    return f"| [{about.title}]({preset.name}.md) | `{preset.name}` | {needs} | {_summary(preset)} |"


def _summary(preset: Preset) -> str:
    marks = Counter(mark for _, _, mark in preset.marks())
    said = [f"{marks[mark]} {mark}" for mark in ("documented", "source code", "our choice") if marks[mark]]
    if marks["uncertain"]:
        said.append(f"**{marks['uncertain']} uncertain**")
    keys = {path for path, _, mark in preset.marks() if mark == "uncertain"}
    questions = [key for key in preset.about.uncertain if not any(_within(path, key) for path in keys)]
    if questions or preset.about.open:
        said.append(f"**{len(questions) + len(preset.about.open)} open**")
    return ", ".join(said)


def _within(path: str, key: str) -> bool:
    return path == key or path.startswith(f"{key}.")


def _page(preset: Preset) -> str:
    about = preset.about
    sections = [
        f"# {about.title}",
        f"{about.description} Preset [`{preset.name}`](../../shared/fedbridge/presets/{preset.name}.toml).",
        "## At the provider",
        "\n".join(f"{number}. {_filled(preset, step)}" for number, step in enumerate(about.register, 1)),
        "## In connections.yaml",
        _needs(about.needs),
        _fence({"connections": {connection_name(preset): example(preset)}}),
        _made(about.needs),
        f"Then `fedbridge connections validate`, `fedbridge connections apply`, and [Cognito's side](../deploy.md#cognitos-side). {_mappable(preset)}",
        *_overlays("## Other environments", preset, about.environments),
        *_overlays("## Variants", preset, about.variants),
        *_list("## What the provider holds you to", [_filled(preset, limit) for limit in about.limits]),
        "## What the preset sets",
        _values(preset),
        *_list("## What is not certain", [*_uncertain(about), *about.open]),
        *_list("## Sources", [f"<{source}>" for source in about.sources]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _filled(preset: Preset, text: str) -> str:
    issuer = f"{BASE_URL}/{connection_name(preset)}"
    for name, value in (
        ("{callback}", f"{issuer}/callback"),
        ("{client_jwks}", f"{issuer}/client-jwks.json"),
        ("{connection}", connection_name(preset)),
    ):
        text = text.replace(name, value)
    return text


def _needs(needs: tuple[Need, ...]) -> str:
    rows = [f"| {_named(need)} | {need.words} |" for need in needs]
    parties = (
        "| `relying_parties` | Cognito's side: see [relying parties](../add-an-idp.md#relying-parties) |"
    )
    return "\n".join(["| you supply | what it is |", "| --- | --- |", *rows, parties])


def _named(need: Need) -> str:
    return f"`{need.key}` (optional)" if need.optional else f"`{need.key}`"


def _made(needs: tuple[Need, ...]) -> str:
    found = [MADE[need.key] for need in needs if need.key in MADE]
    return f"How to make and store what it refers to: {', '.join(found)}." if found else ""


def _mappable(preset: Preset) -> str:
    """Say what attributes of the pool can be mapped from."""
    if "claims" not in preset.keys:
        return "Its `AttributeMapping` can name the [standard claims](../add-an-idp.md#claims), as far as they come."
    names = ", ".join(f"`{name}`" for name in preset.keys["claims"])
    return f"Its `AttributeMapping` can name {names}, as far as they come; for more [map claims](../add-an-idp.md#claims)."


def _overlays(title: str, preset: Preset, overlays: tuple[Overlay, ...]) -> Iterator[str]:
    if not overlays:
        return
    yield title
    yield "Keys to add to the connection above, or to change in it; a whole connection where others have to go."
    for overlay in overlays:
        yield f"**{overlay.name}.** {overlay.words}".strip()
        if overlay.without:
            yield _fence({"connections": {connection_name(preset): with_overlay(preset, overlay)}})
        else:
            yield _fence(overlay.keys)


def _list(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield title
        yield "\n".join(f"- {item}" for item in items)


def _values(preset: Preset) -> str:
    rows = [
        f"| `{path}` | {_code(value)} | {'**uncertain**' if mark == 'uncertain' else mark} |"
        for path, value, mark in preset.marks()
    ]
    return "\n".join(["| key | value | mark |", "| --- | --- | --- |", *rows])


def _uncertain(about: About) -> list[str]:
    return [f"`{key}`: {words}" for key, words in about.uncertain.items()]


def _code(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(_code(item) for item in value) or "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`".replace("|", "\\|")


def _fence(document: Any) -> str:
    return f"```yaml\n{to_yaml(document)}```"


def _write() -> None:
    FOLDER.mkdir(exist_ok=True)
    expected = pages()
    for file in FOLDER.glob("*.md"):
        if file not in expected:
            file.unlink()
    for file, text in expected.items():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    _write()
