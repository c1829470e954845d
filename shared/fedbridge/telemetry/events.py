"""The allow-list: which events exist, what they may say, and how their values are cleaned.

A value reaches a log line or a metric only through a field that is named here, so there is none for a code, a token,
a secret, a cookie or a claim. Standard library only: the core's fakes use it too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool | None

MAX_LENGTH = 200
"""Characters of a logged value."""

# A wrong type in a field is a programming error; bool is an int to Python, but never a status or a duration.
_TEXT, _COUNT, _MEASURE = (str,), (int,), (int, float)

FIELDS: Mapping[str, tuple[type, ...]] = {
    "calls": _TEXT,  # milliseconds by what was waited for: `store=9 token=118`
    "age_days": _MEASURE,  # of a ring's active key
    "certificate_days": _MEASURE,  # until its certificate ends
    "claims": _TEXT,  # names of mapped claims, as the configuration has them; never values
    "client_id": _TEXT,  # Cognito's client id at the bridge, which is no secret
    "connection": _TEXT,
    "correlation_id": _TEXT,
    "count": _COUNT,
    "due_days": _MEASURE,  # until a ring's active key has to give way, or an IdP's client secret expires
    "duration_ms": _MEASURE,
    "error": _TEXT,  # the OAuth error code that the caller is told
    "exception": _TEXT,  # the class, never the message
    "kid": _TEXT,
    "location": _TEXT,  # file:line
    "method": _TEXT,
    "phase": _TEXT,  # of the transaction, as it was found
    "provider": _TEXT,  # the name of an identity provider in the user pool, as the configuration has it
    "reason": _TEXT,
    "ring": _TEXT,
    "route": _TEXT,  # the path template
    "serial": _COUNT,  # of a ring's key, as its tags and its secret's name say it
    "step": _TEXT,  # of a key ring: stage, activate, remove, disable; what comes next, also for a client secret
    "status": _COUNT,  # the HTTP status that the caller gets
    "store_ms": _MEASURE,  # of it, waiting for the tables
    "trigger": _TEXT,  # what made Cognito call a trigger: PreSignUp_ExternalProvider, …
    "upstream_code": _TEXT,
    "upstream_endpoint": _TEXT,  # its kind: token, userinfo, jwks, …
    "upstream_ms": _MEASURE,  # of it, waiting for the identity provider
    "upstream_status": _COUNT,
}

_COMMON = frozenset({
    "calls", "client_id", "connection", "correlation_id", "duration_ms", "error", "method", "reason", "route", "status",
})  # fmt: skip
_UPSTREAM = frozenset({"upstream_code", "upstream_endpoint", "upstream_status"})
_RING = frozenset({"connection", "correlation_id", "kid", "reason", "ring"})
_FAULT = frozenset({"exception", "location"})
_TRIGGER = frozenset({"correlation_id", "provider", "reason", "trigger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A log line, and the metrics of it: `metric` counts it, `measured` says which metrics take which of its fields.

    Lines and metrics are paid for by every sign-in: what goes well is one line a request, the rest is DEBUG, and what is
    measured is counted by its samples. `by_reason` counts it for each `reason`, too, of which there are as many as the code has.
    """

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    metric: str | None
    fields: frozenset[str]
    measured: Mapping[str, str] = field(default_factory=dict)
    by_reason: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric of the event."""
        return (*([self.metric] if self.metric else []), *self.measured.values())


EVENTS: Mapping[str, Event] = {
    "sign_in_started": Event(level="INFO", metric="SignInStarted", fields=_COMMON),
    "sign_in_initiated": Event(level="INFO", metric="SignInInitiated", fields=_COMMON),
    "sign_in_authorized": Event(
        level="INFO",
        metric=None,
        fields=_COMMON | {"store_ms", "upstream_ms"},
        measured={"upstream_ms": "UpstreamDuration", "store_ms": "StoreDuration"},
    ),
    "sign_in_redeemed": Event(level="INFO", metric="SignInRedeemed", fields=_COMMON | {"kid"}),
    "userinfo_read": Event(level="INFO", metric=None, fields=_COMMON),
    "sign_in_failed": Event(
        level="WARNING", metric="SignInFailed", fields=_COMMON | _UPSTREAM | {"kid"}, by_reason=True
    ),
    "request_refused": Event(level="WARNING", metric="RequestRefused", fields=_COMMON),
    "request_failed": Event(level="WARNING", metric="RequestFailed", fields=_COMMON | _UPSTREAM),
    "token_refused": Event(level="WARNING", metric="TokenRefused", fields=_COMMON),
    "store_failed": Event(level="WARNING", metric="StoreFailed", fields=_COMMON),
    "code_replayed": Event(level="WARNING", metric="CodeReplayed", fields=_COMMON),
    "callback_repeated": Event(level="INFO", metric="CallbackRepeated", fields=_COMMON | {"phase"}),
    "jwks_refetched": Event(level="INFO", metric="JwksRefetched", fields=_COMMON | _UPSTREAM | {"kid"}),
    "connection_stale": Event(level="WARNING", metric="ConnectionStale", fields=_COMMON),
    "claims_dropped": Event(level="WARNING", metric="ClaimsDropped", fields=_COMMON | {"claims"}),
    "metadata_stale": Event(level="WARNING", metric="MetadataStale", fields=_COMMON | _UPSTREAM),
    "keys_stale": Event(level="WARNING", metric="KeysStale", fields=_COMMON | _UPSTREAM | {"kid"}),
    "snapshot_taken": Event(level="INFO", metric=None, fields=_COMMON),
    "snapshot_not_taken": Event(
        level="WARNING", metric="SnapshotNotTaken", fields=_COMMON | _UPSTREAM | {"exception"}
    ),
    "upstream_call": Event(level="DEBUG", metric=None, fields=_COMMON | _UPSTREAM),
    "upstream_failed": Event(level="WARNING", metric="UpstreamFailed", fields=_COMMON | _UPSTREAM),
    "sign_out_started": Event(level="INFO", metric="SignOutStarted", fields=_COMMON),
    "sign_out_ended": Event(level="INFO", metric=None, fields=_COMMON),
    "sign_out_failed": Event(level="WARNING", metric="SignOutFailed", fields=_COMMON | _UPSTREAM),
    "session_not_kept": Event(level="WARNING", metric="SessionNotKept", fields=_COMMON),
    "sessions_ended": Event(level="INFO", metric="SessionsEnded", fields=_COMMON),
    "logout_ignored": Event(level="INFO", metric=None, fields=_COMMON),
    "tokens_not_revoked": Event(level="WARNING", metric="TokensNotRevoked", fields=_COMMON | _UPSTREAM),
    "profile_linked": Event(level="INFO", metric="ProfileLinked", fields=_TRIGGER),
    "profile_not_linked": Event(level="INFO", metric=None, fields=_TRIGGER),
    "groups_dropped": Event(level="WARNING", metric="GroupsDropped", fields=_TRIGGER | {"count"}),
    "trigger_refused": Event(level="WARNING", metric="TriggerRefused", fields=_TRIGGER),
    "trigger_failed": Event(level="WARNING", metric="TriggerFailed", fields=_TRIGGER),
    "key_ring_checked": Event(
        level="INFO",
        metric=None,
        fields=_RING | {"age_days", "certificate_days", "step"},
        measured={"age_days": "KeyAge", "certificate_days": "CertificateDaysLeft"},
    ),
    "key_ring_moved": Event(level="INFO", metric="KeyRingMoved", fields=_RING | {"step"}),
    "connection_republished": Event(level="INFO", metric=None, fields=_COMMON),
    "key_awaits_confirmation": Event(
        level="WARNING", metric="KeyAwaitsConfirmation", fields=_RING | {"due_days"}
    ),
    "key_rotation_overdue": Event(level="WARNING", metric="KeyRotationOverdue", fields=_RING),
    "key_ring_failed": Event(level="WARNING", metric="KeyRingFailed", fields=_RING | {"exception"}),
    "key_lost": Event(level="WARNING", metric="KeyLost", fields=_RING | {"serial"}),
    "client_secret_moved": Event(level="INFO", metric="ClientSecretMoved", fields=_COMMON | {"step"}),
    "client_secret_failed": Event(
        level="WARNING", metric="ClientSecretFailed", fields=_COMMON | {"exception"}
    ),
    "upstream_secret_checked": Event(
        level="INFO",
        metric=None,
        fields=_COMMON | {"due_days"},
        measured={"due_days": "UpstreamSecretDaysLeft"},
    ),
    "upstream_secret_expiring": Event(
        level="WARNING", metric="UpstreamSecretExpiring", fields=_COMMON | {"due_days"}
    ),
    "internal_error": Event(level="ERROR", metric="InternalError", fields=_COMMON | _FAULT | {"trigger"}),
    "configuration_error": Event(
        level="ERROR", metric="ConfigurationError", fields=_COMMON | _FAULT | {"kid", "trigger"}
    ),
}

# Escape sequences as terminals read them (ECMA-48 §5.3, §5.4): CSI … final byte, OSC … terminator, and two-byte ones.
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\x9b[0-?]*[ -/]*[@-~]"
)


def check(name: str, fields: Mapping[str, Value]) -> tuple[Event, dict[str, str | int | float | bool]]:
    """Return the event and its cleaned fields, without those that are None.

    Raises TypeError on a name, a field or a type that the registry does not know: what is not planned is not logged.
    """
    event = EVENTS.get(name)
    if event is None:
        raise TypeError(f"no event is named {name!r}")
    cleaned: dict[str, str | int | float | bool] = {}
    for key, value in fields.items():
        if key not in event.fields:
            raise TypeError(f"the event {name} has no field {key!r}")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, FIELDS[key]):
            raise TypeError(f"the field {key} of {name} does not take {type(value).__name__}")
        cleaned[key] = clean(value) if isinstance(value, str) else value
    return event, cleaned


def clean(text: str) -> str:
    """Return one line of printable text, at most 200 characters.

    Escape sequences, control and format characters (CR, LF, bidirectional overrides, lone surrogates …) are removed.
    """
    if len(text) <= MAX_LENGTH and text.isprintable():
        return text
    # Cut first, generously: a megabyte is not to be searched for what would be cut off anyway.
    visible = _ESCAPE_SEQUENCE.sub("", text[: 4 * MAX_LENGTH])
    return "".join(filter(str.isprintable, visible))[:MAX_LENGTH]
