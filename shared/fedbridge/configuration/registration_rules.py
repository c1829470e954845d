"""Rules of `registration` (RFC 7591, RFC 7592)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.authentication_rules import document_of, signing_references
from fedbridge.configuration.encryption_rules import decryption_references
from fedbridge.configuration.references import reference_problem
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, upstream_url_problem

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.policies import Registration


# With such a token, whoever is inside a function could change at the provider who the bridge is, and stay that; the roles
# are denied what is below registration/, and allowed the rest of fedbridge/ENVIRONMENT/ (template.yaml).
_READABLE = re.compile(r"(?:secretsmanager:|ssm:/)fedbridge/[^/]+/(?!registration/)")


def registration_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with a connection that is registered by `fedbridge register`."""
    registration = connection.registration
    if registration is None:
        return
    if not connection.client_id:
        yield Problem("registration", f"`fedbridge register {connection.name}` gets the client_id")
    for path, message in (
        *_urls(registration, allowed),
        *_tokens(connection, registration, allowed),
    ):
        yield Problem(f"registration.{path}", message)
    match connection.client_authentication.method:
        case "auto":
            yield Problem("client_authentication.method", "must be named, because it is registered")
        case "apple_client_secret":
            yield Problem(
                "registration", "does not go with apple_client_secret: Apple registers nobody this way"
            )


def _urls(registration: Registration, allowed: Allowed) -> Iterator[tuple[str, str]]:
    for field in ("endpoint", "client_uri"):
        url = getattr(registration, field)
        if url is not None and (problem := upstream_url_problem(url, allowed)):
            yield field, problem


def _tokens(
    connection: Connection, registration: Registration, allowed: Allowed
) -> Iterator[tuple[str, str]]:
    for field in ("initial_access_token", "access_token"):
        reference = getattr(registration, field)
        if reference is not None and (
            problem := reference_problem(reference, local=allowed.local, key=False)
        ):
            yield field, problem
        elif reference is not None and _READABLE.match(reference):
            yield (
                field,
                "must be named fedbridge/ENVIRONMENT/registration/…: other names the functions may read",
            )
    access_token = registration.access_token
    if access_token is None and registration.client_uri is not None:
        yield "access_token", "is missing: client_uri needs it"
    if access_token is None:
        return
    if access_token.startswith("env:"):
        yield "access_token", "must not be an env: reference: fedbridge writes it"
    # What registering stores under one would be read as the other, or stand in its place.
    for other, reference in _others(connection, registration):
        if access_token in (reference, document_of(reference)):
            yield "access_token", f"is the same reference as {other}"


def _others(connection: Connection, registration: Registration) -> Iterator[tuple[str, str]]:
    """Yield path and reference of the other secrets and the keys."""
    if registration.initial_access_token is not None:
        yield "initial_access_token", registration.initial_access_token
    if connection.client_authentication.secret is not None:
        yield "client_authentication.secret", connection.client_authentication.secret
    yield from signing_references(connection)
    if connection.token_decryption is not None:
        for field, reference in decryption_references(connection.token_decryption):
            yield f"token_decryption.{field}", reference
