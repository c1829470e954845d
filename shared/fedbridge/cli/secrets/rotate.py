"""`fedbridge secrets rotate`: a new client secret for Cognito, which nobody sees and nobody notices."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fedbridge.aws import sdk_client
from fedbridge.cli.cognito.calls import READ_TIMEOUT, region_of
from fedbridge.cli.connections.desk import open_table
from fedbridge.cli.connections.loading import BUDGET
from fedbridge.client_secrets import SecretRotation, relying_party
from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError, UnknownConnection, UpstreamError
from fedbridge.model.client_secret import KNOWN
from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import UserPool
from fedbridge.net.outbound import OutboundClient
from fedbridge.ports import Clock, OutboundRequest
from fedbridge.store.client_secrets_dynamodb import DynamoDBSecretStates
from fedbridge.user_pools import CognitoProviderClients

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.client_secret import SecretStep
    from fedbridge.model.connection import Connection, RelyingParty

PATIENCE = 3600.0
"""Seconds that the command waits in all; a rotation takes about eleven minutes."""

IMPATIENCE = KNOWN + 30.0
"""Seconds with --no-wait: until Cognito has the new secret."""

TRIES = 3
"""Times that the new secret is tried at the bridge, which has more than one sandbox."""


def rotate(
    options: argparse.Namespace, *, clock: Clock = time.time, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Replace the secret, or go on where an earlier run ended."""
    connection = _published(options)
    party = _party(connection, options.relying_party)
    pool = _pool(options, party)
    rotation = SecretRotation(
        connection=connection.name,
        client_id=party.client_id,
        pool=pool,
        states=DynamoDBSecretStates(sdk_client("dynamodb"), options.table),
        publisher=open_table(options),
        clients=CognitoProviderClients(
            lambda _: sdk_client("cognito-idp", region_name=region_of(pool.id), read_timeout=READ_TIMEOUT)
        ),
        tell=lambda text: print(text, flush=True),
        prove=_prover(options),
        clock=clock,
        sleep=sleep,
    )
    print(f"{connection.name}: {party.client_id}, which is {pool.identity_provider} in {pool.id}")
    left = rotation.run(patience=IMPATIENCE if options.no_wait else PATIENCE, begin=not options.finish)
    _print_rest(left, relying_party(_published(options), party.client_id), clock())
    return 0


def _published(options: argparse.Namespace) -> Connection:
    document = open_table(options).current(options.connection, Deadline.after(BUDGET))
    if document is None:
        raise UnknownConnection(f"no connection {options.connection!r} is published in {options.table}")
    return decode(document)


def _party(connection: Connection, client_id: str | None) -> RelyingParty:
    if client_id is None and len(connection.relying_parties) > 1:
        known = ", ".join(party.client_id for party in connection.relying_parties)
        raise ConfigurationError(f"{connection.name}: which relying party? --relying-party, one of {known}")
    return relying_party(connection, client_id or connection.relying_parties[0].client_id)


def _pool(options: argparse.Namespace, party: RelyingParty) -> UserPool:
    """Return the pool of the options, else the one that the relying party names."""
    known = party.user_pool
    pool_id = options.user_pool or (known.id if known else None)
    provider = options.provider or (known.identity_provider if known else None)
    if pool_id is None or provider is None:
        raise ConfigurationError(
            "--user-pool and --provider: are missing: the pool's id, such as eu-north-1_EXAMPLE01, and what the bridge is"
            " called there; or `user_pool` of the relying party"
        )
    return UserPool(id=pool_id, identity_provider=provider)


def _prover(options: argparse.Namespace) -> Callable[[str, str, str], None]:
    """Return what tries a secret at the bridge itself, with a code that nobody issued."""

    def prove(token_url: str, client_id: str, secret: str) -> None:
        with contextlib.closing(
            OutboundClient(private_hosts=options.private_host, ca_bundle=options.ca_bundle)
        ) as http:
            try:
                answers = [_try(http, token_url, client_id, secret) for _ in range(TRIES)]
            except UpstreamError as failure:
                print(f"{token_url} could not be asked from here ({failure.reason}): not tried there.")
                return
        if "invalid_client" in answers:
            raise ConfigurationError(
                f"{token_url} refuses the new secret, so Cognito was not given it: is {options.table} the table of that"
                " bridge? Its output ConnectionsTable says"
            )
        print("The bridge accepts the new secret.", flush=True)

    return prove


def _try(http: OutboundClient, token_url: str, client_id: str, secret: str) -> object:
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "client_secret": secret,
        "redirect_uri": "https://bridge.invalid/",
        "code": "nobody-issued-this-code",
    }
    request = OutboundRequest(
        method="POST",
        url=token_url,
        headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
        body=urlencode(form).encode("ascii"),
    )
    response = http.send(request, Deadline.after(BUDGET))
    try:
        answer = json.loads(response.body)
    except ValueError:
        raise UpstreamError("token_endpoint_answer_invalid", upstream_status=response.status) from None
    return answer.get("error") if isinstance(answer, dict) else None


def _print_rest(left: SecretStep, party: RelyingParty, now: float) -> None:
    """Say what is left to do: for later, and in the file."""
    if left.action != "rest":
        when = datetime.fromtimestamp(max(left.at, now), UTC)
        by_itself = party.managed_secret is not None
        print(
            f"Left to do after {when:%H:%M:%S} UTC: {_LEFT.get(left.action, left.action)}."
            f" {'The scheduled function does it; or run' if by_itself else 'Run'} this command again with --finish."
        )
    if party.managed_secret is None:
        print("For connections.yaml, before it is applied again:")
        print("        secret_hashes:")
        for each in party.secret_hashes:
            print(f"          - {each}")


_LEFT = {
    "draw": "begin, once sign-ins of the version before are over",
    "publish": "publish",
    "send": "give the secret to Cognito",
    "look": "see whether Cognito has the new secret",
    "finish": "forget the former secret",
}
