"""The parser of `fedbridge connections`, and its actions of a few lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fedbridge.cli.connections import listing, planning, publishing, restoring
from fedbridge.cli.connections.desk import open_table
from fedbridge.cli.connections.loading import (
    BUDGET,
    add_environment_option,
    add_file_options,
    add_local_options,
    add_provider_options,
    add_table_option,
    load_all,
)
from fedbridge.configuration.schema import schema
from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    import argparse

_NEW_SUBJECTS = "publish even what makes everybody a new user to Cognito"


def add_command(commands: Any) -> None:
    """Add `connections` to the parser."""
    parser = commands.add_parser("connections", help="check, publish, list and restore connections")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_publishing(actions)
    _add_looking(actions)
    _add_switches(actions)
    actions.add_parser("schema", help="print the JSON Schema of the file, for editors").set_defaults(
        run=_schema
    )


def _add_publishing(actions: Any) -> None:
    validate = actions.add_parser("validate", help="check the file; every problem is named")
    plan = actions.add_parser("plan", help="say what apply would change; writes nothing")
    apply = actions.add_parser("apply", help="publish every connection of the file, keys checked")
    restore = actions.add_parser("restore", help="make the previous version of a connection current again")
    for action in (validate, plan, apply):
        add_file_options(action)
    restore.add_argument("name")
    add_local_options(restore)
    for action in (plan, apply, restore):
        add_table_option(action)
        add_provider_options(action)
    for action in (apply, restore):
        action.add_argument("--new-subjects", action="store_true", help=_NEW_SUBJECTS)
    add_environment_option(apply)
    plan.add_argument("--json", action="store_true", help="print the plan for machines")
    validate.set_defaults(run=_validate)
    plan.set_defaults(run=planning.plan)
    apply.set_defaults(run=publishing.apply)
    restore.set_defaults(run=restoring.restore)


def _add_looking(actions: Any) -> None:
    every = actions.add_parser("list", help="list what is published")
    show = actions.add_parser("show", help="print a published connection, and what others need to know of it")
    show.add_argument("name")
    show.add_argument("--base-url", help="the bridge's address: prints what Cognito and the provider need")
    show.set_defaults(local=True)  # An address on loopback is as good as any for being printed.
    for action, run in ((every, listing.every), (show, listing.show)):
        add_table_option(action)
        action.add_argument("--json", action="store_true", help="print it for machines")
        action.set_defaults(run=run)


def _add_switches(actions: Any) -> None:
    disable = actions.add_parser("disable", help="refuse every sign-in of a connection, within a minute")
    enable = actions.add_parser("enable", help="take disable back")
    for action, method in ((disable, "disable"), (enable, "enable")):
        action.set_defaults(run=_switch, method=method)
    remove = actions.add_parser("remove", help="take a connection out of the table, its previous version too")
    remove.add_argument("--yes", action="store_true", help="remove it indeed: nothing can restore it")
    remove.set_defaults(run=restoring.remove)
    for action in (disable, enable, remove):
        action.add_argument("name")
        add_table_option(action)


def _validate(options: argparse.Namespace) -> int:
    connections = load_all(options)
    print(f"{options.file}: {len(connections)} connections, no problem found")
    return 0


def _switch(options: argparse.Namespace) -> int:
    getattr(open_table(options), options.method)(options.name, Deadline.after(BUDGET))
    print(f"{options.name}: {options.method}d")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=2))
    return 0
