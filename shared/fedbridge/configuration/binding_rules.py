"""Rules of `dpop` and `mutual_tls`: what binds tokens and requests to the bridge (RFC 9449, RFC 8705)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.authentication_rules import TLS_METHODS, signing_references
from fedbridge.configuration.references import reference_problem
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.policies import DPoP, MutualTls

PROOF_LIFETIME = range(5, 301)
"""Seconds. Singpass takes proofs of at most 120; a proof that lives on can be replayed where `jti` is not remembered."""


def binding_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with how tokens and requests are bound to the bridge."""
    method = connection.client_authentication.method
    if connection.mutual_tls is not None:
        yield from _mutual_tls(connection, connection.mutual_tls, allowed)
    elif method in TLS_METHODS:
        yield Problem("mutual_tls", f"is missing: {method} needs it")
    if connection.dpop is not None:
        yield from _dpop(connection, connection.dpop)


def _mutual_tls(connection: Connection, policy: MutualTls, allowed: Allowed) -> Iterator[Problem]:
    for field, reference in _references(policy):
        ring = field in {"certificate", "key"}
        # A certificate and its key may be one document, but neither is in KMS, which gives no key to OpenSSL.
        if problem := reference_problem(reference, local=allowed.local, key=False, ring=ring):
            yield Problem(f"mutual_tls.{field}", problem)
    for path, reference in signing_references(connection):
        if reference == policy.key and path != "mutual_tls.key":
            yield Problem("mutual_tls.key", f"is {path} as well: one key, one use")
    others = [pair for pair in _references(policy) if pair[0] not in {"certificate", "key"}]
    seen = {policy.certificate: "certificate"}
    for field, reference in others:
        if reference in seen:
            yield Problem(f"mutual_tls.{field}", f"is the same as {seen[reference]}")
        seen.setdefault(reference, field)
        if connection.client_authentication.method != "self_signed_tls_client_auth":
            yield Problem(
                f"mutual_tls.{field}",
                "is for self_signed_tls_client_auth: other certificates are not published",
            )


def _references(policy: MutualTls) -> Iterator[tuple[str, str]]:
    yield "certificate", policy.certificate
    yield "key", policy.key
    if policy.next_certificate is not None:
        yield "next_certificate", policy.next_certificate
    for i, reference in enumerate(policy.retired_certificates):
        yield f"retired_certificates[{i}]", reference


def _dpop(connection: Connection, policy: DPoP) -> Iterator[Problem]:
    if policy.lifetime is not None and policy.lifetime not in PROOF_LIFETIME:
        yield Problem(
            "dpop.lifetime",
            f"must be between {PROOF_LIFETIME.start} and {PROOF_LIFETIME.stop - 1} seconds",
        )
    if connection.protocol != "oidc":
        yield Problem("dpop", "is for protocol: oidc")
    # With `auto` the IdP's metadata would decide whether the code is bound at all.
    if policy.at_authorization == "proof" and connection.authorization.par != "required":
        yield Problem(
            "dpop.at_authorization", "proof goes with the pushed request: authorization.par: required"
        )
