"""Every connection at a glance, what waits for somebody, and what failed last."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from fedbridge.cli.console.desk import Unavailable
from fedbridge.cli.console.html import Markup, Page, badge, link, moment, page, table, tag
from fedbridge.cli.console.pages import failures, keys
from fedbridge.errors import FedbridgeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.cli.console.desk import Desk, Row

FEW = 5
"""Failures that are shown here."""


def show(desk: Desk) -> Page:
    """Return the page."""
    rows = desk.connections()
    found = table(
        ["Connection", "Identity provider", "Protocol", "Version", "Published", ""],
        ([*_cells(row)] for row in rows),
    )
    nothing = tag("p", "Nothing is published yet: ", tag("code", "fedbridge connections apply"), " does.")
    return page(
        "Connections",
        tag(
            "p",
            "What sign-ins run on. A check talks to the provider for real, without a user.",
            class_="soft",
        ),
        found if rows else nothing,
        *_attention(desk),
        *_failures(desk),
        bridge=desk.title,
        place="/",
    )


def _cells(row: Row) -> Iterator[object]:
    yield link(f"/connections/{quote(row.name)}", row.name)
    yield tag("code", row.issuer)
    yield f"{row.protocol} · {row.preset}" if row.preset else row.protocol
    yield tag("code", row.version[:12])
    yield moment(row.published_at)
    yield badge("disabled", "bad") if row.disabled else badge("enabled", "good")


def _attention(desk: Desk) -> Iterator[Markup]:
    try:
        waiting = [key for key in desk.rotated_keys() if key.awaits_confirmation]
    except (Unavailable, FedbridgeError) as failure:
        yield tag("p", f"Keys could not be read: {failure}", class_="soft")
        return
    if waiting:
        yield tag("h2", "Waits for you")
        yield keys.listing(waiting)


def _failures(desk: Desk) -> Iterator[Markup]:
    yield tag("h2", "Failed lately")
    try:
        found = desk.failures()
    except (Unavailable, FedbridgeError) as failure:
        yield tag("p", f"Logs could not be read: {failure}", class_="soft")
        return
    if not found:
        yield tag("p", "No failure in the time that is looked at.", class_="soft")
        return
    yield failures.listing(found[:FEW])
    if len(found) > FEW:
        yield tag("p", link("/failures", f"All {len(found)} failures"))
