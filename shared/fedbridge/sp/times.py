"""SAML's times (core §1.3.3): UTC, to the second or finer, written in one way."""

from __future__ import annotations

import datetime as dt
import re

from fedbridge.sp.errors import response_refused

MAX_VALIDITY = 24 * 3600.0
"""Seconds that an assertion may be valid from now on."""

_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?Z")


def to_text(seconds: float) -> str:
    """Return a time as xs:dateTime in UTC, whole seconds."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_seconds(text: str | None) -> float:
    """Return seconds since the epoch; raises IssuerMismatch (`saml_time_malformed`), also where there is no time."""
    match = _TIME.fullmatch(text or "")
    if match is None:
        raise response_refused("saml_time_malformed")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        raise response_refused("saml_time_malformed") from None
    return moment.timestamp() + float(match[7] or 0)


def check_not_before(text: str | None, now: float, skew: float) -> None:
    """Return if the time is not ahead, or there is none; raises IssuerMismatch (`saml_not_yet_valid`)."""
    if text is not None and to_seconds(text) > now + skew:
        raise response_refused("saml_not_yet_valid")


def check_not_on_or_after(text: str | None, now: float, skew: float) -> None:
    """Return if the time is there, ahead, and within a day; raises IssuerMismatch.

    `saml_expired`, `saml_validity_too_long`, `saml_time_malformed`.
    """
    end = to_seconds(text)
    if end <= now - skew:
        raise response_refused("saml_expired")
    if end > now + MAX_VALIDITY + skew:
        raise response_refused("saml_validity_too_long")


def check_issued(text: str | None, *, after: float, now: float, skew: float) -> None:
    """Return if something was issued after our request and not ahead; raises IssuerMismatch (`saml_issue_instant_refused`)."""
    if not after - skew <= to_seconds(text) <= now + skew:
        raise response_refused("saml_issue_instant_refused")
