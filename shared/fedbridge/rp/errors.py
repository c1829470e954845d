"""From an IdP's error to a registered one: the only table of the kind, with texts of our own.

What an IdP writes into `error_description` goes nowhere; its error code goes into the log alone, cleaned.
"""

from __future__ import annotations

import re

from fedbridge.errors import UpstreamError

ASSURANCE_NOT_MET = "assurance_not_met"
"""The description that tells an app that the person signed in, but not as strongly as was asked."""

_ERRORS = {
    # The person said no: RFC 6749 §4.1.2.1, TARA, OP (Finland), Apple, GitHub's spent or wrong code.
    "access_denied": "access_denied",
    "user_cancel": "access_denied",
    "cancel": "access_denied",
    "user_cancelled_authorize": "access_denied",
    "bad_verification_code": "access_denied",
    # OpenID Connect Unmet Authentication Requirements 1.0.
    "unmet_authentication_requirements": "access_denied",
    # OpenID Connect Core §3.1.2.6, NHS login.
    "login_required": "login_required",
    "sso_login_required": "login_required",
    "interaction_required": "interaction_required",
    "consent_required": "consent_required",
    "account_selection_required": "account_selection_required",
    # Worth another try. A code that was refused has mostly expired (30 s at FranceConnect, ProConnect and TARA).
    "temporarily_unavailable": "temporarily_unavailable",
    "invalid_grant": "temporarily_unavailable",
    # GOV.UK One Login: the client was deactivated.
    "unauthorized_client": "unauthorized_client",
}
"""Everything else is our configuration, our key or their fault, and `server_error` to the app: invalid_request, Y000400,
invalid_client, invalid_scope, invalid_request_object, use_dpop_nonce, free text."""

_DESCRIPTIONS = {
    "access_denied": "The sign-in was cancelled or refused at the identity provider.",
    "login_required": "The identity provider asks for a new sign-in.",
    "interaction_required": "The identity provider has to ask the user something.",
    "consent_required": "The identity provider needs the consent of the user.",
    "account_selection_required": "The identity provider needs the user to choose an account.",
    "unauthorized_client": "The identity provider does not accept this client.",
}

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def upstream_error(reason: str, code: str | None = None, *, status: int | None = None) -> UpstreamError:
    """Return the error for the IdP's error `code`, if it sent one, and the HTTP `status` that it came with.

    A status of 429 or 5xx is an outage whatever the body says, so that the user is told to try again.
    """
    error = _ERRORS.get(code or "", "server_error")
    if status is not None and is_outage(status):
        error = "temporarily_unavailable"
    return UpstreamError(
        reason,
        error=error,
        description=ASSURANCE_NOT_MET
        if code == "unmet_authentication_requirements"
        else _DESCRIPTIONS.get(error),
        upstream_code=clean_code(code),
        upstream_status=status,
    )


def unavailable(reason: str, *, status: int | None = None) -> UpstreamError:
    """Return the error of an outage."""
    return UpstreamError(reason, error="temporarily_unavailable", upstream_status=status)


def assurance_not_met(reason: str) -> UpstreamError:
    """Return the error of a sign-in that is genuine, but weaker or older than what was asked for."""
    return UpstreamError(reason, error="access_denied", description=ASSURANCE_NOT_MET)


def is_outage(status: int) -> bool:
    """Tell whether the status says that the same request may succeed later (RFC 9110 §15.6, RFC 6585 §4)."""
    return status == 429 or status >= 500


def clean_code(code: str | None) -> str | None:
    """Return an IdP's error code as it may be logged; `free_text` for anything that is not shaped like a code.

    Login.gov puts sentences there, and a sentence may quote what it was sent.
    """
    if code is None or _CODE.fullmatch(code):
        return code
    return "free_text"
