"""A token as text → its header and claims, of which nothing is true yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedbridge.cli.check.observed import one_line
from fedbridge.cli.tokens.codes import found
from fedbridge.rp.base64url import decode_base64url
from fedbridge.strict_json import InvalidJson, decode_object

if TYPE_CHECKING:
    from fedbridge.cli.check.finding import Finding

MAX_TOKEN = 64 * 1024
"""Characters."""

_PARTS_OF_JWE = 5
_PARTS_OF_JWS = 3
_BRIDGE_HANDLE = re.compile(r"[A-Za-z0-9]{43}")
"""A code or an access token of the bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A JWS in compact form (RFC 7515 §7.1), taken apart and not verified."""

    compact: str = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)

    def text(self, name: str) -> str | None:
        """Return a claim as it may be printed, None where it is no text."""
        return one_line(self.claims.get(name))

    @property
    def use(self) -> str | None:
        """What Cognito made it for: `id` or `access`; None in tokens of others."""
        use = self.claims.get("token_use")
        return use if use in ("id", "access") else None  # A set would stumble over a list.

    @property
    def audience(self) -> tuple[str, ...]:
        """For whom it is: `aud`, or `client_id` of Cognito's access tokens."""
        value = self.claims.get("client_id") if self.use == "access" else self.claims.get("aud")
        values = value if isinstance(value, list) else [value]
        return tuple(each for each in values if isinstance(each, str))


def read_token(text: str) -> Token | Finding:
    """Return the token, or what is the matter with it. What is found never quotes it."""
    compact = text.strip()
    parts = compact.split(".")
    if len(compact) > MAX_TOKEN:
        return found("token_malformed", f"It has more than {MAX_TOKEN:,} characters.")
    if not compact:
        return found("token_malformed", "There is none: standard input was empty.")
    if len(parts) == _PARTS_OF_JWE:
        return found("token_encrypted", "It is encrypted (a JWE of five parts).")
    if len(parts) == 1 and re.fullmatch(r"[A-Za-z0-9_~+/=-]+", compact):
        whose = " that looks like one of the bridge's" if _BRIDGE_HANDLE.fullmatch(compact) else ""
        return found(
            "token_opaque", f"It is an opaque value of {len(compact)} characters{whose}, and no JWT."
        )
    if len(parts) != _PARTS_OF_JWS:
        return found("token_malformed", f"It has {len(parts)} parts between dots; a JWT has three.")
    try:
        header, claims = (decode_object(decode_base64url(part)) for part in parts[:2])
        decode_base64url(parts[2])
    except (InvalidJson, ValueError):
        return found("token_malformed", "Its parts are not base64url of JSON objects and a signature.")
    return Token(compact=compact, header=header, claims=claims)
