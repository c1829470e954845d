"""The parser of `fedbridge connections`, and its actions of a few lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fedbridge.aws import sdk_client
from fedbridge.cli.connections.loading import BUDGET, add_file_options, add_table_option, load_all
from fedbridge.cli.connections.publishing import apply as run_apply
from fedbridge.configuration.schema import schema
from fedbridge.model.deadline import Deadline
from fedbridge.store.connections_dynamodb import ConnectionPublisher

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add `connections` to the parser."""
    parser = commands.add_parser("connections", help="check and publish connections.yaml")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    validate = actions.add_parser("validate", help="check the file; every problem is named")
    apply = actions.add_parser("apply", help="publish every connection of the file, keys checked")
    for action in (validate, apply):
        add_file_options(action)
    validate.set_defaults(run=_validate)
    apply.set_defaults(run=run_apply)
    disable = actions.add_parser("disable", help="refuse every sign-in of a connection, within a minute")
    enable = actions.add_parser("enable", help="take disable back")
    for action, method in ((disable, "disable"), (enable, "enable")):
        action.add_argument("name")
        action.set_defaults(run=_switch, method=method)
    apply.add_argument(
        "--new-subjects", action="store_true", help="publish even what makes everybody a new user to Cognito"
    )
    for action in (apply, disable, enable):
        add_table_option(action)
    actions.add_parser("schema", help="print the JSON Schema of the file, for editors").set_defaults(
        run=_schema
    )


def _validate(options: argparse.Namespace) -> int:
    connections = load_all(options)
    print(f"{options.file}: {len(connections)} connections, no problem found")
    return 0


def _switch(options: argparse.Namespace) -> int:
    publisher = ConnectionPublisher(sdk_client("dynamodb"), options.table)
    getattr(publisher, options.method)(options.name, Deadline.after(BUDGET))
    print(f"{options.name}: {options.method}d")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=2))
    return 0
