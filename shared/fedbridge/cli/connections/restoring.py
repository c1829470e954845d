"""`fedbridge connections restore` and `remove`: the previous version again, or none at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fedbridge.cli.connections.desk import Desk, open_desk, open_table, read_current
from fedbridge.cli.connections.loading import BUDGET
from fedbridge.cli.connections.planning import plan_of, told
from fedbridge.cli.connections.publishing import publish, refuse_new_subjects
from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError, UnknownConnection
from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection
    from fedbridge.store.connections_dynamodb import PublishedItem


def restore(options: argparse.Namespace) -> int:
    """Publish the previous version again, over the very version that is current: the two change places.

    Its keys are loaded as `apply` loads them, so what is restored works; a key that was exchanged behind its reference
    since, or a ring that has moved on, makes a version of its own.
    """
    desk, name = open_desk(options), options.name
    published = _published(desk, name)
    # Cognito keeps the client secret that it has, so the hashes of one that the bridge manages stay as well.
    connection = desk.again(desk.with_secrets(_previous(published)))
    taken = desk.take({name: connection}, {name: published})[name]
    plan = plan_of(connection, published, taken)
    if not options.new_subjects:
        refuse_new_subjects([plan])
    for line in told(plan):
        print(line)
    publish(desk, connection, plan, taken)
    for client_id in _accepted_again(connection, published):
        print(
            f"{name}: WARNING: {client_id}: a client secret that was taken out is accepted again: if it leaked, take"
            " it out of the file and apply",
            file=sys.stderr,
        )
    return 0


def remove(options: argparse.Namespace) -> int:
    """Take a connection out of the table, if the operator means it."""
    if not options.yes:
        raise ConfigurationError(
            f"{options.name}: removing cannot be taken back, and ends every sign-in there within a minute: say --yes;"
            " connections disable does the same and can be taken back"
        )
    open_table(options).remove(options.name, Deadline.after(BUDGET))
    print(f"{options.name}: removed")
    return 0


def _published(desk: Desk, name: str) -> PublishedItem:
    published = desk.publisher.read(name, Deadline.after(BUDGET))
    if published is None:
        raise UnknownConnection(f"no connection {name!r} is published")
    return published


def _accepted_again(connection: Connection, published: PublishedItem) -> list[str]:
    """Return the relying parties of which a client secret works now that did not before."""
    current = read_current(published)
    if current is None:
        return []
    worked = {party.client_id: set(party.secret_hashes) for party in current.relying_parties}
    return [
        party.client_id
        for party in connection.relying_parties
        if not worked.get(party.client_id, set()).issuperset(party.secret_hashes)
    ]


def _previous(published: PublishedItem) -> Connection:
    if published.previous is None:
        raise ConfigurationError(f"{published.name}: there is no previous version")
    return decode(published.previous.document)
