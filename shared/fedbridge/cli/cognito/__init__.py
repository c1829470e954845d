"""`fedbridge cognito`: makes a user pool's identity provider what a connection needs it to be, or shows what that is."""

from fedbridge.cli.cognito.command import add_command

__all__ = ["add_command"]
