"""`Telemetry` that remembers."""

from dataclasses import dataclass, field

Value = str | int | float | bool | None


@dataclass
class RecordingTelemetry:
    """Keeps every event as (name, fields)."""

    events: list[tuple[str, dict[str, Value]]] = field(default_factory=list)

    def event(self, name: str, **fields: Value) -> None:
        self.events.append((name, dict(fields)))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def fields(self, name: str) -> dict[str, Value]:
        """Return the fields of the only event of this name."""
        (found,) = [fields for event, fields in self.events if event == name]
        return found
