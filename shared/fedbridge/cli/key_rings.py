"""Key rings where connections are published: their policies written, their first keys made or taken over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cryptography.x509 import load_der_x509_certificate

from fedbridge.aws import sdk_client
from fedbridge.cli.connections.loading import BUDGET, Quiet
from fedbridge.configuration.rings import BESIDE, certificate_at, filled, references_at, rings_in
from fedbridge.errors import ConfigurationError
from fedbridge.flows.ring_publication import Rotation, note, users_of
from fedbridge.flows.rotation import RING_BUDGET, move, read, stage
from fedbridge.keys.pem import certificates_der
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import DECRYPTION, KeyRing, RingKey, RingState, StoredRing, staged
from fedbridge.operations import rotation
from fedbridge.publishing import publishable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedbridge.configuration.file import Declared
    from fedbridge.model.connection import Connection
    from fedbridge.ports import Keys, Secrets

NO_ENVIRONMENT = "--environment: is missing: keys are named and tagged by the stack's parameter Environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class RingDesk:
    """What commands need of rings. `environment` is None where none was given: then no key can be made."""

    services: Rotation = field(repr=False)
    keys: Keys = field(repr=False)
    secrets: Secrets = field(repr=False)
    environment: str | None

    def fill(self, connections: Mapping[str, Connection]) -> dict[str, Connection]:
        """Return the connections with what their rings hold now; raises ConfigurationError for one without a key."""
        states = {name: self.state(name) for each in connections.values() for name in _named(each)}
        missing = sorted(name for name, state in states.items() if state is None or state.active is None)
        if missing:
            raise ConfigurationError(
                problems=tuple(
                    f"ring:{name}: has no key yet: fedbridge keys init makes it, and so does connections apply"
                    for name in missing
                )
            )
        known = {name: state for name, state in states.items() if state is not None}
        return {name: filled(each, known) for name, each in connections.items()}

    def state(self, ring: str) -> RingState | None:
        """Return the state of a ring, None where there is none."""
        stored = self.services.rings.get(ring, Deadline.after(BUDGET))
        return None if stored is None else stored.state

    def prepare(
        self, declared: Declared, published: Callable[[str], Connection | None], say: Callable[[str], None]
    ) -> None:
        """Write the policies of all rings, and give each that has no key its first one.

        Where a connection is published that has a key in the ring's place, that one is taken over: nobody knows another.
        Raises ConfigurationError, KeyUnavailable, StoreError.
        """
        places = {
            name: (each, path)
            for each in declared.connections.values()
            for path, names in rings_in(each).items()
            for name in names
        }
        users = users_of(self.services, Deadline.after(BUDGET)) if places else {}
        for name, (connection, _) in places.items():
            if name in users and users[name].stored.name != connection.name:
                raise ConfigurationError(
                    f"key_rings: {name}: fills {users[name].stored.name} in this table, which another file may have published:"
                    f" a ring is for one connection, so call that of {connection.name} by another name"
                )
        for name, policy in declared.key_rings.items():
            ring = self._declare(name, policy, say)
            if ring.state.of("next", "active"):
                continue
            adopted = None
            if name in places:
                connection, path = places[name]
                before = published(connection.name)
                adopted = None if before is None else self._present(before, connection, path, name, policy)
            self._first_key(ring, adopted, say)

    def settled(self, connection: Connection) -> None:
        """Note that the connection is published with what its rings hold, unless one has moved on meanwhile."""
        deadline = Deadline.after(BUDGET)
        rings = {name: read(self.services, name, deadline) for name in _named(connection)}
        if filled(connection, {name: ring.state for name, ring in rings.items()}) == connection:
            for ring in rings.values():
                note(self.services, ring, deadline)

    def _declare(self, name: str, policy: KeyRing, say: Callable[[str], None]) -> StoredRing:
        deadline = Deadline.after(BUDGET)
        stored = self.services.rings.get(name, deadline)
        if stored is None:
            return self.services.rings.put(
                StoredRing(name=name, policy=policy, state=RingState(), revision=0), deadline
            )
        if stored.policy == policy:
            return stored
        if stored.policy.use != policy.use:
            raise ConfigurationError(
                f"key_rings: {name}.use: the ring has keys for {stored.policy.use}: call another one by another name"
            )
        say(f"ring:{name}: its policy changes; the next key is the first that is made by it")
        return self.services.rings.put(replace(stored, policy=policy), deadline)

    def _first_key(self, ring: StoredRing, adopted: RingKey | None, say: Callable[[str], None]) -> None:
        deadline = Deadline.after(RING_BUDGET)
        if adopted is not None:
            state = staged(ring.policy, ring.state, adopted)
            move(self.services, ring, state, deadline, step="stage", kid=adopted.kid)
            say(f"ring:{ring.name}: begins with the key that is there, {adopted.kid}")
            return
        if self.environment is None:
            raise ConfigurationError(NO_ENVIRONMENT)
        made = stage(self.services, ring, deadline).state.keys[-1]
        say(f"ring:{ring.name}: has its first key, {made.kid} ({made.reference})")

    def _present(
        self, before: Connection, connection: Connection, path: str, ring: str, policy: KeyRing
    ) -> RingKey | None:
        """Return the key that is published in the ring's place, None where there is none.

        So it is where another ring fills that place, or this one did whose state is gone: providers know that key. Raises
        ConfigurationError where it could be another one, in the middle of a rotation.
        """
        references = references_at(before, path)
        names, held = rings_in(connection)[path], before.rings.get(path, ())
        if not references or (held and {*held} < {*names}):
            return None  # Nothing is there, or what is there stays: this ring comes beside it.
        parent = path.rpartition(".")[0]
        beside = [field for field in BESIDE.get(path, ()) if references_at(before, f"{parent}.{field}")]
        if beside or len(references) != len(names):
            raise ConfigurationError(
                f"{before.name}: {path}: a rotation {'of another ring' if held else 'by hand'} is under way"
                f" ({', '.join(beside) or path}): finish it, then let ring:{ring} take over"
            )
        reference = references[names.index(ring)]
        deadline = Deadline.after(BUDGET)
        key = (
            self.keys.decrypter(reference, deadline)
            if policy.use in DECRYPTION
            else self.keys.signer(reference, None, deadline)
        )
        certificate = certificate_at(before, path, reference)
        if policy.certified_for is not None and certificate is None:
            raise ConfigurationError(
                f"{before.name}: {path}: the key that is there has no certificate, which ring:{ring} needs"
            )
        return RingKey(
            kid=key.kid,
            reference=reference,
            created_at=int(self.services.clock()),
            certificate=certificate,
            made=False,
            not_after=None if certificate is None else self._ends(certificate, deadline),
        )

    def _ends(self, certificate: str, deadline: Deadline) -> int:
        der = certificates_der(self.secrets.get(certificate, deadline), certificate)[0]
        return int(load_der_x509_certificate(der).not_valid_after_utc.timestamp())


def open_rings(table: str, environment: str | None, *, keys: Keys, secrets: Secrets) -> RingDesk:
    """Return the rings of a table."""
    services = replace(
        rotation(table, environment or "", sdk_client, Quiet()),
        publishable=lambda connection: publishable(connection, keys, secrets),
    )
    return RingDesk(services=services, keys=keys, secrets=secrets, environment=environment)


def _named(connection: Connection) -> frozenset[str]:
    return frozenset(name for names in rings_in(connection).values() for name in names)
