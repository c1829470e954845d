"""What may be shown of what travelled: tokens decoded, and everything that opens a door cut down to a stub.

Parameters and members of token responses are shown by an allow-list, so that a new one is masked until it is named here.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SHOWN = frozenset(
    {
        "acr_values", "client_assertion_type", "client_id", "code_challenge", "code_challenge_method", "error",
        "error_description", "expires_in", "grant_type", "identity_provider", "iss", "login", "nonce", "prompt",
        "redirect_uri", "response_type", "scope", "token_type",
    }
)  # fmt: skip
"""Parameters that open nothing. A nonce and a challenge are worthless without what they are compared with."""

PROTECTING = frozenset({"secure", "httponly", "samesite", "max-age"})
"""Attributes of a cookie that are shown; a path may name a sign-in."""

STUB = 3
"""Characters that are left of a long secret: enough to see that two hops carry the same one."""

_SHORTEST_STUBBED = 20
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """A decoded signed token. `signature` is masked."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A value that may be shown. `raw` is what it stands for, where it is masked."""

    text: str
    jwt: Jwt | None = None
    raw: str | None = field(default=None, repr=False)


def mask(value: str) -> str:
    """Return a stub of a secret: its beginning, if it is long, and its length."""
    return f"{value[:STUB] if len(value) >= _SHORTEST_STUBBED else ''}…({len(value)})"


def secret(value: str) -> Shown:
    """Return a secret masked, or decoded if it is a signed token."""
    return Shown(text=mask(value), jwt=decode(value), raw=value)


def parameter(name: str, value: str) -> Shown:
    """Return a parameter of a request or a member of a token response."""
    return Shown(text=value) if name in SHOWN else secret(value)


def decode(value: str) -> Jwt | None:
    """Return the parts of a signed JWT, unverified; None for anything else."""
    if not _JWT.fullmatch(value):
        return None
    header, claims, signature = value.split(".")
    try:
        opened = _json(header), _json(claims)
    except ValueError:
        return None
    if not all(isinstance(part, dict) for part in opened):
        return None
    return Jwt(header=opened[0], claims=opened[1], signature=mask(signature))


def authorization(value: str) -> Shown:
    """Return an Authorization header: the scheme is shown, what follows is not."""
    scheme, _, credentials = value.partition(" ")
    masked = secret(credentials)
    return Shown(text=f"{scheme} {masked.text}", jwt=masked.jwt, raw=masked.raw)


def cookies(value: str) -> list[tuple[str, Shown]]:
    """Return the cookies of a Cookie header by name, their values masked."""
    pairs = [piece.strip().partition("=") for piece in value.split(";")]
    return [(name, secret(content)) for name, _, content in pairs]


def set_cookie(value: str) -> tuple[str, Shown]:
    """Return name and masked value of a Set-Cookie header, with those of its attributes that protect it."""
    pair, _, rest = value.partition(";")
    name, _, content = pair.partition("=")
    attributes = [piece.strip() for piece in rest.split(";")]
    kept = [piece for piece in attributes if piece.partition("=")[0].lower() in PROTECTING]
    return name, Shown(text="; ".join([mask(content) if content else "deleted", *kept]), raw=content or None)


def query_of(url: str) -> list[tuple[str, Shown]]:
    """Return the parameters of a URL's query."""
    return [
        (name, parameter(name, value))
        for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
    ]


def _json(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
