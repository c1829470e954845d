"""What a connection becomes before it is published: its public keys are in it, and each is known to work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fedbridge.configuration.document import version_of
from fedbridge.configuration.rules import problems_between
from fedbridge.errors import ConfigurationError
from fedbridge.keys.certified import certified_jwks
from fedbridge.keys.client import client_jwks, request_object_jwks
from fedbridge.keys.client_certificate import certificate_jwks
from fedbridge.keys.client_decryption import decryption_jwks
from fedbridge.keys.jwk import jwk_thumbprint
from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fedbridge.model.connection import Connection
    from fedbridge.ports import Keys, Secrets

KEY_BUDGET = 20.0
"""Seconds for loading the keys of one connection when it is published or read from a file."""


def publishable(connection: Connection, keys: Keys, secrets: Secrets) -> Connection:
    """Return the connection as it is published: with its public keys, and the version that follows from all of it.

    Raises ConfigurationError, KeyUnavailable: a key that cannot sign or decrypt, or a certificate that is not its key's, is
    found here and not in somebody's sign-in.
    """
    deadline = Deadline.after(KEY_BUDGET)
    jwks = client_jwks(connection.client_authentication, keys=keys, secrets=secrets, deadline=deadline)
    if connection.saml is not None:
        jwks += certified_jwks(connection.saml, keys=keys, secrets=secrets, deadline=deadline)
    if connection.authorization.request_object is not None:
        policy = connection.authorization.request_object
        jwks += request_object_jwks(policy, signing=jwks, keys=keys, deadline=deadline)
    certificates = _certificate_jwks(connection, keys, secrets, deadline)
    signing = (*jwks, *certificates)
    if {jwk_thumbprint(jwk) for jwk in jwks} & {jwk_thumbprint(jwk) for jwk in certificates}:
        raise ConfigurationError(
            "mutual_tls.key: this key signs as well, behind another reference: one key, one use"
        )
    if connection.client_authentication.method == "self_signed_tls_client_auth":
        jwks += certificates
    if connection.token_decryption is not None:
        jwks += decryption_jwks(connection.token_decryption, signing=signing, keys=keys, deadline=deadline)
    complete = replace(connection, client_jwks=jwks)
    return replace(complete, version=version_of(complete))


def all_publishable(
    connections: Mapping[str, Connection], keys: Keys, secrets: Secrets
) -> dict[str, Connection]:
    """Return the connections of a file as they are published, by name.

    Raises as `publishable` does, and ConfigurationError for a key that two of them share behind different references.
    """
    ready = {name: publishable(connection, keys, secrets) for name, connection in connections.items()}
    deadline = Deadline.after(KEY_BUDGET)
    compared = {
        name: replace(each, client_jwks=(*each.client_jwks, *_unpublished(each, keys, secrets, deadline)))
        for name, each in ready.items()
    }
    shared = problems_between(compared)
    if shared:
        raise ConfigurationError(
            problems=tuple(f"{name}: {problem.path}: {problem.message}" for name, problem in shared)
        )
    return ready


def _unpublished(
    connection: Connection, keys: Keys, secrets: Secrets, deadline: Deadline
) -> Iterator[dict[str, Any]]:
    """Yield the public keys that are compared with those of other connections all the same."""
    yield from _certificate_jwks(connection, keys, secrets, deadline)
    if connection.token_decryption is not None:
        for reference in connection.token_decryption.retired_keys:
            yield dict(keys.decrypter(reference, deadline).public_jwk)


def _certificate_jwks(
    connection: Connection, keys: Keys, secrets: Secrets, deadline: Deadline
) -> tuple[dict[str, Any], ...]:
    if connection.mutual_tls is None:
        return ()
    return certificate_jwks(connection.mutual_tls, keys=keys, secrets=secrets, deadline=deadline)
