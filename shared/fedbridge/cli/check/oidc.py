"""An OpenID provider, or an OAuth 2.0 server: its metadata, its keys, what it offers, and whether it takes the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.cli.check.authorization import request_findings
from fedbridge.cli.check.client import client_findings
from fedbridge.cli.check.discovery import discover
from fedbridge.cli.check.jwks import jwks_findings
from fedbridge.cli.check.offers import offer_findings
from fedbridge.cli.check.own_keys import is_registered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding


def oidc_findings(context: CheckContext) -> Iterator[Finding]:
    """Yield what is wrong between the connection and its IdP, nothing for SAML."""
    if context.connection.protocol == "saml":
        return
    provider = yield from discover(context)
    if provider is None:
        return
    yield from jwks_findings(context, provider)
    yield from offer_findings(context.runtime(provider.metadata), provider)
    if context.options.probe and is_registered(context.connection):
        accepted = yield from client_findings(context, provider.metadata)
        if accepted:
            yield from request_findings(context, provider.metadata)
