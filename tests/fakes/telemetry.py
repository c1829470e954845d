"""`Telemetry` for tests: both hold their callers to the registry of events, as the real one does.

What is said to them would be a log line, so both look for canaries in it.
"""

from dataclasses import dataclass, field

from fedbridge.telemetry.events import Value, check
from tests.support.canaries import observe_line


class NullTelemetry:
    """Forgets every event."""

    def event(self, name: str, **fields: Value) -> None:
        _, cleaned = check(name, fields)
        observe_line(cleaned, f"the event {name}")


@dataclass
class RecordingTelemetry:
    """Keeps every event as (name, fields), without the fields that have no value, as a log line does."""

    events: list[tuple[str, dict[str, Value]]] = field(default_factory=list)

    def event(self, name: str, **fields: Value) -> None:
        _, cleaned = check(name, fields)
        observe_line(cleaned, f"the event {name}")
        self.events.append((name, {field: value for field, value in fields.items() if value is not None}))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def fields(self, name: str) -> dict[str, Value]:
        """Return the fields of the only event of this name."""
        (found,) = [fields for event, fields in self.events if event == name]
        return found
