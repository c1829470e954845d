"""What an explanation consists of: for the command, for the console, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal[
    "complete", "failed", "refused", "not_redeemed", "not_read", "not_returned", "under_way", "unknown"
]
"""How the sign-in ended.

`complete` Cognito has the claims · `failed` it ended in an error for the app · `refused` on a page, or in an error at
the back channel · `not_redeemed` authorized, and Cognito never got tokens · `not_read` redeemed, and userinfo was never
read · `not_returned` the browser did not come back from the provider · `under_way` it may still end well · `unknown` the
records do not hold the reference.
"""

Whose = Literal["user", "provider", "configuration", "caller", "aws", "attack", "fedbridge", "nobody"]
"""Whose it is to mend: the person, the identity provider, this deployment or its Cognito side, whoever sent the request,
AWS, an attacker or a replay to look into, a defect of fedbridge, or nobody's: nothing is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened, in the order of time.

    `at` is in seconds since the epoch, `duration_ms` in milliseconds, None where nobody measured it. `went_well` is None
    for what is neither good nor bad.
    """

    at: float
    what: str
    went_well: bool | None
    duration_ms: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One sign-in, or one request that could not be tied to any.

    `summary` is a sentence. `reason` is None where nothing failed; then `means` and `todo` say how things stand, if
    there is anything to do. `whose` begins with the likeliest. `checks` are commands that look further. `related` are other
    references that are likely of the same sign-in.
    """

    id: str
    outcome: Outcome
    summary: str
    steps: tuple[Step, ...] = ()
    connection: str | None = None
    client_id: str | None = None
    reason: str | None = None
    means: str = ""
    todo: str = ""
    whose: tuple[Whose, ...] = ()
    checks: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure as a list shows it; `at` is in seconds since the epoch, `event` the name of its log line."""

    at: float
    id: str
    connection: str | None
    event: str
    reason: str
    means: str
    whose: tuple[Whose, ...]
