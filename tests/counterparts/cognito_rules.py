"""What Cognito does to values: the states that it makes, how it encodes forms, and how claims become attributes."""

from __future__ import annotations

import base64
import gzip
import json
import re
import secrets
import string
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

MOST_CHARACTERS = 2_048
MOST_USERNAME_CHARACTERS = 128

StateFormat = Literal["2025", "2020", "longest"]


class AttributeRefusedError(Exception):
    """A value that the user pool cannot take."""


def form_encoded(value: str) -> str:
    """Encode as Java's URLEncoder does: all but letters, digits and `.-*_` is escaped, a space becomes `+`."""
    return quote(value, safe="*").replace("%20", "+").replace("~", "%7E")


def form_body(fields: Mapping[str, str]) -> str:
    return "&".join(f"{form_encoded(name)}={form_encoded(value)}" for name, value in fields.items())


def new_state(kind: StateFormat = "2025") -> str:
    """An opaque state like those that were seen in public.

    `2025`: base64url(gzip(JSON)) "." base64url(gzip(MAC)) "." digit, 677 characters and more. `2020`: standard base64
    with padding, 888 and more. `longest`: 1,250 characters of every sign that either alphabet has.
    """
    if kind == "longest":
        signs = string.ascii_letters + string.digits + "+/=._-"
        return "+/=." + "".join(secrets.choice(signs) for _ in range(1_244)) + "=="
    session = ""
    while True:
        session += secrets.token_urlsafe(12)
        content = {
            "userPoolId": "eu-west-1_EXAMPLE01",
            "providerName": "Bank",
            "clientId": "1example23456789",
            "redirectURI": "https://app.example/callback",
            "responseType": "code",
            "scopes": ["openid", "email"],
            "nonce": secrets.token_urlsafe(64),
            "serverHostPort": "acme.auth.eu-west-1.amazoncognito.com",
            "creationTimeSeconds": int(time.time()),
            "session": session,
        }
        plain, mac = json.dumps(content).encode(), secrets.token_bytes(32)
        if kind == "2025":
            parts = (
                base64.urlsafe_b64encode(gzip.compress(part)).decode().rstrip("=") for part in (plain, mac)
            )
            state, least = ".".join([*parts, "3"]), 677
        else:
            inner = base64.b64encode(plain) + b":" + base64.b64encode(mac)
            state, least = base64.b64encode(inner).decode(), 888
        if len(state) >= least and (kind == "2025" or state.endswith("=")):
            return state


def username(provider: str, subject: object, *, case_sensitive: bool) -> str:
    """`<Provider>_<sub>`, lower-cased in a case-insensitive pool. Raises when it is no UsernameType."""
    if not isinstance(subject, str) or not subject:
        raise AttributeRefusedError("username attribute mapping required")
    name = f"{provider}_{subject}"
    if len(name) > MOST_USERNAME_CHARACTERS:
        raise AttributeRefusedError(
            "1 validation error detected: Value at 'username' failed to satisfy constraint:"
            f" Member must have length less than or equal to {MOST_USERNAME_CHARACTERS}"
        )
    if re.search(r"\s", name):
        raise AttributeRefusedError(
            "1 validation error detected: Value at 'username' failed to satisfy constraint:"
            r" Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
        )
    return name if case_sensitive else name.lower()


def level_of(acr: object, acr_mapping: Mapping[str, str]) -> str | None:
    """The pool's level for the IdP's `acr`, None without a mapping: what the mapping does not know is the lowest level."""
    known = {value: level for level, value in acr_mapping.items()}
    return known.get(str(acr), "Level1") if acr_mapping else None


def _flat(value: Any) -> str:
    """One string: booleans and numbers as JSON has them, lists as `[a,b]` with each value form-encoded.

    What becomes of objects is documented nowhere, so nobody should send any.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "[" + ",".join(form_encoded(_flat(each)) for each in value) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise AttributeRefusedError(f"Invalid user attributes: a {type(value).__name__} cannot be mapped.")


def mapped(claims: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, str]:
    """The pool's attributes out of the claims that `mapping` (attribute → claim) names; the others are dropped."""
    attributes = {}
    for attribute, claim in mapping.items():
        if claims.get(claim) is None:
            continue
        value = _flat(claims[claim])
        if len(value) > MOST_CHARACTERS:
            raise AttributeRefusedError(
                f"Invalid user attributes: {attribute}. Attribute value must be at most {MOST_CHARACTERS} characters."
            )
        attributes[attribute] = value
    return attributes
