"""What is said of a token, for people and for machines: never the token, and nothing of the person."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fedbridge.cli.check.observed import one_line
from fedbridge.cli.tokens.judging import duration

if TYPE_CHECKING:
    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.tokens.token import Token

WIDTH = 100
TIMES = ("auth_time", "iat", "exp")

_KINDS = {"id": "ID token", "access": "access token", None: "token"}
_SHORT = re.compile(r"[\x20-\x7e]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A token, None where there is none to speak of, and what is the matter with it; `now` in seconds since the epoch."""

    token: Token | None = field(repr=False)
    findings: Sequence[Finding]
    now: float

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong; what cannot be told is not wrong."""
        return all(each.severity != "error" for each in self.findings)

    def print(self, *, as_json: bool) -> int:
        """Print it and return the exit code."""
        if as_json:
            findings = [asdict(each) for each in self.findings]
            print(json.dumps({"valid": self.valid, "token": self._facts(), "findings": findings}, indent=2))
        else:
            print(
                "\n\n".join(
                    filter(None, ("\n".join(self._rows()), *map(_block, self.findings), self._words()))
                )
            )
        return 0 if self.valid else 1

    def _words(self) -> str:
        return "valid" if self.valid else "not valid"

    def _facts(self) -> dict[str, Any]:
        """Return what tells tokens apart; what others wrote is bounded, on one line and printable."""
        if self.token is None:
            return {}
        token, header = self.token, self.token.header
        facts = {
            "kind": _KINDS[token.use],
            "iss": token.text("iss"),
            "client_id" if token.use == "access" else "aud": [
                one_line(each) or "" for each in token.audience
            ],
            **{name: _short(header.get(name)) for name in ("alg", "kid")},
            **{name: token.claims.get(name) if _is_time(token.claims.get(name)) else None for name in TIMES},
        }
        return {name: value for name, value in facts.items() if value}

    def _rows(self) -> Iterator[str]:
        for name, value in self._facts().items():
            shown = ", ".join(value) if isinstance(value, list) else str(value)
            if name in TIMES:
                past, length = value <= self.now, duration(abs(self.now - value))
                shown += f" ({length} ago)" if past else f" (in {length})"
            yield f"{name:<10} {shown}"


def _block(finding: Finding) -> str:
    lines = [
        textwrap.fill(
            text,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for text in (finding.what, finding.why, finding.fix)
    ]
    return "\n".join([f"{finding.severity}: {finding.code} ({finding.subject})", *lines])


def _short(value: Any) -> str | None:
    return value if isinstance(value, str) and _SHORT.fullmatch(value) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1e11
