"""What the flows work with: ports, and the few settings that a sign-in needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.errors import UnknownConnection
from fedbridge.flows.sealing import Scope
from fedbridge.model.http import MAX_FORM

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedbridge.model.connection import Connection
    from fedbridge.model.http import Request
    from fedbridge.ports import (
        Clock,
        ConnectionRegistry,
        IdTokenKeys,
        LogoutTokens,
        ReplayGuard,
        SessionStore,
        SingleLogout,
        Telemetry,
        TransactionStore,
        UnsolicitedUpstream,
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
    """What the browser's routes need, for connections of some protocols.

    An IdP of theirs sends the browser back to `return_path` below the connection's issuer, with our state as
    `state_parameter`, in a form of at most `max_form` bytes if it posts one. `unsolicited` takes sign-ins that IdPs begin.
    `single_logout` is for SAML, and so is `replays`.
    """

    upstream: Callable[[Connection], Upstream]
    protocols: frozenset[str] = frozenset({"oidc", "oauth2"})
    return_path: str = "/callback"
    state_parameter: str = "state"
    unsolicited: UnsolicitedUpstream | None = None
    single_logout: SingleLogout | None = None
    replays: Callable[[], ReplayGuard] | None = None
    max_form: int = MAX_FORM

    def connection_of(self, request: Request) -> Connection:
        """Return the connection that the path names; raises UnknownConnection, also for another protocol's."""
        connection = self.connections.get(request.connection, request.deadline)
        if connection.protocol not in self.protocols:
            raise UnknownConnection(reason="other_protocol")
        return connection

    def return_url(self, connection: Connection) -> str:
        """Return where IdPs send the browser back, from configuration."""
        return f"{self.issuer(connection)}{self.return_path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackChannel(Services):
    """What Cognito's and the IdP's back-channel routes need."""

    id_token_keys: IdTokenKeys
    logout_tokens: Callable[[], LogoutTokens]
    replays: Callable[[], ReplayGuard]
