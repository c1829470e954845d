"""What goes back to Cognito: redirects with a code or an error, JSON, and RFC-shaped JSON errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from fedbridge.jws import encode_json
from fedbridge.model.http import SECURITY_HEADERS, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.errors import OAuthError

_OUTSIDE_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
MAX_DESCRIPTION = 200


def describe(text: str, correlation_id: str) -> str:
    """Return an error_description: RFC 6749's characters, bounded, with the id that support asks for."""
    return f"{_OUTSIDE_DESCRIPTION.sub('', text)[:MAX_DESCRIPTION]} (ref {correlation_id})"


def redirect(url: str, *, after_post: bool = False, cookies: tuple[str, ...] = ()) -> Response:
    """Return 302, or 303 after a POST, so that no browser sends the form on (RFC 9700 §4.12)."""
    return Response(
        status=303 if after_post else 302, headers={**SECURITY_HEADERS, "location": url}, cookies=cookies
    )


def authorization_response(redirect_uri: str, parameters: Mapping[str, str | None]) -> str:
    """Return the redirect URI with the parameters that have a value; `state` comes back byte for byte once decoded."""
    query = urlencode(
        [(name, value) for name, value in parameters.items() if value is not None], quote_via=quote
    )
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON that nobody stores."""
    return Response(
        status=status,
        headers={**SECURITY_HEADERS, "content-type": "application/json", **(headers or {})},
        body=encode_json(value).decode("utf-8"),
    )


def json_error(
    error: str,
    description: str,
    correlation_id: str,
    *,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an OAuth error (RFC 6749 §5.2): an object, short ASCII, with the correlation id."""
    body = {"error": error, "error_description": describe(description, correlation_id)}
    return json_response(body, status=status, headers=headers)


def token_error(error: OAuthError, correlation_id: str) -> Response:
    """Return a token endpoint error; 401 names a scheme (RFC 6749 §5.2)."""
    headers = {"www-authenticate": 'Basic realm="fedbridge"'} if error.status == 401 else None
    return json_error(error.error, error.description, correlation_id, status=error.status, headers=headers)


def bearer_error(error: OAuthError, correlation_id: str) -> Response:
    """Return a userinfo error (RFC 6750 §3); without a token the challenge carries no error code."""
    challenge = "Bearer" if error.reason == "bearer_token_missing" else f'Bearer error="{error.error}"'
    headers = {"www-authenticate": challenge}
    return json_error(error.error, error.description, correlation_id, status=error.status, headers=headers)
