"""What `fedbridge cognito` works with: a connection, one relying party of it, and the pool that this is."""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedbridge.aws import sdk_client
from fedbridge.cli.address import base_url_of
from fedbridge.cli.cognito.calls import pool_client
from fedbridge.cli.cognito.expected import Expected, expected, provider_name, relying_party
from fedbridge.cli.connections.loading import Quiet, load_one
from fedbridge.cli.dev import loopback_hosts
from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.op.client_authentication import secret_hash
from fedbridge.rp.calls import Calls
from fedbridge.rp.metadata import MetadataSource
from fedbridge.store.connections_dynamodb import ConnectionPublisher

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.ports import HttpClient, Keys

BUDGET = 20.0
"""Seconds for reading a connection, a secret or the IdP's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One relying party of a connection, and what it should be called and look like in its pool."""

    connection: Connection
    party: RelyingParty
    name: str
    wanted: Expected
    pool_id: str | None
    client: Any = field(repr=False)


def opened(options: argparse.Namespace, *, needs_pool: bool) -> Desk:
    """Read the connection; with a pool, `client` is for its Region. Raises ConfigurationError and what reading raises."""
    connection = _connection(options)
    party = relying_party(connection, options.relying_party)
    pool_id = options.user_pool or (party.user_pool.id if party.user_pool else None)
    if pool_id is None and needs_pool:
        raise ConfigurationError(
            "--user-pool: is missing: the id of the user pool, such as eu-north-1_EXAMPLE01"
        )
    return Desk(
        connection=connection,
        party=party,
        name=provider_name(connection, party, options.provider),
        wanted=expected(connection, party, base_url_of(options), _upstream_jwks_uri(connection, options)),
        pool_id=pool_id,
        client=pool_client(pool_id) if pool_id else None,
    )


def read_secret(reference: str) -> str:
    """Return the client secret that a reference names, on this machine or in AWS; raises ConfigurationError, KeyUnavailable."""
    return _secrets().get(reference, Deadline.after(BUDGET))


def is_known(secret: str, party: RelyingParty) -> bool:
    """Return whether the bridge lets in who has this secret."""
    return secret_hash(secret) in party.secret_hashes


def _connection(options: argparse.Namespace) -> Connection:
    """Return the connection of the file, or with `--table` the published one."""
    if options.table is None:
        return load_one(options)
    publisher = ConnectionPublisher(sdk_client("dynamodb"), options.table)
    document = publisher.current(options.connection, Deadline.after(BUDGET))
    if document is None:
        raise ConfigurationError(f"{options.table}: has no connection {options.connection}")
    return decode(document)


def upstream_jwks_uri(connection: Connection, http: HttpClient, keys: Keys, deadline: Deadline) -> str | None:
    """Return where the IdP publishes its keys, None unless its tokens are relayed; raises UpstreamError, DeadlineExceeded."""
    if connection.tokens != "relay":
        return None
    calls = Calls(http, Quiet(), keys=keys, clock=time.time)
    return MetadataSource(calls, Quiet(), time.time).get(connection, deadline).jwks_uri


def _upstream_jwks_uri(connection: Connection, options: argparse.Namespace) -> str | None:
    clients = functools.cache(sdk_client)
    keys = CachedKeys(_secrets(), clients, trust_stored=False)
    hosts = [*options.private_host, *(loopback_hosts(connection) if options.local else ())]
    with contextlib.closing(OutboundClient(private_hosts=hosts, ca_bundle=options.ca_bundle)) as http:
        return upstream_jwks_uri(connection, http, keys, Deadline.after(BUDGET))


def _secrets() -> CachedSecrets:
    """The operator's own machine may read what it likes: files and variables too."""
    return CachedSecrets(functools.cache(sdk_client), allow_local=True, telemetry=Quiet())
