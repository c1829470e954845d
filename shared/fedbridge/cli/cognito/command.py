"""`fedbridge cognito apply|show`: the bridge as an identity provider of a user pool."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.cli.cognito import snippets
from fedbridge.cli.cognito.calls import ask
from fedbridge.cli.cognito.desk import Desk, is_known, opened, read_secret
from fedbridge.cli.cognito.expected import LEVELS, named_by_issuer
from fedbridge.cli.cognito.mapping import merged_mapping, parse_pairs
from fedbridge.cli.cognito.plan import Plan, not_kept, plan
from fedbridge.cli.cognito.pool import (
    IdentityProvider,
    describe_app_client,
    describe_identity_provider,
    describe_pool,
    enable_for_app_client,
    identity_provider,
    oidc_provider_names,
    update_identity_provider,
)
from fedbridge.errors import ConfigurationError
from fedbridge.op.client_authentication import secret_hash

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping


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
    action.add_argument("--base-url", metavar="URL", help="the stack's address: the output BaseUrl")
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
    action.add_argument("--file", type=Path, default=Path("connections.yaml"), metavar="FILE")
    action.add_argument("--table", metavar="TABLE", help="read what is published there in place of the file")
    action.add_argument("--local", action="store_true", help="allow loopback URLs, file: and env: references")
    action.add_argument(
        "--private-host",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="an upstream that is not public",
    )
    action.add_argument("--ca-bundle", metavar="PEM", help="authorities to trust besides the usual")


def _apply(options: argparse.Namespace) -> int:
    desk = opened(options, needs_pool=True)
    current = _current(desk)
    secret = _secret(options, desk, current)
    todo = plan(str(desk.pool_id), desk.name, current, _fields(options, desk, current, secret))
    enabling = {client_id: _missing_at(desk, client_id) for client_id in options.app_client}
    enabling = {client_id: names for client_id, names in enabling.items() if names}
    for line in (*todo.lines(), *_notes(desk, secret)):
        print(line)
    for client_id in enabling:
        print(f"app client {client_id}: to be enabled for {desk.name}, all else as it is")
    if not todo.changes and not enabling:
        return 0
    if not options.yes and not _agreed():
        print("fedbridge: nothing was changed; --yes changes without asking", file=sys.stderr)
        return 1
    return _write(desk, todo, enabling)


def _write(desk: Desk, todo: Plan, enabling: Mapping[str, list[str]]) -> int:
    lost: list[str] = []
    if todo.changes:
        after = _written(desk, todo)
        lost = not_kept(todo.fields, after)
        print(f"{desk.name}: {'created' if todo.new else 'changed'}; it takes up to a minute to be in effect")
    for client_id, names in enabling.items():
        enable_for_app_client(desk.client, todo.pool_id, client_id, names)
        print(f"app client {client_id}: {desk.name} is enabled")
    for path in lost:
        print(f"fedbridge: {path}: Cognito did not keep it; this Region may not have it yet", file=sys.stderr)
    return 1 if lost else 0


def _written(desk: Desk, todo: Plan) -> IdentityProvider:
    fields = {name: value for name, value in todo.fields.items() if value or name != "AcrMapping"}
    if not todo.new:
        return identity_provider(update_identity_provider(desk.client, todo.pool_id, desk.name, **fields))
    answer = ask(
        desk.client,
        "create_identity_provider",
        UserPoolId=todo.pool_id,
        ProviderName=desk.name,
        ProviderType="OIDC",
        **fields,
    )
    return identity_provider(answer["IdentityProvider"])


def _show(options: argparse.Namespace) -> int:
    desk = opened(options, needs_pool=False)
    fields = _fields(options, desk, None, "")
    secret = options.client_secret_from
    match options.format:
        case "cloudformation":
            text = snippets.cloudformation(desk.name, desk.pool_id, fields, secret)
        case "terraform":
            text = snippets.terraform(desk.name, desk.pool_id, fields, secret)
        case _:
            text = snippets.console(desk.name, fields, secret)
    print(text, end="")
    return 0


def _fields(
    options: argparse.Namespace, desk: Desk, current: IdentityProvider | None, secret: str
) -> dict[str, dict[str, str]]:
    """Return what the identity provider is to have; what is there and nobody asked about stays."""
    pool = describe_pool(desk.client, desk.pool_id) if desk.pool_id else None
    acr_mapping = parse_pairs(options.acr, "--acr")
    if unknown := acr_mapping.keys() - set(LEVELS):
        raise ConfigurationError(f"--acr: there is no {min(unknown)}; levels are {', '.join(LEVELS)}")
    return {
        "ProviderDetails": desk.wanted.details(
            secret, current.details if current else None, discovery=options.discovery
        ),
        "AttributeMapping": merged_mapping(
            desk.connection,
            pool.schema if pool else None,
            current=current.attribute_mapping if current else {},
            asked=parse_pairs(options.map, "--map"),
            prune=options.prune,
        ),
        "AcrMapping": acr_mapping
        or dict(desk.wanted.acr_mapping)
        or dict(current.acr_mapping if current else {}),
    }


def _current(desk: Desk) -> IdentityProvider | None:
    """Return the identity provider as it is; raises ConfigurationError where it has another type or another name."""
    pool_id = str(desk.pool_id)
    current = describe_identity_provider(desk.client, pool_id, desk.name)
    if current is not None:
        if current.type != "OIDC":
            raise ConfigurationError(
                f"{desk.name}: is a provider of type {current.type} there; --provider: name another"
            )
        return current
    others = (
        describe_identity_provider(desk.client, pool_id, name)
        for name in oidc_provider_names(desk.client, pool_id)
    )
    known = named_by_issuer((each for each in others if each is not None), desk.wanted)
    if known:
        raise ConfigurationError(
            f"{desk.connection.name}: is {known[0]} in {pool_id} already, and a name is part of every user name:"
            f" give --provider {known[0]}, or delete that one first"
        )
    return None


def _secret(options: argparse.Namespace, desk: Desk, current: IdentityProvider | None) -> str:
    """Return the client secret that Cognito is to have; raises ConfigurationError for one that the bridge does not know."""
    had = current.details.get("client_secret") if current else None
    if options.new_secret:
        if had and is_known(had, desk.party) and options.yes:
            raise ConfigurationError(
                "--new-secret: would end every sign-in until its hash is published: leave --yes out, publish the hash that"
                " is printed, then answer yes"
            )
        from fedbridge.cli.secrets import new_client_secret  # noqa: PLC0415  rotation, there, is built on this package

        secret = new_client_secret()
        print(f"secret_hashes, to add in connections.yaml and publish:  {secret_hash(secret)}")
        return secret
    if options.client_secret_from is not None:
        secret = read_secret(options.client_secret_from)
        if not is_known(secret, desk.party):
            raise ConfigurationError(
                f"{options.client_secret_from}: its hash is not among secret_hashes of {desk.party.client_id}: add"
                f" {secret_hash(secret)} and publish first"
            )
        return secret
    if had is None:
        raise ConfigurationError("--client-secret-from or --new-secret: Cognito needs a client secret")
    return had


def _notes(desk: Desk, secret: str) -> Iterator[str]:
    """Yield what would still fail after the change."""
    if not is_known(secret, desk.party):
        yield (
            f"  ! the bridge does not know this client secret: publish {secret_hash(secret)} among secret_hashes of"
            f" {desk.party.client_id}, or every sign-in ends in invalid_client"
        )


def _missing_at(desk: Desk, client_id: str) -> list[str]:
    """Return all identity providers that the app client should have, nothing where it has ours already."""
    current = describe_app_client(desk.client, str(desk.pool_id), client_id).get(
        "SupportedIdentityProviders", []
    )
    return [] if desk.name in current else [*current, desk.name]


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Change it? [y/N] ").strip().lower() in {"y", "yes"}
