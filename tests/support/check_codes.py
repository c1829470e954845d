"""The list at the end of `docs/check.md`: every code of `fedbridge check`. `python -m tests.support.check_codes` writes it."""

from __future__ import annotations

from itertools import groupby

from fedbridge.cli.check.codes import CODES
from fedbridge.cli.cognito import codes as cognito
from tests.support.markdown import ROOT

PAGE = ROOT / "docs" / "check.md"
HEADING = "## Every finding\n"


def section() -> str:
    """Return the section as it must be: one table a subject, in the order in which they are checked."""
    codes = {**CODES.codes, **cognito.CODES.codes}
    tables = []
    for subject, group in groupby(codes.items(), key=lambda item: item[1].subject):
        rows = [f"| `{code}` | {advice.severity} | {advice.why} {advice.fix} |" for code, advice in group]
        heading = f"### {subject[0].upper()}{subject[1:]}"
        tables.append(
            "\n".join(
                [
                    heading,
                    "",
                    "| code | severity | why it matters, and what to do |",
                    "| --- | --- | --- |",
                    *rows,
                    "",
                ]
            )
        )
    return "\n".join([HEADING, *tables])


if __name__ == "__main__":
    head, _, _ = PAGE.read_text("utf-8").partition(HEADING)
    PAGE.write_text(f"{head}{section()}", "utf-8")
