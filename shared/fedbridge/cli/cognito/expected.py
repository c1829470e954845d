"""What a user pool's OIDC identity provider should be for a connection: addresses, scopes, levels of assurance.

The keys are those of `ProviderDetails` in CreateIdentityProvider:
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateIdentityProvider.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fedbridge.cli.cognito.pool import IdentityProvider
    from fedbridge.model.connection import Connection, RelyingParty

ENDPOINTS = ("authorize_url", "token_url", "attributes_url", "jwks_uri")
"""What Cognito does not discover where all four are given."""

LEVELS = ("Level1", "Level2", "Level3", "Level4")
"""The assurance levels of a user pool, the lowest first."""

SCOPE = "openid"
"""All that the bridge wants of Cognito: what is asked of the IdP is the connection's own `authorization.scope`."""

PROVIDER_NAME = re.compile(r"[^_\s][^\s][^_\s]+")
"""3 characters and more, no blanks, an underscore in second place only; 32 at most."""

_NAME_LIMIT = 32
_LEVEL_VALUE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Cognito's side of one relying party.

    `endpoints` has the four of ENDPOINTS. `acr_mapping` is empty where the connection knows no levels that apps choose.
    """

    client_id: str
    issuer: str
    endpoints: Mapping[str, str]
    acr_mapping: Mapping[str, str]

    def details(
        self, secret: str, current: Mapping[str, str] | None = None, *, discovery: bool = False
    ) -> dict[str, str]:
        """Return `ProviderDetails` with this client secret.

        Of `current` what does as well stays: more scopes than needed, POST to userinfo, members that nobody here knows.
        With `discovery` there are no endpoints, and Cognito finds them by the issuer; those that it has found already and
        that are right stay.
        """
        kept = dict(current or {})
        scopes = kept.get("authorize_scopes", "")
        endpoints = dict(self.endpoints)
        if discovery and any(kept.get(name, url) != url for name, url in endpoints.items()):
            kept = {name: value for name, value in kept.items() if name not in ENDPOINTS}
        return {
            **kept,
            "client_id": self.client_id,
            "client_secret": secret,
            "authorize_scopes": scopes if SCOPE in scopes.split() else SCOPE,
            "attributes_request_method": kept.get("attributes_request_method") or "GET",
            # What Cognito adds by itself, said aloud: else every tool that compares finds a difference.
            "attributes_url_add_attributes": "false",
            "oidc_issuer": self.issuer,
            **({} if discovery else endpoints),
        }


def expected(connection: Connection, party: RelyingParty, base_url: str, jwks_uri: str | None) -> Expected:
    """Return what Cognito should have; `jwks_uri` is the IdP's own, needed where its tokens are relayed."""
    own = f"{base_url}/{connection.name}"
    relayed = connection.tokens == "relay"
    if relayed and jwks_uri is None:
        raise ConfigurationError(f"{connection.name}: relays tokens of an IdP that publishes no keys")
    begin = "saml/login" if connection.protocol == "saml" else "authorize"
    return Expected(
        client_id=party.client_id,
        issuer=connection.issuer if relayed else own,
        endpoints={
            "authorize_url": f"{own}/{begin}",
            "token_url": f"{own}/token",
            "attributes_url": f"{own}/userinfo",
            "jwks_uri": jwks_uri if relayed and jwks_uri else f"{own}/.well-known/jwks.json",
        },
        acr_mapping=level_words(connection),
    )


def level_words(connection: Connection) -> dict[str, str]:
    """Return `AcrMapping`: the connection's words for levels that apps may choose, the weakest first; else nothing.

    The words of `acr_map`, one for each value, or the values of `acr_order` themselves. Nothing where their order is
    not known, where there are more than four, or where Cognito's `acr_values` are not passed on.
    """
    order, words = connection.assurance.acr_order, connection.assurance.acr_map
    if "acr_values" not in connection.authorization.travelling or not order:
        return {}
    if words:
        if not set(words.values()) <= set(order):
            return {}
        by_value = {value: word for word, value in sorted(words.items(), reverse=True)}
        found = [by_value[value] for value in order if value in by_value]
    else:
        found = list(order)
    if len(found) > len(LEVELS) or not all(_LEVEL_VALUE.fullmatch(word) for word in found):
        return {}
    return dict(zip(LEVELS, found, strict=False))


def relying_party(connection: Connection, client_id: str | None) -> RelyingParty:
    """Return the relying party of this client id, or the only one; raises ConfigurationError."""
    known = ", ".join(party.client_id for party in connection.relying_parties)
    if client_id is None:
        if len(connection.relying_parties) != 1:
            raise ConfigurationError(f"{connection.name}: --relying-party: say which of {known}")
        return connection.relying_parties[0]
    found = connection.relying_party(client_id)
    if found is None:
        raise ConfigurationError(f"{connection.name}: has no relying party {client_id}; there are {known}")
    return found


def provider_name(connection: Connection, party: RelyingParty, name: str | None) -> str:
    """Return the bridge's name in the pool: as asked, as the connection says, or the connection's own; raises ConfigurationError."""
    if name is None:
        name = party.user_pool.identity_provider if party.user_pool else connection.name
    if not PROVIDER_NAME.fullmatch(name) or len(name) > _NAME_LIMIT:
        raise ConfigurationError(
            f"--provider: {name} is no ProviderName: 3 to 32 characters without blanks, and no underscore but in second place"
        )
    return name


def named_by_issuer(providers: Iterable[IdentityProvider], wanted: Expected) -> list[str]:
    """Return the names of the providers that are this relying party already, whatever they are called."""
    return [
        each.name
        for each in providers
        if each.details.get("oidc_issuer", "").rstrip("/") == wanted.issuer.rstrip("/")
        and each.details.get("client_id") == wanted.client_id
    ]
