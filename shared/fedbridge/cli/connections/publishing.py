"""`fedbridge connections apply`: publish what the file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.aws import sdk_client
from fedbridge.claims.subject import keeps_subjects
from fedbridge.cli.connections.loading import BUDGET, Quiet, load_all
from fedbridge.configuration.document import decode, encode
from fedbridge.errors import ConfigurationError
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from fedbridge.wiring import all_publishable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection

    from fedbridge.model.connection import Connection


def apply(options: argparse.Namespace) -> int:
    """Publish all or stop at the first that fails: every connection is checked before the first is written."""
    telemetry = Quiet()
    secrets = CachedSecrets(sdk_client, allow_local=options.local, telemetry=telemetry)
    keys = CachedKeys(secrets, sdk_client, trust_stored=False)
    ready = all_publishable(load_all(options), keys, secrets).values()
    publisher = ConnectionPublisher(sdk_client("dynamodb"), options.table)
    if not options.new_subjects:
        _refuse_new_subjects(ready, publisher)
    for connection in ready:
        changed = publisher.publish(
            connection.name, encode(connection), connection.version, Deadline.after(BUDGET)
        )
        print(f"{connection.name}: {'published' if changed else 'unchanged'}, version {connection.version}")
    return 0


def _refuse_new_subjects(ready: Collection[Connection], publisher: ConnectionPublisher) -> None:
    """Raise ConfigurationError where Cognito would take whoever has signed in before for somebody else."""
    problems = []
    for connection in ready:
        document = publisher.current(connection.name, Deadline.after(BUDGET))
        if document is not None and not _keeps_subjects(document, connection):
            problems.append(
                f"{connection.name}: makes everybody a new user: issuer, subject, subject_namespace or tokens differ from"
                " what is published, or that cannot be read; --new-subjects publishes it all the same"
            )
    if problems:
        raise ConfigurationError(problems=tuple(problems))


def _keeps_subjects(document: bytes, connection: Connection) -> bool:
    try:
        return keeps_subjects(decode(document), connection)
    except ConfigurationError:
        return False  # Another release published it, and what it means cannot be told.
