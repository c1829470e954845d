"""`fedbridge connections`: check the file, publish it, see what is published, switch one off, print the schema."""

from fedbridge.cli.connections.command import add_command
from fedbridge.cli.connections.loading import Quiet, load_all, load_one

__all__ = ["Quiet", "add_command", "load_all", "load_one"]
