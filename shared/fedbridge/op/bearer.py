"""How a bearer token reaches userinfo (RFC 6750 §2.1, §2.2): the header, or the form of a POST; never both, never the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.errors import OAuthError

if TYPE_CHECKING:
    from fedbridge.model.http import Request


def token_of(request: Request) -> str:
    """Return the token as sent; raises OAuthError with status 400 or 401."""
    if "access_token" in request.query():
        raise OAuthError("invalid_request", "no token in the query", reason="bearer_token_in_query")
    authorization = request.headers.get("authorization")
    in_form = request.form().value("access_token") if request.method == "POST" and request.body else None
    if authorization is not None and in_form is not None:
        raise OAuthError("invalid_request", "one token at a time", reason="bearer_token_twice")
    if authorization is None and in_form is None:
        raise OAuthError(
            "invalid_request", "a bearer token is needed", reason="bearer_token_missing", status=401
        )
    if authorization is None:
        return in_form or ""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or "," in token:
        raise OAuthError("invalid_request", "one bearer token is needed", reason="bearer_token_malformed")
    return token.strip(" ")


def invalid_token(reason: str) -> OAuthError:
    """Return the one answer for every token that opens nothing (RFC 6750 §3.1)."""
    return OAuthError(
        "invalid_token", "the token is unknown, expired or not for this endpoint", reason=reason, status=401
    )
