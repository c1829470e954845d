"""What is wrong with a Response: whose it is not, and what the IdP itself says went wrong."""

from __future__ import annotations

import re

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.sp.names import STATUS

_STATUS = {
    "AuthnFailed": "access_denied",
    "RequestDenied": "access_denied",
    "UnknownPrincipal": "access_denied",
    "NoAuthnContext": "access_denied",
    "NoPassive": "login_required",
    "RequestUnsupported": "server_error",
    "PartialLogout": "server_error",
}
"""Second-level status codes (SAML core §3.2.2.2) → what Cognito is told. Anything else is the IdP's or our own fault."""

_DESCRIPTIONS = {
    "access_denied": "The sign-in was cancelled or refused at the identity provider.",
    "login_required": "The identity provider asks for a new sign-in.",
}
ASSURANCE_NOT_MET = "assurance_not_met"
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def response_refused(reason: str, *, message: str = "") -> IssuerMismatch:
    """Return the error of a Response that is not known to be the IdP's answer to this sign-in.

    Whoever sent it is told nothing, and neither is Cognito: the trip ends on a page.
    """
    return IssuerMismatch(reason, message=message)


def status_error(codes: tuple[str, ...]) -> UpstreamError:
    """Return the error that the IdP reports: the first code that is known decides, the last one is logged."""
    short = [code.removeprefix(STATUS) for code in codes]
    error = next((_STATUS[code] for code in reversed(short) if code in _STATUS), "server_error")
    last = short[-1]
    return UpstreamError(
        "saml_status_refused",
        error=error,
        description=ASSURANCE_NOT_MET if "NoAuthnContext" in short else _DESCRIPTIONS.get(error),
        upstream_code=last if _CODE.fullmatch(last) else "free_text",
    )


def assurance_not_met(reason: str) -> UpstreamError:
    """Return the error of a sign-in that is genuine, but weaker or older than what was asked for."""
    return UpstreamError(reason, error="access_denied", description=ASSURANCE_NOT_MET)
