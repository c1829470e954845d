"""What failed, whose it is to mend, and the story behind one reference."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fedbridge.cli.console.html import (
    Markup,
    Page,
    badge,
    instant,
    link,
    moment,
    page,
    prose,
    table,
    tag,
    void,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fedbridge.cli.console.desk import Desk
    from fedbridge.cli.explain import Failure, Step, Story

OUTCOMES = {"complete": "good", "under_way": "warn", "not_returned": "warn", "unknown": ""}
"""Moods of endings; every other is bad."""


def show(desk: Desk) -> Page:
    """Return the list."""
    found = desk.failures()
    nothing = tag("p", "No failure in the time that is looked at.", class_="soft")
    return page(
        "Failures",
        _ask(),
        listing(found) if found else nothing,
        bridge=desk.title,
        place="/failures",
    )


def explain(desk: Desk, reference: str) -> Page:
    """Return the story of one sign-in."""
    if not reference.strip():
        return show(desk)
    story = desk.story(reference.strip())
    return page(
        "What became of it",
        _ask(reference),
        tag("div", *_told(story), class_="card"),
        *_steps(story),
        *_commands(story),
        bridge=desk.title,
        place="/failures",
    )


def listing(failures: Sequence[Failure]) -> Markup:
    """Return a table of failures."""
    head = ["When", "Connection", "Reason", "What it means", "Whose", "Reference"]
    return table(head, ([*_cells(failure)] for failure in failures))


def _cells(failure: Failure) -> Iterator[object]:
    yield moment(failure.at)
    yield failure.connection or "unknown"
    yield word(failure.reason)
    yield prose(failure.means)
    yield ", ".join(failure.whose)
    yield link(
        f"/failures/explain?{urlencode({'reference': failure.id})}", tag("code", failure.id, class_="nowrap")
    )


def _ask(reference: str = "") -> Markup:
    given = {"value": reference} if reference else {}
    return tag(
        "form",
        void(
            "input",
            name="reference",
            required="",
            maxlength="400",
            aria_label="Reference",
            placeholder="Reference, or the error that ends with it",
            **given,
        ),
        tag("button", "Explain"),
        method="get",
        action="/failures/explain",
        class_="row",
    )


def _told(story: Story) -> Iterator[object]:
    yield badge(story.outcome.replace("_", " "), OUTCOMES.get(story.outcome, "bad"))
    if story.connection:
        yield tag("span", f" {story.connection}", class_="soft")
    yield tag("h3", story.summary)
    if story.reason:
        yield tag("p", tag("code", story.reason), " ", prose(story.means))
    elif story.means:
        yield tag("p", prose(story.means))
    if story.todo:
        yield tag("p", tag("b", "Do: "), prose(story.todo))
    if story.whose:
        yield tag("p", f"To be mended by: {', '.join(story.whose)}.", class_="soft")


def _steps(story: Story) -> Iterator[Markup]:
    if story.steps:
        yield tag("h2", f"Step by step, {time.strftime('%Y-%m-%d', time.gmtime(story.steps[0].at))}")
        yield table(["UTC", "What", "Took", ""], ([*_step(each)] for each in story.steps))


def _step(step: Step) -> Iterator[object]:
    yield instant(step.at)
    yield tag(
        "span", step.what, *([void("br"), tag("span", step.detail, class_="soft")] if step.detail else [])
    )
    yield "" if step.duration_ms is None else tag("span", f"{step.duration_ms:,.0f} ms", class_="nowrap")
    yield (
        "" if step.went_well is None else badge("well", "good") if step.went_well else badge("failed", "bad")
    )


def _commands(story: Story) -> Iterator[Markup]:
    if story.checks:
        yield tag("h2", "Look further")
        yield tag("pre", tag("code", "\n".join(story.checks)))
