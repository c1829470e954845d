"""What the claims of a signed JWT that is no ID token must say: whose it is, for whom, and when (RFC 7519 §4.1).

`kind` begins the reasons, as in `fedbridge.rp.jwt`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fedbridge.errors import UpstreamError


def check_parties(
    kind: str, claims: Mapping[str, Any], *, issuer: str, audience: str, required: bool = True
) -> None:
    """Compare `iss`, and look for ourselves in `aud`; unless `required`, an absent one says nothing.

    Raises UpstreamError `{kind}_issuer_mismatch`, `{kind}_audience_mismatch`.
    """
    if (required or "iss" in claims) and claims.get("iss") != issuer:
        raise UpstreamError(f"{kind}_issuer_mismatch")
    if required or "aud" in claims:
        named = claims.get("aud")
        if audience not in (named if isinstance(named, list) else [named]):
            raise UpstreamError(f"{kind}_audience_mismatch")


def check_lifetime(
    kind: str, claims: Mapping[str, Any], *, now: float, clock_skew: int, required: tuple[str, ...] = ()
) -> None:
    """Check `exp`, `nbf` and `iat` where they are, and that the `required` ones are; times in seconds since the epoch.

    Raises UpstreamError `{kind}_expired`, `{kind}_not_yet_valid`, `{kind}_from_the_future`, `{kind}_time_malformed`.
    """
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if not set(required) <= times.keys() or not all(map(_is_time, times.values())):
        raise UpstreamError(f"{kind}_time_malformed")
    if times.get("exp", math.inf) <= now - clock_skew:
        raise UpstreamError(f"{kind}_expired")
    if times.get("nbf", 0) > now + clock_skew:
        raise UpstreamError(f"{kind}_not_yet_valid")
    if times.get("iat", 0) > now + clock_skew:
        raise UpstreamError(f"{kind}_from_the_future")


def _is_time(value: Any) -> bool:
    """Return whether this is a NumericDate (RFC 7519 §2)."""
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
