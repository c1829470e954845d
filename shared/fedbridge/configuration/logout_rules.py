"""Rules of `logout`, and of what relying parties say for signing out.

What would silently end nobody's session is a problem here: nobody notices a logout that does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, browser_url_problem

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.logout import Logout, UserPool

SESSION_LIFETIME = range(300, 400 * 24 * 3600 + 1)
"""Seconds; browsers keep no cookie for longer than 400 days (RFC 6265bis §5.5)."""

MIN_QUERY = 512
"""Characters: less holds no ID token at all."""

MAX_URIS = 20

# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUserGlobalSignOut.html
_POOL_ID = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]+_[0-9A-Za-z]{1,40}")
# …/API_CreateIdentityProvider.html
_PROVIDER_NAME = re.compile(r"[!-^`-~][!-~]{2,31}")


def logout_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with how a connection signs out."""
    policy = connection.logout
    single_logout = connection.saml is not None and connection.saml.logout is not None
    yield from _policy(policy, single_logout=single_logout)
    yield from _requests(connection, policy)
    for i, party in enumerate(connection.relying_parties):
        for path, message in _relying_party(party, allowed):
            yield Problem(f"relying_parties[{i}].{path}", message)
    if any(party.user_pool is not None for party in connection.relying_parties):
        yield from _receiver(connection, policy)


def _is_told(policy: Logout) -> bool:
    """Whether the IdP tells that a session has ended."""
    return policy.back_channel or policy.front_channel


def _policy(policy: Logout, *, single_logout: bool) -> Iterator[Problem]:
    if policy.session_lifetime not in SESSION_LIFETIME:
        yield Problem(
            "logout.session_lifetime",
            f"must be between {SESSION_LIFETIME.start} and {SESSION_LIFETIME.stop - 1} seconds",
        )
    if policy.max_query is not None and policy.max_query < MIN_QUERY:
        yield Problem("logout.max_query", f"must be at least {MIN_QUERY} characters")
    for name in ("hint_required", "max_query"):
        if policy.mode != "id_token_hint" and getattr(policy, name):
            yield Problem(f"logout.{name}", "is for mode: id_token_hint")
    if policy.require_typ and not policy.back_channel:
        yield Problem("logout.require_typ", "is for back_channel: true")
    if policy.sessions and policy.mode != "id_token_hint" and not (_is_told(policy) or single_logout):
        yield Problem(
            "logout.sessions",
            "has no effect: nothing asks for a session, neither mode: id_token_hint nor back_channel nor front_channel",
        )


def _requests(connection: Connection, policy: Logout) -> Iterator[Problem]:
    endpoints = connection.endpoints
    if endpoints is None:
        return
    if policy.mode != "none" and endpoints.end_session_endpoint is None:
        yield Problem("endpoints.end_session_endpoint", "is missing: logout.mode sends browsers there")
    if policy.revoke_tokens and endpoints.revocation_endpoint is None:
        yield Problem("endpoints.revocation_endpoint", "is missing: logout.revoke_tokens needs it")


def _receiver(connection: Connection, policy: Logout) -> Iterator[Problem]:
    """What the IdP sends is verified where no secret and no decryption key of the connection is within reach."""
    if policy.back_channel and connection.id_token.symmetric:
        yield Problem(
            "logout.back_channel",
            "needs signatures by keys of the IdP: a logout token under the secret is none",
        )
    if policy.back_channel and connection.id_token.encryption != "none":
        yield Problem(
            "logout.back_channel",
            "needs id_token.encryption: none, because logout tokens come as ID tokens do",
        )
    if policy.back_channel and connection.subject_claims and not policy.sessions:
        yield Problem("logout.sessions", "must be true: a logout token does not hold the subject_claims")
    if policy.front_channel and not policy.back_channel and not policy.sessions:
        yield Problem("logout.sessions", "must be true: a front-channel logout names nothing but the session")


def _relying_party(party: RelyingParty, allowed: Allowed) -> Iterator[tuple[str, str]]:
    uris = party.post_logout_redirect_uris
    if len(uris) > MAX_URIS:
        yield "post_logout_redirect_uris", f"must be {MAX_URIS} at most"
    for i, uri in enumerate(uris):
        if problem := browser_url_problem(uri, allowed):
            yield f"post_logout_redirect_uris[{i}]", problem
        elif uri in uris[:i]:
            yield f"post_logout_redirect_uris[{i}]", "is there twice"
    if party.user_pool is not None:
        yield from _user_pool(party.user_pool)


def _user_pool(pool: UserPool) -> Iterator[tuple[str, str]]:
    if not _POOL_ID.fullmatch(pool.id):
        yield "user_pool.id", "must be the id of a user pool, such as eu-west-1_AbCdEfGhI"
    if not _PROVIDER_NAME.fullmatch(pool.identity_provider):
        yield (
            "user_pool.identity_provider",
            "must be the name of the identity provider in the pool: 3 to 32 printable characters, _ not first",
        )
