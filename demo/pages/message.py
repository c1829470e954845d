"""A page that says one thing."""

from __future__ import annotations

from demo.pages.html import Markup, el
from demo.pages.parts import frame


def page(title: str, text: str) -> Markup:
    """Return the page, with the way to the start."""
    return frame(
        title,
        el(
            "section",
            el("h1", title),
            el("p", text, class_="lede"),
            el("p", el("a", "To the start", href="/", class_="button")),
            class_="hero",
        ),
    )
