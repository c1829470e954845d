"""HTML that escapes by itself: text becomes markup nowhere but here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Literal

from demo.messages import Answer
from demo.pages.style import STYLE

_VOID = frozenset({"br", "hr", "link", "meta"})
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Markup(str):
    """A string that is HTML already."""

    __slots__ = ()


Child = str | Markup | None | Iterable["Child"]


def el(tag: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """Return an element. Children that are no Markup are escaped; `class_` is class, `aria_label` aria-label.

    An attribute that is True stands without a value; one that is None or False does not stand at all.
    """
    shown = "".join(
        _attribute(key, value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{shown}>")
    return Markup(f"<{tag}{shown}>{_render(children)}</{tag}>")


def document(title: str, *children: Child) -> Markup:
    """Return a whole page."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width,initial-scale=1"),
        el("link", rel="icon", href="data:,"),
        el("title", f"{title} · fedbridge demo"),
        Markup(f"<style>{STYLE}</style>"),
    )
    return Markup(f"<!doctype html>{el('html', head, el('body', *children), lang='en')}")


def html_answer(page: Markup, *, status: int = 200) -> Answer:
    """Return a page that may load nothing and be framed by nobody."""
    return Answer(status=status, headers=_HEADERS, body=page.encode())


def _attribute(key: str, value: str | Literal[True]) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def _render(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return escape(child) if isinstance(child, str) else "".join(map(_render, child))
