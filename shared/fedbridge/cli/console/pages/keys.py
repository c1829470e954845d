"""Keys and their ages, and what happens to each next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fedbridge.cli.console.html import Markup, Page, badge, moment, page, table, tag, void

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fedbridge.cli.console.desk import Desk, Key

DAY = 86_400
SOON = 30 * DAY
"""Seconds before it expires from which on a certificate stands out."""

MOODS = {"active": "good", "next": "warn", "retired": ""}


def show(desk: Desk) -> Page:
    """Return the page."""
    found = desk.rotated_keys()
    nothing = tag("p", "No key is rotated by itself: no ", tag("code", "key_rings"), " are published.")
    return page(
        "Keys",
        tag(
            "p",
            "A key is published first, used later, and withdrawn last, so that nobody notices.",
            class_="soft",
        ),
        listing(found) if found else nothing,
        bridge=desk.title,
        place="/keys",
    )


def listing(keys: Sequence[Key]) -> Markup:
    """Return a table of keys."""
    head = ["Use", "Key", "State", "Age", "Expires", "Next"]
    return table(head, ([*_cells(key, time.time())] for key in keys))


def _cells(key: Key, now: float) -> Iterator[object]:
    yield tag(
        "span", key.use, *([void("br"), tag("span", f"ring {key.ring}", class_="soft")] if key.ring else [])
    )
    yield tag("span", tag("code", key.kid), void("br"), tag("span", key.reference, class_="soft"))
    yield badge(key.state, MOODS[key.state])
    yield age(key.created_at, now)
    yield _expiry(key.expires_at, now)
    yield (
        tag("span", badge("confirm", "bad"), f" {key.next_step}")
        if key.awaits_confirmation
        else key.next_step
    )


def age(created_at: float | None, now: float) -> str:
    """Return it in days."""
    if created_at is None:
        return "unknown"
    days = int((now - created_at) // DAY)
    return "today" if days <= 0 else f"{days} day{'s' if days > 1 else ''}"


def _expiry(expires_at: float | None, now: float) -> object:
    if expires_at is None:
        return "never"
    if expires_at <= now:
        return tag("span", badge("expired", "bad"), " ", moment(expires_at))
    return (
        tag("span", badge("soon", "warn"), " ", moment(expires_at))
        if expires_at - now < SOON
        else moment(expires_at)
    )
