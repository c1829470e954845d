"""The attribute `identities`: at which providers a profile signs in. Cognito writes it, and nobody else can."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedbridge.errors import TriggerRefused
from fedbridge.strict_json import InvalidJson, decode

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 10
"""Cognito links at most five to a profile, beside its own."""

MAX_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedIdentity:
    """An identity: `provider` is the name of the identity provider in the pool, `subject` the `sub` there."""

    provider: str
    subject: str = field(repr=False)


def read_identities(attribute: object) -> tuple[LinkedIdentity, ...]:
    """Return the identities of the attribute's text, none where there is none; raises TriggerRefused.

    The text is a JSON array of objects with `providerName` and `userId`, as Cognito writes it.
    """
    if attribute is None or attribute == "":
        return ()
    if not isinstance(attribute, str) or len(attribute) > MAX_CHARACTERS:
        raise TriggerRefused("identities_malformed")
    try:
        listed = decode(attribute.encode("utf-8"))
    except (InvalidJson, UnicodeEncodeError):
        raise TriggerRefused("identities_malformed") from None
    if not isinstance(listed, list) or len(listed) > MOST:
        raise TriggerRefused("identities_malformed")
    return tuple(_identity(each) for each in listed)


def _identity(listed: Any) -> LinkedIdentity:
    provider = listed.get("providerName") if isinstance(listed, dict) else None
    subject = listed.get("userId") if isinstance(listed, dict) else None
    if not isinstance(provider, str) or not isinstance(subject, str) or not provider or not subject:
        raise TriggerRefused("identities_malformed")
    return LinkedIdentity(provider=provider, subject=subject)


def split_username(username: str, providers: Iterable[str]) -> tuple[str, str] | None:
    """Return provider and subject of a federated profile's name, `Bank_5f0c…`, None where it is of no such provider.

    A pool that ignores case has the whole name in lower case, so the provider is told by its letters alone; what is
    returned is the name as it was configured, which the API wants to the letter. Names of providers have an
    underscore in second place at most, so none of them is the beginning of another's users.
    """
    for provider in providers:
        head, subject = username[: len(provider) + 1], username[len(provider) + 1 :]
        if head.lower() == f"{provider.lower()}_" and subject:
            return provider, subject
    return None
