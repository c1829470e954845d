"""AttributeMapping: which claim of the bridge fills which attribute of a user pool.

https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-specifying-attribute-mapping.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.claims.mapping import VERIFIED, rules_of
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fedbridge.cli.cognito.pool import Attribute
    from fedbridge.model.connection import Connection

USERNAME = "username"
"""No attribute of the schema, and mapped all the same: Cognito makes user names of it."""

UNMAPPABLE = frozenset({"sub", USERNAME})
"""What no claim fills: the pool's own id of a user, and the name, which is always made of the claim `sub`."""

PROTOCOL_CLAIMS = frozenset({"iss", "sub", "aud", "exp", "iat", "acr", "amr", "auth_time"})
"""What the bridge's ID token has beside the connection's claims, and what may be mapped like these."""

TOKENS = frozenset({"id_token", "access_token"})
"""Cognito takes the whole tokens under these names."""

BY_SCOPE = {
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
    "profile": ("name", "given_name", "family_name"),
}
"""What people map of the claims that a scope brings (OpenID Connect Core §5.4)."""


def emitted(connection: Connection) -> frozenset[str]:
    """Return the names of all claims that may reach Cognito, the protocol's own included."""
    claims = frozenset(rules_of(connection))
    flags = {flag for name, flag in VERIFIED.items() if name in claims}
    return claims | flags | PROTOCOL_CLAIMS | TOKENS


def default_mapping(connection: Connection, schema: Mapping[str, Attribute] | None) -> dict[str, str]:
    """Return what is mapped where nobody says otherwise: the connection's claims, each to the attribute of its name.

    Claims that the connection names go to the standard attribute or the custom one; without any, those of the scopes
    that it asks for. Required attributes are always among them. An attribute that cannot change is left out, unless it
    is required. Without a `schema` there are the standard attributes alone.
    """
    claims = emitted(connection) - PROTOCOL_CLAIMS - TOKENS
    wanted = claims if connection.claims is not None else claims & set(_by_scope(connection))
    if schema is None:
        return {USERNAME: "sub", **{name: name for name in sorted(wanted & STANDARD)}}
    required = {each.name for each in schema.values() if each.required}
    found = {USERNAME: "sub"}
    for name in sorted(wanted | (claims & required)):
        attribute = schema.get(name) or schema.get(f"custom:{name}")
        if attribute is None or attribute.developer_only or attribute.name in UNMAPPABLE:
            continue
        if attribute.mutable or attribute.required:
            found[attribute.name] = name
    return found


STANDARD = frozenset(name for names in BY_SCOPE.values() for name in names) | {
    "address", "birthdate", "gender", "locale", "middle_name", "nickname", "picture", "preferred_username", "profile",
    "website", "zoneinfo",
}  # fmt: skip
"""The standard attributes of every pool, but for `sub` and the number `updated_at`."""


def merged_mapping(
    connection: Connection,
    schema: Mapping[str, Attribute] | None,
    *,
    current: Mapping[str, str],
    asked: Mapping[str, str],
    prune: bool = False,
) -> dict[str, str]:
    """Return the mapping that a pool should have: what is asked for, what is there, and what is missing by default.

    An entry that is there stays, as long as its claim can come; with `prune` only what is asked for and the default is
    left. `username` is always `sub`.
    """
    claims = emitted(connection)
    kept = {} if prune else dict(current)
    for attribute, claim in default_mapping(connection, schema).items():
        if attribute not in kept or (kept[attribute] not in claims and connection.tokens != "relay"):
            kept[attribute] = claim
    return {**kept, USERNAME: "sub", **asked}


def parse_pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Return `name=value` words as a dictionary; raises ConfigurationError that names the option."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or not value:
            raise ConfigurationError(f"{option}: {text}: must be written name=value")
        if name == USERNAME and value != "sub":
            raise ConfigurationError(f"{option}: {text}: user names are always made of sub")
        if found.setdefault(name, value) != value:
            raise ConfigurationError(f"{option}: {name}: is there twice")
    return found


def _by_scope(connection: Connection) -> Iterable[str]:
    """SAML and plain OAuth 2.0 have no such scopes: whatever of these claims comes may be mapped."""
    scopes = connection.authorization.scope.split() if connection.protocol == "oidc" else BY_SCOPE
    return [name for scope in scopes for name in BY_SCOPE.get(scope, ())]
