"""What the triggers work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.trigger_event import TriggerEvent
    from fedbridge.ports import Telemetry, UserProfiles
    from fedbridge.triggers.configuration import Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """Adapters, and the pool that the functions are for."""

    pool_id: str
    configuration: Callable[[Deadline], Configuration]
    profiles: Callable[[], UserProfiles]
    new_password: Callable[[], str]
    telemetry: Telemetry

    def note(self, name: str, event: TriggerEvent, **fields: str | int | None) -> None:
        """Record an event about this sign-in."""
        correlation_id = event.deadline.correlation_id
        self.telemetry.event(name, correlation_id=correlation_id, trigger=event.source, **fields)
