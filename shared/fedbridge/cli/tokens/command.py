"""The parser of `fedbridge tokens`; what it works with is loaded when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.options import add_ca_bundle, add_private_host

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add `tokens` to the parser."""
    parser = commands.add_parser("tokens", help="look at tokens of a user pool, or of the bridge")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    verify = actions.add_parser(
        "verify", help="say whether a token is good, and why not; it is read from standard input"
    )
    verify.add_argument(
        "token",
        nargs="?",
        default="-",
        metavar="TOKEN",
        help="- by default: a shell keeps what is typed here",
    )
    whose = verify.add_mutually_exclusive_group(required=True)
    whose.add_argument("--user-pool", metavar="ID", help="whose token it should be")
    whose.add_argument(
        "--issuer", metavar="URL", help="a connection of the bridge, or any issuer with discovery"
    )
    verify.add_argument(
        "--client-id", metavar="ID", help="whom it should be for: aud, or client_id of an access token"
    )
    verify.add_argument("--use", choices=["id", "access"], help="what is due where the token is taken")
    verify.add_argument("--jwks-uri", metavar="URL", help="where the keys are, if not where the issuer says")
    verify.add_argument(
        "--offline", action="store_true", help="do not ask Cognito whether the token is revoked"
    )
    verify.add_argument("--local", action="store_true", help="allow loopback URLs")
    add_private_host(verify, help="a host that is not public")
    add_ca_bundle(verify)
    verify.add_argument("--json", action="store_true", help="print the verdict as JSON")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from fedbridge.cli.tokens.verifying import verify  # noqa: PLC0415  everything that reads and fetches

    return verify(options)
