"""The one wrapper around every call to an IdP: measured, bounded, cut short while the IdP is down."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import BROWSER_BUDGET, MARGIN, Deadline
from fedbridge.ports import (
    ClientCertificate,
    Clock,
    HttpClient,
    Keys,
    OutboundRequest,
    OutboundResponse,
    Telemetry,
)
from fedbridge.rp.errors import is_outage, unavailable

BREAKER_THRESHOLD = 5
"""Outages in a row before calls are refused without being made."""

BREAKER_PAUSE = 10.0
"""Seconds until one call may try again. `Retry-After` is not read: an IdP must not say how long we stay away."""

HANG = 5.0
"""Seconds after which one call that failed is enough: whoever waits holds an execution of the function for as long."""

LONGEST_CALL = BROWSER_BUDGET + MARGIN
"""Seconds until a call that tries is given up for lost; none can take longer."""

MAX_BREAKERS = 1024


class Calls:
    """Sends requests of one connection after the other; safe under threads.

    `clock` is in seconds since the epoch; `sleep` waits before the second try of a GET. `keys` have the client
    certificates of connections with mutual TLS, which every call shows to a server that asks for one: not only endpoints
    that authenticate clients may stand behind a gateway that does.
    """

    def __init__(
        self,
        http: HttpClient,
        telemetry: Telemetry,
        *,
        keys: Keys,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = http
        self._telemetry = telemetry
        self._keys = keys
        self._sleep = sleep
        self._breakers = Breakers(clock)

    def send(
        self, connection: Connection, endpoint: str, request: OutboundRequest, deadline: Deadline
    ) -> OutboundResponse:
        """Send once and return whatever was answered; `endpoint` names the kind of endpoint in the log.

        Raises UpstreamError (also `upstream_circuit_open`), DeadlineExceeded, and for the client certificate
        ConfigurationError and KeyUnavailable.
        """
        key = (connection.name, connection.version)
        request = replace(
            request,
            headers={"user-agent": connection.user_agent, **request.headers},
            client_certificate=self._client_certificate(connection, deadline),
        )
        deadline.remaining()  # Time that others spent is not held against the IdP.
        self._breakers.check(key)
        began = deadline.monotonic()
        status, reason = None, None
        try:
            response = self._http.send(request, deadline)
            status = response.status
        except UpstreamError as failure:
            reason = failure.reason
            raise
        finally:
            lasted = deadline.monotonic() - began
            deadline.trail.waited(endpoint, lasted)
            if status is not None or reason is not None:  # Anything else is a fault of ours.
                self._breakers.ended(
                    key, down=_is_down(request.method, status, reason, lasted), lasted=lasted
                )
            self._telemetry.event(
                "upstream_call" if status is not None and status < 400 else "upstream_failed",
                connection=connection.name,
                correlation_id=deadline.correlation_id,
                upstream_endpoint=endpoint,
                upstream_status=status,
                reason=reason,
                duration_ms=round(lasted * 1000, 1),
            )
        return response

    def _client_certificate(self, connection: Connection, deadline: Deadline) -> ClientCertificate | None:
        if connection.mutual_tls is None:
            return None
        certificate = self._keys.client_certificate(connection.mutual_tls, deadline)
        return replace(certificate, connection=connection.name)

    def get(
        self, connection: Connection, endpoint: str, request: OutboundRequest, deadline: Deadline
    ) -> OutboundResponse:
        """Send a GET, and once more after 50 to 150 ms if the connection failed. Raises as `send` does."""
        return self.again(lambda: self.send(connection, endpoint, request, deadline), deadline)

    def again(self, attempt: Callable[[], OutboundResponse], deadline: Deadline) -> OutboundResponse:
        """Make an attempt, and another after 50 to 150 ms if the connection failed: for what may be done twice."""
        try:
            return attempt()
        except UpstreamError as failure:
            pause = 0.05 + secrets.randbelow(100) / 1000
            if failure.reason != "upstream_unreachable" or deadline.remaining() <= pause:
                raise
        self._sleep(pause)
        return attempt()


def _is_down(method: str, status: int | None, reason: str | None, lasted: float) -> bool:
    """Tell whether a call that ended says that the IdP is down.

    What answers a POST may be about what was posted, and anybody can bring a code that is junk: if an IdP that takes it
    badly counted as down, a stranger could keep everybody out of a connection with one request a second. So a quick
    answer to a POST shows that the IdP is there, be it 503, 429 or unreadable. After a `HANG` all that counts is whether
    it was of any use.
    """
    if lasted < HANG and method == "POST":
        return status is None and reason != "upstream_response_invalid"
    return status is None or is_outage(status)


@dataclass(slots=True)
class _Breaker:
    failures: int = 0
    retry_at: float = 0.0


class Breakers:
    """One circuit breaker a key: after five outages in a row, or one long one, calls are refused; then one at a time tries.

    It stays open for ten seconds, or for twice as long as the call took that opened it, so that an IdP that hangs has at
    most a third of a sandbox's time. It then costs its own users an error at once, and nobody else the executions that
    would wait for it. Each sandbox learns for itself: what bounds them all is the function's reserved concurrency.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._breakers: dict[Hashable, _Breaker] = {}

    def __len__(self) -> int:
        return len(self._breakers)

    def check(self, key: Hashable) -> None:
        """Return if a call may be made, which must be told to `ended`; raises UpstreamError `upstream_circuit_open`."""
        with self._lock:
            breaker = self._breakers.get(key)
            if breaker is None or breaker.failures < BREAKER_THRESHOLD:
                return
            now = self._clock()
            if now < breaker.retry_at:
                raise unavailable("upstream_circuit_open")
            breaker.retry_at = now + LONGEST_CALL

    def ended(self, key: Hashable, *, down: bool, lasted: float) -> None:
        """Count an outage, or forget those before; `lasted` is in seconds."""
        with self._lock:
            if not down:
                self._breakers.pop(key, None)
                return
            if len(self._breakers) >= MAX_BREAKERS and key not in self._breakers:
                del self._breakers[next(iter(self._breakers))]
            breaker = self._breakers.setdefault(key, _Breaker())
            breaker.failures += 1 if lasted < HANG else BREAKER_THRESHOLD
            breaker.retry_at = self._clock() + max(BREAKER_PAUSE, 2 * lasted)
