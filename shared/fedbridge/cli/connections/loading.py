"""What every command that works with connections.yaml shares: its options, and how the file is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fedbridge.cli.options import add_ca_bundle, add_local, add_private_host
from fedbridge.configuration.file import Declared, load, read
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection

BUDGET = 20.0
"""Seconds for publishing, or for reading, one connection."""


def add_file_options(action: argparse.ArgumentParser) -> None:
    """Add the file, and what it may say in a local run or inside a company, to a command."""
    action.add_argument("file", type=Path, nargs="?", default=Path("connections.yaml"))
    add_local_options(action)


def add_local_options(action: argparse.ArgumentParser) -> None:
    """Add what widens where keys and identity providers may be."""
    add_local(action)
    add_private_host(action)


def add_provider_options(action: argparse.ArgumentParser) -> None:
    """Add how identity providers are asked what they publish."""
    action.add_argument("--offline", action="store_true", help="do not ask the providers what they publish")
    add_ca_bundle(action)


def add_table_option(action: argparse.ArgumentParser) -> None:
    """Add the table that connections are published to."""
    action.add_argument("--table", required=True, help="the stack's output ConnectionsTable")


def add_environment_option(action: argparse.ArgumentParser) -> None:
    """Add what the keys of rings are named and tagged by."""
    action.add_argument(
        "--environment", metavar="NAME", help="the stack's parameter Environment, to make keys of key rings"
    )


def load_all(options: argparse.Namespace) -> dict[str, Connection]:
    """Return the connections of the file by name; raises ConfigurationError with every problem of the file."""
    return load_declared(options).connections


def load_declared(options: argparse.Namespace) -> Declared:
    """Return connections and key rings of the file; raises as `load_all` does."""
    return read(options.file, allow_local=options.local, private_hosts=options.private_host)


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
