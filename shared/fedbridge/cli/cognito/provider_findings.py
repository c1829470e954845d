"""The identity provider of the pool, field by field, against what it should be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fedbridge.cli.cognito.codes import found
from fedbridge.cli.cognito.expected import ENDPOINTS, SCOPE
from fedbridge.configuration.urls import host_problem
from fedbridge.op.client_authentication import secret_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.cognito.expected import Expected
    from fedbridge.cli.cognito.pool import IdentityProvider
    from fedbridge.model.connection import Connection, RelyingParty

_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.0\.0\.1|::1")


def provider_findings(
    provider: IdentityProvider, connection: Connection, party: RelyingParty
) -> Iterator[Finding]:
    """Yield what is wrong wherever the bridge is: client id, secret, scopes, levels."""
    details = provider.details
    if details.get("client_id") != party.client_id:
        yield found(
            "cognito_client_id",
            f"{provider.name} has client_id {details.get('client_id')}; the relying party's is {party.client_id}.",
        )
    yield from _secret(provider, party)
    scopes = details.get("authorize_scopes", "")
    if SCOPE not in scopes.split():
        yield found("cognito_scopes", f"authorize_scopes of {provider.name} is {scopes!r}, without openid.")
    yield from _levels(provider, connection)


def address_findings(
    provider: IdentityProvider, connection: Connection, wanted: Expected
) -> Iterator[Finding]:
    """Yield what is wrong with the issuer and the endpoints."""
    details = provider.details
    yield from _issuer(provider, wanted.issuer)
    given = {name: details[name] for name in ENDPOINTS if details.get(name)}
    for name, url in given.items():
        if url != wanted.endpoints[name]:
            yield found(
                "cognito_endpoint",
                f"{name} of {provider.name} is {url}; it should be {wanted.endpoints[name]}.",
            )
    if connection.tokens == "relay" and len(given) < len(ENDPOINTS):
        missing = ", ".join(name for name in ENDPOINTS if name not in given)
        yield found("cognito_relay_endpoints", f"Tokens are relayed, and {provider.name} has no {missing}.")
    elif 0 < len(given) < len(ENDPOINTS):
        missing = ", ".join(name for name in ENDPOINTS if name not in given)
        yield found("cognito_endpoints_partial", f"{provider.name} has endpoints by hand, but no {missing}.")
    yield from _reach(wanted.endpoints["token_url"])


def _secret(provider: IdentityProvider, party: RelyingParty) -> Iterator[Finding]:
    """Compare hashes: the secret that Cognito tells goes nowhere."""
    if not party.secret_hashes:
        return  # A managed secret whose hashes only the published connection has.
    secret = provider.details.get("client_secret")
    if not secret:
        yield found("cognito_client_secret", f"{provider.name} has no client secret.")
    elif secret_hash(secret) not in party.secret_hashes:
        yield found(
            "cognito_client_secret",
            f"The hash of the client secret of {provider.name} is not among secret_hashes of {party.client_id}.",
        )


def _levels(provider: IdentityProvider, connection: Connection) -> Iterator[Finding]:
    words = connection.assurance.acr_map
    if "acr_values" not in connection.authorization.travelling:
        return
    known = {*words, *words.values(), *connection.assurance.acr_order, *connection.authorization.acr_values}
    if words and not provider.acr_mapping:
        yield found("cognito_acr_missing", f"{provider.name} has no AcrMapping; the connection has acr_map.")
    for level, value in provider.acr_mapping.items():
        if known and value not in known:
            yield found(
                "cognito_acr_unknown",
                f"{level} of AcrMapping is {value}, which the connection does not know.",
            )


def _issuer(provider: IdentityProvider, issuer: str) -> Iterator[Finding]:
    has = provider.details.get("oidc_issuer", "")
    if has == issuer:
        return
    what = f"oidc_issuer of {provider.name} is {has or 'not set'}; the bridge's ID tokens say {issuer}."
    if has.rstrip("/") == issuer:
        yield found("cognito_issuer_slash", what)
        return
    ours, theirs = urlsplit(issuer), urlsplit(has)
    same_end = theirs.path.rstrip("/").endswith(ours.path) or ours.path.endswith(theirs.path.rstrip("/"))
    if theirs.netloc == ours.netloc and theirs.path.rstrip("/") != ours.path and same_end:
        yield found("cognito_issuer_path", what)
        return
    yield found("cognito_issuer", what)


def _reach(url: str) -> Iterator[Finding]:
    """Tell what Cognito never calls. A bridge on loopback is a local run, whose pool is emulated there."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _LOOPBACK.fullmatch(host):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme != "https" or port not in {80, 443} or host_problem(host):
        yield found("cognito_cannot_reach", f"The bridge is at {parts.scheme}://{parts.netloc}.")
