"""What a token says of itself, against what it should: issuer, purpose, audience, times. No call is made here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from fedbridge.cli.check.observed import one_line
from fedbridge.cli.tokens.codes import found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.tokens.token import Token

LEEWAY = 60
"""Seconds that a clock may be behind; an expired token has none."""

_POOL_ISSUER = re.compile(
    r"https://(?:issuer-)?cognito-idp\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<pool>[\w-]+_[0-9a-zA-Z]+)"
)
_HOSTED = re.compile(r".+\.auth(-fips)?\.[a-z0-9-]+\.amazoncognito\.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a token should be. `client_id` and `use` are None where nobody said."""

    issuer: str
    client_id: str | None = None
    use: Literal["id", "access"] | None = None

    @property
    def pool_id(self) -> str | None:
        """The user pool whose issuer it is, None for any other issuer."""
        pool = _POOL_ISSUER.fullmatch(self.issuer)
        return pool["pool"] if pool else None


def issuer_findings(token: Token, expectation: Expectation) -> Iterator[Finding]:
    """Yield why the issuer is another one, and which mistake that usually is."""
    expected, has = expectation.issuer, token.claims.get("iss")
    shown = token.text("iss")
    if _HOSTED.fullmatch(urlsplit(expected).netloc):
        yield found("issuer_is_domain", f"{expected} is a pool's domain; the token is {shown}'s.")
    elif not isinstance(has, str) or not has:
        yield found("issuer_missing", "It has no iss.")
    elif has != expected:
        yield found(_mistake(expected, has), f"It is {shown}'s; it should be {expected}'s.")


def purpose_findings(token: Token, expectation: Expectation) -> Iterator[Finding]:
    """Yield what is wrong with `token_use` and with whom the token is for."""
    if expectation.pool_id is not None and token.use is None:
        yield found("token_use_missing", "It has no token_use, which is id or access.")
    if expectation.use == "id" and token.use == "access":
        yield found("access_token_for_id", "It is an access token (token_use: access); an ID token is due.")
        return
    if expectation.use == "access" and token.use == "id":
        yield found("id_token_for_access", "It is an ID token (token_use: id); an access token is due.")
        return
    if expectation.client_id is not None and expectation.client_id not in token.audience:
        claim = "client_id" if token.use == "access" else "aud"
        shown = one_line(", ".join(token.audience)) or "nobody"
        yield found(
            "audience_wrong", f"It is for {shown} ({claim}); it should be for {expectation.client_id}."
        )


def time_findings(token: Token, now: float) -> Iterator[Finding]:
    """Yield what is wrong with `exp`, `iat`, `nbf` and `auth_time` (RFC 7519 §4.1), all in seconds since the epoch."""
    times = {name: token.claims[name] for name in ("exp", "iat", "nbf", "auth_time") if name in token.claims}
    malformed = [name for name, value in times.items() if not _is_time(value)]
    if "exp" not in times or malformed:
        what = f"{', '.join(malformed)} is no time." if malformed else "It has no exp."
        yield found("times_malformed", what)
        return
    if times["exp"] <= now:
        yield found("expired", f"It expired {duration(now - times['exp'])} ago.")
    if times.get("nbf", now) > now + LEEWAY:
        yield found("not_yet_valid", f"It is valid in {duration(times['nbf'] - now)} (nbf).")
    if times.get("iat", now) > now + LEEWAY:
        yield found("from_the_future", f"It is issued in {duration(times['iat'] - now)} (iat).")
    if times.get("auth_time", 0) > times.get("iat", now) + LEEWAY:
        yield found("auth_time_wrong", "auth_time is after iat.")


def duration(seconds: float) -> str:
    """Return a length of time in words, in its largest unit."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{int(seconds)} seconds"


def _mistake(expected: str, has: str) -> str:
    if has.rstrip("/") == expected.rstrip("/"):
        return "issuer_slash"
    wanted, told = _POOL_ISSUER.fullmatch(expected), _POOL_ISSUER.fullmatch(has)
    if wanted is None or told is None:
        return "issuer_other"
    if wanted["pool"] == told["pool"]:
        return "issuer_form"
    return "issuer_pool" if wanted["region"] == told["region"] else "issuer_region"


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11
