"""What publishing works with: the table, the connections' keys, and the way to their identity providers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.aws import sdk_client
from fedbridge.cli.connections.loading import BUDGET, Quiet, load_all, load_declared
from fedbridge.cli.dev import loopback_hosts
from fedbridge.cli.key_rings import RingDesk, open_rings
from fedbridge.client_secrets import with_managed_secrets
from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError, FedbridgeError
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.publishing import all_publishable, publishable
from fedbridge.snapshots import ASKING, Snapshots
from fedbridge.store.client_secrets_dynamodb import DynamoDBSecretStates
from fedbridge.store.connections_dynamodb import ConnectionPublisher, PublishedItem

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection
    from fedbridge.model.snapshot import Snapshot

AT_ONCE = 8
"""Providers that are asked at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The snapshot to publish with a connection, or why there is no new one; `older` says that it was there before."""

    snapshot: Snapshot | None = None
    failure: str | None = None
    older: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The ports of one command."""

    options: argparse.Namespace
    publisher: ConnectionPublisher = field(repr=False)
    keys: CachedKeys = field(repr=False)
    secrets: CachedSecrets = field(repr=False)

    def ready(self) -> dict[str, Connection]:
        """Return the connections of the file as they would be published; raises ConfigurationError, KeyUnavailable."""
        declared = {name: self.with_secrets(each) for name, each in load_all(self.options).items()}
        return all_publishable(self.ring_desk.fill(declared), self.keys, self.secrets)

    @property
    def ring_desk(self) -> RingDesk:
        """The key rings of the table."""
        environment = getattr(self.options, "environment", None)
        return open_rings(self.options.table, environment, keys=self.keys, secrets=self.secrets)

    def prepare_rings(self) -> None:
        """Write the rings of the file, and make their first keys."""
        self.ring_desk.prepare(
            load_declared(self.options),
            lambda name: read_current(self.publisher.read(name, Deadline.after(BUDGET))),
            print,
        )

    def with_secrets(self, connection: Connection) -> Connection:
        """Return the connection with the hashes of its managed client secrets, as far as their rotation has come."""
        if not any(party.managed_secret is not None for party in connection.relying_parties):
            return connection
        deadline = Deadline.after(BUDGET)
        published = read_current(self.publisher.read(connection.name, deadline))
        states = DynamoDBSecretStates(sdk_client("dynamodb"), self.options.table)
        return with_managed_secrets(connection, published, states, deadline)

    def again(self, connection: Connection) -> Connection:
        """Return a connection that was published before as it would be now: with what its rings hold, its keys loaded.

        Raises ConfigurationError, KeyUnavailable, StoreUnavailable.
        """
        (current,) = self.ring_desk.fill({connection.name: connection}).values()
        return publishable(current, self.keys, self.secrets)

    def published(self, names: Iterable[str]) -> dict[str, PublishedItem]:
        """Return what is published under these names."""
        found = {name: self.publisher.read(name, Deadline.after(BUDGET)) for name in names}
        return {name: item for name, item in found.items() if item is not None}

    def take(
        self, connections: Mapping[str, Connection], published: Mapping[str, PublishedItem]
    ) -> dict[str, Taken]:
        """Ask the providers for what they publish, several at a time; what fails is said, and never raised."""
        if self.options.offline:
            return {name: _kept(each, published.get(name), None) for name, each in connections.items()}
        loopback = set().union(*map(loopback_hosts, connections.values())) if self.options.local else set()
        hosts = [*self.options.private_host, *loopback]
        client = OutboundClient(private_hosts=hosts, ca_bundle=self.options.ca_bundle)
        with contextlib.closing(client) as http, ThreadPoolExecutor(AT_ONCE) as pool:
            snapshots = Snapshots(http=http, keys=self.keys, secrets=self.secrets, telemetry=Quiet())
            ask = functools.partial(_ask, snapshots, published)
            return dict(zip(connections, pool.map(ask, connections.values()), strict=True))


def open_desk(options: argparse.Namespace) -> Desk:
    """Return the ports that the options name."""
    clients = functools.cache(sdk_client)
    secrets = CachedSecrets(clients, allow_local=options.local, telemetry=Quiet())
    return Desk(
        options=options,
        publisher=open_table(options),
        keys=CachedKeys(secrets, clients, trust_stored=False),
        secrets=secrets,
    )


def open_table(options: argparse.Namespace) -> ConnectionPublisher:
    """Return the table of `--table`."""
    return ConnectionPublisher(sdk_client("dynamodb"), options.table)


def read_current(published: PublishedItem | None) -> Connection | None:
    """Return the connection that is current, None where there is none or another release published it."""
    if published is None:
        return None
    try:
        return decode(published.current.document)
    except ConfigurationError:
        return None


def _ask(snapshots: Snapshots, published: Mapping[str, PublishedItem], connection: Connection) -> Taken:
    try:
        return Taken(snapshot=snapshots.take(connection, Deadline.after(ASKING)))
    except FedbridgeError as failure:
        said = str(failure)
        reason = said if said == failure.reason else f"{failure.reason}: {said}"
        return _kept(connection, published.get(connection.name), reason)


def _kept(connection: Connection, published: PublishedItem | None, failure: str | None) -> Taken:
    """Return the snapshot that is there, if it is of the same provider and read in the same way."""
    before = read_current(published)
    if before is None or published is None or published.current.snapshot is None:
        return Taken(failure=failure)
    if _source(before) != _source(connection):
        return Taken(failure=failure)
    return Taken(snapshot=published.current.snapshot, failure=failure, older=True)


def _source(connection: Connection) -> tuple[object, ...]:
    metadata = connection.saml.metadata if connection.saml is not None else None
    return connection.protocol, connection.issuer, connection.endpoints, metadata
