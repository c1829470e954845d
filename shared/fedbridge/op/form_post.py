"""The page that takes the browser on by POST (SAML bindings §3.5.4): it sends itself, or a person presses the button."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from fedbridge.model.http import SECURITY_HEADERS, Response

_SCRIPT = "document.forms[0].submit()"
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode("ascii")).digest()).decode("ascii")


def form_post(url: str, fields: Mapping[str, str], *, cookies: tuple[str, ...] = ()) -> Response:
    """Return a page that posts the fields to the URL.

    The policy names schemes and not the IdP's host: browsers apply form-action to where the form is redirected, too.
    """
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
    )
    schemes = "https:" if url.startswith("https:") else "https: http:"
    policy = (
        f"default-src 'none'; script-src 'sha256-{_SCRIPT_HASH}'; form-action {schemes}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
        "<title>To your identity provider …</title></head><body>"
        f'<form method="post" action="{escape(url)}">{inputs}'
        f"<noscript><button>Continue to your identity provider</button></noscript></form>"
        f"<script>{_SCRIPT}</script></body></html>"
    )
    headers = {
        **SECURITY_HEADERS,
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy,
    }
    return Response(status=200, headers=headers, cookies=cookies, body=body)
