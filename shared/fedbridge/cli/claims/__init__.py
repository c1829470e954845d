"""`fedbridge claims try`: what Cognito would receive of a sample, and why not the rest."""

from fedbridge.cli.claims.command import add_command

__all__ = ["add_command"]
