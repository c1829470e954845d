"""`Telemetry` for tests: both hold their callers to the registry of events, as the real one does."""

from dataclasses import dataclass, field

from fedbridge.telemetry.events import Value, check


class NullTelemetry:
    """Forgets every event."""

    def event(self, name: str, **fields: Value) -> None:
        check(name, fields)


@dataclass
class RecordingTelemetry:
    """Keeps every event as (name, fields), the fields as they were given."""

    events: list[tuple[str, dict[str, Value]]] = field(default_factory=list)

    def event(self, name: str, **fields: Value) -> None:
        check(name, fields)
        self.events.append((name, dict(fields)))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def fields(self, name: str) -> dict[str, Value]:
        """Return the fields of the only event of this name."""
        (found,) = [fields for event, fields in self.events if event == name]
        return found
