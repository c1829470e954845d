"""Random values that every IdP takes."""

from __future__ import annotations

import secrets
import string

ALPHABET = string.ascii_letters + string.digits

LENGTH = 43
"""Characters: 256 bits, the least that a PKCE verifier may have (RFC 7636 §4.1), and within every known IdP's limits."""


def random_value() -> str:
    """Return 43 characters of `[A-Za-z0-9]`, fit as nonce, `jti` and PKCE verifier; drawn anew by every call."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
