"""Base64url as RFC 7515 §2 has it, and nothing else: one octet string has one spelling."""

from __future__ import annotations

import base64
import binascii

from fedbridge.jws import b64url


def decode_base64url(text: str) -> bytes:
    """Return the octets; raises ValueError for padding, other alphabets, white space and stray bits at the end."""
    try:
        octets = base64.b64decode(
            text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64url") from None
    if b64url(octets) != text:
        raise ValueError("not canonical base64url")
    return octets
