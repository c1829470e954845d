"""`fedbridge keys`: key rings, new private keys, and public keys for whoever takes uploads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.cli import keys_export, keys_rings
from fedbridge.cli.private_key import KINDS, write_private_key

if TYPE_CHECKING:
    import argparse

__all__ = ["add_command", "write_private_key"]


def add_command(commands: Any) -> None:
    """Add `keys` to the parser."""
    parser = commands.add_parser("keys", help="rotate, make and export keys")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="write a new private key (PEM, readable by you alone)")
    new.add_argument("file", type=Path)
    new.add_argument("--kind", choices=KINDS, default="RSA-2048")
    new.set_defaults(run=_new)
    keys_rings.add_commands(actions)
    keys_export.add_command(actions)


def _new(options: argparse.Namespace) -> int:
    write_private_key(options.file, options.kind)
    print(f"Wrote {options.file} ({options.kind}). Refer to it as file:{options.file}, or store it:")
    print(
        f"  aws secretsmanager create-secret --name fedbridge/ENVIRONMENT/NAME --secret-string file://{options.file}"
    )
    return 0
