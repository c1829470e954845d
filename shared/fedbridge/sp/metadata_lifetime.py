"""How long metadata hold (SAML metadata §2.3.2): `validUntil` ends them, `cacheDuration` says when to read them anew."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.sp.times import to_seconds

if TYPE_CHECKING:
    from lxml import etree

MIN_REFRESH = 300.0
"""Seconds between two fetches at least, whatever a `cacheDuration` says: nobody decides how often we call."""

MAX_VALIDITY = 31 * 24 * 3600.0
"""Seconds that metadata of a federation may be valid from now on: one that is taken over cannot be replayed for ever."""

# XML Schema part 2 §3.2.6, without a sign. A month counts 31 days and a year 366: a refresh is due by `FRESH` anyway.
_DURATION = re.compile(
    r"P(?!$)(?:([0-9]{1,4})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,5})D)?"
    r"(?:T(?!$)(?:([0-9]{1,6})H)?(?:([0-9]{1,7})M)?(?:([0-9]{1,9})(?:\.[0-9]{1,9})?S)?)?"
)
_UNITS = (366 * 86400, 31 * 86400, 86400, 3600, 60, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """Times in seconds since the epoch; `valid_until` is None where nothing ends."""

    valid_until: float | None
    refresh_at: float


def lifetime_of(elements: Iterable[etree._Element], now: float, *, must_end: bool) -> Lifetime:
    """Return what the elements say together, of which each holds only within the one around it.

    With `must_end` they must be valid until some time within a month. Raises UpstreamError: `saml_metadata_malformed`,
    `saml_metadata_expired`, `saml_metadata_unlimited`.
    """
    each = list(elements)
    ends = [_time(text) for element in each if (text := element.get("validUntil")) is not None]
    pauses = [_seconds(text) for element in each if (text := element.get("cacheDuration")) is not None]
    valid_until = min(ends, default=None)
    if valid_until is not None and valid_until <= now:
        raise UpstreamError("saml_metadata_expired")
    if must_end and (valid_until is None or valid_until > now + MAX_VALIDITY):
        raise UpstreamError("saml_metadata_unlimited", message="validUntil is missing, or too far ahead")
    refresh_at = now + max(MIN_REFRESH, min(pauses, default=math.inf))
    return Lifetime(
        valid_until=valid_until,
        refresh_at=refresh_at if valid_until is None else min(refresh_at, valid_until),
    )


def _time(text: str) -> float:
    try:
        return to_seconds(text)
    except IssuerMismatch:
        raise UpstreamError("saml_metadata_malformed", message="validUntil is not a time in UTC") from None


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UpstreamError("saml_metadata_malformed", message="cacheDuration is not a duration")
    return float(sum(unit * int(count) for unit, count in zip(_UNITS, match.groups(), strict=True) if count))
