"""What operators and their scheduled function work with: like `fedbridge.wiring`, for what is no request."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from fedbridge.aws import sdk_client
from fedbridge.client_secrets import SecretRotation
from fedbridge.configuration.rings import ring_of
from fedbridge.errors import ConfigurationError
from fedbridge.flows.ring_publication import Rotation
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring_keys import RingKeyMaker
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.net.outbound import OutboundClient
from fedbridge.publishing import publishable
from fedbridge.secret_turns import SecretTurns, take_turns
from fedbridge.settings import read_settings
from fedbridge.snapshots import Snapshots, refresh_snapshots
from fedbridge.store.client_secrets_dynamodb import DynamoDBSecretStates
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from fedbridge.telemetry.powertools import PowertoolsTelemetry
from fedbridge.user_pools import CognitoProviderClients
from fedbridge.wiring import key_rings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.keys.calls import ClientFactory
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.logout import UserPool
    from fedbridge.ports import Telemetry
    from fedbridge.settings import Settings

POOL_TIMEOUT = 20.0
"""Seconds between two bytes of Cognito's answer."""


def operations(environ: Mapping[str, str]) -> Rotation:
    """Return what the scheduled function works with; raises ConfigurationError."""
    settings = read_settings(environ)
    services = rotation(_table(settings), settings.environment, cache(sdk_client), PowertoolsTelemetry())
    return replace(services, id_token_ring=next(filter(None, map(ring_of, settings.id_token_keys)), None))


def snapshots(environ: Mapping[str, str]) -> Callable[[Deadline], int]:
    """Return what refreshes the snapshots of the connections, and how many could not be; raises ConfigurationError."""
    settings = read_settings(environ)
    clients, telemetry = cache(sdk_client), PowertoolsTelemetry()
    secrets = CachedSecrets(clients, allow_local=settings.local, telemetry=telemetry)
    publisher = ConnectionPublisher(clients("dynamodb"), _table(settings))
    keys = CachedKeys(secrets, clients)

    def refresh(deadline: Deadline) -> int:
        client = OutboundClient(private_hosts=settings.private_hosts, ca_bundle=settings.ca_bundle)
        with closing(client) as http:  # Twice a day: no connection would still be good.
            taking = Snapshots(http=http, keys=keys, secrets=secrets, telemetry=telemetry)
            return refresh_snapshots(publisher, taking, deadline)

    return refresh


def client_secrets(environ: Mapping[str, str]) -> Callable[[Deadline], int]:
    """Return what replaces the client secrets that are due, and how many it could not; raises ConfigurationError."""
    settings = read_settings(environ)
    turns = secret_turns(_table(settings), cache(sdk_client), PowertoolsTelemetry())
    return partial(take_turns, turns)


def _table(settings: Settings) -> str:
    scheme, table = settings.connections
    if scheme != "dynamodb":
        raise ConfigurationError("FEDBRIDGE_CONNECTIONS: keys rotate in a table of connections: dynamodb:…")
    return table


def rotation(table: str, environment: str, clients: ClientFactory, telemetry: Telemetry) -> Rotation:
    """Return what rotating the keys of a table works with, in the scheduled function and on the command line.

    Keys are made for `environment`. They are loaded to publish them, with the test of their primes.
    """
    secrets = CachedSecrets(clients, allow_local=False, telemetry=telemetry)
    keys = CachedKeys(secrets, clients, trust_stored=False)
    return Rotation(
        rings=key_rings(table, clients),
        maker=RingKeyMaker(environment=environment, clients=clients),
        connections=ConnectionPublisher(clients("dynamodb"), table),
        publishable=lambda connection: publishable(connection, keys, secrets),
        telemetry=telemetry,
        clock=time.time,
        signer=lambda reference, deadline: keys.signer(reference, None, deadline),
    )


def secret_turns(table: str, clients: ClientFactory, telemetry: Telemetry) -> SecretTurns:
    """Return what the scheduled function replaces client secrets with; `clients` are those of its own Region."""
    publisher = ConnectionPublisher(clients("dynamodb"), table)
    states = DynamoDBSecretStates(clients("dynamodb"), table)
    # Cognito reads the bridge's discovery document before it takes an update.
    patient = cache(lambda service: sdk_client(service, read_timeout=POOL_TIMEOUT))

    def one(connection: str, client_id: str, pool: UserPool) -> SecretRotation:
        return SecretRotation(
            connection=connection,
            client_id=client_id,
            pool=pool,
            states=states,
            publisher=publisher,
            clients=CognitoProviderClients(patient),
        )

    return SecretTurns(
        connections=publisher.all, states=states, rotation=one, telemetry=telemetry, clock=time.time
    )
