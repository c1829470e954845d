"""The parser of `fedbridge check`; what it works with is loaded when it runs."""

from __future__ import annotations

import argparse
from typing import Any

from fedbridge.cli.options import add_base_url, add_ca_bundle, add_file, add_local, add_private_host


def add_command(commands: Any) -> None:
    """Add `check` to the parser."""
    parser = commands.add_parser("check", help="test a connection for real, without a user")
    parser.add_argument("connection", metavar="CONNECTION")
    add_file(parser)
    parser.add_argument(
        "--table", help="what is published there instead: the stack's output ConnectionsTable"
    )
    add_base_url(parser)
    add_local(parser)
    add_private_host(parser)
    add_ca_bundle(parser)
    parser.add_argument(
        "--probe",
        action=argparse.BooleanOptionalAction,
        help="authenticate to the IdP, with a code that is made up (unless the preset says not to)",
    )
    parser.add_argument(
        "--user-pool", metavar="ID", help="the user pool behind it, where the connection names none"
    )
    parser.add_argument("--identity-provider", metavar="NAME", help="what the bridge is called in that pool")
    parser.add_argument(
        "--http-api",
        action="append",
        default=[],
        metavar="ID",
        help="an HTTP API whose JWT authorizers take its tokens",
    )
    parser.add_argument("--json", action="store_true", help="print findings as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from fedbridge.cli.check.checking import check  # noqa: PLC0415  everything that talks to anybody

    return check(options)
