"""Rules of `protocol`: what OpenID Connect needs, what OAuth 2.0 alone needs, and what it has no use for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from jmespath.exceptions import JMESPathError

from fedbridge.claims.mapping import compiled
from fedbridge.configuration.document import default_of
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, upstream_url_problem

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.policies import OAuth2Profile

MAX_DOCUMENTS = 5
"""Calls that a sign-in may make one after the other, within one deadline."""

RESERVED_NAMES = ("upstream_sub", "upstream_iss")

# Each rests on an ID token, on keys of the IdP, or on its metadata.
_OIDC_ONLY = (
    "id_token", "userinfo", "tenants", "subject_claims", "assurance", "token_decryption", "authorization_response",
    "registration", "dpop", "endpoint_hosts", "logout",
)  # fmt: skip
_UNCHECKABLE = ("max_age", "vtr", "claims", "nonce")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ACCEPT = re.compile(r"[\x20-\x7e]{1,256}")
_NOT_OAUTH2 = "does not apply to protocol oauth2"


def protocol_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is missing or out of place under the connection's protocol."""
    if connection.protocol == "oidc":
        yield from _oidc(connection)
        return
    yield from _without_openid_connect(connection)
    if connection.oauth2 is None:
        yield Problem("oauth2", "is missing: it says where to read who signed in")
        return
    for path, message in _profile(connection.oauth2, allowed):
        yield Problem(f"oauth2.{path}", message)


def _oidc(connection: Connection) -> Iterator[Problem]:
    if connection.oauth2 is not None:
        yield Problem("oauth2", "needs protocol: oauth2")
    endpoints = connection.endpoints
    if endpoints is not None and endpoints.jwks_uri is None and not connection.id_token.symmetric:
        yield Problem("endpoints.jwks_uri", "is missing: ID tokens are verified with these keys")


def _without_openid_connect(connection: Connection) -> Iterator[Problem]:
    defaults = {field.name: default_of(field) for field in fields(connection)}
    for name in _OIDC_ONLY:
        if getattr(connection, name) != defaults[name]:
            yield Problem(name, _NOT_OAUTH2)
    if connection.tokens == "relay":
        yield Problem("tokens", "cannot be relay: there is no ID token")
    if connection.claims is None:
        yield Problem("claims", "is missing: documents have no standard claims")
    if connection.endpoints is None:
        yield Problem("endpoints", "is missing: there is no discovery without OpenID Connect")
    else:
        for name in ("jwks_uri", "userinfo_endpoint"):
            if getattr(connection.endpoints, name) is not None:
                yield Problem(f"endpoints.{name}", _NOT_OAUTH2)
    yield from _authorization(connection)


def _authorization(connection: Connection) -> Iterator[Problem]:
    profile = connection.authorization
    if "openid" in profile.scope.split(" "):
        yield Problem("authorization.scope", "must be the scopes of the documents, without openid")
    if profile.pkce == "off":
        yield Problem(
            "authorization.pkce",
            "must stay S256: there is no nonce, and nothing else tells a stolen code",
        )
    if profile.acr_values:
        yield Problem("authorization.acr_values", _NOT_OAUTH2)
    if profile.request_object is not None:
        yield Problem("authorization.request_object", _NOT_OAUTH2)
    if profile.response_mode is not None and "jwt" in profile.response_mode:
        yield Problem(
            "authorization.response_mode", "must not be signed: there are no keys to verify it with"
        )
    for name in profile.parameters:
        if name in _UNCHECKABLE:
            yield Problem(
                f"authorization.parameters.{name}", "cannot be checked: there is no ID token to answer it"
            )


def _profile(profile: OAuth2Profile, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if not 1 <= len(profile.documents) <= MAX_DOCUMENTS:
        yield "documents", f"must be 1 to {MAX_DOCUMENTS}"
    names = [document.name for document in profile.documents]
    for i, document in enumerate(profile.documents):
        path = f"documents[{i}]"
        if not _NAME.fullmatch(document.name) or document.name in RESERVED_NAMES:
            yield f"{path}.name", "must be letters, digits and _, and none of " + ", ".join(RESERVED_NAMES)
        elif document.name in names[:i]:
            yield f"{path}.name", "is there twice"
        if problem := upstream_url_problem(document.url, allowed):
            yield f"{path}.url", problem
    try:
        compiled(profile.subject)
    except (JMESPathError, RecursionError):
        yield "subject", "must be a JMESPath expression"
    if not _ACCEPT.fullmatch(profile.accept):
        yield "accept", "must be 1 to 256 printable ASCII characters"
