"""`fedbridge connections apply`: publish what the file says."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fedbridge.cli.check.observed import printable
from fedbridge.cli.connections.desk import Desk, Taken, open_desk
from fedbridge.cli.connections.loading import BUDGET
from fedbridge.cli.connections.planning import Plan, plan_of, waiting
from fedbridge.configuration.document import encode
from fedbridge.errors import ConfigurationError
from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection


def apply(options: argparse.Namespace) -> int:
    """Publish all or stop at the first that fails: every connection is checked before the first is written."""
    desk = open_desk(options)
    desk.prepare_rings()
    ready = desk.ready()
    published = desk.published(ready)
    taken = desk.take(ready, published)
    plans = {name: plan_of(each, published.get(name), taken[name]) for name, each in ready.items()}
    if not options.new_subjects:
        refuse_new_subjects(plans.values())
    for name, connection in ready.items():
        publish(desk, connection, plans[name], taken[name])
    return 0


def publish(desk: Desk, connection: Connection, plan: Plan, taken: Taken) -> None:
    """Write one connection over the version that the plan is about, and say what became of it."""
    deadline, name, version = Deadline.after(BUDGET), connection.name, connection.version
    changed = desk.publisher.publish(
        name, encode(connection), version, deadline, snapshot=taken.snapshot, replacing=plan.before
    )
    desk.ring_desk.settled(connection)
    if not changed and taken.snapshot is not None and not taken.older:
        desk.publisher.keep_snapshot(name, version, taken.snapshot, deadline)
    print(f"{name}: {'published' if changed else 'unchanged'}, version {version}{_with_snapshot(taken)}")
    if changed and plan.wait:
        print(f"{name}: {waiting(plan)}", file=sys.stderr)
    if taken.failure is not None:
        print(f"{name}: warning: {printable(_without_snapshot(taken))}", file=sys.stderr)


def refuse_new_subjects(plans: Iterable[Plan]) -> None:
    """Raise ConfigurationError where Cognito would take whoever has signed in before for somebody else."""
    problems = tuple(
        f"{plan.name}: makes everybody a new user: issuer, subject, subject_namespace or tokens differ from"
        " what is published, or that cannot be read; --new-subjects publishes it all the same"
        for plan in plans
        if plan.keeps_subjects is False
    )
    if problems:
        raise ConfigurationError(problems=problems)


def _with_snapshot(taken: Taken) -> str:
    if taken.snapshot is None or taken.older:
        return ""
    return f", with a snapshot of its provider ({len(taken.snapshot.document) / 1024:.1f} KB)"


def _without_snapshot(taken: Taken) -> str:
    """Return what the operator should know of a provider that could not be asked."""
    kept = "the snapshot that was kept stays" if taken.older else "sign-ins in new sandboxes ask it anew"
    return f"its provider could not be asked what it publishes: {taken.failure}: {kept}; fedbridge check says more"
