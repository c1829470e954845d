"""Markdown as the documentation tests read it: fenced blocks, tables, links and anchors, as GitHub renders them."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(([^)\s]+)\)")
_CODE = re.compile(r"(`+)(.+?)\1")


@dataclass(frozen=True)
class Fence:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file; `name` is its path below the repository."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without fenced blocks."""
        return _FENCE.sub("", self.text)

    def fences(self, *languages: str) -> Iterator[Fence]:
        """Yield the fenced blocks in these languages, in all without any."""
        for match in _FENCE.finditer(self.text):
            if not languages or match[2] in languages:
                line = self.text.count("\n", 0, match.start()) + 1
                yield Fence(self.name, line, match[2], textwrap.dedent(match[3]))

    def links(self) -> Iterator[str]:
        """Yield the targets of links and images, outside of code."""
        yield from _LINK.findall(_CODE.sub("", self.prose).replace("[`", "[").replace("`]", "]"))
        yield from re.findall(r"\[`[^`]*`\]\(([^)\s]+)\)", self.prose)
        yield from re.findall(r'(?:src|href)="([^"]+)"', self.prose)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What `#…` may name: GitHub's slugs of the headings."""
        found: Counter[str] = Counter()
        anchors = set()
        for _, title in _HEADING.findall(self.prose):
            slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()).replace(
                " ", "-"
            )
            anchors.add(f"{slug}-{found[slug]}" if found[slug] else slug)
            found[slug] += 1
        return frozenset(anchors)

    def section(self, title: str) -> str:
        """Return the text below a heading, up to the next one of its level or above; raises KeyError."""
        headings = list(_HEADING.finditer(self.text))
        for at, heading in enumerate(headings):
            if heading[2] == title:
                ends = (later.start() for later in headings[at + 1 :] if len(later[1]) <= len(heading[1]))
                return self.text[heading.end() : next(ends, len(self.text))]
        raise KeyError(title)

    def table(self, title: str) -> list[list[str]]:
        """Return the rows of the first table below a heading, without its head; `\\|` is a bar in a cell."""
        rows = [line for line in self.section(title).splitlines() if line.startswith("|")]
        return [_cells(row) for row in rows[2:] if not re.fullmatch(r"[|\s:-]+", row)]

    def tables(self, title: str) -> list[list[str]]:
        """Return the rows of every table below a heading, heads included."""
        rows = [line for line in self.section(title).splitlines() if line.startswith("|")]
        return [_cells(row) for row in rows if not re.fullmatch(r"[|\s:-]+", row)]


def pages() -> list[Page]:
    """Return every page that people read."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [Page(file) for file in sorted(files)]


def page(name: str) -> Page:
    """Return one page by its path below the repository."""
    return Page(ROOT / name)


def codes(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return [match[2] for match in _CODE.finditer(cell)]


def _cells(row: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]
