"""`fedbridge connections plan`: what `apply` would do, and what else is in the table."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fedbridge.claims.subject import keeps_subjects
from fedbridge.cli.check.observed import printable
from fedbridge.cli.connections.desk import Taken, open_desk, read_current
from fedbridge.cli.connections.differences import Change, changes_between, snapshot_changes
from fedbridge.cli.connections.loading import BUDGET
from fedbridge.flows.services import TRIP_LIFETIME
from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection
    from fedbridge.store.connections_dynamodb import PublishedItem

WIDTH = 100

State = Literal["new", "changed", "unchanged", "only in the table"]
Snapshot = Literal["taken", "moved", "unchanged", "older", "none"]

_SUBJECTS = (
    "subjects: CHANGED: everybody becomes a new user to Cognito: apply refuses it without --new-subjects"
)
_UNREADABLE = (
    "what is published was written by another release and cannot be compared: it is replaced as a whole"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What publishing one connection would do. `keeps_subjects` is None where there is nobody yet to lose.

    `readable` is false where another release published what is there. `snapshot` compares what the provider publishes now
    with what was kept; `failure` says why it could not be had. `wait` are the seconds until nobody is left who began to
    sign in with the version before the current one: publishing makes an end of that version.
    """

    name: str
    state: State
    before: str | None = None
    after: str | None = None
    changes: tuple[Change, ...] = ()
    readable: bool = True
    keeps_subjects: bool | None = None
    snapshot: Snapshot = "none"
    snapshot_changes: tuple[Change, ...] = ()
    failure: str | None = None
    disabled: bool = False
    wait: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "name": self.name,
            "state": self.state.replace(" ", "_"),
            "version": {"before": self.before, "after": self.after},
            "changes": [change._asdict() for change in self.changes],
            "readable": self.readable,
            "keeps_subjects": self.keeps_subjects,
            "disabled": self.disabled,
            "wait": self.wait,
            "snapshot": {
                "state": self.snapshot,
                "changes": [change._asdict() for change in self.snapshot_changes],
                "failure": self.failure,
            },
        }


def plan_of(connection: Connection, published: PublishedItem | None, taken: Taken) -> Plan:
    """Return what publishing the connection would do to what is published."""
    snapshot = taken.snapshot
    if published is None:
        return Plan(
            name=connection.name,
            state="new",
            after=connection.version,
            snapshot="taken" if snapshot is not None else "none",
            failure=taken.failure,
        )
    before, kept = read_current(published), published.current.snapshot
    same = published.current.version == connection.version
    moved = () if taken.older or kept is None else tuple(snapshot_changes(kept, snapshot))
    return Plan(
        name=connection.name,
        state="unchanged" if same else "changed",
        before=published.current.version,
        after=connection.version,
        changes=() if before is None else tuple(changes_between(before, connection)),
        readable=before is not None,
        keeps_subjects=before is not None and keeps_subjects(before, connection),
        snapshot=_snapshot(taken, kept is not None, moved),
        snapshot_changes=moved,
        failure=taken.failure,
        disabled=published.disabled,
        wait=0 if same else _wait(published),
    )


def _wait(published: PublishedItem) -> int:
    """Return the seconds that sign-ins with the previous version may still be under way."""
    if published.previous is None or published.current.published_at is None:
        return 0
    return max(0, published.current.published_at + TRIP_LIFETIME - int(time.time()))


def _snapshot(taken: Taken, was_kept: bool, moved: tuple[Change, ...]) -> Snapshot:  # noqa: FBT001  two facts
    if taken.snapshot is None:
        return "none"
    if taken.older:
        return "older"
    if not was_kept:
        return "taken"
    return "moved" if moved else "unchanged"


def plan(options: argparse.Namespace) -> int:
    """Print the plan of every connection of the file, then what only the table has; writes nothing."""
    desk = open_desk(options)
    ready = desk.ready()
    table = {item.name: item for item in desk.publisher.all(Deadline.after(BUDGET))}
    taken = desk.take(ready, table)
    plans = [plan_of(each, table.get(name), taken[name]) for name, each in ready.items()]
    plans += [
        Plan(name=name, state="only in the table", before=item.current.version, disabled=item.disabled)
        for name, item in sorted(table.items())
        if name not in ready
    ]
    if options.json:
        print(json.dumps({"connections": [each.as_json() for each in plans]}, indent=2))
        return 0
    for each in plans:
        print("\n".join(told(each)))
    print(_summary(plans))
    return 0


def told(plan: Plan) -> Iterator[str]:
    """Yield the lines about one connection. No terminal obeys what a provider publishes."""
    return map(printable, _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    switched = ", disabled" if plan.disabled else ""
    match plan.state:
        case "new":
            yield f"{plan.name}: new, version {plan.after}"
        case "changed":
            yield f"{plan.name}: changed{switched}, version {plan.before} -> {plan.after}"
        case "unchanged":
            yield f"{plan.name}: unchanged{switched}, version {plan.after}"
        case "only in the table":
            yield f"{plan.name}: only in the table{switched}: apply leaves it; connections remove takes it out"
            return
    if not plan.readable:
        yield from _wrapped(_UNREADABLE)
    for change in plan.changes:
        yield from _told_change(change, indent="  ")
    if plan.keeps_subjects is False:
        yield from _wrapped(_SUBJECTS)
    if plan.wait:
        yield from _wrapped(waiting(plan))
    yield from _told_snapshot(plan)


def waiting(plan: Plan) -> str:
    """Return what publishing at once would do to people who are signing in."""
    return (
        f"WARNING: the current version is younger than {TRIP_LIFETIME // 60} minutes: in {plan.wait} s nobody is signing in"
        " with the one before"
    )


def _told_snapshot(plan: Plan) -> Iterator[str]:
    match plan.snapshot:
        case "taken":
            yield "  snapshot: taken"
        case "moved":
            yield "  snapshot: the identity provider has changed what it publishes"
            for change in plan.snapshot_changes:
                yield from _told_change(change, indent="    ")
        case "older":
            yield "  snapshot: the one that was kept stays"
        case "none" | "unchanged":
            pass
    if plan.failure is not None:
        yield from _wrapped(f"snapshot: WARNING: nothing could be taken: {plan.failure}")


def _told_change(change: Change, *, indent: str) -> Iterator[str]:
    before, after = _text(change.before), _text(change.after)
    line = f"{indent}{change.path}: {before} -> {after}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{change.path}:"
    yield f"{indent}  - {before}"
    yield f"{indent}  + {after}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _text(value: Any) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _summary(plans: list[Plan]) -> str:
    states: Mapping[State, int] = {
        state: sum(plan.state == state for plan in plans)
        for state in ("new", "changed", "unchanged", "only in the table")
    }
    return ", ".join(f"{count} {state}" for state, count in states.items())
