"""Random values that every IdP takes."""

from __future__ import annotations

import secrets
import string

ALPHABET = string.ascii_letters + string.digits

LENGTH = 43
"""Characters: 256 bits, the least that a PKCE verifier may have (RFC 7636 §4.1), and within every known IdP's limits."""

# Of the 256 octets 248 are four times the alphabet; the other eight are thrown away, so that no character is likelier.
_CHARACTERS = (ALPHABET * 5).encode("ascii")[:256]
_THROWN_AWAY = bytes(range(4 * len(ALPHABET), 256))


def random_value() -> str:
    """Return 43 characters of `[A-Za-z0-9]`, fit as nonce, `jti` and PKCE verifier; drawn anew by every call."""
    value = b""
    while len(value) < LENGTH:
        value += secrets.token_bytes(64).translate(_CHARACTERS, _THROWN_AWAY)
    return value[:LENGTH].decode("ascii")
