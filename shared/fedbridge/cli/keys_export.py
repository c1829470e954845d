"""`fedbridge keys export`: a connection's public keys, in the forms that IdPs take uploads in."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from fedbridge.aws import sdk_client
from fedbridge.cli.connections import Quiet, load_one
from fedbridge.cli.key_rings import open_rings
from fedbridge.cli.options import add_file, add_local, add_private_host
from fedbridge.configuration.rings import ring_of
from fedbridge.errors import ConfigurationError
from fedbridge.flows.rotation import read
from fedbridge.keys.certificates import certificate_pem, public_pem, request_pem, subject_name
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import DAY, DECRYPTION
from fedbridge.publishing import publishable

if TYPE_CHECKING:
    import argparse

    from cryptography.x509 import Name

    from fedbridge.model.connection import Connection
    from fedbridge.ports import Signer

BUDGET = 20.0
"""Seconds for loading a key and signing with it."""

FORMATS = ("jwks", "pem", "certificate", "csr")
KEYS = ("key", "next_key", "request_object", "mutual_tls", "decryption")
DAYS = range(1, 3651)


def add_command(actions: Any) -> None:
    """Add `export` to the actions of `keys`."""
    export = actions.add_parser(
        "export", help="print a connection's public keys, for an IdP that takes uploads"
    )
    export.add_argument("connection", metavar="CONNECTION", help="or ring:NAME, with --table")
    export.add_argument(
        "--table", help="the stack's output ConnectionsTable, where key rings fill the connection"
    )
    export.add_argument("--kid", help="which key of a ring; the next one, else the active one")
    export.add_argument("--format", choices=FORMATS, default="jwks", help="jwks: every key that is published")
    export.add_argument("--key", choices=KEYS, default="key", help="which one, in the other formats")
    export.add_argument("--subject", metavar="NAME", help="CN=bridge,O=Acme,C=SE; CN=fedbridge CONNECTION")
    export.add_argument("--days", type=int, default=365, help="how long the certificate is valid")
    add_file(export)
    add_local(export)
    add_private_host(export)
    export.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the key material; raises ConfigurationError, KeyUnavailable. Nothing that is printed is secret."""
    clients = functools.cache(sdk_client)
    secrets = CachedSecrets(clients, allow_local=options.local, telemetry=Quiet())
    keys = CachedKeys(secrets, clients, trust_stored=False)
    ring = ring_of(options.connection)
    if ring is not None:
        print(_of_ring(options, ring, keys, secrets), end="")
        return 0
    connection = load_one(options)
    if options.table is not None:
        rings = open_rings(options.table, None, keys=keys, secrets=secrets)
        connection = rings.fill({connection.name: connection})[connection.name]
    if options.format == "jwks":
        jwks = publishable(connection, keys, secrets).client_jwks
        if not jwks:
            raise ConfigurationError(f"{connection.name}: has no keys to publish")
        print(json.dumps({"keys": jwks}, indent=2))
    else:
        print(_exported(options, connection, keys), end="")
    return 0


def _of_ring(options: argparse.Namespace, name: str, keys: CachedKeys, secrets: CachedSecrets) -> str:
    """Return one key of a ring: its JWK Set, its public key, its certificate, or a request for one."""
    if options.table is None:
        raise ConfigurationError(f"ring:{name}: --table is missing: rings are in the Connections table")
    deadline = Deadline.after(BUDGET)
    services = open_rings(options.table, None, keys=keys, secrets=secrets).services
    ring = read(services, name, deadline)
    key = ring.state.key(options.kid) if options.kid else ring.state.next or ring.state.active
    if key is None:
        raise ConfigurationError(f"ring:{name}: has no key yet: fedbridge keys init")
    if options.format == "certificate" and key.certificate is not None:
        return secrets.get(key.certificate, deadline).rstrip("\n") + "\n"
    if ring.policy.use in DECRYPTION:
        if options.format not in {"jwks", "pem"}:
            raise ConfigurationError(f"ring:{name}: signs nothing: export it as jwks or pem")
        jwk = keys.decrypter(key.reference, deadline).public_jwk
    else:
        signer = keys.signer(key.reference, None, deadline)
        if options.format not in {"jwks", "pem"}:
            subject = _subject(options.subject or ring.policy.certificate_subject or f"CN=fedbridge {name}")
            return _signed(options, signer, subject, client_tls=ring.policy.use == "client-tls")
        jwk = signer.public_jwk
    return public_pem(jwk) if options.format == "pem" else json.dumps({"keys": [jwk]}, indent=2) + "\n"


def _signed(options: argparse.Namespace, signer: Signer, subject: Name, *, client_tls: bool) -> str:
    """Return a certificate of the signer's key, or a request for one."""
    if options.days not in DAYS:
        raise ConfigurationError(f"--days: must be between {DAYS.start} and {DAYS.stop - 1}")
    deadline = Deadline.after(BUDGET)
    if options.format == "csr":
        return request_pem(signer, subject, client_tls=client_tls, deadline=deadline)
    return certificate_pem(
        signer, subject, lifetime=options.days * DAY, client_tls=client_tls, deadline=deadline
    )


def _exported(options: argparse.Namespace, connection: Connection, keys: CachedKeys) -> str:
    """Return one key in PEM. A decryption key signs nothing, so there is no certificate of it."""
    deadline = Deadline.after(BUDGET)
    reference, algorithm = _key(connection, options.key)
    if options.key == "decryption":
        if options.format != "pem":
            raise ConfigurationError("--key decryption: signs nothing: export it as jwks or pem")
        return public_pem(keys.decrypter(reference, deadline).public_jwk)
    signer = keys.signer(reference, algorithm, deadline)
    if options.format == "pem":
        return public_pem(signer.public_jwk)
    subject = _subject(options.subject or f"CN=fedbridge {connection.name}")
    return _signed(
        options,
        _readable(keys, reference, signer, deadline),
        subject,
        client_tls=options.key == "mutual_tls",
    )


def _subject(text: str) -> Name:
    try:
        return subject_name(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"--subject: {error}") from None


def _key(connection: Connection, which: str) -> tuple[str, str | None]:
    """Return reference and algorithm of the key that is meant; raises ConfigurationError where there is none."""
    authentication, request = connection.client_authentication, connection.authorization.request_object
    tls, decryption = connection.mutual_tls, connection.token_decryption
    found: dict[str, tuple[str | None, str | None]] = {
        "key": (authentication.key, authentication.algorithm),
        "next_key": (authentication.next_key, None),
        "request_object": (request.key, request.algorithm) if request else (None, None),
        "mutual_tls": (tls.key if tls else None, None),
        "decryption": (decryption.keys[0] if decryption else None, None),
    }
    reference, algorithm = found[which]
    if reference is None:
        raise ConfigurationError(f"{connection.name}: has no such key: --key {which}")
    return reference, algorithm


def _readable(keys: CachedKeys, reference: str, signer: Signer, deadline: Deadline) -> Signer:
    """Return the signer of certificates: many consoles cannot read RSA-PSS, so an RSA key uses PKCS #1 v1.5 if it may."""
    if not signer.algorithm.startswith("PS"):
        return signer
    try:
        return keys.signer(reference, f"RS{signer.algorithm[2:]}", deadline)
    except ConfigurationError:
        return signer  # Its JWK, or KMS, allows PSS alone.
