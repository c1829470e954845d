"""A sign-out as an application asks for it (OpenID Connect RP-Initiated Logout 1.0 §2), and where it may end.

Cognito sends browsers here as they are: its `logout_uri` is one fixed address. So everything has a default, and nothing
that is sent can name an address that was not registered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.errors import RequestRefused

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.http import Parameters

MAX_STATE = 1024
"""Characters: it waits in a cookie while the browser is at the IdP."""

_PRINTABLE = re.compile(r"[\x20-\x7e]*")

_NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Where a sign-out ends: a registered address of a relying party, or a page of ours where there is no `uri`."""

    relying_party: RelyingParty | None
    uri: str | None
    state: str | None = field(default=None, repr=False)


def refuse_embedded(headers: Mapping[str, str]) -> None:
    """Refuse what a page loads on the side, such as an image, or ahead: a sign-out is a place that the browser goes to.

    Browsers say so themselves (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/); what is no browser, or an old
    one, says nothing. Raises RequestRefused.
    """
    for name, expected in _NAVIGATION.items():
        if headers.get(name, expected) != expected:
            raise RequestRefused(reason="logout_embedded")
    # A page that is loaded in case somebody goes there (https://wicg.github.io/nav-speculation/prefetch.html).
    if "prefetch" in headers.get("sec-purpose", headers.get("purpose", "")):
        raise RequestRefused(reason="logout_embedded")


def landing_of(connection: Connection, sent: Parameters) -> Landing:
    """Return where this sign-out ends; raises RequestRefused, and then nobody is signed out and nothing redirects.

    An ID token of the bridge's own is held by Cognito alone, which sends none, and the keys that would verify it are out
    of the front channel's reach: a hint is refused, whoever signed it.
    """
    if "id_token_hint" in sent:
        raise RequestRefused(reason="logout_hint_refused")
    uri = sent.value("post_logout_redirect_uri")
    party = _relying_party(connection, sent.value("client_id"))
    if uri is None:
        return Landing(relying_party=party, uri=_first(party))
    if party is None or sent.value("client_id") is None:
        raise RequestRefused(reason="logout_client_missing")
    if uri not in party.post_logout_redirect_uris:
        raise RequestRefused(reason="post_logout_redirect_uri_mismatch")
    state = sent.get("state")
    if state is not None and (len(state) > MAX_STATE or not _PRINTABLE.fullmatch(state)):
        raise RequestRefused(reason="state_unusable")
    return Landing(relying_party=party, uri=uri, state=state)


def landings(connection: Connection) -> Iterator[Landing]:
    """Yield everything where a sign-out of this connection may end: addresses, and pages of ours."""
    yield Landing(relying_party=None, uri=None)
    for party in connection.relying_parties:
        for uri in (None, *party.post_logout_redirect_uris):
            yield Landing(relying_party=party, uri=uri)


def _relying_party(connection: Connection, client_id: str | None) -> RelyingParty | None:
    """Return who asks: the client that is named or, where none is, the only one."""
    if client_id is None:
        return connection.relying_parties[0] if len(connection.relying_parties) == 1 else None
    party = connection.relying_party(client_id)
    if party is None:
        raise RequestRefused(reason="unknown_client")
    return party


def _first(party: RelyingParty | None) -> str | None:
    return party.post_logout_redirect_uris[0] if party and party.post_logout_redirect_uris else None
