"""What was found, for people and for machines."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fedbridge.cli.check.finding import Finding

WIDTH = 100
_INDENT = " " * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How findings about one connection are printed."""

    connection: str
    as_json: bool = False

    def print(self, findings: Sequence[Finding], *, notes: Sequence[str] = ()) -> int:
        """Print them with their verdict; return 1 where one of them is an error, else 0."""
        if self.as_json:
            document = {
                "connection": self.connection,
                "verdict": verdict(findings),
                "findings": [asdict(each) for each in findings],
                "left_out": list(notes),
            }
            print(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            print("\n".join([*_text(findings), *notes, f"{self.connection}: {verdict(findings)}"]))
        return 1 if any(each.severity == "error" for each in findings) else 0


def verdict(findings: Sequence[Finding]) -> str:
    """Return the last line: how many of each, or that there are none."""
    if not findings:
        return "no problem found"
    counted = Counter(each.severity for each in findings)
    parts = [_counted(counted["error"], "error"), _counted(counted["warning"], "warning")]
    if counted["unknown"]:
        parts.append(f"{counted['unknown']} that could not be told")
    return ", ".join(parts)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _text(findings: Sequence[Finding]) -> Iterator[str]:
    order = {
        subject: number for number, subject in enumerate(dict.fromkeys(each.subject for each in findings))
    }
    by_subject = sorted(findings, key=lambda each: order[each.subject])
    for subject, group in groupby(by_subject, key=lambda each: each.subject):
        yield subject
        for each in group:
            yield f"  {each.severity}: {each.code}"
            yield _wrapped("", each.what)
            yield _wrapped("Why: ", each.why)
            yield _wrapped("Do:  ", each.fix)
        yield ""


def _wrapped(label: str, text: str) -> str:
    """Return the text in lines of 100 columns; what cannot be broken, such as a URL, stays whole."""
    return textwrap.fill(
        f"{label}{text}",
        WIDTH,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT + " " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
