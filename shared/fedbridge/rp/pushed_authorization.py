"""Pushed authorization requests (RFC 9126): the request goes from server to server, the browser carries a reference."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fedbridge.errors import UpstreamError
from fedbridge.rp.context import Context
from fedbridge.rp.token_endpoint import post_form

SUCCESS = frozenset({200, 201})
"""RFC 9126 §2.2 has 201. Servers that answer as a token endpoint does send 200, and what counts is in the body."""

_REQUEST_URI = re.compile(r"[\x21-\x7e]{1,2048}")


def push_request(context: Context, form: Mapping[str, str]) -> str:
    """Push the request, the client authenticated as at the token endpoint, and return its `request_uri`.

    Sent once, but for the two cases of `post_form`; the browser uses the reference at once, so that its lifetime is only
    looked at for being one. Raises what `post_form` raises (`pushed_authorization_request_endpoint_…`), and
    UpstreamError: `pushed_authorization_request_endpoint_missing`, `request_uri_malformed`, `request_uri_expired`.
    """
    url = context.metadata.pushed_authorization_request_endpoint
    if url is None:
        raise UpstreamError(
            "pushed_authorization_request_endpoint_missing",
            message="the request must be pushed, and the metadata name no pushed_authorization_request_endpoint",
        )
    answer = post_form(context, "pushed_authorization_request", url, form, success=SUCCESS)
    request_uri, lifetime = answer.get("request_uri"), answer.get("expires_in")
    if not isinstance(request_uri, str) or not _REQUEST_URI.fullmatch(request_uri):
        raise UpstreamError("request_uri_malformed")
    if not isinstance(lifetime, int) or isinstance(lifetime, bool) or lifetime <= 0:
        raise UpstreamError("request_uri_expired")
    return request_uri
