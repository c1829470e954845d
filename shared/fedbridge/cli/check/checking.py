"""What `fedbridge check` does: read the connection as the runtime reads it, run the checks, print what they found."""

from __future__ import annotations

import contextlib
import functools
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fedbridge.aws import sdk_client
from fedbridge.cli.address import base_url_of
from fedbridge.cli.check.codes import found
from fedbridge.cli.check.context import BUDGET, CheckContext, CheckOptions
from fedbridge.cli.check.report import Report
from fedbridge.cli.check.run import run_checks
from fedbridge.cli.cognito.calls import region_of
from fedbridge.cli.connections import Quiet, load_one
from fedbridge.cli.dev import loopback_hosts
from fedbridge.configuration.document import decode
from fedbridge.configuration.presets import read_preset
from fedbridge.errors import ConfigurationError
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.store.connections_dynamodb import DynamoDBConnections

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.connection import Connection

_NOT_HTTPS = re.compile(r": issuer: .*https://")


def check(options: argparse.Namespace) -> int:
    """Return 1 where something was found that breaks sign-ins; raises ConfigurationError where nothing can be checked."""
    base_url = base_url_of(options) if options.base_url is not None else None
    report = Report(connection=options.connection, as_json=options.json)
    try:
        connection = _connection(options)
    except ConfigurationError as failure:
        return report.print(tuple(map(_problem, failure.problems)))
    with opened(options, connection, base_url) as context:
        return report.print(run_checks(context), notes=left_out(context))


@contextlib.contextmanager
def opened(
    options: argparse.Namespace, connection: Connection, base_url: str | None
) -> Iterator[CheckContext]:
    """Open the way out and to the keys, as the runtime does; raises ConfigurationError for options that lead nowhere."""
    if options.user_pool is not None:
        region_of(options.user_pool)
    probe = probes(connection, options.file.parent) if options.probe is None else options.probe
    hosts = [*options.private_host, *(_local_hosts(connection, base_url) if options.local else ())]
    clients = functools.cache(sdk_client)
    secrets = CachedSecrets(clients, allow_local=options.local, telemetry=Quiet())
    with contextlib.closing(OutboundClient(private_hosts=hosts, ca_bundle=options.ca_bundle)) as http:
        yield CheckContext(
            connection=connection,
            base_url=base_url,
            clients=clients,
            http=http,
            keys=CachedKeys(secrets, clients, trust_stored=False),
            secrets=secrets,
            clock=time.time,
            options=CheckOptions(
                probe=probe,
                user_pool=options.user_pool,
                identity_provider=options.identity_provider,
                http_apis=tuple(options.http_api),
                private_hosts=tuple(hosts),
                ca_bundle=options.ca_bundle,
            ),
        )


def probes(connection: Connection, folder: Path) -> bool:
    """Return whether the connection's preset lets the IdP be asked with a made-up code.

    `folder` holds the operator's own presets. Of one that is not there nothing is known, and nobody is alarmed.
    """
    if connection.preset is None:
        return True
    try:
        return read_preset(connection.preset, folder).about.probe
    except ConfigurationError:
        return False


def _connection(options: argparse.Namespace) -> Connection:
    """Return the connection as the file has it, or as it is published."""
    if options.table is None:
        return load_one(options)
    source = DynamoDBConnections(sdk_client("dynamodb"), options.table, decode)
    published = source.find(options.connection, Deadline.after(BUDGET))
    if published is None:
        raise ConfigurationError(
            f"{options.connection}: is not published in {options.table}, or disabled there"
        )
    return published.current


def _problem(problem: str) -> Finding:
    return found("issuer_not_https" if _NOT_HTTPS.search(problem) else "configuration_invalid", problem)


def _local_hosts(connection: Connection, base_url: str | None) -> set[str]:
    """Return the loopback hosts that this run may call: the connection's, and the bridge's own."""
    parts = urlsplit(base_url or "")
    own = (
        {f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"} if base_url else set()
    )
    return loopback_hosts(connection) | own


def left_out(context: CheckContext) -> tuple[str, ...]:
    """Say what was not looked at, so that silence is not taken for praise."""
    notes = []
    parties = context.connection.relying_parties
    has_pool = context.options.user_pool is not None or any(party.user_pool for party in parties)
    if not context.options.probe and context.connection.protocol != "saml":
        notes.append("Client authentication and the authorization request were not tried: --probe does.")
    if context.base_url is None:
        notes.append("The redirect URI and what the bridge publishes were not looked at: give --base-url.")
        if has_pool:
            notes.append("Where Cognito goes was not looked at: give --base-url.")
    if not has_pool:
        notes.append("Cognito's side was not looked at: give --user-pool, or name it in the relying party.")
    if any(party.managed_secret is not None and not party.secret_hashes for party in parties):
        notes.append("Whether Cognito has the managed client secret is known where it is published: --table.")
    return tuple(notes)
