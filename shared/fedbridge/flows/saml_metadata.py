"""`/{connection}/saml/metadata`: what the IdP is configured with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.model.http import SECURITY_HEADERS, Response
from fedbridge.sp.sp_metadata import sp_metadata

if TYPE_CHECKING:
    from fedbridge.flows.services import FrontChannel
    from fedbridge.model.http import Request

MAX_AGE = 3600
"""Seconds."""


def saml_metadata(services: FrontChannel, request: Request) -> Response:
    """Answer the service provider's metadata; the published keys and configured URLs, whatever the Host header says."""
    connection = services.connection_of(request)
    document = sp_metadata(
        connection, services.return_url(connection), f"{services.issuer(connection)}/saml/slo"
    )
    return Response(
        status=200,
        headers={
            **SECURITY_HEADERS,
            "content-type": "application/samlmetadata+xml; charset=utf-8",
            "cache-control": f"public, max-age={MAX_AGE}",
        },
        body=document.decode("utf-8"),
    )
