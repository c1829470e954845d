"""Claims of userinfo that are signed JWTs of their own, such as GOV.UK One Login's `coreIdentityJWT`.

Whoever signs them need not be the IdP: they have an issuer and keys of their own, in a DID document (did:web) or a JWKS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from fedbridge.errors import UpstreamError
from fedbridge.model.policies import NestedToken
from fedbridge.rp.claim_checks import check_lifetime, check_parties
from fedbridge.rp.context import Context
from fedbridge.rp.errors import assurance_not_met
from fedbridge.rp.jwk_set import MAX_KEYS, JwkSet, VerificationKey, usable_keys
from fedbridge.rp.jwks import JwksSource, KeyDocument
from fedbridge.rp.jwt import Accepted, verify_jwt
from fedbridge.strict_json import InvalidJson, decode_object

KIND = "nested_token"


def open_nested_tokens(
    context: Context, jwks: JwksSource, claims: Mapping[str, Any], *, subject: str
) -> Mapping[str, Any]:
    """Return the claims of userinfo with every nested token replaced by its own claims, once these are verified.

    One that is there must be right, required or not. Raises UpstreamError: `nested_token_missing` (access_denied),
    `nested_token_claim_unmet` (access_denied), `nested_token_…`, `did_document_…`, `jwks_…`, and DeadlineExceeded.
    """
    opened = dict(claims)
    for name, nested in context.connection.userinfo.nested.items():
        token = claims.get(name)
        if token is not None:
            opened[name] = _verify(context, jwks, nested, token, subject)
        elif nested.required:
            raise assurance_not_met("nested_token_missing")
    return opened


def _verify(
    context: Context, jwks: JwksSource, nested: NestedToken, token: Any, subject: str
) -> Mapping[str, Any]:
    if not isinstance(token, str):
        raise UpstreamError("nested_token_malformed")
    accepted = Accepted(kind=KIND, algorithms=nested.algorithms)
    claims = verify_jwt(context, token, accepted, _keys(context, jwks, nested)).claims
    check_parties(KIND, claims, issuer=nested.issuer, audience=context.connection.client_id)
    check_lifetime(
        KIND,
        claims,
        now=context.clock(),
        clock_skew=context.connection.id_token.clock_skew,
        required=("exp", "iat"),
    )
    # Without this comparison somebody else's identity could be put beside this person's account.
    if claims.get("sub") != subject:
        raise UpstreamError("nested_token_subject_mismatch")
    for name, values in nested.claims.items():
        if claims.get(name) not in values:
            raise assurance_not_met("nested_token_claim_unmet")
    return claims


def _keys(context: Context, jwks: JwksSource, nested: NestedToken) -> Callable[..., VerificationKey]:
    if nested.did is None:
        return jwks.at(context, nested.jwks_uri, KIND)
    find = jwks.at(context, nested.did, KIND, did_document(nested.did))

    def method(*, kid: str | None, algorithm: str) -> VerificationKey:
        if kid is None:  # A DID document has no only key: a method is named, or none is meant.
            raise UpstreamError("nested_token_key_unknown")
        return find(kid=kid, algorithm=algorithm)

    return method


def did_document(url: str) -> KeyDocument:
    """Return how a DID document at this URL is read (DID Core 1.0, did:web)."""
    return KeyDocument(
        name="did_document",
        accept="application/did+json, application/did+ld+json, application/json",
        read=functools.partial(parse_did_document, did=did_of(url)),
    )


def did_of(url: str) -> str:
    """Return the did:web identifier whose document is at this URL (did:web method, §2.5.2 read backwards)."""
    parts = urlsplit(url)
    path = parts.path.removesuffix("/did.json").removesuffix("/.well-known").strip("/")
    return ":".join(["did", "web", quote(parts.netloc.lower(), safe=""), *filter(None, path.split("/"))])


def parse_did_document(body: bytes, *, did: str) -> JwkSet:
    """Return the keys of the document's assertion methods, each with the method's id, a DID URL, as its `kid`.

    Methods are written out or named (DID Core 1.0 §5.3.2). One that another DID controls does not speak for this one, and
    is left out. Raises UpstreamError `did_document_malformed`, `did_document_mismatch` (it is about another DID), and
    what `usable_keys` raises.
    """
    try:
        document = decode_object(body)
    except InvalidJson:
        raise UpstreamError("did_document_malformed") from None
    if document.get("id") != did:
        raise UpstreamError("did_document_mismatch")
    assertion, methods = (document.get(name, []) for name in ("assertionMethod", "verificationMethod"))
    if not isinstance(assertion, list) or not isinstance(methods, list):
        raise UpstreamError("did_document_malformed")
    if max(len(assertion), len(methods)) > MAX_KEYS:  # Each of one list is looked for in the other.
        raise UpstreamError("jwks_too_many_keys")
    return usable_keys([*_jwks(assertion, methods, did)])


def _jwks(assertion: list[Any], methods: list[Any], did: str) -> Iterator[Mapping[str, Any]]:
    written_out = [each for each in assertion if isinstance(each, dict)]
    # One that stands in both places as it is, is one; where the two differ, neither is used.
    described = [
        *written_out,
        *(each for each in methods if isinstance(each, dict) and each not in written_out),
    ]
    asserting = {_id(each.get("id") if isinstance(each, dict) else each, did) for each in assertion}
    for method in described:
        identifier, jwk = _id(method.get("id"), did), method.get("publicKeyJwk")
        if identifier in asserting and method.get("controller") == did and isinstance(jwk, dict):
            yield {**jwk, "kid": identifier}


def _id(identifier: Any, did: str) -> str | None:
    """Return a method's id as an absolute DID URL of this DID, None if it is none."""
    if not isinstance(identifier, str):
        return None
    absolute = f"{did}{identifier}" if identifier.startswith("#") else identifier
    return absolute if absolute.startswith(f"{did}#") else None
