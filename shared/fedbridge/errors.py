"""The exception tree. Every class carries the facts that the edges need, so that nothing is decided by text.

FedbridgeError
├── ConfigurationError           the operator's file, environment or keys are wrong
├── RequestRefused               the caller's fault and no redirect may be made: an error page or a plain status
│   ├── UnknownConnection        404
│   ├── MethodNotAllowed         405
│   └── PayloadTooLarge          413
├── OAuthError                   an answer in the caller's protocol (RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3.1)
├── UpstreamError                the identity provider, or the way to it, failed the sign-in
│   └── IssuerMismatch           who answered is not the identity provider that was asked: no redirect
├── StoreError                   the transaction store or the connection registry
│   ├── StoreUnavailable         nothing happened, or nothing that counts
│   ├── OutcomeUnknown           a write was sent and its answer was lost: treated as a replay
│   ├── TransitionRefused        a conditional move found another phase, owner, expiry or handle
│   └── RingMoved                a key ring was written by somebody else meanwhile
├── UserPoolError                the user pool did not do what was asked of it
├── TriggerRefused               a Cognito trigger lets a sign-in end here
├── KeyUnavailable               a signing key or secret cannot be used now
│   └── KeyNotMade               a key that was asked for is certainly not there
└── DeadlineExceeded             the request's time budget is spent
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.transaction import Transaction


class FedbridgeError(Exception):
    """Base of everything that fedbridge raises on purpose.

    `reason` is the machine-readable code that is logged, counted and explained to operators: snake_case, stable,
    free of input. `str(error)` may hold text for operators, never a secret, a token or a claim value.
    """

    reason: str = "internal_error"

    def __init__(self, message: str = "", *, reason: str | None = None) -> None:
        if reason is not None:
            self.reason = reason
        super().__init__(message or self.reason)


class ConfigurationError(FedbridgeError):
    """A setting, connection or key that cannot be right; the message names where and what to do.

    `problems` are all that was found at once, one line each; the message is then these lines.
    """

    reason = "configuration_error"

    def __init__(
        self, message: str = "", *, reason: str | None = None, problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message or "\n".join(problems), reason=reason)
        self.problems = problems or (str(self),)


class RequestRefused(FedbridgeError):
    """A request that is answered where it is, without a redirect: client or redirect URI are not proven."""

    reason = "request_refused"
    status = 400

    def __init__(
        self, message: str = "", *, reason: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.headers = dict(headers or {})


class UnknownConnection(RequestRefused):
    """No enabled connection has this name (one answer for unknown, disabled and malformed names)."""

    reason = "unknown_connection"
    status = 404


class MethodNotAllowed(RequestRefused):
    """The route exists, the method does not (RFC 9110 §15.5.6); `headers` carries Allow."""

    reason = "method_not_allowed"
    status = 405


class PayloadTooLarge(RequestRefused):
    """A body or a query above the cap (RFC 9110 §15.5.14)."""

    reason = "payload_too_large"
    status = 413


class OAuthError(FedbridgeError):
    """An error that the caller gets in its own protocol.

    `error` is a registered code (RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, OpenID Connect Core §3.1.2.6),
    `description` fixed ASCII text for the app's developer, `status` the HTTP status at a back-channel endpoint.
    """

    def __init__(self, error: str, description: str, *, reason: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}", reason=reason)
        self.error = error
        self.description = description
        self.status = status


_BROKEN = "The sign-in could not be completed."
_BUSY = "The identity provider is not available right now. Try again."


class UpstreamError(FedbridgeError):
    """The upstream side failed the sign-in; `error` is what Cognito is told, `reason` what operators read.

    Without a `description` the app is told to try again where `error` is `temporarily_unavailable`, else that it failed.
    `upstream_code` is the identity provider's own error code, bounded and cleaned, for the log alone. `message` is
    text for operators.
    """

    def __init__(
        self,
        reason: str,
        *,
        error: str = "server_error",
        description: str | None = None,
        upstream_code: str | None = None,
        upstream_status: int | None = None,
        message: str = "",
    ) -> None:
        super().__init__(message or reason, reason=reason)
        self.error = error
        self.description = description or (_BUSY if error == "temporarily_unavailable" else _BROKEN)
        self.upstream_code = upstream_code
        self.upstream_status = upstream_status


class IssuerMismatch(UpstreamError):
    """The authorization response is not known to come from the identity provider that was asked (RFC 9207 §2.4).

    Whoever sent it is not answered: the trip ends on a page, without even an error for Cognito.
    """


class StoreError(FedbridgeError):
    """The transaction store or the connection registry did not do what was asked."""

    reason = "store_error"


class StoreUnavailable(StoreError):
    """Throttled beyond the budget, refused, unreachable: nothing was changed that counts."""

    reason = "store_unavailable"


class OutcomeUnknown(StoreError):
    """A conditional write was sent and no answer came: it may have happened, so it is treated as a replay."""

    reason = "store_outcome_unknown"


class TransitionRefused(StoreError):
    """A move's condition did not hold; nothing changed. `current` is the item as it stands, None if there is none."""

    reason = "transition_refused"

    def __init__(self, current: Transaction | None) -> None:
        super().__init__()
        self.current = current


class RingMoved(StoreError):
    """A key ring is not as it was read: somebody else has taken the step, or another one."""

    reason = "ring_moved"


class UserPoolError(FedbridgeError):
    """Cognito did not end a user's sessions or link a profile: throttled, unreachable, denied, or no such pool."""

    reason = "user_pool_failed"


class TriggerRefused(FedbridgeError):
    """A trigger of the user pool ends the sign-in; `text` is what Cognito tells the app, short and without detail."""

    reason = "trigger_refused"

    def __init__(self, reason: str, *, text: str = "This sign-in was refused.") -> None:
        super().__init__(reason=reason)
        self.text = text


class KeyUnavailable(FedbridgeError):
    """A signing key, certificate or secret cannot be used now.

    `transient` tells an outage (throttling, time-out) from a fault that waiting does not mend (disabled, denied).
    """

    reason = "key_unavailable"

    def __init__(self, message: str = "", *, reason: str | None = None, transient: bool = False) -> None:
        super().__init__(message, reason=reason)
        self.transient = transient


class KeyNotMade(KeyUnavailable):
    """A new key was refused before there was one: nothing stays behind."""

    reason = "key_not_made"


class DeadlineExceeded(FedbridgeError):
    """The time budget that all calls of one request share is spent."""

    reason = "deadline_exceeded"
