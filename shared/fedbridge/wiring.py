"""The only place, beside the command line, that picks adapters: from settings to what the functions serve.

Imports stand where they are needed, because a cold start pays for each: the back channel loads neither joserfc nor
httpx, and nobody loads an SDK that the settings do not ask for.
"""

from __future__ import annotations

import time
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from fedbridge import snap_start
from fedbridge.flows.services import BackChannel, FrontChannel
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring import IdTokenKeyRing
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.settings import Settings, read_settings
from fedbridge.store.registry import CachingConnectionRegistry
from fedbridge.telemetry.powertools import PowertoolsTelemetry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fedbridge.keys.calls import ClientFactory
    from fedbridge.keys.id_token_ring import CachedRing
    from fedbridge.model.connection import Connection
    from fedbridge.ports import (
        ConnectionRegistry,
        KeyRings,
        Keys,
        LogoutTokens,
        ReplayGuard,
        Secrets,
        SessionStore,
        Telemetry,
        TransactionStore,
        Upstream,
        UserPools,
        UserProfiles,
    )
    from fedbridge.triggers.services import Triggers


def front_channel(environ: Mapping[str, str]) -> FrontChannel:
    """Return what the browser's routes work with; raises ConfigurationError."""
    settings = read_settings(environ)
    if settings.fixtures:
        from fedbridge import fixtures  # noqa: PLC0415

        return fixtures.front_channel(PowertoolsTelemetry())
    from fedbridge.net.outbound import OutboundClient  # noqa: PLC0415
    from fedbridge.rp.oidc import OidcUpstream  # noqa: PLC0415

    shared, keys, secrets, clients = _shared(settings)
    http = OutboundClient(private_hosts=settings.private_hosts, ca_bundle=settings.ca_bundle)
    ports = {"http": http, "keys": keys, "secrets": secrets, "telemetry": shared["telemetry"]}
    oidc = OidcUpstream(**ports)

    @cache
    def oauth2() -> Upstream:
        from fedbridge.rp.oauth2 import OAuth2Upstream  # noqa: PLC0415  hardly any IdP is without OpenID Connect

        return OAuth2Upstream(**ports)

    snap_start.warm_up(environ, snap_start.FRONT_CHANNEL, clients)
    return FrontChannel(
        **shared, upstream=lambda connection: oidc if connection.protocol == "oidc" else oauth2()
    )


def saml_channel(environ: Mapping[str, str]) -> FrontChannel:
    """Return what the routes of SAML connections work with; raises ConfigurationError."""
    settings = read_settings(environ)
    if settings.fixtures:
        from fedbridge import fixtures  # noqa: PLC0415

        return fixtures.saml_channel(PowertoolsTelemetry())
    from fedbridge.net.outbound import OutboundClient  # noqa: PLC0415

    shared, keys, secrets, clients = _shared(settings)
    http = OutboundClient(private_hosts=settings.private_hosts, ca_bundle=settings.ca_bundle)
    from fedbridge.saml_routes import saml_routes  # noqa: PLC0415  lxml and xmlsec, which functions/saml alone ships

    snap_start.warm_up(environ, snap_start.SAML, clients)
    replays = cache(lambda: _replays(settings, clients))
    return saml_routes(shared, http=http, keys=keys, secrets=secrets, replays=replays)


def back_channel(environ: Mapping[str, str]) -> BackChannel:
    """Return what the servers' routes work with; raises ConfigurationError."""
    settings = read_settings(environ)
    if settings.fixtures:
        from fedbridge import fixtures  # noqa: PLC0415

        return fixtures.back_channel(PowertoolsTelemetry())
    shared, keys, secrets, clients = _shared(settings)
    telemetry = shared["telemetry"]
    ring = IdTokenKeyRing(
        [reference for reference in settings.id_token_keys if not reference.startswith("ring:")],
        keys,
        telemetry=telemetry,
        ring=_id_token_ring(settings, clients, telemetry),
    )

    @cache
    def logout_tokens() -> LogoutTokens:
        from fedbridge.net.outbound import OutboundClient  # noqa: PLC0415  the first logout loads what no sign-in needs
        from fedbridge.rp.logout_token import LogoutTokenVerifier  # noqa: PLC0415

        http = OutboundClient(private_hosts=settings.private_hosts, ca_bundle=settings.ca_bundle)
        return LogoutTokenVerifier(http=http, keys=keys, secrets=secrets, telemetry=telemetry)

    snap_start.warm_up(environ, snap_start.BACK_CHANNEL, clients)
    return BackChannel(
        **shared,
        id_token_keys=ring,
        logout_tokens=logout_tokens,
        replays=cache(lambda: _replays(settings, clients)),
    )


def triggers(environ: Mapping[str, str]) -> Triggers:
    """Return what the triggers of a user pool work with; raises ConfigurationError."""
    from fedbridge.trigger_settings import read_trigger_settings  # noqa: PLC0415  no other function has any of these
    from fedbridge.triggers.configuration import decode_configuration  # noqa: PLC0415
    from fedbridge.triggers.services import Triggers  # noqa: PLC0415

    settings = read_trigger_settings(environ)
    telemetry = PowertoolsTelemetry()
    if settings.fixtures:
        from fedbridge import fixtures_triggers  # noqa: PLC0415

        return fixtures_triggers.triggers(telemetry)
    clients = cache(_sdk_client)
    if not settings.local:
        # A sandbox that starts has a whole processor, and Cognito waits for five seconds in all.
        clients("ssm")
        clients("cognito-idp")
    secrets = CachedSecrets(clients, allow_local=settings.local, telemetry=telemetry)
    decode = lru_cache(maxsize=1)(decode_configuration)

    @cache
    def profiles() -> UserProfiles:
        from fedbridge.user_pools import CognitoUserProfiles  # noqa: PLC0415  groups are mapped without

        return CognitoUserProfiles(clients)

    return Triggers(
        pool_id=settings.pool_id,
        configuration=lambda deadline: decode(secrets.get(settings.configuration, deadline)),
        profiles=profiles,
        new_password=_new_password,
        telemetry=telemetry,
    )


def _new_password() -> str:
    """Return a password that nobody will ever type: 256 random bits, and a sign of every kind that a policy may want."""
    from secrets import token_urlsafe  # noqa: PLC0415  not this module's `secrets`

    return f"{token_urlsafe(32)}aA1!"


def key_rings(table: str, clients: ClientFactory) -> KeyRings:
    """Return the key rings of a table of connections."""
    from fedbridge.configuration.ring_document import decode_ring, encode_ring  # noqa: PLC0415
    from fedbridge.store.key_rings_dynamodb import DynamoDBKeyRings  # noqa: PLC0415

    return DynamoDBKeyRings(clients("dynamodb"), table, encode=encode_ring, decode=decode_ring)


def _shared(settings: Settings) -> tuple[dict[str, Any], Keys, Secrets, ClientFactory]:
    clients = cache(_sdk_client)
    telemetry: Telemetry = PowertoolsTelemetry(connection_metrics=settings.metric_connections)
    secrets = CachedSecrets(clients, allow_local=settings.local, telemetry=telemetry)
    keys = CachedKeys(secrets, clients)
    services = {
        "environment": settings.environment,
        "base_url": settings.base_url,
        "connections": _connections(settings, clients, keys, secrets, telemetry),
        "transactions": _transactions(settings, clients),
        "telemetry": telemetry,
        "clock": time.time,
        "sessions": _sessions(settings, clients),
        "user_pools": cache(lambda: _user_pools(clients)),
    }
    return services, keys, secrets, clients


def _id_token_ring(settings: Settings, clients: ClientFactory, telemetry: Telemetry) -> CachedRing | None:
    """Return the ring that FEDBRIDGE_ID_TOKEN_KEYS names, None where it names none."""
    named = [reference for reference in settings.id_token_keys if reference.startswith("ring:")]
    if not named:
        return None
    from fedbridge.keys.id_token_ring import CachedRing  # noqa: PLC0415

    name = named[0].removeprefix("ring:")
    rings = key_rings(settings.connections[1], clients)
    return CachedRing(lambda deadline: rings.get(name, deadline), telemetry=telemetry)


def _sdk_client(service: str) -> Any:
    from fedbridge.aws import sdk_client  # noqa: PLC0415

    return sdk_client(service)


def _connections(
    settings: Settings, clients: ClientFactory, keys: Keys, secrets: Secrets, telemetry: Telemetry
) -> ConnectionRegistry:
    scheme, location = settings.connections
    if scheme == "dynamodb":
        from fedbridge.configuration.document import decode  # noqa: PLC0415
        from fedbridge.store.connections_dynamodb import DynamoDBConnections  # noqa: PLC0415

        source = DynamoDBConnections(clients("dynamodb"), location, decode)
        return CachingConnectionRegistry(source, telemetry=telemetry)
    from fedbridge.configuration.file import load  # noqa: PLC0415
    from fedbridge.publishing import all_publishable  # noqa: PLC0415
    from fedbridge.store.connections_file import FileConnections  # noqa: PLC0415

    def read(path: Path) -> dict[str, Connection]:
        found = load(path, allow_local=settings.local, private_hosts=settings.private_hosts)
        return all_publishable(found, keys, secrets)

    # A file is read by the one process that somebody is trying things out with: it should see every change.
    return CachingConnectionRegistry(FileConnections(location, read), fresh_for=0, unknown_for=0)


def _transactions(settings: Settings, clients: ClientFactory) -> TransactionStore:
    scheme, location = settings.transactions
    if scheme == "dynamodb":
        from fedbridge.store.dynamodb import DynamoDBTransactionStore  # noqa: PLC0415

        return DynamoDBTransactionStore(clients("dynamodb"), location)
    if scheme == "sqlite":
        from fedbridge.store.sqlite import SqliteTransactionStore  # noqa: PLC0415

        return SqliteTransactionStore(location)
    return _memory_store(location)


@cache
def _memory_store(_name: str) -> TransactionStore:
    """Return the one store of this name: both channels of a local run live in one process."""
    from fedbridge.store.memory import MemoryTransactionStore  # noqa: PLC0415

    return MemoryTransactionStore()


def _sessions(settings: Settings, clients: ClientFactory) -> SessionStore | None:
    """Return where sessions are kept, None in a deployment that keeps none."""
    if settings.sessions is None:
        return None
    scheme, location = settings.sessions
    if scheme == "dynamodb":
        from fedbridge.store.sessions_dynamodb import DynamoDBSessionStore  # noqa: PLC0415

        return DynamoDBSessionStore(clients("dynamodb"), location)
    if scheme == "sqlite":
        from fedbridge.store.sessions_sqlite import SqliteSessionStore  # noqa: PLC0415

        return SqliteSessionStore(location)
    return _memory_sessions(location)


@cache
def _memory_sessions(_name: str) -> SessionStore:
    from fedbridge.store.sessions_memory import MemorySessionStore  # noqa: PLC0415

    return MemorySessionStore()


def _replays(settings: Settings, clients: ClientFactory) -> ReplayGuard:
    """Return the guard, which lives where transactions do."""
    scheme, location = settings.transactions
    if scheme == "dynamodb":
        from fedbridge.store.replays_dynamodb import DynamoDBReplayGuard  # noqa: PLC0415

        return DynamoDBReplayGuard(clients("dynamodb"), location)
    if scheme == "sqlite":
        from fedbridge.store.sessions_sqlite import SqliteReplayGuard  # noqa: PLC0415

        return SqliteReplayGuard(location)
    from fedbridge.store.sessions_memory import MemoryReplayGuard  # noqa: PLC0415

    return MemoryReplayGuard()


def _user_pools(clients: ClientFactory) -> UserPools:
    from fedbridge.user_pools import CognitoUserPools  # noqa: PLC0415

    return CognitoUserPools(clients)
