"""Rules of pushed, signed and sifted authorization requests and of signed responses (RFC 9126, RFC 9101, JARM)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.authentication_rules import LIFETIME, key_references
from fedbridge.configuration.references import reference_problem
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, browser_url_problem
from fedbridge.model.connection import SIGNATURE_ALGORITHMS
from fedbridge.model.policies import (
    CONTENT_ENCRYPTION_ALGORITHMS,
    KEY_ENCRYPTION_ALGORITHMS,
    AuthorizationResponsePolicy,
    RequestObject,
)

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection

MIN_QUERY = 128
"""Characters. Not even a pushed request's query is shorter."""

AUDIENCES = ("issuer", "authorization_endpoint")
DEFAULT_ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
"""What a key signs with if nothing is said: by its type, one of these."""

_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_TYP = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]{0,126}")
_CARRIERS = frozenset({"client_id", "request", "request_uri"})
_CLAIMS = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti")


def request_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with how a connection sends its requests, and with the response that it asks for."""
    profile = connection.authorization
    yield from _allowed_parameters(connection)
    if profile.max_query is not None and profile.max_query < MIN_QUERY:
        yield Problem("authorization.max_query", f"must be at least {MIN_QUERY} characters")
    yield from _pushing(connection)
    if profile.request_object is not None:
        yield from _names_in_a_jwt(connection)
        for path, message in _request_object(connection, profile.request_object, allowed):
            yield Problem(f"authorization.request_object.{path}", message)
    yield from _response(connection)
    yield from _keys_of_idp(connection)


def needed_parameters(connection: Connection) -> tuple[str, ...]:
    """Return the names of the parameters that every authorization request of the connection carries."""
    profile, dpop = connection.authorization, connection.dpop
    names = ["response_type", "client_id", "redirect_uri", "scope", "state"]
    if connection.protocol == "oidc":
        names.append("nonce")
    if profile.pkce == "S256":
        names += ["code_challenge", "code_challenge_method"]
    if profile.response_mode is not None:
        names.append("response_mode")
    if dpop is not None and dpop.at_authorization == "dpop_jkt":
        names.append("dpop_jkt")
    if profile.acr_values:
        names.append("acr_values")
    return (*names, *profile.parameters)


def _allowed_parameters(connection: Connection) -> Iterator[Problem]:
    listed = connection.authorization.allowed_parameters
    if listed is None:
        return
    for i, name in enumerate(listed):
        path = f"authorization.allowed_parameters[{i}]"
        if not _PARAMETER.fullmatch(name):
            yield Problem(path, "is not the name of an authorization parameter")
        elif name in listed[:i]:
            yield Problem(path, "is there twice")
    missing = [name for name in needed_parameters(connection) if name not in listed]
    if missing:
        yield Problem(
            "authorization.allowed_parameters", f"lacks what the request needs: {', '.join(missing)}"
        )


def _pushing(connection: Connection) -> Iterator[Problem]:
    """By hand there is no metadata that could demand pushing: the file says it, and where to."""
    if connection.endpoints is None:
        return
    path = "endpoints.pushed_authorization_request_endpoint"
    given = connection.endpoints.pushed_authorization_request_endpoint is not None
    required = connection.authorization.par == "required"
    if required and not given:
        yield Problem(path, "is missing: authorization.par is required")
    if given and not required:
        yield Problem(path, "is not used: authorization.par is not required")


def _names_in_a_jwt(connection: Connection) -> Iterator[Problem]:
    """SMART on FHIR has a parameter `aud`; in a request object there is no place for it (RFC 9101 §4)."""
    profile = connection.authorization
    taken = "is a claim of the request object itself, and cannot be a parameter in it"
    for name in profile.parameters:
        if name in _CLAIMS:
            yield Problem(f"authorization.parameters.{name}", taken)
    for i, name in enumerate(profile.pass_through):
        if name in _CLAIMS:
            yield Problem(f"authorization.pass_through[{i}]", taken)


def _request_object(
    connection: Connection, policy: RequestObject, allowed: Allowed
) -> Iterator[tuple[str, str]]:
    yield from _signing(connection, policy, allowed)
    if policy.audience not in AUDIENCES and (problem := browser_url_problem(policy.audience, allowed)):
        yield "audience", f"must be one of {', '.join(AUDIENCES)} or a URL; a URL {problem}"
    if policy.lifetime not in LIFETIME:
        yield "lifetime", f"must be between {LIFETIME.start} and {LIFETIME.stop - 1} seconds"
    if policy.typ is not None and not _TYP.fullmatch(policy.typ):
        yield "typ", "must be a media type such as oauth-authz-req+jwt"
    sent = {*needed_parameters(connection), *connection.authorization.travelling} - _CARRIERS
    for i, name in enumerate(policy.echo):
        if name in _CARRIERS:
            yield f"echo[{i}]", "is set by the bridge itself"
        elif name not in sent or name in policy.echo[:i]:
            yield f"echo[{i}]", "is there twice" if name in sent else "is no parameter of this connection"
    yield from _encryption(policy)


def _signing(connection: Connection, policy: RequestObject, allowed: Allowed) -> Iterator[tuple[str, str]]:
    authentication = connection.client_authentication
    if policy.algorithm is not None and policy.algorithm not in SIGNATURE_ALGORITHMS:
        yield "algorithm", f"must be one of {', '.join(SIGNATURE_ALGORITHMS)}"
    elif policy.key is None and policy.algorithm is not None:
        # A published key has one `alg`, and the IdP holds every signature to it.
        of_key = DEFAULT_ALGORITHMS if authentication.algorithm is None else (authentication.algorithm,)
        if policy.algorithm not in of_key:
            yield (
                "algorithm",
                "is not the one of client_authentication.key: give request objects a key of their own",
            )
    if policy.key is None:
        if authentication.key is None:
            yield "key", "is missing: there is no client_authentication.key to sign with"
        elif policy.next_key is not None or policy.retired_keys:
            yield "key", "is missing: next_key and retired_keys go with it"
        return
    seen: dict[str, str] = {}
    for field, reference in key_references(policy):
        if problem := reference_problem(reference, local=allowed.local, key=True, ring=field == "key"):
            yield field, problem
        elif reference in seen:
            yield field, f"is the same key as {seen[reference]}"
        seen.setdefault(reference, field)
    for field, reference in key_references(authentication):
        if reference in seen:
            remedy = (
                "leave it out, to sign with that"
                if (field, seen[reference]) == ("key", "key")
                else "it signs nothing there"
            )
            yield seen[reference], f"is client_authentication.{field} as well: {remedy}"


def _encryption(policy: RequestObject) -> Iterator[tuple[str, str]]:
    if policy.content_encryption not in CONTENT_ENCRYPTION_ALGORITHMS:
        yield "content_encryption", f"must be one of {', '.join(CONTENT_ENCRYPTION_ALGORITHMS)}"
    if policy.encryption_algorithm is None:
        if policy.content_encryption != RequestObject.__dataclass_fields__["content_encryption"].default:
            yield "content_encryption", "is not used: encryption_algorithm is missing"
    elif policy.encryption_algorithm not in KEY_ENCRYPTION_ALGORITHMS:
        yield "encryption_algorithm", f"must be one of {', '.join(KEY_ENCRYPTION_ALGORITHMS)}"


def _response(connection: Connection) -> Iterator[Problem]:
    policy = connection.authorization_response
    if not connection.authorization.signed_response:
        if policy != AuthorizationResponsePolicy():
            yield Problem(
                "authorization_response", "is not used: authorization.response_mode asks for no JWT"
            )
        return
    for i, algorithm in enumerate(policy.algorithms):
        if algorithm not in SIGNATURE_ALGORITHMS:
            yield Problem(
                f"authorization_response.algorithms[{i}]", f"must be one of {', '.join(SIGNATURE_ALGORITHMS)}"
            )
    if not policy.algorithms and connection.id_token.symmetric:
        yield Problem(
            "authorization_response.algorithms",
            "is missing: those of id_token are keyed with the client secret",
        )
    yield from _encrypted_response(connection)


def _encrypted_response(connection: Connection) -> Iterator[Problem]:
    """Keep junk that strangers send to the callback from becoming calls to KMS (case 160).

    An encrypted response says to which sign-in it belongs only once it is open, so that nothing can be proven before.
    """
    policy, decryption = connection.authorization_response, connection.token_decryption
    if policy.encryption == "none" or decryption is None:
        return
    for field in ("keys", "retired_keys"):
        for i, reference in enumerate(getattr(decryption, field)):
            if reference.startswith("kms:"):
                yield Problem(
                    f"token_decryption.{field}[{i}]",
                    "must not be in KMS: whoever sends an encrypted authorization response would cause a call",
                )


def _keys_of_idp(connection: Connection) -> Iterator[Problem]:
    """Where ID tokens are keyed with the client secret, these are all that asks for the IdP's keys."""
    endpoints, policy = connection.endpoints, connection.authorization.request_object
    if endpoints is None or endpoints.jwks_uri is not None or not connection.id_token.symmetric:
        return
    if connection.authorization.signed_response:
        yield Problem("endpoints.jwks_uri", "is missing: signed responses are verified with keys from there")
    if policy is not None and policy.encryption_algorithm is not None:
        yield Problem("endpoints.jwks_uri", "is missing: request objects are encrypted to a key from there")
