"""`fedbridge check`: tests a connection for real, without a user, and says what to mend."""

from fedbridge.cli.check.command import add_command

__all__ = ["add_command"]
