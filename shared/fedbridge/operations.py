"""What operators and their scheduled function work with: like `fedbridge.wiring`, for what is no request."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError
from fedbridge.flows.rotation import Rotation
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring_keys import RingKeyMaker
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.settings import read_settings
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from fedbridge.telemetry.powertools import PowertoolsTelemetry
from fedbridge.wiring import key_rings, publishable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.keys.calls import ClientFactory
    from fedbridge.ports import Telemetry


def operations(environ: Mapping[str, str]) -> Rotation:
    """Return what the scheduled function works with; raises ConfigurationError."""
    settings = read_settings(environ)
    scheme, table = settings.connections
    if scheme != "dynamodb":
        raise ConfigurationError("FEDBRIDGE_CONNECTIONS: keys rotate in a table of connections: dynamodb:…")
    telemetry: Telemetry = PowertoolsTelemetry()
    return rotation(table, settings.environment, cache(sdk_client), telemetry)


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
