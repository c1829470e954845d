"""What `cognito-idp` CreateIdentityProvider takes for an OIDC provider, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import httpx

LEVELS = ("Level1", "Level2", "Level3", "Level4")
"""The assurance levels of a user pool, the lowest first."""

_LOOPBACK = {"localhost", "127.0.0.1"}


class InvalidParameterError(Exception):
    """The `cognito-idp` API refuses an identity provider's configuration (InvalidParameterException)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """`ProviderDetails` of an IdP without discovery: Cognito wants all four."""

    authorize_url: str
    token_url: str
    attributes_url: str
    jwks_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcIdentityProvider:
    """What `CreateIdentityProvider` takes for OIDC. `attribute_mapping` is attribute of the pool → claim.

    `post_token_in` says where the access token goes in a POST to userinfo, which is not documented. `acr_mapping` is
    `AcrMapping`, the pool's level (`Level1` to `Level4`, the lowest first) → the IdP's value.
    """

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    oidc_issuer: str
    endpoints: Endpoints | None = None
    authorize_scopes: str = "openid email"
    attributes_request_method: Literal["GET", "POST"] = "GET"
    post_token_in: Literal["header", "body"] = "header"
    attribute_mapping: Mapping[str, str] = field(
        default_factory=lambda: {"email": "email", "email_verified": "email_verified"}
    )
    acr_mapping: Mapping[str, str] = field(default_factory=dict)


def check_configuration(provider: OidcIdentityProvider) -> None:
    """Raise `InvalidParameterError` for what the API refuses, and for http other than on loopback."""
    problems = []
    if not re.fullmatch(r"[^_\s][^\s][^_\s]+", provider.name) or len(provider.name) > 32:
        problems.append(
            "ProviderName has 3 to 32 characters, no blanks, and an underscore in second place only"
        )
    if "openid" not in provider.authorize_scopes.split(" "):
        problems.append("authorize_scopes needs openid")
    if not provider.client_id or not provider.client_secret:
        problems.append("client_id and client_secret are needed")
    if provider.oidc_issuer.endswith("/"):
        problems.append("oidc_issuer must not end with a slash")
    endpoints = provider.endpoints
    urls = [provider.oidc_issuer]
    if endpoints:
        urls += [endpoints.authorize_url, endpoints.token_url, endpoints.attributes_url, endpoints.jwks_uri]
    for url in urls:
        parsed = httpx.URL(url)
        if parsed.host not in _LOOPBACK and (parsed.scheme != "https" or parsed.port not in {None, 80, 443}):
            problems.append(f"{url} is not https on port 443 or 80")
    problems += [
        f"{attribute} is longer than 20 characters"
        for attribute in provider.attribute_mapping
        if len(attribute.removeprefix("custom:")) > 20
    ]
    problems += [f"there is no {level}" for level in provider.acr_mapping if level not in LEVELS]
    if problems:
        raise InvalidParameterError("; ".join(problems))
