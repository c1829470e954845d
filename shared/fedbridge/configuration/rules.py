"""What a connection must be, beyond its shape: every rule says where and why, and never quotes a value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fedbridge.configuration.assurance_rules import assurance_problems
from fedbridge.configuration.authentication_rules import authentication_problems, key_references
from fedbridge.configuration.binding_rules import binding_problems
from fedbridge.configuration.claim_rules import claim_problems
from fedbridge.configuration.encryption_rules import decryption_references, encryption_problems
from fedbridge.configuration.logout_rules import logout_problems
from fedbridge.configuration.protocol_rules import protocol_problems
from fedbridge.configuration.registration_rules import registration_problems
from fedbridge.configuration.request_rules import request_problems
from fedbridge.configuration.saml_rules import saml_key_references, saml_problems
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import (
    HOST,
    Allowed,
    browser_url_problem,
    upstream_url_problem,
)
from fedbridge.configuration.userinfo_rules import userinfo_problems
from fedbridge.model.connection import (
    CONNECTION_NAME,
    HMAC_ALGORITHMS,
    ID_TOKEN_LIFETIME,
    SIGNATURE_ALGORITHMS,
)

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection, RelyingParty

MAX_CLOCK_SKEW = 300
"""Seconds."""

MANAGED_EVERY = range(24 * 3600, 3650 * 24 * 3600 + 1)
"""Seconds: what rotates runs every hour, and a rotation takes one or two."""

ID_TOKEN_LIFETIMES = range(60, 3600 + 1)
"""Seconds. No ID token outlives the key that signed it, and nobody takes one back."""

RESERVED_PARAMETERS = frozenset(
    {
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    | {"request", "request_uri", "response_mode", "dpop_jkt"}
)
"""Authorization parameters that the bridge makes itself; neither the file nor Cognito may set them."""

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 §3.3
_CLIENT_ID = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?")  # RFC 6749 appendix A.1
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
_ENDPOINT_HOST = re.compile(r"[a-z0-9.-]+(?::[0-9]{1,5})?")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,256}")
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")
_SECRET_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def name_problem(name: str) -> str | None:
    """Return what is wrong with a connection's name, None if nothing."""
    if CONNECTION_NAME.fullmatch(name):
        return None
    return "a name must be 1 to 63 of a-z, 0-9 and -, and begin with a letter or a digit"


def unregistered(name: str) -> str:
    """Return what stands for the client id of a connection that no IdP has given one."""
    return f"{name} is not registered"


def problems_of(connection: Connection, allowed: Allowed) -> list[Problem]:
    """Return everything that is wrong with one connection."""
    if connection.protocol == "saml":
        return [
            *saml_problems(connection, allowed),
            *logout_problems(connection, allowed),
            *claim_problems(connection),
            *_subjects(connection),
            *_relying_parties(connection, allowed),
        ]
    return [
        *_identity_provider(connection, allowed),
        *_endpoints(connection, allowed),
        *authentication_problems(connection, allowed),
        *_authorization(connection),
        *_id_token(connection),
        *encryption_problems(connection, allowed),
        *request_problems(connection, allowed),
        *binding_problems(connection, allowed),
        *userinfo_problems(connection, allowed),
        *protocol_problems(connection, allowed),
        *assurance_problems(connection, allowed),
        *registration_problems(connection, allowed),
        *saml_problems(connection, allowed),
        *logout_problems(connection, allowed),
        *claim_problems(connection),
        *_subjects(connection),
        *_relying_parties(connection, allowed),
        *(_relay(connection) if connection.tokens == "relay" else ()),
    ]


def problems_between(connections: Mapping[str, Connection]) -> list[tuple[str, Problem]]:
    """Return what connections must not share (case 154), each with the name of the later connection.

    One client at one issuer; keys and secrets, by reference; public keys, where they are filled in, because one key may
    hide behind two references; generated client secrets. What belongs to one would open the other.
    """
    found: list[tuple[str, Problem]] = []
    owners: dict[tuple[str, str], str] = {}
    for name, connection in connections.items():
        for path, kind, value in _unshared(connection):
            owner = owners.setdefault((kind, value), name)
            if owner != name:
                found.append(
                    (name, Problem(path, f"is the same {kind} as in {owner}: connections share none"))
                )
    return found


def _unshared(connection: Connection) -> Iterator[tuple[str, str, str]]:
    if connection.issuer and connection.client_id:
        yield "client_id", "issuer and client_id", f"{connection.issuer} {connection.client_id}"
    for field, reference in key_references(connection.client_authentication):
        yield f"client_authentication.{field}", "key", reference
    for path, reference in saml_key_references(connection):
        yield path, "key", reference
    request_object = connection.authorization.request_object
    if request_object is not None:
        for field, reference in key_references(request_object):
            yield f"authorization.request_object.{field}", "key", reference
    if connection.token_decryption is not None:
        for field, reference in decryption_references(connection.token_decryption):
            yield f"token_decryption.{field}", "key", reference
    if connection.mutual_tls is not None:
        yield "mutual_tls.key", "key", connection.mutual_tls.key
        yield "mutual_tls.certificate", "certificate", connection.mutual_tls.certificate
        if connection.mutual_tls.next_certificate is not None:
            yield "mutual_tls.next_certificate", "certificate", connection.mutual_tls.next_certificate
        for i, certificate in enumerate(connection.mutual_tls.retired_certificates):
            yield f"mutual_tls.retired_certificates[{i}]", "certificate", certificate
    if connection.client_authentication.secret:
        yield "client_authentication.secret", "secret", connection.client_authentication.secret
    if connection.registration is not None and connection.registration.access_token is not None:
        yield "registration.access_token", "secret", connection.registration.access_token
    for i, jwk in enumerate(connection.client_jwks):
        # Not by `kid`, which may be a literal that the IdP chose.
        yield f"client_jwks[{i}]", "public key", " ".join(str(jwk.get(name)) for name in _PUBLIC_MEMBERS)
    for i, party in enumerate(connection.relying_parties):
        for j, secret_hash in enumerate(party.secret_hashes):
            yield f"relying_parties[{i}].secret_hashes[{j}]", "client secret", secret_hash


def _identity_provider(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    problem = upstream_url_problem(connection.issuer, allowed)
    if problem or "?" in connection.issuer:
        yield Problem("issuer", problem or "must not have a query")
    if not _CLIENT_ID.fullmatch(connection.client_id):
        yield Problem("client_id", "must be printable ASCII without blanks around it")
    if not _PRINTABLE.fullmatch(connection.user_agent):
        yield Problem("user_agent", "must be 1 to 256 printable ASCII characters")
    for i, host in enumerate(connection.endpoint_hosts):
        if not _ENDPOINT_HOST.fullmatch(host) or host.endswith(":443"):
            yield Problem(
                f"endpoint_hosts[{i}]", "must be a host name in small letters, a port only if it is not 443"
            )
        elif problem := upstream_url_problem(f"https://{host}/", allowed):
            yield Problem(f"endpoint_hosts[{i}]", problem)


def _endpoints(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    if connection.endpoints is None:
        return
    fields = (
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "pushed_authorization_request_endpoint",
        "revocation_endpoint",
    )
    for field in fields:
        url = getattr(connection.endpoints, field)
        if url is not None and (problem := upstream_url_problem(url, allowed)):
            yield Problem(f"endpoints.{field}", problem)
    end_session = connection.endpoints.end_session_endpoint
    if end_session is not None and (problem := browser_url_problem(end_session, allowed)):
        yield Problem("endpoints.end_session_endpoint", problem)
    if not connection.endpoints.token_endpoint_auth_methods_supported:
        yield Problem("endpoints.token_endpoint_auth_methods_supported", "must not be empty")


def _authorization(connection: Connection) -> Iterator[Problem]:
    profile = connection.authorization
    openid = "openid" in profile.scope.split(" ") or connection.protocol == "oauth2"
    if not _SCOPE.fullmatch(profile.scope) or not openid:
        yield Problem(
            "authorization.scope", "must be scopes with single blanks between them, one of them openid"
        )
    for i, value in enumerate(profile.acr_values):
        if not _TOKEN.fullmatch(value):
            yield Problem(
                f"authorization.acr_values[{i}]", "must be one value, in printable ASCII without blanks"
            )
    for name, value in profile.parameters.items():
        path = f"authorization.parameters.{name}"
        if name == "acr_values":
            yield Problem(
                path, "belongs into authorization.acr_values, where the answer is checked against it"
            )
        elif problem := _parameter_problem(name):
            yield Problem(path, problem)
        elif not value or len(value) > 2048 or not value.isprintable():
            yield Problem(path, "must be 1 to 2,048 printable characters")
    for i, name in enumerate(profile.pass_through):
        if problem := _parameter_problem(name):
            yield Problem(f"authorization.pass_through[{i}]", problem)


def _parameter_problem(name: str) -> str | None:
    if name in RESERVED_PARAMETERS:
        return "is set by the bridge itself"
    return None if _PARAMETER.fullmatch(name) else "is not the name of an authorization parameter"


def _id_token(connection: Connection) -> Iterator[Problem]:
    policy = connection.id_token
    if not policy.algorithms:
        yield Problem("id_token.algorithms", "must name at least one algorithm")
    known = HMAC_ALGORITHMS if policy.symmetric else SIGNATURE_ALGORITHMS
    for i, algorithm in enumerate(policy.algorithms):
        if algorithm not in known:
            yield Problem(f"id_token.algorithms[{i}]", f"must be one of {', '.join(known)}")
    if not 0 <= policy.clock_skew <= MAX_CLOCK_SKEW:
        yield Problem("id_token.clock_skew", f"must be between 0 and {MAX_CLOCK_SKEW} seconds")
    for i, audience in enumerate(policy.trusted_audiences):
        if not _CLIENT_ID.fullmatch(audience):
            yield Problem(
                f"id_token.trusted_audiences[{i}]", "must be printable ASCII without blanks around it"
            )


def _subjects(connection: Connection) -> Iterator[Problem]:
    namespace = connection.subject_namespace
    if namespace is not None and not _TOKEN.fullmatch(namespace):
        yield Problem("subject_namespace", "must be printable ASCII without blanks")
    if namespace is not None and (connection.subject == "raw" or connection.tokens == "relay"):
        yield Problem("subject_namespace", "does not apply to subjects that stay raw")
    for i, domain in enumerate(connection.verified_email_domains):
        if not HOST.fullmatch(domain):
            yield Problem(
                f"verified_email_domains[{i}]", "must be a domain in small letters, such as example.com"
            )


def _relying_parties(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    if not connection.relying_parties:
        yield Problem("relying_parties", "must name at least one")
    seen: set[str] = set()
    owners: dict[str, int] = {}
    for i, party in enumerate(connection.relying_parties):
        for path, message in _relying_party(party, allowed):
            yield Problem(f"relying_parties[{i}].{path}", message)
        if connection.tokens == "relay" and party.id_token_lifetime != ID_TOKEN_LIFETIME:
            yield Problem(
                f"relying_parties[{i}].id_token_lifetime", "is the IdP's to say, with tokens: relay"
            )
        if party.client_id in seen:
            yield Problem(f"relying_parties[{i}].client_id", "is there twice")
        seen.add(party.client_id)
        for j, secret_hash in enumerate(party.secret_hashes):
            if (owner := owners.setdefault(secret_hash, i)) != i:
                yield Problem(
                    f"relying_parties[{i}].secret_hashes[{j}]",
                    f"is the same client secret as in relying_parties[{owner}]",
                )


def _relying_party(party: RelyingParty, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if not _CLIENT_ID.fullmatch(party.client_id):
        yield "client_id", "must be printable ASCII without blanks around it"
    yield from _secret(party)
    if not party.redirect_uris:
        yield "redirect_uris", "must name at least one"
    for i, uri in enumerate(party.redirect_uris):
        if problem := browser_url_problem(uri, allowed):
            yield f"redirect_uris[{i}]", problem
    if problem := browser_url_problem(party.restart_url, allowed, fragment=True):
        yield "restart_url", problem
    if party.name is not None and not _is_label(party.name):
        yield "name", "must be 1 to 256 printable characters"
    if party.id_token_lifetime not in ID_TOKEN_LIFETIMES:
        yield (
            "id_token_lifetime",
            f"must be between {ID_TOKEN_LIFETIMES.start} and {ID_TOKEN_LIFETIMES.stop - 1} seconds",
        )


def _secret(party: RelyingParty) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the client secret, which is either the operator's business or the bridge's."""
    if party.managed_secret is None:
        if not party.secret_hashes:
            yield "secret_hashes", "is missing; managed_secret leaves it to the bridge"
        elif len(party.secret_hashes) > 2 or len(set(party.secret_hashes)) != len(party.secret_hashes):
            yield "secret_hashes", "must be one hash, or two different ones while the secret is changed"
        for i, secret_hash in enumerate(party.secret_hashes):
            if not _SECRET_HASH.fullmatch(secret_hash):
                yield f"secret_hashes[{i}]", "must be sha256: and 64 hexadecimal digits in small letters"
        return
    if party.secret_hashes:
        yield "secret_hashes", "is filled in by the bridge: leave it out, or managed_secret"
    if party.user_pool is None:
        yield "managed_secret", "needs user_pool, which the secret is given to"
    every = party.managed_secret.rotate_every
    if every is not None and every not in MANAGED_EVERY:
        yield (
            "managed_secret.rotate_every",
            f"must be between {MANAGED_EVERY.start} and {MANAGED_EVERY.stop - 1} seconds",
        )


def _is_label(text: str) -> bool:
    return bool(text.strip()) and len(text) <= 256 and text.isprintable()


def _relay(connection: Connection) -> Iterator[Problem]:
    """Cognito gets the upstream's own token: it is the audience, and it must be able to verify it."""
    for i, party in enumerate(connection.relying_parties):
        if connection.client_id not in {party.client_id, unregistered(connection.name)}:
            yield Problem(
                f"relying_parties[{i}].client_id",
                "must be the connection's client_id: relayed tokens are made out to it",
            )
    for i, algorithm in enumerate(connection.id_token.algorithms):
        if algorithm in SIGNATURE_ALGORITHMS and not algorithm.startswith(("RS", "ES")):
            yield Problem(
                f"id_token.algorithms[{i}]", "cannot be relayed: Cognito verifies RS and ES algorithms"
            )
    if connection.verified_email_domains:
        yield Problem(
            "verified_email_domains",
            "does not reach relayed tokens: Cognito takes the flag that the IdP put into them",
        )
