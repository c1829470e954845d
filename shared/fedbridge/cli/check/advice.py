"""Every code that a check can report: how bad it is, why it matters, and what to do. docs/check.md has the same table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.cli.check.finding import Finding
from fedbridge.cli.check.observed import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.cli.check.finding import Severity


LONGEST = 1000
"""Characters of what was seen: lists of an IdP may be as long as its whole document."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is said of every finding of one code."""

    severity: Severity
    subject: str
    why: str
    fix: str


class Catalogue:
    """Codes and their advice; a finding adds what was seen."""

    def __init__(self, codes: Mapping[str, Advice]) -> None:
        self.codes = codes

    def found(self, code: str, what: str, *, fix: str | None = None, subject: str | None = None) -> Finding:
        """Return the finding; `fix` and `subject` go before the code's own where more is known.

        `what` may quote an IdP, Cognito or a token: it is printed to a terminal, and never obeyed there.
        """
        advice = self.codes[code]
        return Finding(
            code=code,
            severity=advice.severity,
            subject=subject or advice.subject,
            what=printable(what if len(what) <= LONGEST else f"{what[:LONGEST]} …."),
            why=advice.why,
            fix=fix or advice.fix,
        )
