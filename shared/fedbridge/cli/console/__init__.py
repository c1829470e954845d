"""`fedbridge console`: what the commands tell, for eyes. Served to the operator's own machine alone; nothing is deployed."""

from fedbridge.cli.console.command import add_command

__all__ = ["add_command"]
