"""The parser of `fedbridge claims`; what it works with is loaded when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.options import add_file, add_local, add_private_host

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add `claims` to the parser."""
    parser = commands.add_parser("claims", help="try what a connection makes of claims")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    attempt = actions.add_parser(
        "try", help="say what Cognito would receive of a sample: nothing is sent, nothing is verified"
    )
    attempt.add_argument("connection")
    add_file(attempt)
    add_local(attempt)
    add_private_host(attempt)
    attempt.add_argument("--id-token", metavar="SAMPLE", help="a file, JSON or a JWT; - is standard input")
    attempt.add_argument("--userinfo", metavar="SAMPLE", help="likewise")
    attempt.add_argument(
        "--document",
        action="append",
        default=[],
        metavar="NAME=SAMPLE",
        help="a document of an OAuth 2.0 provider",
    )
    attempt.add_argument(
        "--assertion", metavar="SAMPLE", help="an assertion or Response of SAML, or JSON of its attributes"
    )
    attempt.add_argument(
        "--provider-name", metavar="NAME", help="the bridge's name in the user pool, for the user name"
    )
    attempt.add_argument("--json", action="store_true", help="print it for machines")
    attempt.set_defaults(run=_try)


def _try(options: argparse.Namespace) -> int:
    from fedbridge.cli.claims.trying import attempt  # noqa: PLC0415  everything that reads and maps

    return attempt(options)
