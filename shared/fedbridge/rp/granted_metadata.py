"""What an IdP has registered in place of what was asked for (RFC 7591 §3.2.1), held against what a connection needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedbridge.model.connection import Connection
from fedbridge.rp.client_metadata import Choice, Facts, choices, demands, ways_out


def shortcomings(connection: Connection, facts: Facts, granted: Mapping[str, Any]) -> list[str]:
    """Return in what the granted metadata (RFC 7591 §3.2.1) would fail sign-ins of this connection, a line each.

    And what in them is not ours, such as keys or redirect URIs that somebody else has registered.
    """
    return [
        *_list_shortcomings(connection, facts, granted),
        *(line for choice in choices(connection, facts) if (line := _unacceptable(choice, granted))),
        *(
            f"{demand.name}: the IdP demands it: {demand.remedy}"
            for demand in demands(connection, facts)
            if granted.get(demand.name) is True and not demand.met
        ),
        *_key_shortcomings(facts, granted),
    ]


def _unacceptable(choice: Choice, granted: Mapping[str, Any]) -> str | None:
    value = granted.get(choice.name)
    value = choice.default if value is None else value
    if value in choice.accepted or (value is None and not choice.asked):
        return None
    needed = ", ".join(choice.accepted) if choice.accepted else "none"
    return f"{choice.name}: granted is {'none' if value is None else _shown(value)}, the connection needs {needed}"


def _list_shortcomings(connection: Connection, facts: Facts, granted: Mapping[str, Any]) -> Iterator[str]:
    returns = ways_out(connection, facts).get("post_logout_redirect_uris", ())
    for name, needed in (
        ("redirect_uris", facts.callback_url),
        ("response_types", "code"),
        ("grant_types", "authorization_code"),
        *(("post_logout_redirect_uris", url) for url in returns),
    ):
        values = granted.get(name, [needed])
        if not isinstance(values, list) or needed not in values:
            yield f"{name}: {needed} is not among the granted"
    uris = granted.get("redirect_uris")
    if isinstance(uris, list) and any(uri != facts.callback_url for uri in uris):
        yield "redirect_uris: others than the connection's are registered: codes could be sent there"
    scope = granted.get("scope")
    missing = (
        [each for each in connection.authorization.scope.split(" ") if each not in scope.split(" ")]
        if isinstance(scope, str)
        else []
    )
    if missing:
        yield f"scope: not granted: {' '.join(missing)}"


def _key_shortcomings(facts: Facts, granted: Mapping[str, Any]) -> Iterator[str]:
    uri, jwks = granted.get("jwks_uri"), granted.get("jwks")
    # Lists, because a set would stumble over what the IdP may put in the place of text.
    if facts.jwks and facts.jwks_uri is not None and uri not in [None, facts.jwks_uri]:
        yield f"jwks_uri: granted is {_shown(uri)}"
    if facts.jwks and isinstance(jwks, Mapping):
        keys, ours = jwks.get("keys"), [jwk["kid"] for jwk in facts.jwks]
        kids = [key.get("kid") for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
        if not all(kid in kids for kid in ours):
            yield "jwks: the IdP keeps other keys than were registered"
        elif any(kid not in ours for kid in kids):
            yield "jwks: further keys than the connection's are registered: whoever has them is the bridge to the IdP"


def _shown(value: object) -> str:
    """Return a granted value for operators, bounded and printable."""
    text = value if isinstance(value, str) else type(value).__name__
    return "".join(character if " " <= character <= "~" else "?" for character in text[:200])
