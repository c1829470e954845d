"""Replaces the client secret that a Cognito user pool has, without a failed sign-in and without storing it.

Two hashes are accepted while the new secret spreads; what is done when is decided by `fedbridge.model.client_secret`, and each
step is noted before and after it is taken. So a run may end anywhere, and the next one, whoever starts it, goes on or begins
anew with another secret.
"""

from __future__ import annotations

import secrets as randomness
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fedbridge.configuration.document import decode, encode, version_of
from fedbridge.errors import ConfigurationError, UserPoolError
from fedbridge.model import client_secret as steps
from fedbridge.model.client_secret import (
    SETTLED,
    ProviderClient,
    SecretState,
    SecretStep,
    StoredSecret,
    upcoming,
)
from fedbridge.model.deadline import Deadline
from fedbridge.op.client_authentication import secret_hash

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.logout import UserPool
    from fedbridge.ports import Clock
    from fedbridge.store.connections_dynamodb import ConnectionPublisher, PublishedItem

BUDGET = 60.0
"""Seconds for one call of AWS, all tries included: Cognito reads the bridge's discovery document before it answers."""

NEVER_ARRIVED = frozenset({"user_pool_access_denied", "user_pool_missing", "user_pool_rejected"})
"""Reasons for which Cognito cannot have taken what it was given."""


class ProviderClients(Protocol):
    """Identity providers of user pools. Raises UserPoolError, DeadlineExceeded."""

    def read(self, pool: UserPool, deadline: Deadline) -> ProviderClient:
        """Return what the pool has now; it may be a moment old."""

    def give(self, pool: UserPool, secret: str, deadline: Deadline) -> None:
        """Let Cognito authenticate with this secret, and change nothing else."""


class SecretStates(Protocol):
    """Where states are kept. Raises StoreError."""

    def read(self, connection: str, client_id: str, deadline: Deadline) -> StoredSecret | None:
        """Return the state by a strongly consistent read, None where there is none."""

    def write(
        self, connection: str, client_id: str, state: SecretState, revision: int, deadline: Deadline
    ) -> StoredSecret:
        """Store the state if `revision` is still that of the stored one; raises ConfigurationError where it is not."""


def new_client_secret() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return randomness.token_urlsafe(32)


@dataclass(frozen=True, kw_only=True)
class SecretRotation:
    """The rotation of one relying party's secret. `tell` hears what is done, `prove` tries a secret at the bridge itself.

    `clock` and `sleep` are in seconds. Errors are those of the ports, and ConfigurationError for what only people can mend.
    """

    connection: str
    client_id: str
    pool: UserPool
    states: SecretStates
    publisher: ConnectionPublisher
    clients: ProviderClients
    draw: Callable[[], str] = new_client_secret
    tell: Callable[[str], None] = lambda _text: None
    prove: Callable[[str, str, str], None] = lambda _token_url, _client_id, _secret: None
    clock: Clock = time.time
    sleep: Callable[[float], None] = time.sleep

    def run(self, *, patience: float, begin: bool = True) -> SecretStep:
        """Go on with the rotation that is under way, or begin one; return the step that is left, `rest` when all is done.

        It waits for at most `patience` seconds in all.
        """
        held: str | None = None
        wanted = begin and self._next(self._stored(), held).action == "rest"
        while True:
            stored = self._stored()
            step = self._next(stored, held)
            if step.action == "rest" and not wanted:
                return step
            if step.action == "rest":
                step = self._once_settled(SecretStep(action="draw"), stored.state)
            elif step.action == "draw" and held is not None:
                raise ConfigurationError(
                    f"{self.connection}: another run began anew while this one waited: leave it to that one"
                )
            if (wait := step.at - self.clock()) > 0:
                if wait > patience:
                    return step
                patience -= wait
                self.tell(f"{_WAITING.get(step.action, 'Waiting')}: {wait:.0f} seconds")
                self.sleep(wait)
                continue  # The world has gone on meanwhile.
            wanted = False
            held = self._take(step, stored, held)

    def _next(self, stored: StoredSecret, held: str | None) -> SecretStep:
        step = upcoming(stored.state, held=None if held is None else secret_hash(held))
        return self._once_settled(step, stored.state) if step.action in {"draw", "publish"} else step

    def _once_settled(self, step: SecretStep, state: SecretState) -> SecretStep:
        """Return the step, not before sign-ins that began on the version before the current one are over.

        Where Cognito may have a secret that is not accepted, there is nobody whom waiting would help.
        """
        current = self._item().current
        accepted = relying_party(decode(current.document), self.client_id).secret_hashes
        if state.sending_at is not None or (state.current is not None and state.current not in accepted):
            return step
        return replace(step, at=max(step.at, (current.published_at or 0) + SETTLED))

    def _take(self, step: SecretStep, stored: StoredSecret, held: str | None) -> str | None:
        """Take one step; return the secret that is held after it."""
        match step.action:
            case "draw":
                self._read_client()  # What is wrong with it is found before anything is changed.
                drawn = self.draw()
                self._write(stored, steps.drawn(stored.state, secret_hash(drawn)))
                self.tell("A new secret was drawn.")
                return drawn
            case "publish":
                self._publish(stored)
            case "send" if held is not None:
                self._send(stored, held)
                return None
            case "look":
                self._look(stored)
            case "finish":
                self._finish(stored)
        return held

    def _publish(self, stored: StoredSecret) -> None:
        """Let the bridge accept the hashes of the state and no others."""
        item = self._item()
        connection = with_hashes(decode(item.current.document), {self.client_id: stored.state.hashes})
        self.publisher.publish(
            self.connection,
            encode(connection),
            version_of(connection),
            self._deadline(),
            snapshot=item.current.snapshot,
            replacing=item.current.version,
        )
        self._write(stored, steps.published(stored.state, self.clock()))
        both = "both secrets" if stored.state.next else "the new secret alone"
        self.tell(f"Published: the bridge accepts {both} within a minute.")

    def _send(self, stored: StoredSecret, secret: str) -> None:
        """Give the secret to Cognito, once it is noted that this is about to happen."""
        told = self._read_client()
        self.prove(told.token_url, told.client_id, secret)
        noted = self._write(stored, steps.sending(stored.state, self.clock()))
        if self.clock() - (noted.state.sending_at or 0) > steps.SENDING:
            raise ConfigurationError("this run was stopped for too long: run it again")
        try:
            self.clients.give(self.pool, secret, self._deadline())
        except UserPoolError as failure:
            if failure.reason in NEVER_ARRIVED:
                self._write(noted, steps.unsent(noted.state))
            raise
        self._write(noted, steps.sent(noted.state, self.clock()))
        self.tell("Cognito has the new secret; it takes about a minute to spread.")

    def _look(self, stored: StoredSecret) -> None:
        """Find out whether Cognito got the secret of a run that did not live to tell."""
        if secret_hash(self._read_client().secret) == stored.state.next:
            self._write(stored, steps.sent(stored.state, self.clock()))
            self.tell("Cognito has the new secret.")
        else:
            self._write(stored, steps.unsent(stored.state))
            self.tell("Cognito never got the new secret.")

    def _finish(self, stored: StoredSecret) -> None:
        """Forget the former secret, unless somebody has given it to Cognito again."""
        if secret_hash(self._read_client().secret) != stored.state.next:
            self._write(stored, steps.unsent(stored.state))
            raise ConfigurationError(
                f"{self.pool.identity_provider} has another secret than it was given: nothing is forgotten; run it again"
            )
        self._write(stored, steps.finished(stored.state, self.clock()))
        self.tell("All of Cognito has the new secret.")

    def _stored(self) -> StoredSecret:
        """Return the state, corrected by what is published: somebody may have applied or restored other hashes."""
        stored = self.states.read(self.connection, self.client_id, self._deadline())
        item = self._item()
        party = relying_party(decode(item.current.document), self.client_id)
        state = reconciled(None if stored is None else stored.state, party)
        return StoredSecret(state=state, revision=0 if stored is None else stored.revision)

    def _write(self, stored: StoredSecret, state: SecretState) -> StoredSecret:
        return self.states.write(self.connection, self.client_id, state, stored.revision, self._deadline())

    def _item(self) -> PublishedItem:
        item = self.publisher.read(self.connection, self._deadline())
        if item is None:
            raise ConfigurationError(f"{self.connection}: is not published: `fedbridge connections apply`")
        return item

    def _read_client(self) -> ProviderClient:
        """Return what Cognito has, if it is this relying party of this connection."""
        told, name = self.clients.read(self.pool, self._deadline()), self.pool.identity_provider
        if told.client_id != self.client_id or not told.token_url.endswith(f"/{self.connection}/token"):
            raise ConfigurationError(
                f"{name} of {self.pool.id} is client {told.client_id} at {told.token_url}: not this relying party"
            )
        return told

    @staticmethod
    def _deadline() -> Deadline:
        return Deadline.after(BUDGET)


_WAITING: Mapping[str, str] = {
    "draw": "Waiting until sign-ins of the version before are over",
    "publish": "Waiting until sign-ins of the version before are over",
    "send": "Waiting until every function accepts it",
    "look": "Waiting until Cognito shows which secret it has",
    "finish": "Waiting until all of Cognito has it",
}


def reconciled(state: SecretState | None, party: RelyingParty) -> SecretState:
    """Return the state that goes with what is published of the relying party.

    Without a state, or where the operator has written other hashes into connections.yaml since, it begins with what is
    published; of two, Cognito may have either. Hashes that are needed and gone are published again.
    """
    accepted = set(party.secret_hashes)
    if state is not None and (
        set(state.hashes) == accepted or (pending(state) and set(state.hashes) <= accepted)
    ):
        return state
    if state is not None and (state.next is not None or party.managed_secret is not None):
        return replace(state, published_at=None)
    current, later = (*party.secret_hashes, None, None)[:2]
    return SecretState(current=current, next=later, published_at=0, sending_at=None if later is None else 0)


def pending(state: SecretState) -> bool:
    """Whether the former secret is only still accepted because that is not published yet."""
    return state.next is None and state.current is not None and state.published_at is None


def relying_party(connection: Connection, client_id: str) -> RelyingParty:
    """Return the relying party; raises ConfigurationError that names those that there are."""
    found = connection.relying_party(client_id)
    if found is None:
        known = ", ".join(party.client_id for party in connection.relying_parties)
        raise ConfigurationError(f"{connection.name}: has no relying party {client_id}; there are {known}")
    return found


def with_hashes(connection: Connection, hashes: Mapping[str, tuple[str, ...]]) -> Connection:
    """Return the connection with the `secret_hashes` of some relying parties, by client id."""
    parties = tuple(
        replace(party, secret_hashes=hashes[party.client_id]) if party.client_id in hashes else party
        for party in connection.relying_parties
    )
    return replace(connection, relying_parties=parties)


def with_managed_secrets(
    connection: Connection, published: Connection | None, states: SecretStates, deadline: Deadline
) -> Connection:
    """Return a connection of the file as it is published: managed secrets as they stand, whatever the file was last time.

    `published` is what is there now. Nothing is written. Raises StoreError.
    """
    hashes: dict[str, tuple[str, ...]] = {}
    for party in connection.relying_parties:
        if party.managed_secret is None:
            continue
        stored = states.read(connection.name, party.client_id, deadline)
        there = published.relying_party(party.client_id) if published is not None else None
        if there is not None and (stored is None or there.managed_secret is None):
            hashes[party.client_id] = reconciled(stored.state if stored else None, there).hashes
        else:
            hashes[party.client_id] = stored.state.hashes if stored else ()
    return with_hashes(connection, hashes)
