"""The token request of the authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.errors import OAuthError

if TYPE_CHECKING:
    from fedbridge.model.http import Parameters

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What Cognito presents, not yet compared with anything."""

    code: str = field(repr=False)
    redirect_uri: str
    code_verifier: str | None = field(repr=False)


def parse(form: Parameters) -> TokenRequest:
    """Return the request; raises OAuthError invalid_request, unsupported_grant_type or invalid_grant."""
    grant_type = form.value("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing", reason="grant_type_missing")
    if grant_type != "authorization_code":
        raise OAuthError(
            "unsupported_grant_type", "only authorization_code is supported", reason="grant_type_unsupported"
        )
    return TokenRequest(
        code=form.get("code", ""),
        redirect_uri=form.get("redirect_uri", ""),
        code_verifier=form.value("code_verifier"),
    )


def check_binding(request: TokenRequest, *, redirect_uri: str, code_challenge: str | None) -> None:
    """Compare with what the authorization request said; raises OAuthError invalid_grant.

    A verifier without a challenge is refused too: that is a downgrade (RFC 9700 §4.8.2).
    """
    if request.redirect_uri != redirect_uri:
        raise invalid_grant("token_redirect_uri_mismatch")
    if (request.code_verifier is None) != (code_challenge is None):
        raise invalid_grant("pkce_missing_or_unexpected")
    if request.code_verifier is not None and code_challenge is not None:
        if not _VERIFIER.fullmatch(request.code_verifier):
            raise invalid_grant("pkce_verifier_malformed")
        if not hmac.compare_digest(s256(request.code_verifier), code_challenge):
            raise invalid_grant("pkce_mismatch")


def s256(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 §4.2)."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest())
        .rstrip(b"=")
        .decode("ascii")
    )


def invalid_grant(reason: str) -> OAuthError:
    """Return the one answer for every code that cannot be redeemed."""
    return OAuthError("invalid_grant", "the code is unknown, expired, used or not yours", reason=reason)
