"""What several pages have: the frame, JSON, marks."""

from __future__ import annotations

import json
import re
from typing import Any

from demo.pages.html import Child, Markup, document, el

REPOSITORY_NOTE = (
    "A demonstration on your own machine: plain http on loopback, invented people, nothing is sent anywhere. "
    "In AWS the same handlers run on Lambda behind https."
)

# A span between two piers; drawn here, so that nothing is loaded.
_LOGO = Markup(
    '<svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" aria-hidden="true">'
    '<path d="M3 23h26M9 23V9M23 23V9M3 19c4-1 6-5 6-10 2 7 12 7 14 0 0 5 2 9 6 10"/></svg>'
)
TICK = Markup(
    '<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" '
    'stroke-linejoin="round" role="img" aria-label="Holds"><path d="m4 10.5 4 4 8-9"/></svg>'
)
CROSS = Markup(
    '<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" '
    'role="img" aria-label="Does not hold"><path d="m5 5 10 10M15 5 5 15"/></svg>'
)

_MEMBER = re.compile(r'^(\s*)("(?:[^"\\]|\\.)*")(: .*)$')


def frame(title: str, *content: Child, action: Child = None) -> Markup:
    """Return a page with the demo's head and foot."""
    brand = el("a", _LOGO, el("span", el("b", "fedbridge"), " demo", class_="name"), class_="brand", href="/")
    return document(
        title,
        el("header", el("div", brand, action, class_="page"), class_="bar"),
        el("main", *content, class_="page"),
        el("footer", el("div", el("p", REPOSITORY_NOTE), class_="page"), class_="foot"),
    )


def json_block(value: Any) -> Markup:
    """Return JSON with its member names set off."""
    lines = [_line(line) for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines()]
    return el("pre", *(part for line in lines for part in (line, "\n")), tabindex="0")


def _line(line: str) -> Child:
    matched = _MEMBER.match(line)
    if matched is None:
        return line
    indent, name, rest = matched.groups()
    return [indent, el("span", name, class_="key"), rest]


def more(label: str, *content: Child) -> Markup:
    """Return something to unfold."""
    return el("details", el("summary", label), *content, class_="more")
