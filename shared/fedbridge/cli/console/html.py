"""HTML in which everything that is not markup is escaped; the frame of every page, and its style."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STYLE = """
:root{color-scheme:light dark;--ink:#1b2430;--soft:#5a6675;--line:#dfe4ea;--ground:#f4f6f8;--card:#fff;--act:#0b5cad;
--good:#1a7f4b;--warn:#9a6200;--bad:#b3261e;--goodbg:#e4f4eb;--warnbg:#fdf1dc;--badbg:#fce8e6}
@media (prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#a3afbd;--line:#323c48;--ground:#12171d;--card:#1b222b;--act:#6db3f8;
--good:#6fd29b;--warn:#f0bf6a;--bad:#ff9d94;--goodbg:#163325;--warnbg:#3a2d12;--badbg:#43201d}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header{background:var(--card);border-bottom:1px solid var(--line)}
header>div,main{max-width:72rem;margin:0 auto;padding:0 24px}
header>div{display:flex;flex-wrap:wrap;gap:4px 28px;align-items:center;min-height:56px}
header b{font-size:1.05rem;letter-spacing:-.01em}
header span{color:var(--soft);overflow-wrap:anywhere}
nav{display:flex;gap:4px;margin-left:auto}
nav a{padding:8px 12px;border-radius:8px;color:var(--ink);text-decoration:none}
nav a[aria-current]{background:var(--ground);font-weight:600}
main{padding-top:28px;padding-bottom:64px}
h1{font-size:1.5rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 4px}
h2{font-size:1.1rem;margin:36px 0 12px}
p{margin:0 0 12px;max-width:50rem;text-wrap:pretty}
.soft{color:var(--soft)}
a{color:var(--act)}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:12px}
table{width:100%;border-collapse:collapse}
th,td{padding:10px 14px;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-weight:600;font-size:.85rem;white-space:nowrap}
time,.nowrap{white-space:nowrap}
.wide+p{margin-top:12px}
code{font:.875rem/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
td code{user-select:all}
pre{margin:0;padding:16px;overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:12px}
.tag{display:inline-block;padding:1px 9px;border-radius:999px;font-size:.8rem;font-weight:600;white-space:nowrap;background:var(--ground);color:var(--soft)}
.good{background:var(--goodbg);color:var(--good)}.warn{background:var(--warnbg);color:var(--warn)}.bad{background:var(--badbg);color:var(--bad)}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;margin:0 0 12px}
.card h3{margin:6px 0 6px;font-size:1rem}
.card p:last-child{margin:0}
button,.button{font:inherit;font-weight:600;padding:9px 18px;border:0;border-radius:9px;background:var(--act);color:var(--card);cursor:pointer}
input{font:inherit;padding:8px 12px;border:1px solid var(--line);border-radius:9px;background:var(--card);color:var(--ink);width:min(26rem,100%)}
form.row{display:flex;flex-wrap:wrap;align-items:center;gap:8px 12px;margin:12px 0 16px}
:is(a,button,input):focus-visible{outline:3px solid var(--act);outline-offset:2px}
""".strip()

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode("utf-8")).digest()).decode("ascii")

HEADERS: Mapping[str, str] = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}

_PLACES = (("/", "Connections"), ("/keys", "Keys"), ("/failures", "Failures"))


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page."""

    html: str
    status: int = 200


class Markup(str):
    """A string that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return anything as HTML, escaped unless it is Markup."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def tag(name: str, /, *children: object, **attributes: str) -> Markup:
    """Return an element; `class_` is `class`, `aria_label` is `aria-label`."""
    return Markup(f"<{name}{_attributes(attributes)}>{''.join(text(child) for child in children)}</{name}>")


def void(name: str, /, **attributes: str) -> Markup:
    """Return an element that holds nothing, such as an input."""
    return Markup(f"<{name}{_attributes(attributes)}>")


def _attributes(given: Mapping[str, str]) -> str:
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in given.items()
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Return a table that scrolls by itself where it is too wide."""
    body = [tag("tr", *(tag("td", cell) for cell in row)) for row in rows]
    return tag(
        "div",
        tag("table", tag("thead", tag("tr", *(tag("th", cell) for cell in head))), tag("tbody", *body)),
        class_="wide",
    )


def badge(words: str, mood: str = "") -> Markup:
    """Return a word or two that stand out; `mood` is good, warn or bad."""
    return tag("span", words, class_=f"tag {mood}".strip())


def link(path: str, words: object) -> Markup:
    """Return a link within the console."""
    return tag("a", words, href=path)


def word(name: str) -> Markup:
    """Return an identifier as code that may break after its underscores."""
    return tag("code", Markup("_<wbr>".join(text(part) for part in name.split("_"))))


def prose(words: str) -> Markup:
    """Return a sentence in which what stands between backticks is code."""
    parts = words.split("`")
    return Markup("".join(tag("code", part) if index % 2 else text(part) for index, part in enumerate(parts)))


def instant(at: float) -> Markup:
    """Return a time of day (seconds since the epoch) in UTC, to the thousandth of a second."""
    thousandths = int(at * 1000) % 1000
    return tag("time", time.strftime("%H:%M:%S", time.gmtime(at)), f".{thousandths:03}")


def moment(at: float | None) -> Markup:
    """Return a time (seconds since the epoch) in UTC, as logs have it."""
    if at is None:
        return tag("span", "unknown", class_="soft")
    return tag("time", time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)), " UTC")


def page(title: str, *content: object, bridge: str = "", place: str = "", status: int = 200) -> Page:
    """Return the page; `place` is the path of the entry of the navigation that it belongs to."""
    links = [
        tag("a", words, href=path, **({"aria_current": "page"} if path == place else {}))
        for path, words in _PLACES
    ]
    navigation = tag("nav", *links) if bridge else ""
    body = tag(
        "body",
        tag("header", tag("div", tag("b", "fedbridge"), tag("span", bridge), navigation)),
        tag("main", tag("h1", title), *content),
    )
    head = (
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} – fedbridge</title><style>{STYLE}</style></head>"  # noqa: RUF001  typography
    )
    return Page(f'<!doctype html><html lang="en">{head}{body}</html>', status)
