"""The reasons of `docs/diagnose.md`, which are those of `fedbridge explain`. `python -m tests.support.causes` writes them.

What is written by hand between the tables stays. A reason that stands in the page alone would be lost: UnknownReasonError.
"""

from __future__ import annotations

from collections.abc import Iterable

from fedbridge.cli.explain.causes import FILE, Cause, causes, upstream_codes
from fedbridge.cli.explain.text import SHORT
from tests.support.markdown import ROOT, codes, page

PAGE = ROOT / "docs" / "diagnose.md"
CODES = "What the provider's own code says"
SECTIONS = tuple(dict.fromkeys(cause.section for cause in causes()))
_HEAD = ("| reason | whose | what it means | what to do |", "| --- | --- | --- | --- |")


class UnknownReasonError(Exception):
    """A reason that the page explains and causes.toml does not."""


def text() -> str:
    """Return the page as it must be; raises UnknownReasonError."""
    found = page("docs/diagnose.md")
    written = found.text
    for section in (*SECTIONS, CODES):
        rows = [each for each in causes() if each.section == section] or upstream_codes()
        _keep(section, {name for row in found.table(section) for name in codes(row[0])}, rows)
        written = _replaced(written, found.section(section), rows)
    return written


def _keep(section: str, listed: set[str], rows: Iterable[Cause]) -> None:
    lost = listed - {name for row in rows for name in row.names}
    if lost:
        raise UnknownReasonError(
            f"{section}: {', '.join(sorted(lost))}: write them into {FILE.relative_to(ROOT)}"
        )


def _replaced(written: str, section: str, rows: Iterable[Cause]) -> str:
    lines = section.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("|"))
    after = next((at for at in range(first, len(lines)) if not lines[at].startswith("|")), len(lines))
    table = [*_HEAD, *(_row(each) for each in rows)]
    return written.replace(section, "\n".join([*lines[:first], *table, *lines[after:]]) + "\n")


def _row(cause: Cause) -> str:
    names = ", ".join(f"`{name}`" for name in cause.names)
    whose = ", ".join(SHORT[each] for each in cause.whose)
    means, todo = (cell.replace("|", "\\|") for cell in (cause.means, cause.todo))
    return f"| {names} | {whose} | {means} | {todo} |"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
