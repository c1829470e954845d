"""E-mail addresses that a link may hang on: verified, plain, and of a domain that the provider is trusted with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_CHARACTERS = 254
"""RFC 5321 §4.5.3.1.3, less the angle brackets."""

# RFC 5322 §3.4.1 without what nobody's mailbox is called: no quoted strings, comments, literals, blanks or letters
# beyond ASCII, of which some look like others. So no quote or backslash gets into a filter, either.
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
    r"(?P<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)


class Address(NamedTuple):
    """The address that may be linked by, or else the reason why there is none."""

    email: str
    reason: str | None


def linkable(attributes: Mapping[str, Any], domains: Collection[str]) -> Address:
    """Return the address of a federated user, as Cognito has mapped it; `domains` are in lower case, and exact."""
    email = attributes.get("email")
    if not isinstance(email, str) or not email:
        return Address("", reason="link_email_missing")
    verified = attributes.get("email_verified")
    if verified is not True and verified != "true":
        return Address("", reason="link_email_unverified")
    address = _ADDRESS.fullmatch(email)
    if address is None or len(email) > MAX_CHARACTERS:
        return Address("", reason="link_email_unusable")
    if address["domain"].lower() not in domains:
        return Address("", reason="link_domain_not_listed")
    return Address(email, reason=None)


def spellings(email: str) -> tuple[str, ...]:
    """Return what to look for: ListUsers is not said to ignore case, so the address as it came and in lower case."""
    return tuple(dict.fromkeys((email, email.lower())))


def same(one: str, other: str) -> bool:
    """Tell whether two addresses are one mailbox: as all providers do, without regard to case; ASCII alone."""
    return one.isascii() and other.isascii() and one.lower() == other.lower()
