"""The parser of `fedbridge cognito`; what it works with is loaded when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.options import add_base_url, add_ca_bundle, add_file, add_local, add_private_host

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add `cognito` to the parser."""
    parser = commands.add_parser("cognito", help="make the user pool's identity provider what it should be")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    apply = actions.add_parser(
        "apply", help="create or change it in the user pool, after showing the difference"
    )
    show = actions.add_parser("show", help="print it, for the console, CloudFormation or Terraform")
    for action in (apply, show):
        _add_common(action)
    secret = apply.add_mutually_exclusive_group()
    for group in (secret, show):
        group.add_argument(
            "--client-secret-from",
            metavar="REFERENCE",
            help="secretsmanager:NAME, ssm:NAME, env:NAME or file:PATH",
        )
    secret.add_argument(
        "--new-secret", action="store_true", help="make one; its hash is printed for connections.yaml"
    )
    apply.add_argument(
        "--app-client", action="append", default=[], metavar="ID", help="enable the provider there too"
    )
    apply.add_argument("--yes", action="store_true", help="change without asking")
    show.add_argument("--format", choices=["console", "cloudformation", "terraform"], default="console")
    apply.set_defaults(run=_apply)
    show.set_defaults(run=_show)


def _add_common(action: argparse.ArgumentParser) -> None:
    action.add_argument("connection", metavar="CONNECTION")
    add_base_url(action)
    action.add_argument("--user-pool", metavar="ID", help="else the user_pool of the relying party")
    action.add_argument("--relying-party", metavar="CLIENT_ID", help="where the connection has several")
    action.add_argument(
        "--provider", metavar="NAME", help="ProviderName; else that of user_pool, or the connection's"
    )
    action.add_argument(
        "--map", action="append", default=[], metavar="ATTRIBUTE=CLAIM", help="may be repeated"
    )
    action.add_argument(
        "--acr", action="append", default=[], metavar="LEVEL=VALUE", help="AcrMapping, Level1 to Level4"
    )
    action.add_argument(
        "--discovery", action="store_true", help="let Cognito find the endpoints by the issuer"
    )
    action.add_argument("--prune", action="store_true", help="remove mappings that nothing asks for")
    add_file(action)
    action.add_argument("--table", metavar="TABLE", help="read what is published there in place of the file")
    add_local(action)
    add_private_host(action)
    add_ca_bundle(action)


def _apply(options: argparse.Namespace) -> int:
    from fedbridge.cli.cognito.applying import apply  # noqa: PLC0415  everything that talks to Cognito

    return apply(options)


def _show(options: argparse.Namespace) -> int:
    from fedbridge.cli.cognito.applying import show  # noqa: PLC0415

    return show(options)
