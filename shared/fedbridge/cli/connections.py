"""`fedbridge connections`: check the file, publish it, switch one off, print the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.aws import sdk_client
from fedbridge.claims.subject import keeps_subjects
from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.file import load
from fedbridge.configuration.schema import schema
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

BUDGET = 20.0
"""Seconds for publishing one connection."""


def add_command(commands: Any) -> None:
    """Add `connections` to the parser."""
    parser = commands.add_parser("connections", help="check and publish connections.yaml")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    validate = actions.add_parser("validate", help="check the file; every problem is named")
    apply = actions.add_parser("apply", help="publish every connection of the file, keys checked")
    for action in (validate, apply):
        action.add_argument("file", type=Path, nargs="?", default=Path("connections.yaml"))
        action.add_argument(
            "--local", action="store_true", help="allow loopback URLs, file: and env: references"
        )
        action.add_argument(
            "--private-host",
            action="append",
            default=[],
            metavar="HOST:PORT",
            help="an upstream that is not public",
        )
    validate.set_defaults(run=_validate)
    apply.set_defaults(run=_apply)
    disable = actions.add_parser("disable", help="refuse every sign-in of a connection, within a minute")
    enable = actions.add_parser("enable", help="take disable back")
    for action, method in ((disable, "disable"), (enable, "enable")):
        action.add_argument("name")
        action.set_defaults(run=_switch, method=method)
    apply.add_argument(
        "--new-subjects", action="store_true", help="publish even what makes everybody a new user to Cognito"
    )
    for action in (apply, disable, enable):
        action.add_argument("--table", required=True, help="the stack's output ConnectionsTable")
    actions.add_parser("schema", help="print the JSON Schema of the file, for editors").set_defaults(
        run=_schema
    )


def _validate(options: argparse.Namespace) -> int:
    connections = _load(options)
    print(f"{options.file}: {len(connections)} connections, no problem found")
    return 0


def _apply(options: argparse.Namespace) -> int:
    """Publish all or stop at the first that fails: every connection is checked before the first is written."""
    telemetry = Quiet()
    secrets = CachedSecrets(sdk_client, allow_local=options.local, telemetry=telemetry)
    keys = CachedKeys(secrets, sdk_client, trust_stored=False)
    ready = all_publishable(_load(options), keys, secrets).values()
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


def _switch(options: argparse.Namespace) -> int:
    publisher = ConnectionPublisher(sdk_client("dynamodb"), options.table)
    getattr(publisher, options.method)(options.name, Deadline.after(BUDGET))
    print(f"{options.name}: {options.method}d")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=2))
    return 0


def _load(options: argparse.Namespace) -> dict[str, Connection]:
    return load(options.file, allow_local=options.local, private_hosts=options.private_host)


def load_one(options: argparse.Namespace) -> Connection:
    """Return the connection that a command is about, its `client_id` a placeholder if no IdP has given it one."""
    connections = load(
        options.file, allow_local=options.local, private_hosts=options.private_host, allow_unregistered=True
    )
    found = connections.get(options.connection)
    if found is None:
        raise ConfigurationError(
            f"{options.file}: has no connection {options.connection}; there are {', '.join(connections)}"
        )
    return found


class Quiet:
    """The command prints what it does; the events of a running bridge are not its business."""

    def event(self, name: str, **fields: object) -> None:
        """Forget the event."""
