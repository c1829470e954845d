"""`fedbridge secrets new`: the client secret that Cognito authenticates with, and the hash that the bridge keeps."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from fedbridge.op.client_authentication import secret_hash

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add `secrets` to the parser."""
    parser = commands.add_parser("secrets", help="make client secrets for relying parties")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser(
        "new", help="print a new client secret and its hash; it is shown once and kept nowhere"
    )
    new.set_defaults(run=_new)


def _new(_options: argparse.Namespace) -> int:
    secret = new_client_secret()
    print(f"client_secret, for Cognito alone:       {secret}")
    print(f"secret_hashes, for connections.yaml:    {secret_hash(secret)}")
    return 0


def new_client_secret() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)
