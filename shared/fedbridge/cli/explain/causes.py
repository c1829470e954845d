"""The one source of what every reason means and what to do: `causes.toml`, from which docs/diagnose.md is written, too."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from fedbridge.cli.explain.story import Whose

FILE = Path(__file__).with_name("causes.toml")

_LINK = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What reasons (or the provider's own codes) mean, in Markdown; `whose` begins with the likeliest."""

    section: str
    names: tuple[str, ...]
    whose: tuple[Whose, ...]
    means: str
    todo: str


CODED = frozenset({"authorization_response_error", "saml_status_refused", "saml_artifact_refused"})
"""Reasons that only say that the provider said no: why, its code says."""


@cache
def causes() -> tuple[Cause, ...]:
    """Return every entry for reasons, in the order of the documentation."""
    return _read("cause", "reasons")


@cache
def upstream_codes() -> tuple[Cause, ...]:
    """Return the entries for codes of providers."""
    return _read("upstream_code", "codes")


def cause_of(reason: str, upstream_code: str | None = None) -> Cause:
    """Return what a reason means; the provider's code says more where the reason only says that it refused."""
    if reason in CODED:
        for each in upstream_codes():
            if upstream_code in each.names:
                return each
    for each in causes():
        if reason in each.names:
            return each
    return Cause(
        section="",
        names=(reason,),
        whose=(),
        means="a reason that this release of the command does not know",
        todo="use the command of the release that is deployed",
    )


def plain(markdown: str) -> str:
    """Return Markdown as a terminal shows it, pages by their path."""
    return _LINK.sub(_without_link, markdown)


def _without_link(link: re.Match[str]) -> str:
    target = link[2] if not link[2].startswith("#") else f"diagnose.md{link[2]}"
    return f"{link[1]} (docs/{target})"


def _read(kind: str, names: str) -> tuple[Cause, ...]:
    return tuple(
        Cause(
            section=entry.get("section", ""),
            names=tuple(entry[names]),
            whose=cast("tuple[Whose, ...]", tuple(entry["whose"])),
            means=entry["means"],
            todo=entry["todo"],
        )
        for entry in tomllib.loads(FILE.read_text("utf-8"))[kind]
    )
