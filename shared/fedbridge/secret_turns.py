"""What the scheduled function does with client secrets: it replaces those that it manages, and counts the days of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fedbridge.client_secrets import SecretRotation, reconciled
from fedbridge.configuration.document import decode
from fedbridge.errors import FedbridgeError
from fedbridge.model.client_secret import KNOWN
from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    from fedbridge.client_secrets import SecretStates
    from fedbridge.model.client_secret import SecretState
    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.logout import UserPool
    from fedbridge.ports import Clock, Telemetry

DAY = 86_400

WARN = 30
"""Days before an IdP's client secret expires, from which on that is told as a warning."""

TURN = KNOWN + 60.0
"""Seconds that a rotation takes until Cognito has the new secret. With less time left none is begun."""


class StoredRevision(Protocol):
    """One version of a connection, as it is stored."""

    @property
    def document(self) -> bytes:
        """The connection's document."""


class StoredConnection(Protocol):
    """A connection as it is stored."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def current(self) -> StoredRevision:
        """What sign-ins begin with."""

    @property
    def disabled(self) -> bool:
        """Whether every sign-in is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretTurns:
    """What it works with. `connections` reads all that are published; `rotation` is that of a relying party in its pool."""

    connections: Callable[[Deadline], Iterable[StoredConnection]]
    states: SecretStates
    rotation: Callable[[str, str, UserPool], SecretRotation]
    telemetry: Telemetry
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    connection: str
    party: RelyingParty
    pool: UserPool
    state: SecretState

    @property
    def under_way(self) -> bool:
        """Whether a rotation was begun and has not come to its end."""
        return self.state.next is not None or (
            self.state.current is not None and self.state.published_at is None
        )

    def due(self, now: float) -> bool:
        """Whether the secret is as old as it may become; one that the bridge did not make is."""
        managed = self.party.managed_secret
        every = None if managed is None else managed.rotate_every
        return every is not None and now >= (self.state.rotated_at or 0) + every


def take_turns(services: SecretTurns, deadline: Deadline) -> int:
    """Go on with every rotation that is under way, then begin those that are due, one after the other while there is time.

    What is not reached has its turn in the next run. Returns how many failed: each is told to telemetry
    (`client_secret_failed`) and stops no other. Raises what reading the table raises.
    """
    failures = 0
    turns: list[_Turn] = []
    for stored in services.connections(deadline):
        if stored.disabled:
            continue
        try:
            connection = decode(stored.current.document)
            turns += _turns(services, connection, deadline)
        except Exception as failure:  # noqa: BLE001  a state that is damaged stops no other either
            failures += _failed(services, failure, stored.name, None, deadline)
        else:
            _tell_expiry(services, connection, deadline)
    now = services.clock()
    for turn in (
        *(each for each in turns if each.under_way),
        *(each for each in turns if not each.under_way),
    ):
        if not turn.under_way and not (turn.due(now) and deadline.remaining() > TURN):
            continue
        try:
            _take(services, turn, deadline)
        except Exception as failure:  # noqa: BLE001  whatever it is, the others go on
            failures += _failed(services, failure, turn.connection, turn.party.client_id, deadline)
    return failures


def _turns(services: SecretTurns, connection: Connection, deadline: Deadline) -> Iterator[_Turn]:
    for party in connection.relying_parties:
        if party.managed_secret is None or party.user_pool is None:
            continue
        stored = services.states.read(connection.name, party.client_id, deadline)
        state = reconciled(None if stored is None else stored.state, party)
        yield _Turn(connection=connection.name, party=party, pool=party.user_pool, state=state)


def _take(services: SecretTurns, turn: _Turn, deadline: Deadline) -> None:
    rotation = services.rotation(turn.connection, turn.party.client_id, turn.pool)
    patience = max(0.0, min(TURN, deadline.remaining() - TURN / 2))
    left = rotation.run(patience=patience, begin=not turn.under_way)
    services.telemetry.event(
        "client_secret_moved",
        connection=turn.connection,
        client_id=turn.party.client_id,
        step=left.action,
        correlation_id=deadline.correlation_id,
    )


def _tell_expiry(services: SecretTurns, connection: Connection, deadline: Deadline) -> None:
    """Tell how many days the secret that the IdP gave is still good for, if somebody has written that down."""
    expires_at = connection.client_authentication.secret_expires_at
    if expires_at is None:
        return
    days = round((expires_at - services.clock()) / DAY, 2)
    told: dict[str, Any] = {
        "connection": connection.name,
        "due_days": days,
        "correlation_id": deadline.correlation_id,
    }
    services.telemetry.event("upstream_secret_checked", **told)
    if days < WARN:
        services.telemetry.event("upstream_secret_expiring", **told)


def _failed(
    services: SecretTurns, failure: Exception, connection: str, client_id: str | None, deadline: Deadline
) -> int:
    """Tell the reason of an expected failure, and what kind any other one is; the message of neither."""
    expected = isinstance(failure, FedbridgeError)
    services.telemetry.event(
        "client_secret_failed",
        connection=connection,
        client_id=client_id,
        reason=failure.reason if isinstance(failure, FedbridgeError) else FedbridgeError.reason,
        exception=None if expected else type(failure).__name__,
        correlation_id=deadline.correlation_id,
    )
    return 1
