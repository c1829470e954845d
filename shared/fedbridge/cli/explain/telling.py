"""From records to a story: what happened, in order, how it ended and why. Nothing is read or called here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fedbridge.cli.explain.causes import cause_of, plain
from fedbridge.cli.explain.outcomes import Ending, ending_of
from fedbridge.cli.explain.records import is_event, time_of
from fedbridge.cli.explain.steps import steps_of
from fedbridge.cli.explain.story import Failure, Story

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fedbridge.cli.explain.story import Whose

FAILURES = frozenset({
    "sign_in_failed", "request_refused", "request_failed", "token_refused", "configuration_error", "internal_error",
    "sign_out_failed", "trigger_refused", "trigger_failed",
})  # fmt: skip
"""Events that somebody may have seen on a page or in an error."""


def explain(records: Iterable[Mapping[str, Any]], id: str, *, now: float | None = None) -> Story:  # noqa: A002  as users call it
    """Return the story of the sign-in, or of the request, that has this reference.

    `records` are parsed log lines (see `parse_records`), in any order, others' among them: those of the same connection
    help to find what belongs together. `now` is in seconds since the epoch, and tells what is late from what may come.
    """
    known = sorted((record for record in records if is_event(record)), key=time_of)
    own = [record for record in known if record.get("correlation_id") == id]
    if not own:
        return Story(
            id=id,
            outcome="unknown",
            summary="No log line has this reference.",
            todo="Ask a longer time back (`--since`), and the environment and Region in which the sign-in was; the newest lines"
            " take some seconds to be found.",
        )
    ending = ending_of(own, known, now=time.time() if now is None else now)
    connection = _first(own, "connection")
    return Story(
        id=id,
        outcome=ending.outcome,
        summary=ending.summary,
        steps=steps_of(own, ending.neighbours),
        connection=connection,
        client_id=_first(own, "client_id"),
        reason=ending.reason,
        means=plain(ending.means),
        todo=plain(ending.todo),
        whose=ending.whose,
        checks=_checks(connection, ending),
        related=tuple(dict.fromkeys(str(each["correlation_id"]) for each in ending.neighbours)),
    )


def recent_failures(records: Iterable[Mapping[str, Any]]) -> tuple[Failure, ...]:
    """Return what failed, the latest first, one entry a reference."""
    found: dict[str, Failure] = {}
    for record in sorted((each for each in records if is_event(each)), key=time_of):
        if record["message"] not in FAILURES or not {"correlation_id", "reason"} <= record.keys():
            continue
        cause = cause_of(record["reason"], record.get("upstream_code"))
        failure = Failure(
            at=time_of(record),
            id=record["correlation_id"],
            connection=record.get("connection"),
            event=record["message"],
            reason=record["reason"],
            means=plain(cause.means),
            whose=cause.whose,
        )
        found.pop(failure.id, None)
        found[failure.id] = failure
    return tuple(reversed(found.values()))


def _first(records: list[Mapping[str, Any]], field: str) -> str | None:
    return next((str(record[field]) for record in records if field in record), None)


_CHECKED: frozenset[Whose] = frozenset({"configuration", "provider"})


def _checks(connection: str | None, ending: Ending) -> tuple[str, ...]:
    if connection is None or _CHECKED.isdisjoint(ending.whose) or ending.reason == "unknown_connection":
        return ()
    return (f"fedbridge check {connection}",)
