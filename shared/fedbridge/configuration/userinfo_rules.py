"""Rules of signed userinfo, nested tokens, tenants, and tokens keyed with the client secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.claims.names import is_protected
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, upstream_url_problem
from fedbridge.model.connection import HMAC_ALGORITHMS, SIGNATURE_ALGORITHMS

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.policies import NestedToken, TenantPolicy

PLACEHOLDER = "{tenantid}"

# It becomes part of a path: nothing in it may begin another segment, or be read as an escape.
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,126}[A-Za-z0-9])?")
_CLAIM = re.compile(r"[\x21-\x7e]{1,256}")


def userinfo_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with userinfo, tenants, subject claims and symmetric tokens of a connection."""
    yield from _format(connection)
    for name, nested in connection.userinfo.nested.items():
        for path, message in _nested(name, nested, allowed):
            yield Problem(f"userinfo.nested.{name}{path}", message)
    if connection.tenants is not None:
        for path, message in _tenants(connection, connection.tenants, allowed):
            yield Problem(path, message)
    yield from _subject_claims(connection)
    if connection.id_token.symmetric:
        yield from _symmetric(connection)


def _format(connection: Connection) -> Iterator[Problem]:
    policy, symmetric = connection.userinfo, connection.id_token.symmetric
    if policy.method == "none" and policy.format != "json":
        yield Problem("userinfo.format", "does not apply: method none calls no userinfo")
    if policy.method == "none" and policy.nested:
        yield Problem("userinfo.nested", "does not apply: method none calls no userinfo")
    if policy.format == "json":
        if policy.algorithms:
            yield Problem("userinfo.algorithms", "is for signed userinfo: set format")
        if not policy.require_iss_and_aud:
            yield Problem("userinfo.require_iss_and_aud", "is for signed userinfo: set format")
        return
    known = (*SIGNATURE_ALGORITHMS, *HMAC_ALGORITHMS) if symmetric else SIGNATURE_ALGORITHMS
    for i, algorithm in enumerate(policy.algorithms):
        if algorithm not in known:
            yield Problem(f"userinfo.algorithms[{i}]", f"must be one of {', '.join(known)}")
    if 0 < sum(algorithm in HMAC_ALGORITHMS for algorithm in policy.algorithms) < len(policy.algorithms):
        yield Problem("userinfo.algorithms", "must be all HMAC or none: a public key must never be a secret")


def _nested(name: str, nested: NestedToken, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if is_protected(name):
        yield "", "belongs to the protocol"
    if problem := upstream_url_problem(nested.issuer, allowed):
        yield ".issuer", problem
    if (nested.did is None) == (nested.jwks_uri is None):
        yield "", "must have exactly one of did and jwks_uri"
    for field in ("did", "jwks_uri"):
        url = getattr(nested, field)
        if url is not None and (problem := upstream_url_problem(url, allowed)):
            yield f".{field}", problem
    if nested.did is not None and not nested.did.endswith("/did.json"):
        yield ".did", "must be the URL of the document, which ends in /did.json (did:web)"
    if not nested.algorithms:
        yield ".algorithms", "must name at least one algorithm"
    for i, algorithm in enumerate(nested.algorithms):
        if algorithm not in SIGNATURE_ALGORITHMS:
            yield f".algorithms[{i}]", f"must be one of {', '.join(SIGNATURE_ALGORITHMS)}"
    for claim, values in nested.claims.items():
        if not values:
            yield f".claims.{claim}", "must name at least one value"


def _tenants(connection: Connection, tenants: TenantPolicy, allowed: Allowed) -> Iterator[tuple[str, str]]:
    template = tenants.issuer_template
    if template.count(PLACEHOLDER) != 1:
        yield "tenants.issuer_template", f"must hold {PLACEHOLDER} once"
    elif problem := upstream_url_problem(tenants.issuer("tenant"), allowed):
        yield "tenants.issuer_template", problem
    if not tenants.allowed:
        yield "tenants.allowed", "must name at least one tenant"
    for i, tenant in enumerate(tenants.allowed):
        if not _TENANT.fullmatch(tenant):
            yield f"tenants.allowed[{i}]", "must be a tenant's id: letters, digits, - and ."
        elif tenant in tenants.allowed[:i]:
            yield f"tenants.allowed[{i}]", "is there twice"
    if not _CLAIM.fullmatch(tenants.claim) or tenants.claim == "iss":
        yield "tenants.claim", "must be the ID-token claim that names the tenant"
    if connection.tokens == "relay":
        yield "tokens", "cannot be relay with tenants: Cognito knows a provider by one issuer"
    elif connection.subject == "raw":
        yield "subject", "must be hashed with tenants: two of them may have the same subject"


def _subject_claims(connection: Connection) -> Iterator[Problem]:
    names = connection.subject_claims
    for i, name in enumerate(names):
        if not _CLAIM.fullmatch(name):
            yield Problem(f"subject_claims[{i}]", "must be the name of an ID-token claim")
        elif name in names[:i]:
            yield Problem(f"subject_claims[{i}]", "is there twice")
    if names and connection.tokens == "relay":
        yield Problem("subject_claims", "does not apply: relayed tokens keep their sub")
    elif len(names) > 1 and connection.subject == "raw":
        yield Problem("subject_claims", "must be one for subjects that stay raw: several have no joint text")


def _symmetric(connection: Connection) -> Iterator[Problem]:
    authentication = connection.client_authentication
    # A method that needs the secret for itself has said so.
    if authentication.secret is None and not authentication.method.startswith("client_secret"):
        yield Problem("id_token.symmetric", "needs client_authentication.secret: it is the key")
    if connection.tokens == "relay":
        yield Problem("tokens", "cannot be relay: Cognito verifies no HMAC")
