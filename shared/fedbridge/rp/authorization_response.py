"""The authorization response that the browser brings back (RFC 6749 §4.1.2, RFC 9207)."""

from __future__ import annotations

import re

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.http import Parameters
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.rp.errors import upstream_error
from fedbridge.rp.tenants import issuers

_CODE = re.compile(r"[\x20-\x7e]{1,2048}")


def validate_authorization_response(
    connection: Connection, metadata: ProviderMetadata, response: Parameters
) -> str:
    """Return the code; called before anything is sent to the IdP, with `state` already proven.

    `iss` is compared first, errors included (RFC 9207 §2.4): when present it equals the configured issuer byte for
    byte, and it is present where the metadata says so. Raises IssuerMismatch (`authorization_response_iss_mismatch`,
    `…_iss_missing`) and UpstreamError: `authorization_response_ambiguous` (code and error), `…_empty`, `…_error` (the IdP
    refused), `authorization_code_malformed`.
    """
    if "iss" in response:
        if response["iss"] not in issuers(connection):
            raise IssuerMismatch("authorization_response_iss_mismatch")
    elif metadata.authorization_response_iss_parameter_supported:
        raise IssuerMismatch("authorization_response_iss_missing")
    code, error = response.value("code"), response.value("error")
    if code is not None and error is not None:
        raise UpstreamError("authorization_response_ambiguous")
    if error is not None:
        raise upstream_error("authorization_response_error", error)
    if code is None:
        raise UpstreamError("authorization_response_empty")
    if not _CODE.fullmatch(code):
        raise UpstreamError("authorization_code_malformed")
    return code
