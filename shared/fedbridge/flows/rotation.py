"""Key rotation: what the scheduled function does with every ring, and the command line with one.

A step is one conditional write of the ring; what follows from it (connections that hold other references) is worked out
anew from the ring at every run. So a run may end between any two calls, and the next one goes on: a key that was begun is
found or given up, a step that was taken is published, a time is noted only after that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError, KeyNotMade, RingMoved
from fedbridge.flows.ring_publication import (
    Rotation,
    connections_of,
    failed,
    note,
    settle,
)
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import (
    DAY,
    RingState,
    StoredRing,
    activated,
    begun,
    due,
    forgotten,
    overdue,
    removed,
    replaced_at,
    staged,
)

if TYPE_CHECKING:
    from fedbridge.model.key_ring import RingKey
    from fedbridge.ports import Telemetry

RING_BUDGET = 40.0
"""Seconds for one ring, or one connection: a 4096-bit key is made in less on a small function."""

MOST_LOST = 3
"""Lost keys after which no more are made until somebody looks: each may be there, and paid for."""

_NUMBERS = 3
"""Numbers that are tried for one key: names may be taken by what somebody left behind."""


def rotate(services: Rotation, deadline: Deadline) -> int:
    """Take the step that is due in every ring, publish what follows, and tell how it is with each.

    Returns how many rings or connections failed: each is told to telemetry (`key_ring_failed`) and stops no other. Raises
    what reading the table raises.
    """
    services = replace(services, telemetry=_Referenced(services.telemetry, deadline.correlation_id))
    connections, failures = connections_of(services, deadline)
    users = Counter(name for each in connections for name in each.rings)
    if services.id_token_ring is not None:
        users[services.id_token_ring] += 1
    documents = [each.stored.current.document for each in connections]
    rings: dict[str, StoredRing] = {}
    for name in sorted({*services.rings.names(deadline), *users}):
        try:
            rings[name] = _moved_on(services, name, users[name], documents, _slice(deadline))
        except Exception as failure:  # noqa: BLE001  whatever it is, the other rings go on
            failed(services, failure, ring=name)
            failures += 1
    for each in connections:
        try:
            settle(services, each, rings, _slice(deadline))
        except Exception as failure:  # noqa: BLE001  likewise
            failed(services, failure, connection=each.stored.name)
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
