"""The parser of `fedbridge secrets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.options import add_ca_bundle, add_file, add_local, add_private_host
from fedbridge.cli.secrets.new import new
from fedbridge.cli.secrets.put import put
from fedbridge.cli.secrets.rotate import rotate

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add `secrets` to the parser."""
    parser = commands.add_parser("secrets", help="make and replace client secrets, Cognito's and the IdP's")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser(
        "new", help="print a new client secret and its hash; it is shown once and kept nowhere"
    ).set_defaults(run=new)
    _add_rotate(
        actions.add_parser(
            "rotate", help="give Cognito a new secret, while both are accepted; nobody sees it"
        )
    )
    _add_put(
        actions.add_parser("put", help="store the new secret that an IdP gave; it is read, never an argument")
    )


def _add_rotate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("connection", metavar="CONNECTION")
    parser.add_argument("--table", required=True, help="the stack's output ConnectionsTable")
    parser.add_argument("--user-pool", metavar="ID", help="else the relying party's user_pool")
    parser.add_argument("--provider", metavar="NAME", help="what the bridge is called in that pool")
    parser.add_argument("--relying-party", metavar="CLIENT_ID", help="where the connection has several")
    _add_way_out(parser)
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--no-wait", action="store_true", help="end once Cognito has it; --finish does the rest"
    )
    when.add_argument("--finish", action="store_true", help="only end what an earlier run began")
    parser.set_defaults(run=rotate)


def _add_put(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("connection", metavar="CONNECTION")
    add_file(parser)
    add_local(parser)
    _add_way_out(parser)
    parser.add_argument(
        "--unchecked", action="store_true", help="store it although the IdP was not asked whether it takes it"
    )
    parser.set_defaults(run=put)


def _add_way_out(parser: argparse.ArgumentParser) -> None:
    add_private_host(parser, help="a host that is asked and is not public")
    add_ca_bundle(parser)
