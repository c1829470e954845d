"""What `fedbridge register` works with: a connection, and the ways to its IdP and to where its secrets are."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fedbridge.aws import sdk_client
from fedbridge.cli.address import base_url_of
from fedbridge.cli.connections import Quiet, load_one
from fedbridge.cli.dev import loopback_hosts
from fedbridge.cli.key_rings import open_rings
from fedbridge.cli.rescue import Rescue
from fedbridge.cli.secret_store import SecretStore
from fedbridge.configuration.registration_rules import registration_problems
from fedbridge.configuration.urls import Allowed
from fedbridge.errors import ConfigurationError
from fedbridge.keys.pem import certificates_der
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import SIGNATURE_ALGORITHMS
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import Registration
from fedbridge.net.outbound import OutboundClient
from fedbridge.publishing import publishable
from fedbridge.rp.calls import Calls
from fedbridge.rp.client_metadata import Facts
from fedbridge.rp.registration import Answer, IdentityProvider, Registrar

if TYPE_CHECKING:
    import argparse

    from fedbridge.model.connection import Connection

BUDGET = 30.0
"""Seconds for all calls of one command."""

SECRET_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One connection with its public keys. `access_token` is the reference of the registration's own token."""

    options: argparse.Namespace
    connection: Connection
    registration: Registration
    access_token: str
    keys: CachedKeys = field(repr=False)
    secrets: CachedSecrets = field(repr=False)
    store: SecretStore = field(repr=False)
    calls: Calls = field(repr=False)
    rescue: Rescue
    deadline: Deadline

    @property
    def registrar(self) -> Registrar:
        """The way to the registration endpoint."""
        return Registrar(self.connection, self.calls, self.deadline)

    @property
    def secret(self) -> str | None:
        """Reference of the client secret that the IdP issues, None where the connection needs none."""
        authentication = self.connection.client_authentication
        needed = authentication.method in SECRET_METHODS or self.connection.id_token.symmetric
        return authentication.secret if needed else None

    def managed(self) -> tuple[str, str]:
        """Return the registration's own URL and token; raises ConfigurationError, KeyUnavailable."""
        if self.registration.client_uri is None:
            raise ConfigurationError(
                f"{self.connection.name}: registration.client_uri: is missing: it is what registering printed"
            )
        return self.registration.client_uri, self.secrets.get(self.access_token, self.deadline)

    def keep(self, answer: Answer) -> None:
        """Store an answer's credentials, before anything else is made of it: the registration's own token first."""
        credentials = {self.access_token: answer.access_token}
        if self.secret is not None:
            credentials[self.secret] = answer.client_secret
        self.rescue.keep(
            {reference: value for reference, value in credentials.items() if value is not None},
            {"client_id": answer.client_id, "client_uri": answer.client_uri},
        )
        self.rescue.store(self.store, self.deadline)

    def facts(self, provider: IdentityProvider, registered: Mapping[str, Any] | None = None) -> Facts:
        """Return what a registration says beside the connection itself; raises ConfigurationError, KeyUnavailable.

        What no option says stays as it is `registered`. An IdP cannot fetch keys from a bridge on loopback.
        """
        connection, options, current = self.connection, self.options, registered or {}
        base_url = base_url_of(options)
        base = f"{base_url}/{connection.name}"
        inline = "jwks" in current or base_url.startswith("http://")
        name = current.get("client_name")
        profile = connection.authorization
        return Facts(
            callback_url=f"{base}/callback",
            client_name=options.client_name or (name if isinstance(name, str) else connection.name),
            method=connection.client_authentication.method,
            assertion_algorithm=self._assertion_algorithm(),
            request_object_algorithm=self._request_object_algorithm(),
            jwks=connection.client_jwks,
            jwks_uri=None
            if options.keys == "inline" or (options.keys is None and inline)
            else f"{base}/client-jwks.json",
            certificate_subject=self._certificate_subject(),
            supported=provider.supported,
            pushes=profile.par == "required"
            or (profile.par == "auto" and provider.metadata.require_pushed_authorization_requests),
        )

    def _assertion_algorithm(self) -> str | None:
        authentication = self.connection.client_authentication
        match authentication.method:
            case "private_key_jwt":
                return str(self.connection.client_jwks[0]["alg"])
            case "client_secret_jwt":
                return authentication.algorithm or "HS256"
            case _:
                return None

    def _request_object_algorithm(self) -> str | None:
        """Return it as sign-ins do: by the object's own key, or by that of client assertions."""
        profile = self.connection.authorization.request_object
        if profile is None:
            return None
        authentication = self.connection.client_authentication
        reference, algorithm = profile.key, profile.algorithm
        if reference is None:
            reference = authentication.key
            if algorithm is None and authentication.algorithm in SIGNATURE_ALGORITHMS:
                algorithm = authentication.algorithm
        if reference is None:
            raise ConfigurationError(f"{self.connection.name}: request objects need a key")
        return self.keys.signer(reference, algorithm, self.deadline).algorithm

    def _certificate_subject(self) -> str | None:
        """Return the subject of the certificate, which was checked with the keys, by RFC 4514 (RFC 8705 §2.1.2)."""
        from cryptography import x509  # noqa: PLC0415  only this method needs it

        tls = self.connection.mutual_tls
        if self.connection.client_authentication.method != "tls_client_auth" or tls is None:
            return None
        der = certificates_der(self.secrets.get(tls.certificate, self.deadline), tls.certificate)
        return x509.load_der_x509_certificate(der[0]).subject.rfc4514_string()


@contextlib.contextmanager
def opened(options: argparse.Namespace) -> Iterator[Desk]:
    """Load the connection and its keys, and open the way out; raises ConfigurationError, KeyUnavailable."""
    connection = _connection(options)
    registration = connection.registration or Registration()
    clients = functools.cache(sdk_client)
    secrets = CachedSecrets(clients, allow_local=options.local, telemetry=Quiet())
    keys = CachedKeys(secrets, clients, trust_stored=False)
    if options.table is not None:
        rings = open_rings(options.table, None, keys=keys, secrets=secrets)
        connection = rings.fill({connection.name: connection})[connection.name]
    store = SecretStore(clients, allow_local=options.local)
    access_token = registration.access_token or _default_reference(options)
    store.check(access_token)
    if connection.client_authentication.secret is not None:
        store.check(connection.client_authentication.secret)
    hosts = [*options.private_host, *(loopback_hosts(connection) if options.local else ())]
    with contextlib.closing(OutboundClient(private_hosts=hosts, ca_bundle=options.ca_bundle)) as http:
        yield Desk(
            options=options,
            connection=replace(publishable(connection, keys, secrets), registration=registration),
            registration=registration,
            access_token=access_token,
            keys=keys,
            secrets=secrets,
            store=store,
            calls=Calls(http, Quiet(), clock=time.time, keys=keys),
            rescue=Rescue(options.state / f"{connection.name}.registration.json", connection.name),
            deadline=Deadline.after(BUDGET),
        )


def _connection(options: argparse.Namespace) -> Connection:
    """Return the connection, held to the rules of registration even where it has no `registration`."""
    found = load_one(options)
    allowed = Allowed(local=options.local, private_hosts=frozenset(options.private_host))
    assumed = replace(found, registration=found.registration or Registration())
    problems = list(registration_problems(assumed, allowed))
    if problems:
        raise ConfigurationError(
            problems=tuple(f"{options.file}: {found.name}: {path}: {message}" for path, message in problems)
        )
    return found


def _default_reference(options: argparse.Namespace) -> str:
    if options.environment is not None:
        return f"secretsmanager:fedbridge/{options.environment}/registration/{options.connection}"
    if options.local:
        return f"file:{options.state / options.connection}.registration-access-token"
    raise ConfigurationError(
        f"{options.connection}: registration.access_token: is missing: name the secret to store it in, or give"
        " --environment"
    )
