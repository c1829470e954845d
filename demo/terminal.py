"""The demo's words in the terminal: a sign-in as a table of its hops, masked, and what it proves."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable

from demo.hops import Hop, Row
from demo.views import TripView

_WHO = 28
_INDENT = _WHO + 6
_DECODED = {
    ("idp.token", "client_assertion"): "How the bridge proves itself to the bank: client assertion, decoded",
    ("idp.token", "id_token"): "What the bank says to the bridge: ID token, decoded",
    ("bridge.token", "id_token"): "What the bridge says to Cognito: ID token, decoded",
    ("cognito.token", "id_token"): "What the pool says to the app: ID token, decoded",
}


def show(view: TripView) -> None:
    """Print the hops of a trip, its decoded tokens, and what it proves."""
    for hop in view.needed:
        _show_hop(hop)
    for hop in view.needed:
        _show_tokens(hop)
    print(f"\n{_bold('What this sign-in proves')}")
    for proof in view.proofs:
        mark = "✓" if proof.holds else "✗"
        numbers = ", ".join(map(str, view.numbers(proof)))
        print(_wrapped(f"{mark} {proof.text} [{numbers}]", first="  ", then="    "))


def _show_hop(hop: Hop) -> None:
    who = f"{hop.kind.sender} → {hop.kind.receiver}"
    nested = "· " * len(hop.inside)
    mark = "  (by the demo, in Cognito's place)" if hop.is_stand_in else ""
    print(
        f" {hop.number:>2}  {nested + who:<{_WHO}} {hop.method:<4} {hop.path}  {_dim(f'{hop.status} {hop.leads}{mark}')}"
    )
    sent = [_pair(row) for section in hop.sent for row in section.rows if row.name != "user-agent"]
    if sent:
        print(_dim(_wrapped("  ".join(sent), first=" " * _INDENT, then=" " * _INDENT)))


def _pair(row: Row) -> str:
    """Return name and value, held together where lines are broken."""
    return f"{row.name}={row.shown.text}".replace(" ", "\N{NO-BREAK SPACE}")


def _show_tokens(hop: Hop) -> None:
    for section in hop.sent + hop.answered:
        for row in section.rows:
            title = _DECODED.get((hop.kind.name, row.name))
            if title and row.shown.jwt:
                print(f"\n{_bold(title)} {_dim(f'[{hop.number}]')}")
                for part in (row.shown.jwt.header, row.shown.jwt.claims):
                    print(_wrapped(json.dumps(part, ensure_ascii=False), first="  ", then="   "))


def _wrapped(text: str, *, first: str, then: str) -> str:
    width = min(max(shutil.get_terminal_size((120, 24)).columns, 80), 160)
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=then,
        break_on_hyphens=False,
        break_long_words=False,
    )


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{_bold(text)}", flush=True)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def items(lines: Iterable[str]) -> None:
    """Print things that were tried and went as they must."""
    for line in lines:
        print(_wrapped(f"✓ {line}", first="  ", then="    "), flush=True)


def _dim(text: str) -> str:
    return _styled("2", text)


def _bold(text: str) -> str:
    return _styled("1", text)


def _styled(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text
