"""What `fedbridge cognito apply|show` does: compare, ask, write; or print."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from fedbridge.cli.cognito import snippets
from fedbridge.cli.cognito.calls import ask
from fedbridge.cli.cognito.client_findings import domain_findings
from fedbridge.cli.cognito.desk import Desk, is_known, opened, read_secret
from fedbridge.cli.cognito.expected import LEVELS, named_by_issuer
from fedbridge.cli.cognito.mapping import merged_mapping, parse_pairs
from fedbridge.cli.cognito.mapping_findings import mapping_findings
from fedbridge.cli.cognito.plan import Plan, not_kept, plan
from fedbridge.cli.cognito.pool import (
    IdentityProvider,
    Pool,
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
    from collections.abc import Iterator, Sequence

WIDTH = 100


def apply(options: argparse.Namespace) -> int:
    """Make the pool's identity provider what it should be; returns 1 where nobody agreed or Cognito kept less."""
    desk = opened(options, needs_pool=True)
    pool = describe_pool(desk.client, str(desk.pool_id))
    current = _current(desk)
    secret = _secret(options, desk, current)
    todo = plan(pool.id, desk.name, current, _fields(options, desk, pool, current, secret))
    enabling = [client_id for client_id in options.app_client if _missing_at(desk, client_id)]
    for line in todo.lines():
        print(line)
    for note in _notes(desk, pool, todo, secret):
        print(_wrapped(note))
    for client_id in enabling:
        print(f"app client {client_id}: to be enabled for {desk.name}, all else as it is")
    if not todo.changes and not enabling:
        return 0
    if not options.yes and not _agreed():
        print("fedbridge: nothing was changed; --yes changes without asking", file=sys.stderr)
        return 1
    return _write(desk, todo, enabling)


def _write(desk: Desk, todo: Plan, enabling: Sequence[str]) -> int:
    lost: list[str] = []
    if todo.changes:
        after = _written(desk, todo)
        lost = not_kept(todo.fields, after)
        print(f"{desk.name}: {'created' if todo.new else 'changed'}; it takes up to a minute to be in effect")
    for client_id in enabling:
        if names := _missing_at(desk, client_id):  # Somebody else may have added to them while we asked.
            enable_for_app_client(desk.client, todo.pool_id, client_id, names)
        print(f"app client {client_id}: {desk.name} is enabled")
    for path in lost:
        print(f"fedbridge: {path}: Cognito did not keep it; this Region may not have it yet", file=sys.stderr)
    return 1 if lost else 0


def _written(desk: Desk, todo: Plan) -> IdentityProvider:
    """Write what was agreed to; raises ConfigurationError where that is about what is there no longer.

    A question may wait for an hour, and the schedule may give Cognito another client secret meanwhile: what was read then
    would be the end of every sign-in.
    """
    if describe_identity_provider(desk.client, todo.pool_id, desk.name) != todo.current:
        raise ConfigurationError(
            f"{desk.name}: somebody else changed it in {todo.pool_id} meanwhile; nothing was written: look again"
        )
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


def show(options: argparse.Namespace) -> int:
    """Print what `apply` would write."""
    desk = opened(options, needs_pool=False)
    pool = describe_pool(desk.client, desk.pool_id) if desk.pool_id else None
    fields = _fields(options, desk, pool, None, "")
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
    options: argparse.Namespace,
    desk: Desk,
    pool: Pool | None,
    current: IdentityProvider | None,
    secret: str,
) -> dict[str, dict[str, str]]:
    """Return what the identity provider is to have; what is there and nobody asked about stays."""
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
    from fedbridge.cli.secrets.new import new_client_secret  # noqa: PLC0415  rotation, there, is built on this package

    had = current.details.get("client_secret") if current else None
    if desk.party.managed_secret is not None:
        if options.new_secret or options.client_secret_from is not None:
            raise ConfigurationError(
                f"{desk.party.client_id}: has a managed_secret: `fedbridge secrets rotate` gives it to Cognito"
            )
        return had or new_client_secret()  # One that opens nothing, until the bridge gives its own.
    if options.new_secret:
        if had and is_known(had, desk.party) and options.yes:
            raise ConfigurationError(
                "--new-secret: would end every sign-in until its hash is published: leave --yes out, publish the hash that"
                " is printed, then answer yes"
            )
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


def _notes(desk: Desk, pool: Pool, todo: Plan, secret: str) -> Iterator[str]:
    """Yield what would still fail after the change."""
    if desk.party.managed_secret is not None and not is_known(secret, desk.party):
        if todo.new:
            yield f"no sign-in works before `fedbridge secrets rotate {desk.connection.name}` has given the client secret"
    elif not is_known(secret, desk.party):
        yield (
            f"the bridge does not know this client secret: publish {secret_hash(secret)} among secret_hashes of"
            f" {desk.party.client_id}, or every sign-in ends in invalid_client"
        )
    found = mapping_findings(desk.connection, pool, todo.fields["AttributeMapping"])
    for finding in (*found, *domain_findings(pool, desk.party)):
        yield f"{finding.code}: {finding.what} {finding.why}"


def _wrapped(note: str) -> str:
    """Return a note in lines of 100 columns; URLs and names stay in one piece."""
    return textwrap.fill(
        note,
        WIDTH,
        initial_indent="  ! ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
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
    try:
        return input("Change it? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
