"""A trial as a terminal shows it, in 100 columns."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fedbridge.cli.check.observed import printable
from fedbridge.cli.claims.trial import LONGEST_PROVIDER, MAX_USERNAME

if TYPE_CHECKING:
    from fedbridge.cli.claims.rules import Tried
    from fedbridge.cli.claims.trial import Trial
    from fedbridge.model.identity import Identity

WIDTH = 100
SHOWN = 60
"""Characters of a value that are shown."""


def told(trial: Trial) -> Iterator[str]:
    """Yield the lines: the verdict, who it is, what arrives, what does not. No terminal obeys what a sample says."""
    return map(printable, _lines(trial))


def _lines(trial: Trial) -> Iterator[str]:
    if trial.refusal is not None:
        yield f"{trial.connection.name}: the sign-in would be REFUSED: {trial.refusal.reason}"
        yield from _wrapped(f"why: {trial.refusal.means}")
        yield from _wrapped(f"do: {trial.refusal.todo}")
    if trial.identity is not None:
        yield f"{trial.connection.name}: Cognito would receive"
        yield from _identity(trial, trial.identity)
    for outcome, title in (
        ("sent", None if trial.identity else "would arrive"),
        ("refused", "ends the sign-in"),
        ("dropped", "left out"),
        ("absent", "not in the sample"),
    ):
        found = [each for each in trial.rules if each.outcome == outcome]
        if found and title:
            yield f"{title}:"
        for each in found:
            yield from _rule(each)
    if trial.unmapped:
        yield "sent by the provider, and read by no rule:"
        yield from _wrapped(", ".join(trial.unmapped))
    for note in trial.notes:
        yield from textwrap.wrap(f"note: {note}", WIDTH, subsequent_indent="      ")


def _identity(trial: Trial, identity: Identity) -> Iterator[str]:
    kind = "raw" if trial.connection.subject == "raw" or trial.connection.tokens == "relay" else "hashed"
    yield f"  sub = {identity.subject} ({kind})"
    length = len(trial.username or "")
    named = trial.provider_name or f"PROVIDER, which has {LONGEST_PROVIDER} at most"
    yield f"  user name: {length} of {MAX_USERNAME} characters ({named}, an underscore, sub)"
    for name in ("acr", "amr", "auth_time"):
        if value := getattr(identity, name):
            yield f"  {name} = {_value(value)}"


def _rule(each: Tried) -> Iterator[str]:
    if each.outcome == "sent":
        yield f"  {each.claim} = {_value(each.sent)}"
        if each.stored is not None:
            yield f"      Cognito keeps {_cut(each.stored)}"
    else:
        yield f"  {each.claim}: {_cut(each.rule)}"
        if each.found is not None:
            yield f"      finds {_value(each.found)}"
    if each.why is not None:
        yield from _wrapped(f"{each.why}", indent="      ")
    if each.todo is not None:
        yield from _wrapped(f"do: {each.todo}", indent="      ")


def _value(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    """Return what fits, printable; only what is shown is cut."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if len(clean) <= SHOWN else f"{clean[:SHOWN]}… ({len(clean)} characters)"


def _wrapped(text: str, indent: str = "  ") -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
