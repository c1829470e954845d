"""The way in for a trigger of a Cognito user pool: from its event to what Cognito takes back, or an error that it shows.

Cognito tells the app what the function's error says (`PreSignUp failed with error …`), so what leaves here is a short
fixed text and the reference, and nothing else of any exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError, FedbridgeError, TriggerRefused
from fedbridge.model.deadline import Deadline
from fedbridge.model.trigger_event import TriggerEvent
from fedbridge.net.edge import place
from fedbridge.net.events import new_correlation_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.ports import Telemetry

Flow = Callable[[TriggerEvent], dict[str, Any] | None]

BUDGET = 4.0
"""Seconds. Cognito waits for 5, then asks again, three times in all."""

MARGIN = 0.5
"""Seconds that stay for the answer when Lambda says how long it has left."""

FAILED = "The sign-in could not be completed."


class SignInRefused(Exception):
    """What Cognito shows. It is raised without a cause, and its text is the whole of it."""


def serve_trigger(
    event: Any,
    context: Any,
    *,
    flow: Flow,
    pool_id: str,
    telemetry: Telemetry,
    budget: float = BUDGET,
) -> dict[str, Any]:
    """Return the event with the flow's response, or as it came; raises SignInRefused.

    Every failure is recorded once, here. An event of another pool than `pool_id` is refused. `budget` is in seconds.
    """
    correlation_id = new_correlation_id()
    deadline = Deadline.after(min(budget, _time_left(context)), correlation_id=correlation_id)
    source = event.get("triggerSource") if isinstance(event, dict) else None
    known: dict[str, str | None] = {
        "correlation_id": correlation_id,
        "trigger": source if isinstance(source, str) else None,
    }
    try:
        response = flow(_read(event, pool_id, deadline))
    except Exception as error:  # noqa: BLE001  the boundary: the platform would log the message, Cognito show it
        text = _record(telemetry, error, known)
    else:
        return event if response is None else {**event, "response": response}
    raise SignInRefused(f"{text} (ref {correlation_id})")


def _read(event: Any, pool_id: str, deadline: Deadline) -> TriggerEvent:
    """Return the event; raises TriggerRefused where it is not of a trigger, or of another pool's."""
    request = event.get("request") if isinstance(event, dict) else None
    attributes = request.get("userAttributes") if isinstance(request, dict) else None
    names = ("triggerSource", "version", "userPoolId")
    if not isinstance(request, dict) or not all(isinstance(event.get(name), str) for name in names):
        raise TriggerRefused("trigger_event_malformed")
    if event["userPoolId"] != pool_id:
        raise TriggerRefused("trigger_pool_mismatch")
    username = event.get("userName")
    return TriggerEvent(
        source=event["triggerSource"],
        version=event["version"],
        pool_id=event["userPoolId"],
        username=username if isinstance(username, str) else "",
        attributes=attributes if isinstance(attributes, dict) else {},
        request=request,
        deadline=deadline,
    )


def _record(telemetry: Telemetry, error: Exception, known: Mapping[str, str | None]) -> str:
    """Record the failure and return what the app is told."""
    reason = error.reason if isinstance(error, FedbridgeError) else FedbridgeError.reason
    match error:
        case TriggerRefused():
            telemetry.event("trigger_refused", **known, reason=reason)
            return error.text
        case ConfigurationError():
            telemetry.event("configuration_error", **known, reason=reason, **place(error))
        case FedbridgeError():
            telemetry.event("trigger_failed", **known, reason=reason)
        case _:
            telemetry.event("internal_error", **known, reason=reason, **place(error))
    return FAILED


def _time_left(context: Any) -> float:
    ask = getattr(context, "get_remaining_time_in_millis", None)
    left = ask() if callable(ask) else None
    return left / 1000 - MARGIN if isinstance(left, (int, float)) else float("inf")
