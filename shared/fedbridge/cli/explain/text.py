"""A story as a terminal shows it, in 100 columns."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedbridge.cli.explain.story import Failure, Step, Story, Whose

WIDTH = 100

WHOSE: dict[Whose, str] = {
    "user": "the person who signs in",
    "provider": "the identity provider",
    "configuration": "your configuration, here or in Cognito",
    "caller": "whoever sent the request: the application, Cognito, a scanner",
    "aws": "AWS: an outage or a quota",
    "attack": "an attack or a replay: look into it",
    "fedbridge": "fedbridge: a defect",
    "nobody": "nobody: nothing is wrong",
}

SHORT: dict[Whose, str] = {
    "user": "the person",
    "provider": "the provider",
    "configuration": "yours",
    "caller": "the caller",
    "aws": "AWS",
    "attack": "an attack",
    "fedbridge": "fedbridge",
    "nobody": "nobody",
}
"""The same in a column."""


def show_story(story: Story) -> str:
    """Return the story: how it ended, why, what to do, then its steps."""
    lines = [f"Reference   {story.id}"]
    if story.connection:
        client = f", client {story.client_id}" if story.client_id else ""
        lines.append(f"Connection  {story.connection}{client}")
    lines += _field("Outcome", story.summary)
    if story.reason:
        lines += _field("Reason", story.reason)
    if story.means:
        lines += _field("Cause", story.means)
    if story.whose:
        lines += _field("Whose", ", or ".join(WHOSE[each] for each in story.whose))
    if story.todo:
        lines += _field("What to do", story.todo)
    lines += [line for check in story.checks for line in _field("Then", check)]
    if story.related:
        lines += _field("See also", ", ".join(story.related))
    if story.steps:
        lines += _field("When", f"{_clock(story.steps[0].at, date=True)}, times in UTC")
        lines += ["", *_table(story.steps)]
    return "\n".join(lines)


def show_failures(failures: Sequence[Failure]) -> str:
    """Return one line a failure, the latest first."""
    if not failures:
        return "Nothing failed in these records."
    return "\n".join(
        f"{_clock(each.at, date=True)}  {each.id}  {each.connection or '-'}  {each.reason}"
        for each in failures
    )


def _field(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12, break_long_words=False
    )


def _table(steps: Sequence[Step]) -> list[str]:
    lines = []
    for step in steps:
        mark = {True: "ok", False: "NO", None: "  "}[step.went_well]
        took = "" if step.duration_ms is None else _duration(step.duration_ms)
        lines += textwrap.wrap(
            f"{step.what} ({step.detail})" if step.detail else step.what,
            WIDTH,
            initial_indent=f"{_clock(step.at)}  {took:>9}  {mark}  ",
            subsequent_indent=" " * 29,
            break_long_words=False,
        )
    return lines


def _duration(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 10_000 else f"{milliseconds:,.0f} ms"


def _clock(at: float, *, date: bool = False) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if date else moment.strftime("%H:%M:%S.%f")[:12]
