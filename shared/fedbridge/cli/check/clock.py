"""Three clocks: the IdP's and the bridge's, by the Date of what they answered, and that of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.cli.check.codes import found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.check.observed import Seen

NOTICEABLE = 30.0
"""Seconds that a clock may be off before anybody is told; Date has whole seconds, and answers take their time."""


def clock_findings(context: CheckContext) -> Iterator[Finding]:
    """Compare the IdP's clock with the bridge's, which has the say in sign-ins, or where that is not known with ours."""
    idp, bridge = idp_ahead(context), bridge_ahead(context)
    if idp is not None:
        whose = "this machine's" if bridge is None else "the bridge's"
        yield from _compared(context, idp - (bridge or 0.0), whose)
    if bridge is not None and abs(bridge) > NOTICEABLE:
        yield found("local_clock_off", f"This machine's clock is {_words(-bridge)} the bridge's.")


def idp_ahead(context: CheckContext) -> float | None:
    """Return by how many seconds the IdP's clock is ahead of this machine's."""
    return _ahead(each for each in context.seen if not _is_bridges(context, each))


def bridge_ahead(context: CheckContext) -> float | None:
    """Return by how many seconds the bridge's clock is ahead of this machine's."""
    return _ahead(each for each in context.seen if _is_bridges(context, each))


def _ahead(answers: Iterable[Seen]) -> float | None:
    """Return the least of what the answers say: whatever a cache kept lags behind."""
    return min((each.ahead for each in answers if each.ahead is not None), key=abs, default=None)


def _is_bridges(context: CheckContext, answer: Seen) -> bool:
    return context.base_url is not None and answer.url.startswith(f"{context.base_url}/")


def _compared(context: CheckContext, difference: float, whose: str) -> Iterator[Finding]:
    saml = context.connection.saml
    allowed = context.connection.id_token.clock_skew if saml is None else saml.assertion.clock_skew
    what = f"The IdP's clock is {_words(difference)} {whose}; the connection allows {allowed} s."
    if abs(difference) > max(allowed, NOTICEABLE):
        yield found("clock_off", what)
    elif abs(difference) > NOTICEABLE:
        yield found("clock_drifts", what)


def _words(difference: float) -> str:
    return f"{abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'}"
