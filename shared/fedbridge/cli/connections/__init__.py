"""`fedbridge connections`: check the file, publish it, see what is published, switch one off, print the schema."""

from typing import Any

from fedbridge.cli.connections.loading import Quiet, load_all, load_one

__all__ = ["Quiet", "add_command", "load_all", "load_one"]


def add_command(commands: Any) -> None:
    """Add `connections` to the parser."""
    from fedbridge.cli.connections import command  # noqa: PLC0415  other commands, which it uses, load connections

    command.add_command(commands)
