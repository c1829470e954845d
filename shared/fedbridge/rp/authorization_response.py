"""The authorization response that the browser brings back (RFC 6749 §4.1.2, RFC 9207, JARM)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.model.http import Parameters
from fedbridge.rp.context import Context, KeyContext
from fedbridge.rp.errors import upstream_error
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.tenants import issuers

_CODE = re.compile(r"[\x20-\x7e]{1,2048}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponse:
    """A response that grants something; `state` is what the browser presented."""

    code: str = field(repr=False)
    state: str | None = field(repr=False)


def carried_state(context: KeyContext, response: Parameters) -> str | None:
    """Return the `state` that a response carries, from within its JWT if it is one (JARM); nothing is verified yet.

    Raises KeyUnavailable, ConfigurationError where the key of an encrypted one cannot be had.
    """
    token = response.value("response")
    if token is None:
        return response.value("state")
    from fedbridge.rp.jarm import claimed_state  # noqa: PLC0415  few IdPs sign their responses

    return claimed_state(context, token)


def validate_authorization_response(
    context: Context, jwks: JwksSource, response: Parameters, remembered: Mapping[str, str]
) -> AuthorizationResponse:
    """Return the code; called before anything is sent to the IdP, with `state` already proven.

    Where a JWT was asked for (JARM) it is verified first, and plain parameters are refused, errors included. `iss` is
    compared next, errors included (RFC 9207 §2.4): when present it equals the configured issuer byte for byte, and it
    is present where the metadata says so. Raises IssuerMismatch (`authorization_response_iss_mismatch`,
    `…_iss_missing`) and UpstreamError: `authorization_response_ambiguous` (code and error), `…_empty`, `…_error` (the IdP
    refused), `authorization_code_malformed`; and what `open_response` raises.
    """
    if context.connection.authorization.signed_response:
        from fedbridge.rp.jarm import open_response  # noqa: PLC0415  few IdPs sign their responses

        response = open_response(context, jwks, response, remembered)
    if "iss" in response:
        if response["iss"] not in issuers(context.connection):
            raise IssuerMismatch("authorization_response_iss_mismatch")
    elif context.metadata.authorization_response_iss_parameter_supported:
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
    return AuthorizationResponse(code=code, state=response.value("state"))
