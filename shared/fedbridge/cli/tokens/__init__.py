"""`fedbridge tokens verify`: whether a token is good, and if not, what is usually the matter."""

from fedbridge.cli.tokens.command import add_command

__all__ = ["add_command"]
