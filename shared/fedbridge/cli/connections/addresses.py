"""What Cognito and the identity provider have to be told of a connection: addresses that follow from the bridge's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection


class Address(NamedTuple):
    """`who` needs it, what it is called there, and the value."""

    who: str
    name: str
    value: str


def addresses(connection: Connection, base_url: str) -> list[Address]:
    """Return them in the order in which they are asked for; `base_url` has no trailing slash."""
    issuer = f"{base_url}/{connection.name}"
    return [*_cognito(connection, issuer), *_provider(connection, issuer)]


def _cognito(connection: Connection, issuer: str) -> Iterator[Address]:
    relayed = connection.tokens == "relay"
    login = "saml/login" if connection.protocol == "saml" else "authorize"
    yield Address("Cognito", "oidc_issuer", connection.issuer if relayed else issuer)
    yield Address("Cognito", "authorize_url", f"{issuer}/{login}")
    yield Address("Cognito", "token_url", f"{issuer}/token")
    yield Address("Cognito", "attributes_url", f"{issuer}/userinfo")
    if not relayed:
        yield Address("Cognito", "jwks_uri", f"{issuer}/.well-known/jwks.json")
    if _signs_out(connection):
        yield Address("Cognito", "sign-out URL (logout_uri)", f"{issuer}/logout")


def _provider(connection: Connection, issuer: str) -> Iterator[Address]:
    if connection.saml is not None:
        yield Address("provider", "entityID", connection.client_id)
        yield Address("provider", "metadata", f"{issuer}/saml/metadata")
        yield Address("provider", "assertion consumer service", f"{issuer}/saml/acs")
        if connection.saml.logout is not None:
            yield Address("provider", "single logout service", f"{issuer}/saml/slo")
        return
    yield Address("provider", "client_id", connection.client_id)
    yield Address("provider", "redirect_uri", f"{issuer}/callback")
    if connection.client_jwks:
        yield Address("provider", "jwks_uri", f"{issuer}/client-jwks.json")
    if connection.logout.mode != "none":
        yield Address("provider", "post_logout_redirect_uri", f"{issuer}/logout/callback")
    if connection.logout.back_channel:
        yield Address("provider", "backchannel_logout_uri", f"{issuer}/backchannel-logout")
    if connection.logout.front_channel:
        yield Address("provider", "frontchannel_logout_uri", f"{issuer}/frontchannel-logout")


def _signs_out(connection: Connection) -> bool:
    if connection.saml is not None:
        return connection.saml.logout is not None
    return connection.logout.mode != "none"
