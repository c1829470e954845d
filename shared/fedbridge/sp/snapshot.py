"""One IdP, as metadata described it, in a connection's snapshot: verified when it was taken, plain data since.

Metadata are not kept as they came: a federation's aggregate has megabytes, and its signature covers the whole.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from fedbridge.errors import UpstreamError
from fedbridge.model.snapshot import Seed
from fedbridge.sp.idp import IdentityProvider, UnusableCertificateError, certificates_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.connection import Connection

PART = "saml"


def to_part(provider: IdentityProvider) -> dict[str, Any]:
    """Return the IdP as plain data."""
    data = {field.name: getattr(provider, field.name) for field in fields(provider)}
    never = provider.refresh_at == math.inf
    return {
        **data,
        "certificates": [certificate.pem for certificate in provider.certificates],
        "refresh_at": None if never else provider.refresh_at,
    }


def from_part(connection: Connection, part: Mapping[str, Any]) -> IdentityProvider:
    """Return the IdP; raises UpstreamError for another one's, and for a certificate that may not be used any more."""
    if part["entity_id"] != connection.issuer:
        raise UpstreamError("saml_metadata_entity_mismatch")
    try:
        certificates = certificates_of("\n".join(part["certificates"]))
    except UnusableCertificateError as error:
        raise UpstreamError("saml_metadata_malformed", message=f"a signing certificate {error}") from None
    services = {int(index): url for index, url in part["artifact_services"].items()}
    refresh_at = math.inf if part["refresh_at"] is None else part["refresh_at"]
    changed = {"certificates": certificates, "artifact_services": services, "refresh_at": refresh_at}
    known = {field.name for field in fields(IdentityProvider)}  # A newer release may have stored more.
    return IdentityProvider(**{name: part[name] for name in known & part.keys()} | changed)


def seed(connection: Connection, *, endpoints_only: bool) -> Seed[IdentityProvider] | None:
    """Return what the connection's snapshot says; it stands in for a fetch where no certificate is asked for (ADR 0023)."""
    snapshot = connection.snapshot
    if snapshot is None:
        return None

    def read() -> IdentityProvider | None:
        part = snapshot.part(PART)
        return None if part is None else from_part(connection, part)

    return Seed(taken_at=snapshot.taken_at, read=read, stands_in=endpoints_only)
