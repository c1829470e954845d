"""What operators and their scheduled function work with: like `fedbridge.wiring`, for what is no request."""

from __future__ import annotations

import time
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError
from fedbridge.flows.rotation import Rotation
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring_keys import RingKeyMaker
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.net.outbound import OutboundClient
from fedbridge.settings import read_settings
from fedbridge.snapshots import Snapshots, refresh_snapshots
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from fedbridge.telemetry.powertools import PowertoolsTelemetry
from fedbridge.wiring import key_rings, publishable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.keys.calls import ClientFactory
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Telemetry
    from fedbridge.settings import Settings


def operations(environ: Mapping[str, str]) -> Rotation:
    """Return what the scheduled function works with; raises ConfigurationError."""
    settings = read_settings(environ)
    return rotation(_table(settings), settings.environment, cache(sdk_client), PowertoolsTelemetry())


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
    )
