"""What a check finds: something that is wrong, or will be, or could not be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "unknown"]
"""`error` breaks sign-ins, `warning` will or may, `unknown` could not be told apart from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding, for people and for machines.

    `code` is stable and snake_case (`client_secret_wrong`), `subject` the part that was looked at (`discovery`,
    `client authentication`, `cognito attribute mapping`). `what` is what was seen, `why` what follows from it, `fix`
    what to do; each is a sentence or two, with names and limits but no secret.
    """

    code: str
    severity: Severity
    subject: str
    what: str
    why: str
    fix: str
