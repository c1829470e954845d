"""Connections that key rings fill: found, published with what the rings hold, and noted in the rings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.rings import filled
from fedbridge.errors import ConfigurationError, FedbridgeError
from fedbridge.model.key_ring import SPREAD, StoredRing, noted

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.snapshot import Snapshot
    from fedbridge.ports import Clock, KeyMaker, KeyRings, Telemetry


class StoredRevision(Protocol):
    """One version of a connection, as it is stored."""

    @property
    def version(self) -> str:
        """The version."""

    @property
    def document(self) -> bytes:
        """The connection's document."""

    @property
    def published_at(self) -> int | None:
        """When it was published, in seconds since the epoch, None where that is not known."""

    @property
    def snapshot(self) -> Snapshot | None:
        """What was kept of the IdP's metadata."""


class StoredConnection(Protocol):
    """A connection as it is stored."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def current(self) -> StoredRevision:
        """What sign-ins begin with."""


class PublishedConnections(Protocol):
    """The connections of the table, as those see them who publish."""

    def all(self, deadline: Deadline) -> Iterable[StoredConnection]:
        """Return every connection."""

    def publish(
        self,
        name: str,
        document: bytes,
        version: str,
        deadline: Deadline,
        *,
        snapshot: Snapshot | None = None,
        replacing: str | None = None,
    ) -> bool:
        """Publish a version in the place of another one; raises ConfigurationError where that is not current."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What rotating works with. `publishable` returns a connection with its public keys and version.

    `id_token_ring` is the ring that the back channel reads, None where it reads none, or where nobody knows; `signer` loads
    a key as the back channel would.
    """

    rings: KeyRings
    maker: KeyMaker
    connections: PublishedConnections
    publishable: Callable[[Connection], Connection]
    telemetry: Telemetry
    clock: Clock
    id_token_ring: str | None = None
    signer: Callable[[str, Deadline], object] = lambda _reference, _deadline: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published connection and what is stored of it."""

    stored: StoredConnection
    connection: Connection

    @property
    def rings(self) -> frozenset[str]:
        """The names of the rings that fill it."""
        return frozenset(name for names in self.connection.rings.values() for name in names)


def settle(
    services: Rotation, published: Published, rings: dict[str, StoredRing], deadline: Deadline
) -> bool:
    """Publish the connection with what its rings hold now, and note that; `rings` gets what was noted.

    Returns whether it is as its rings are. A sign-in ends on the version that it began with, and only one former version
    is kept: so there is at least half an hour between two (`model.key_ring.SPREAD`), and until then nothing is published,
    and nothing noted. Raises ConfigurationError, KeyUnavailable, StoreError.
    """
    if not published.rings or not published.rings <= rings.keys():
        return True
    current = published.stored.current
    wanted = filled(published.connection, {name: rings[name].state for name in published.rings})
    if wanted != published.connection:
        if services.clock() < (current.published_at or 0) + SPREAD:
            return False
        wanted = services.publishable(wanted)
        services.connections.publish(
            wanted.name,
            encode(wanted),
            wanted.version,
            deadline,
            snapshot=current.snapshot,
            replacing=current.version,
        )
        services.telemetry.event("connection_republished", connection=wanted.name)
    for name in published.rings:
        rings[name] = note(services, rings[name], deadline)
    return True


def note(services: Rotation, ring: StoredRing, deadline: Deadline) -> StoredRing:
    """Write that everything in the ring is published."""
    state = noted(ring.state, services.clock())
    return ring if state == ring.state else services.rings.put(replace(ring, state=state), deadline)


def users_of(services: Rotation, deadline: Deadline) -> Mapping[str, Published]:
    """Return the published connection that each ring fills, by the ring's name."""
    connections, _ = connections_of(services, deadline)
    return {name: each for each in connections for name in each.rings}


def connections_of(services: Rotation, deadline: Deadline) -> tuple[list[Published], int]:
    """Return the connections that can be read, and how many cannot."""
    found: list[Published] = []
    failures = 0
    for stored in services.connections.all(deadline):
        try:
            connection = replace(decode(stored.current.document), version=stored.current.version)
        except ConfigurationError as failure:
            failed(services, failure, connection=stored.name)
            failures += 1
        else:
            found.append(Published(stored=stored, connection=connection))
    return found, failures


def failed(
    services: Rotation, failure: Exception, *, ring: str | None = None, connection: str | None = None
) -> None:
    """Tell the reason of an expected failure, and what kind any other one is; the message of neither."""
    expected = isinstance(failure, FedbridgeError)
    services.telemetry.event(
        "key_ring_failed",
        ring=ring,
        connection=connection,
        reason=failure.reason if isinstance(failure, FedbridgeError) else FedbridgeError.reason,
        exception=None if expected else type(failure).__name__,
    )
