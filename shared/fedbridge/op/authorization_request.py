"""The authorization request that Cognito sends through the browser (OpenID Connect Core §3.1.2.1).

Two steps, because of what an error may do: until client and redirect URI are proven there is no redirect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.errors import OAuthError, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.http import Parameters

MAX_STATE = 4096
"""Characters. Cognito's state has been seen up to 1,250 and grows with what the app puts in."""

MAX_SCOPE = 1024
MAX_NONCE = 512
MAX_VALUE = 2048

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_MAX_AGE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenClient:
    """Who asks, and where answers may go: from here on errors travel by redirect."""

    relying_party: RelyingParty
    redirect_uri: str
    state: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What the relying party asked for; `parameters` are those that the connection passes through."""

    nonce: str | None = field(repr=False)
    code_challenge: str | None
    parameters: Mapping[str, str] = field(repr=False)


def prove_client(connection: Connection, query: Parameters) -> ProvenClient:
    """Match client and redirect URI byte for byte (RFC 9700 §4.1.3); raises RequestRefused, never redirects."""
    relying_party = connection.relying_party(query.get("client_id", ""))
    if relying_party is None:
        raise RequestRefused(reason="unknown_client")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in relying_party.redirect_uris:
        raise RequestRefused(reason="redirect_uri_mismatch")
    state = query.get("state")
    if state is not None and (len(state) > MAX_STATE or not _PRINTABLE.fullmatch(state)):
        raise RequestRefused(reason="state_unusable")
    if len(query.get("scope", "")) > MAX_SCOPE:
        raise RequestRefused(reason="scope_too_long")
    return ProvenClient(relying_party=relying_party, redirect_uri=redirect_uri, state=state)


def validate(connection: Connection, client: ProvenClient, query: Parameters) -> AuthorizationRequest:
    """Check the rest of the request; raises OAuthError, which the caller sends back by redirect."""
    _refuse_what_is_not_offered(query)
    nonce = query.value("nonce")
    if nonce is not None and (len(nonce) > MAX_NONCE or not _PRINTABLE.fullmatch(nonce)):
        raise _invalid("nonce is too long or not printable", "nonce_unusable")
    if nonce is not None and connection.tokens == "relay":
        raise _invalid("this connection relays ID tokens and cannot carry a nonce", "nonce_not_relayable")
    return AuthorizationRequest(
        nonce=nonce,
        code_challenge=_code_challenge(client.relying_party, query),
        parameters=_passed_through(connection, query),
    )


def _refuse_what_is_not_offered(query: Parameters) -> None:
    if query.value("request") is not None:
        raise OAuthError(
            "request_not_supported", "request objects are not supported", reason="request_object"
        )
    if query.value("request_uri") is not None:
        raise OAuthError("request_uri_not_supported", "request_uri is not supported", reason="request_uri")
    response_type = query.value("response_type")
    if response_type is None:
        raise _invalid("response_type is missing", "response_type_missing")
    if response_type != "code":
        raise OAuthError(
            "unsupported_response_type",
            "only response_type=code is supported",
            reason="response_type_unsupported",
        )
    if query.value("response_mode") not in {None, "query"}:
        raise _invalid("only response_mode=query is supported", "response_mode_unsupported")
    if "openid" not in query.get("scope", "").split(" "):
        raise OAuthError("invalid_scope", "scope must contain openid", reason="scope_without_openid")


def _code_challenge(relying_party: RelyingParty, query: Parameters) -> str | None:
    challenge, method = query.value("code_challenge"), query.value("code_challenge_method")
    if challenge is None:
        if relying_party.require_pkce or method is not None:
            raise _invalid("code_challenge is missing", "pkce_missing")
        return None
    if method != "S256":
        raise _invalid("code_challenge_method must be S256", "pkce_method")
    if not _S256_CHALLENGE.fullmatch(challenge):
        raise _invalid("code_challenge is malformed", "pkce_challenge_malformed")
    return challenge


def _passed_through(connection: Connection, query: Parameters) -> dict[str, str]:
    """Return the values that travel on; what the connection does not name is dropped, as an OP may (Core §3.1.2.1).

    `prompt=none`, `prompt=login` and `max_age` are promises, not hints: where they cannot travel, the request is refused.
    """
    allowed = connection.authorization.travelling
    max_age = query.value("max_age")
    _check_prompt(connection, query.get("prompt", "").split(" "))
    if max_age is not None and not _MAX_AGE.fullmatch(max_age):
        raise _invalid("max_age must be a number of seconds", "max_age_malformed")
    if max_age is not None and "max_age" not in allowed:
        raise _invalid("this connection does not support max_age", "max_age_unsupported")
    values = {name: value for name in allowed if (value := query.value(name)) is not None}
    for name, value in values.items():
        if len(value) > MAX_VALUE or "\r" in value or "\n" in value:
            raise _invalid(f"{name} is too long or holds a line break", "parameter_unusable")
    return values


def _check_prompt(connection: Connection, asked: list[str]) -> None:
    """Refuse what the IdP would not be told: an OP that cannot ask again for credentials must say so (Core §3.1.2.1)."""
    fixed = connection.authorization.parameters.get("prompt")
    told = asked if "prompt" in connection.authorization.travelling else []
    if fixed is not None:
        told = fixed.split(" ")
    if "none" in asked and "none" not in told:
        raise OAuthError("login_required", "this connection cannot sign in silently", reason="prompt_none")
    if "login" in asked and "login" not in told:
        raise OAuthError(
            "login_required", "this connection cannot ask for a new sign-in", reason="prompt_login"
        )


def _invalid(description: str, reason: str) -> OAuthError:
    return OAuthError("invalid_request", description, reason=reason)
