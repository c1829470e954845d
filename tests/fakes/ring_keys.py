"""A `KeyMaker` without keys, and published connections without a table."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fedbridge.errors import ConfigurationError
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import KeyRing, RingKey
from fedbridge.model.snapshot import Snapshot


@dataclass
class FakeKeyMaker:
    """Makes keys that are names. What is made stays: with `finds` it is found again, as in Secrets Manager, else not."""

    finds: bool = True
    made: dict[str, RingKey] = field(default_factory=dict)
    disabled: list[str] = field(default_factory=list)

    def make(
        self, ring: str, policy: KeyRing, serial: int, *, again: bool, now: float, deadline: Deadline
    ) -> RingKey | None:
        name = f"{ring}-{serial}"
        if again and not self.finds:
            return None
        if name in self.made:
            return self.made[name] if again else None
        lifetime = policy.certified_for
        self.made[name] = RingKey(
            kid=f"kid-{name}",
            reference=f"secretsmanager:fedbridge/test/{name}",
            certificate=None if lifetime is None else f"secretsmanager:fedbridge/test/{name}#certificate",
            not_after=None if lifetime is None else int(now) + lifetime,
            created_at=int(now),
        )
        return self.made[name]

    def disable(self, key: RingKey, deadline: Deadline) -> bool:
        self.disabled.append(key.kid)
        return True


@dataclass(frozen=True)
class FakeRevision:
    version: str
    document: bytes
    published_at: int | None
    snapshot: Snapshot | None = None


@dataclass(frozen=True)
class FakeStored:
    name: str
    current: FakeRevision


@dataclass
class FakePublished:
    """Connections by name; `versions` are those that were ever current, in order."""

    clock: object
    items: dict[str, FakeStored] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)

    def all(self, deadline: Deadline) -> Iterator[FakeStored]:
        yield from list(self.items.values())

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
        known = self.items.get(name)
        if known is not None and known.current.version == version:
            return False
        if replacing is not None and (known is None or known.current.version != replacing):
            raise ConfigurationError(f"{name}: somebody else has published it meanwhile")
        now = int(self.clock())  # type: ignore[operator]
        self.items[name] = FakeStored(name, FakeRevision(version, document, now, snapshot))
        self.versions.append(version)
        return True

    def spoil(self, name: str) -> None:
        """Let the document be unreadable."""
        known = self.items[name]
        self.items[name] = replace(known, current=replace(known.current, document=b"junk"))
