"""The UserInfo endpoint (OpenID Connect Core §5.3): plain JSON about the very person of the ID token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fedbridge.errors import UpstreamError
from fedbridge.ports import OutboundResponse
from fedbridge.rp.context import Context
from fedbridge.rp.errors import upstream_error
from fedbridge.rp.protected_resource import fetch_resource
from fedbridge.rp.strict_json import InvalidJson, decode_object

MAX_BYTES = 64 * 1024

_BEARER_ERROR = re.compile(r'\berror="([^"]*)"')


def fetch_userinfo(context: Context, *, access_token: str, subject: str) -> Mapping[str, Any]:
    """Return the claims, none where the connection or the IdP has no userinfo.

    Raises UpstreamError (`userinfo_refused`, `userinfo_signed_unexpected`, `userinfo_content_type`, `userinfo_malformed`,
    `userinfo_subject_mismatch`) and what `fetch_resource` raises.
    """
    method, url = context.connection.userinfo.method, context.metadata.userinfo_endpoint
    if method == "none" or url is None:
        return {}
    response = fetch_resource(
        context,
        "userinfo",
        url,
        access_token=access_token,
        accept="application/json",
        max_bytes=MAX_BYTES,
        method=method,
    )
    claims = _read(response)
    # Core §5.3.2: without this comparison another person's document could be swapped in. Nothing of it is kept.
    if claims.get("sub") != subject:
        raise UpstreamError("userinfo_subject_mismatch")
    return claims


def _read(response: OutboundResponse) -> dict[str, Any]:
    if response.status != 200:
        code = _BEARER_ERROR.search(response.headers.get("www-authenticate", ""))
        raise upstream_error("userinfo_refused", code[1] if code else None, status=response.status)
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/jwt":
        raise UpstreamError("userinfo_signed_unexpected")
    if media_type != "application/json":
        raise UpstreamError("userinfo_content_type")
    try:
        return decode_object(response.body)
    except InvalidJson:
        raise UpstreamError("userinfo_malformed") from None
