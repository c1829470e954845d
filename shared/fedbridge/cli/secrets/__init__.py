"""`fedbridge secrets`: client secrets on both sides, the one that Cognito has and the one that an IdP gave."""

from fedbridge.cli.secrets.command import add_command
from fedbridge.client_secrets import new_client_secret

__all__ = ["add_command", "new_client_secret"]
