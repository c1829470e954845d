"""What can go wrong at an endpoint of the upstream provider, for `OidcProvider.set_fault`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A canned answer. An empty body goes out without a content type."""

    status: int
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        "rfc json": Answer(
            status=400, body='{"error":"invalid_grant","error_description":"grant request is invalid"}'
        ),
        "free text": Answer(status=400, body="Bad request: code unknown", content_type="text/plain"),
        "empty 403": Answer(status=403),
        "html 200": Answer(status=200, body="<html><h1>Maintenance</h1></html>", content_type="text/html"),
        "broken json": Answer(status=200, body='{"access_token": "abc", "id_tok'),
        "server error": Answer(status=500, body='{"error":"server_error"}'),
        "unavailable": Answer(
            status=503,
            body="<html>Unavailable</html>",
            content_type="text/html",
            headers={"retry-after": "30"},
        ),
    }
)
"""How token endpoints have been seen to fail, by name: parametrize tests with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTokenTampering:
    """Sign the ID token anew: members of `claims` and `header` replaced, None takes one away.

    `key`: the provider's own, a `stranger`'s under the same kid, `none` (alg none), or `public-key-as-secret` (HS256
    keyed with the published modulus, RFC 8725 §2.1).
    """

    claims: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    key: Literal["own", "stranger", "none", "public-key-as-secret"] = "own"


@dataclass(frozen=True, slots=True)
class AuthorizationError:
    error: str
    error_description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong at one route, `times` times or until it is lifted.

    `delay` in seconds, before the answer goes out. `answer` comes instead of the provider's work, or with `after` when
    that is done, as when an answer is lost on its way. `drop` cuts the connection. `members` replaces members of a
    JSON answer of status 200, None takes one away. `error` is for the route `authorization` only.
    """

    delay: float = 0.0
    answer: Answer | None = None
    after: bool = False
    drop: bool = False
    members: Mapping[str, Any] | None = None
    id_token: IdTokenTampering | None = None
    error: AuthorizationError | None = None
    times: int | None = None
