"""The one wrapper around every call to an IdP: measured, bounded, cut short while the IdP is down."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
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
        deadline.remaining()  # Time that others spent is not held against the IdP.
        self._breakers.check(key)
        request = replace(
            request,
            headers={"user-agent": connection.user_agent, **request.headers},
            client_certificate=self._client_certificate(connection, deadline),
        )
        began = deadline.monotonic()
        status, reason = None, None
        try:
            response = self._http.send(request, deadline)
            status = response.status
        except UpstreamError as failure:
            reason = failure.reason
            self._breakers.failed(key)
            raise
        finally:
            self._telemetry.event(
                "upstream_call" if status is not None and status < 400 else "upstream_failed",
                connection=connection.name,
                correlation_id=deadline.correlation_id,
                upstream_endpoint=endpoint,
                upstream_status=status,
                reason=reason,
                duration_ms=round((deadline.monotonic() - began) * 1000, 1),
            )
        if is_outage(response.status):
            self._breakers.failed(key)
        else:
            self._breakers.succeeded(key)
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


@dataclass(slots=True)
class _Breaker:
    failures: int = 0
    retry_at: float = 0.0


class Breakers:
    """One circuit breaker a key: after five outages in a row one call in ten seconds goes through, until one succeeds.

    An IdP that hangs then costs its own users an error at once, and nobody else the sandboxes that wait for it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._breakers: dict[Hashable, _Breaker] = {}

    def __len__(self) -> int:
        return len(self._breakers)

    def check(self, key: Hashable) -> None:
        """Return if a call may be made; raises UpstreamError `upstream_circuit_open`."""
        with self._lock:
            breaker = self._breakers.get(key)
            if breaker is None or breaker.failures < BREAKER_THRESHOLD:
                return
            now = self._clock()
            if now < breaker.retry_at:
                raise unavailable("upstream_circuit_open")
            breaker.retry_at = now + BREAKER_PAUSE

    def failed(self, key: Hashable) -> None:
        """Count an outage."""
        with self._lock:
            if len(self._breakers) >= MAX_BREAKERS and key not in self._breakers:
                del self._breakers[next(iter(self._breakers))]
            breaker = self._breakers.setdefault(key, _Breaker())
            breaker.failures += 1
            breaker.retry_at = self._clock() + BREAKER_PAUSE

    def succeeded(self, key: Hashable) -> None:
        """Forget the outages."""
        with self._lock:
            self._breakers.pop(key, None)
