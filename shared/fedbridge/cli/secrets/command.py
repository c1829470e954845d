"""The parser of `fedbridge secrets`."""

from __future__ import annotations

from typing import Any

from fedbridge.cli.secrets.new import new


def add_command(commands: Any) -> None:
    """Add `secrets` to the parser."""
    parser = commands.add_parser("secrets", help="make and replace client secrets, Cognito's and the IdP's")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser(
        "new", help="print a new client secret and its hash; it is shown once and kept nowhere"
    ).set_defaults(run=new)
