"""Key rotation: what the scheduled function does with every ring, and the command line with one.

A step is one conditional write of the ring; what follows from it (connections that hold other references) is worked out
anew from the ring at every run. So a run may end between any two calls, and the next one goes on: a key that was begun is
found or given up, a step that was taken is published, a time is noted only after that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.rings import filled
from fedbridge.errors import ConfigurationError, FedbridgeError, KeyNotMade, RingMoved
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import (
    DAY,
    SPREAD,
    RingState,
    StoredRing,
    activated,
    begun,
    due,
    forgotten,
    noted,
    overdue,
    removed,
    replaced_at,
    staged,
)

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.key_ring import RingKey
    from fedbridge.model.snapshot import Snapshot
    from fedbridge.ports import Clock, KeyMaker, KeyRings, Telemetry

RING_BUDGET = 40.0
"""Seconds for one ring, or one connection: a 4096-bit key is made in less on a small function."""

MOST_LOST = 3
"""Lost keys after which no more are made until somebody looks: each may be there, and paid for."""

_NUMBERS = 3
"""Numbers that are tried for one key: names may be taken by what somebody left behind."""


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


def rotate(services: Rotation, deadline: Deadline) -> int:
    """Take the step that is due in every ring, publish what follows, and tell how it is with each.

    Returns how many rings or connections failed: each is told to telemetry (`key_ring_failed`) and stops no other. Raises
    what reading the table raises.
    """
    services = replace(services, telemetry=_Referenced(services.telemetry, deadline.correlation_id))
    connections, failures = _connections(services, deadline)
    users = Counter(name for each in connections for name in each.rings)
    if services.id_token_ring is not None:
        users[services.id_token_ring] += 1
    documents = [each.stored.current.document for each in connections]
    rings: dict[str, StoredRing] = {}
    for name in sorted({*services.rings.names(deadline), *users}):
        try:
            rings[name] = _moved_on(services, name, users[name], documents, _slice(deadline))
        except Exception as failure:  # noqa: BLE001  whatever it is, the other rings go on
            _failed(services, failure, ring=name)
            failures += 1
    for each in connections:
        try:
            settle(services, each, rings, _slice(deadline))
        except Exception as failure:  # noqa: BLE001  likewise
            _failed(services, failure, connection=each.stored.name)
            failures += 1
    for name, ring in rings.items():
        if users[name]:
            tell(services, ring)
    return failures


def _moved_on(
    services: Rotation, name: str, users: int, documents: Iterable[bytes], deadline: Deadline
) -> StoredRing:
    """Return the ring after its step; one that nothing uses waits until something does.

    One that fills two connections would be noted as published where only one of them is.
    """
    ring = read(services, name, deadline)
    if users > 1:
        raise ConfigurationError(f"{name}: fills two connections", reason="ring_shared")
    if users == 0:
        return ring
    try:
        if name == services.id_token_ring:
            ring = advance(services, _loaded(services, ring, deadline), documents, deadline)
            return _loaded(services, ring, deadline)
        return advance(services, ring, documents, deadline)
    except RingMoved:
        return read(services, name, deadline)  # Somebody else has taken the step.


def _loaded(services: Rotation, ring: StoredRing, deadline: Deadline) -> StoredRing:
    """Return the ring of ID tokens, noted as published: it is read where it is written.

    No connection is published with its keys, so nobody else would find out, before the next one signs, that it is of no use.
    """
    for key in ring.state.of("next"):
        services.signer(key.reference, deadline)
    return note(services, ring, deadline)


def read(services: Rotation, name: str, deadline: Deadline) -> StoredRing:
    """Return a ring; raises ConfigurationError where there is none, StoreUnavailable."""
    ring = services.rings.get(name, deadline)
    if ring is None:
        raise ConfigurationError(f"{name}: there is no such key ring", reason="ring_unknown")
    return ring


def advance(
    services: Rotation, ring: StoredRing, documents: Iterable[bytes], deadline: Deadline
) -> StoredRing:
    """Take the one step that is due, if any, and return the ring as it is then.

    No key is switched off that stands in one of the published `documents`: somebody may have written it there by hand.
    """
    step = due(ring.policy, ring.state, services.clock())
    kid = step.kid or ""
    match step.action:
        case "stage":
            if len(ring.state.lost) >= MOST_LOST:
                raise ConfigurationError(
                    f"{ring.name}: too many keys were lost: look for them", reason="ring_keys_lost"
                )
            return stage(services, ring, deadline)
        case "activate":
            return move(services, ring, activated(ring.state, kid), deadline, step="activate", kid=kid)
        case "remove":
            return move(services, ring, removed(ring.state, kid), deadline, step="remove", kid=kid)
        case "disable":
            named = json.dumps(ring.state.key(kid).reference).encode()
            if any(named in document for document in documents):
                raise ConfigurationError(f"{ring.name}: {kid} is in use elsewhere", reason="ring_key_in_use")
            services.maker.disable(ring.state.key(kid), deadline)
            return move(services, ring, forgotten(ring.state, kid), deadline, step="disable", kid=kid)
        case _:
            return ring


def stage(services: Rotation, ring: StoredRing, deadline: Deadline) -> StoredRing:
    """Make the next key, or the first one, and take it up.

    The number of the key is written before it is made. Where that was done already, by a run that did not come to its
    end, the key is found, or given up with its number. Raises RingMoved, KeyUnavailable, ConfigurationError, StoreError.
    """
    if ring.state.next is not None:
        raise ConfigurationError(
            f"{ring.name}: {ring.state.next.kid} is next already", reason="ring_has_next"
        )
    deadline.remaining()
    again = ring.state.making is not None
    key: RingKey | None = None
    for _ in range(_NUMBERS):
        if not again:
            lost = ring.state.making is not None
            ring = services.rings.put(replace(ring, state=begun(ring.state, lost=lost)), deadline)
        serial = ring.state.making or 0
        try:
            key = services.maker.make(
                ring.name, ring.policy, serial, again=again, now=services.clock(), deadline=deadline
            )
        except KeyNotMade:
            services.rings.put(replace(ring, state=replace(ring.state, making=None)), deadline)
            raise
        if key is not None:
            break
        services.telemetry.event("key_lost", ring=ring.name, serial=serial)
        again = False
    if key is None:
        raise ConfigurationError(f"{ring.name}: the names of new keys are taken", reason="ring_names_taken")
    return move(services, ring, staged(ring.policy, ring.state, key), deadline, step="stage", kid=key.kid)


def move(
    services: Rotation, ring: StoredRing, state: RingState, deadline: Deadline, *, step: str, kid: str
) -> StoredRing:
    """Write the ring's new state; whoever else decided meanwhile wins, and this raises RingMoved."""
    written = services.rings.put(replace(ring, state=state), deadline)
    services.telemetry.event("key_ring_moved", ring=ring.name, step=step, kid=kid)
    return written


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


def tell(services: Rotation, ring: StoredRing) -> None:
    """Tell how old the active key is, how long its certificate lasts, and whether somebody has to do something."""
    now, state, policy = services.clock(), ring.state, ring.policy
    active = state.active
    if active is not None:
        since = active.activated_at or active.created_at
        services.telemetry.event(
            "key_ring_checked",
            ring=ring.name,
            kid=active.kid,
            step=due(policy, state, now).action,
            age_days=round((now - since) / DAY, 2),
            certificate_days=None if active.not_after is None else round((active.not_after - now) / DAY, 2),
        )
        if state.next is not None and policy.needs_confirmation and state.next.confirmed_at is None:
            services.telemetry.event(
                "key_awaits_confirmation",
                ring=ring.name,
                kid=state.next.kid,
                due_days=round((replaced_at(policy, active) - now) / DAY, 2),
            )
    if overdue(policy, state, now):
        services.telemetry.event("key_rotation_overdue", ring=ring.name, kid=active.kid if active else None)


def users_of(services: Rotation, deadline: Deadline) -> Mapping[str, Published]:
    """Return the published connection that each ring fills, by the ring's name."""
    connections, _ = _connections(services, deadline)
    return {name: each for each in connections for name in each.rings}


def _connections(services: Rotation, deadline: Deadline) -> tuple[list[Published], int]:
    """Return the connections that can be read, and how many cannot."""
    found: list[Published] = []
    failures = 0
    for stored in services.connections.all(deadline):
        try:
            connection = replace(decode(stored.current.document), version=stored.current.version)
        except ConfigurationError as failure:
            _failed(services, failure, connection=stored.name)
            failures += 1
        else:
            found.append(Published(stored=stored, connection=connection))
    return found, failures


def _failed(
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


@dataclass(frozen=True, slots=True)
class _Referenced:
    """Telemetry whose events all have the run's reference."""

    telemetry: Telemetry
    correlation_id: str | None

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Record an event."""
        self.telemetry.event(name, correlation_id=self.correlation_id, **fields)


def _slice(deadline: Deadline) -> Deadline:
    """Return the deadline of one ring or connection: a slow one leaves time for others."""
    remaining = deadline.remaining()
    return Deadline.after(
        min(RING_BUDGET, remaining), deadline.monotonic, correlation_id=deadline.correlation_id
    )
