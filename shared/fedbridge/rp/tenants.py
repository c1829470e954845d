"""Issuers of an IdP with many tenants, each of which signs under an issuer of its own (Microsoft Entra ID)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.policies import TenantPolicy

_DESCRIPTION = "The organisation of this user is not admitted."


def token_issuer(connection: Connection, claims: Mapping[str, Any], *, key_issuer: str | None) -> str:
    """Return the issuer that a verified ID token must name: the connection's, or that of the tenant it speaks of.

    The tenant must be among those allowed, and a key that the IdP publishes for one issuer alone signs for no other.
    Raises UpstreamError: `id_token_tenant_refused` (access_denied), `id_token_key_issuer_mismatch`.
    """
    tenants = connection.tenants
    if tenants is None:
        return connection.issuer
    tenant = claims.get(tenants.claim)
    if not isinstance(tenant, str) or tenant not in tenants.allowed:
        raise UpstreamError("id_token_tenant_refused", error="access_denied", description=_DESCRIPTION)
    if key_issuer not in {None, tenants.issuer_template, tenants.issuer(tenant)}:
        raise UpstreamError("id_token_key_issuer_mismatch")
    return tenants.issuer(tenant)


def issuers(connection: Connection) -> frozenset[str]:
    """Return the issuers that an authorization response may name: one, or those of the tenants that are allowed."""
    return frozenset({connection.issuer}) if connection.tenants is None else connection.tenants.issuers()


def metadata_issuer(issuer: str, tenants: TenantPolicy | None) -> str:
    """Return what the IdP's metadata call its issuer: for many tenants the template as it is written."""
    return issuer if tenants is None else tenants.issuer_template
