"""`fedbridge register`: the bridge's own registration at an identity provider (RFC 7591, RFC 7592)."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.cli.options import add_base_url, add_ca_bundle, add_file, add_local, add_private_host
from fedbridge.cli.registration_desk import Desk, opened
from fedbridge.configuration.rules import unregistered
from fedbridge.errors import ConfigurationError
from fedbridge.rp.client_metadata import Facts, requested, updated
from fedbridge.rp.granted_metadata import shortcomings
from fedbridge.rp.registration import Answer, discover, endpoint_of, problems

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add `register` to the parser."""
    parser = commands.add_parser("register", help="register the bridge at an identity provider")
    parser.add_argument("connection", metavar="CONNECTION")
    add_file(parser)
    add_base_url(parser)
    parser.add_argument(
        "--table", help="the stack's output ConnectionsTable, where key rings fill the connection"
    )
    parser.add_argument("--environment", help="names the secret where registration.access_token does not")
    parser.add_argument(
        "--keys", choices=["uri", "inline"], help="register the URL of client-jwks.json, or the keys in it"
    )
    parser.add_argument(
        "--client-name", metavar="TEXT", help="what the IdP calls the bridge; the connection's name"
    )
    add_local(parser)
    add_private_host(parser)
    add_ca_bundle(parser)
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(".fedbridge"),
        metavar="FOLDER",
        help="what is not stored yet is kept here",
    )
    actions = parser.add_mutually_exclusive_group()
    for name, does in (
        ("read", "show what is registered, and whether it will do"),
        ("update", "register anew what the connection needs now"),
        ("delete", "remove the registration"),
        ("recover", "store what an earlier run could not"),
    ):
        actions.add_argument(f"--{name}", dest="action", action="store_const", const=name, help=does)
    parser.set_defaults(run=_run, action="register")


def _run(options: argparse.Namespace) -> int:
    actions = {
        "register": _register, "read": _read, "update": _update, "delete": _delete, "recover": _recover,
    }  # fmt: skip
    with opened(options) as desk:
        return actions[options.action](desk)


def _register(desk: Desk) -> int:
    connection, name = desk.connection, desk.connection.name
    if connection.client_id != unregistered(name):
        raise ConfigurationError(
            f"{name}: has a client_id already: --update changes its registration; to register anew, remove it"
        )
    provider = discover(connection, desk.calls, desk.deadline)
    facts = desk.facts(provider)
    metadata, endpoint = requested(connection, facts), endpoint_of(connection, provider)
    initial = desk.registration.initial_access_token
    token = desk.secrets.get(initial, desk.deadline) if initial is not None else None
    with desk.rescue.reserved():
        answer = desk.registrar.register(endpoint, metadata, token)
        desk.keep(answer)
    print(f"{name}: registered at {endpoint}. For connections.yaml:")
    _print_keys(desk, answer)
    lines = [] if desk.secret is None or answer.client_secret else ["client_secret: the IdP gave none"]
    return _judged(desk, facts, answer, lines)


def _read(desk: Desk) -> int:
    client_uri, token = desk.managed()
    provider = discover(desk.connection, desk.calls, desk.deadline)
    desk.facts(provider)  # What is wrong with the connection is found before anything is sent.
    with desk.rescue.reserved():
        answer = desk.registrar.read(client_uri, token)
        desk.keep(answer)
    print(json.dumps({"client_id": answer.client_id, **answer.metadata}, indent=2, sort_keys=True))
    return _judged(desk, desk.facts(provider, answer.metadata), answer, [])


def _update(desk: Desk) -> int:
    client_uri, token = desk.managed()
    connection = desk.connection
    provider = discover(connection, desk.calls, desk.deadline)
    requested(connection, desk.facts(provider))  # Likewise.
    with desk.rescue.reserved():
        current = desk.registrar.read(client_uri, token)
        desk.keep(current)
    facts = desk.facts(provider, current.metadata)
    with desk.rescue.reserved():
        metadata = updated(connection, facts, current.metadata, connection.client_id)
        answer = desk.registrar.update(client_uri, metadata, current.access_token or token)
        desk.keep(answer)
    print(f"{connection.name}: the registration is updated.")
    if answer.client_uri not in {None, client_uri}:
        print("It has moved. For connections.yaml:")
        _print_keys(desk, answer)
    return _judged(desk, facts, answer, [])


def _delete(desk: Desk) -> int:
    client_uri, token = desk.managed()
    with desk.rescue.reserved():  # A token that waits to be stored is the one that is still good.
        desk.registrar.delete(client_uri, token)
    print(
        f"{desk.connection.name}: the registration is deleted, and every sign-in of this client id with it."
    )
    print("Remove client_id and registration.client_uri from connections.yaml. Of no use any longer:")
    for reference in (desk.access_token, desk.secret):
        if reference is not None:
            print(f"  {reference}")
    return 0


def _recover(desk: Desk) -> int:
    found = desk.rescue.store(desk.store, desk.deadline)
    print(f"{desk.connection.name}: stored. For connections.yaml:")
    _print_keys(desk, Answer(client_id=found["client_id"], client_uri=found["client_uri"], access_token=""))
    return 0


def _print_keys(desk: Desk, answer: Answer) -> None:
    """Print what belongs into connections.yaml: names and references, never a secret."""
    print(f"    client_id: {json.dumps(answer.client_id)}")
    if answer.client_uri is None or answer.access_token is None:
        print("The identity provider gave no way to change this registration: do so at its own pages.")
    else:
        print("    registration:")
        print(f"      client_uri: {json.dumps(answer.client_uri)}")
        print(f"      access_token: {json.dumps(desk.access_token)}")
    if desk.secret is not None and answer.client_secret is not None:
        print(f"The client secret is stored as {desk.secret}{_expiry(answer)}.")


def _expiry(answer: Answer) -> str:
    if not answer.client_secret_expires_at:
        return ""
    day = datetime.fromtimestamp(answer.client_secret_expires_at, UTC).date()
    return f" and expires on {day}: client_authentication.secret_expires: {day}"


def _judged(desk: Desk, facts: Facts, answer: Answer, lines: list[str]) -> int:
    """Print everything for which the registration would fail sign-ins; 1 if there is anything."""
    connection = desk.connection
    lines = [*lines, *problems(connection, answer), *shortcomings(connection, facts, answer.metadata)]
    expected = {None, unregistered(connection.name), answer.client_id}
    if connection.client_id not in expected:
        lines.append("client_id: the IdP answers about another client")
    if lines:
        print(
            f"{connection.name}: registered, but not as the connection needs it. Change the connection and --update, or"
            " --delete:",
            file=sys.stderr,
        )
    for line in lines:
        print(f"  {line}", file=sys.stderr)
    return 1 if lines else 0
