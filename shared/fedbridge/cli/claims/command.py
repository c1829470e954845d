"""The parser of `fedbridge claims`; what it works with is loaded when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    attempt.add_argument("--file", type=Path, default=Path("connections.yaml"))
    attempt.add_argument(
        "--local", action="store_true", help="allow loopback URLs, file: and env: references"
    )
    attempt.add_argument(
        "--private-host",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="an upstream that is not public",
    )
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
