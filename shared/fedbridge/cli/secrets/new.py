"""`fedbridge secrets new`: the client secret that Cognito authenticates with, and the hash that the bridge keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.client_secrets import new_client_secret
from fedbridge.op.client_authentication import secret_hash

if TYPE_CHECKING:
    import argparse

__all__ = ["new", "new_client_secret"]


def new(_options: argparse.Namespace) -> int:
    """Print a secret and its hash."""
    secret = new_client_secret()
    print(f"client_secret, for Cognito alone:       {secret}")
    print(f"secret_hashes, for connections.yaml:    {secret_hash(secret)}")
    return 0
