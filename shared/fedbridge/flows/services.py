"""What the flows work with: ports, and the few settings that a sign-in needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.flows.sealing import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedbridge.model.connection import Connection
    from fedbridge.ports import (
        Clock,
        ConnectionRegistry,
        KeyRing,
        LogoutTokens,
        ReplayGuard,
        SessionStore,
        Telemetry,
        TransactionStore,
        Upstream,
        UserPools,
    )

TRIP_LIFETIME = 300
"""Seconds from authorize to callback: Cognito gives up on a federated sign-in after 5 minutes."""

CODE_LIFETIME = 60
"""Seconds (RFC 9700 §4.13, FAPI 2.0 §5.3.2.1)."""

ACCESS_TOKEN_LIFETIME = 300
"""Seconds: Cognito calls userinfo right after the token endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What both channels share. `base_url` has no trailing slash; a connection's issuer is `base_url/name`.

    `sessions` is None where the deployment keeps none. What only signing out needs is made when it is first asked for.
    """

    environment: str
    base_url: str
    connections: ConnectionRegistry
    transactions: TransactionStore
    telemetry: Telemetry
    clock: Clock
    user_pools: Callable[[], UserPools]
    sessions: SessionStore | None = None

    def scope(self, connection: Connection) -> Scope:
        """Return where the connection's artefacts belong."""
        return Scope(self.environment, connection.name)

    def issuer(self, connection: Connection) -> str:
        """Return the connection's issuer, from configuration and never from a Host header."""
        return f"{self.base_url}/{connection.name}"

    def now(self) -> int:
        """Return whole seconds since the epoch."""
        return int(self.clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontChannel(Services):
    """What the browser's routes need."""

    upstream: Callable[[Connection], Upstream]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackChannel(Services):
    """What Cognito's and the IdP's back-channel routes need."""

    id_token_keys: KeyRing
    logout_tokens: Callable[[], LogoutTokens]
    replays: Callable[[], ReplayGuard]
