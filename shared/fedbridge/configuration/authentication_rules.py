"""Rules of `client_authentication`: each method with exactly its own fields (OpenID Connect Core §9, RFC 7523)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING

from fedbridge.configuration.document import default_of
from fedbridge.configuration.references import reference_problem
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, browser_url_problem
from fedbridge.model.connection import HMAC_ALGORITHMS, SIGNATURE_ALGORITHMS

if TYPE_CHECKING:
    from fedbridge.model.connection import ClientAuthentication, Connection
    from fedbridge.model.policies import RequestObject

LIFETIME = range(5, 301)
"""Seconds. FAPI 2.0 wants 60 at most; some IdPs' clocks need more."""

AUDIENCES = ("issuer", "token_endpoint", "endpoint")

TLS_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
"""The methods whose credential is the connection's `mutual_tls` (RFC 8705 §2)."""

_ASSERTION = {"algorithm", "audience", "lifetime", "typ", "not_before"}
_KEY = {"key", "next_key", "retired_keys", "kid", "certificate", "x5t", "x5t_s256", "x5c"}
_SECRET = {"secret", "secret_expires"}
_FIELDS = {
    "private_key_jwt": _ASSERTION | _KEY,
    "client_secret_jwt": _ASSERTION | _SECRET,
    "client_secret_basic": _SECRET | {"basic_encoding"},
    "client_secret_post": _SECRET,
    "apple_client_secret": {"key", "kid", "algorithm", "audience", "lifetime", "typ", "assertion_issuer"},
    **{method: set() for method in TLS_METHODS},
}
_KEYED = ("private_key_jwt", "apple_client_secret")
_ON_THUMBPRINT = ("x5t", "x5t_s256", "x5c")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TYP = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]{0,126}")
_KID = _TEXT = re.compile(r"[\x21-\x7e]{1,256}")


def authentication_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with a connection's client authentication, paths below `client_authentication`."""
    authentication = connection.client_authentication
    for path, message in (
        *_credentials(authentication, certified=connection.mutual_tls is not None),
        *_algorithm(authentication),
        *_assertion(authentication, allowed),
        *_references(authentication, local=allowed.local),
        *_expiry(authentication),
        *_certificate(authentication),
        *_apple(authentication),
    ):
        yield Problem(f"client_authentication.{path}", message)
    yield from _manual_methods(connection)


def key_references(policy: ClientAuthentication | RequestObject) -> Iterator[tuple[str, str]]:
    """Yield field and reference of every private key: the active one, the next, and the retired."""
    if policy.key is not None:
        yield "key", policy.key
    if policy.next_key is not None:
        yield "next_key", policy.next_key
    for i, reference in enumerate(policy.retired_keys):
        yield f"retired_keys[{i}]", reference


def signing_references(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield path and reference of every key that signs."""
    for field, reference in key_references(connection.client_authentication):
        yield f"client_authentication.{field}", reference
    request_object, mutual_tls = connection.authorization.request_object, connection.mutual_tls
    if request_object is not None:
        for field, reference in key_references(request_object):
            yield f"authorization.request_object.{field}", reference
    if mutual_tls is not None:
        yield "mutual_tls.key", mutual_tls.key


def document_of(reference: str) -> str:
    """Return the reference to the whole document, of which a fragment names a part."""
    return reference.partition("#")[0]


def _credentials(authentication: ClientAuthentication, *, certified: bool) -> Iterator[tuple[str, str]]:
    method = authentication.method
    if method == "auto":
        if not authentication.key and not authentication.secret and not certified:
            yield "key", "is missing: auto needs key, secret or both"
            return
        usable = (_FIELDS["private_key_jwt"] if authentication.key else set()) | (
            _FIELDS["client_secret_jwt"] | _FIELDS["client_secret_basic"] if authentication.secret else set()
        )
        needed = "key" if authentication.secret else "secret"
        refusal = f"needs {needed}"
    else:
        usable = _FIELDS[method]
        credential = "key" if method in _KEYED else "secret"
        if method not in TLS_METHODS and not getattr(authentication, credential):
            yield credential, f"is missing: {method} needs it"
        refusal = f"does not apply to {method}"
    for field in fields(authentication):
        changed = getattr(authentication, field.name) != default_of(field)
        if field.name != "method" and field.name not in usable and changed:
            yield field.name, refusal


def _algorithm(authentication: ClientAuthentication) -> Iterator[tuple[str, str]]:
    unsigned = {"client_secret_basic", "client_secret_post", *TLS_METHODS}
    if authentication.algorithm is None or authentication.method in unsigned:
        return
    by_key = authentication.method in {"auto", "private_key_jwt"} and authentication.key is not None
    by_secret = authentication.method in {"auto", "client_secret_jwt"} and authentication.secret is not None
    if authentication.method == "auto" and by_key and by_secret:
        yield "algorithm", "needs a method: with auto it could be the key's or the secret's"
        return
    keyed = by_key or authentication.method in _KEYED
    known = SIGNATURE_ALGORITHMS if keyed else HMAC_ALGORITHMS
    if authentication.algorithm not in known:
        yield (
            "algorithm",
            f"must be one of {', '.join(known)}, which a {'key' if keyed else 'secret'} signs with",
        )


def _assertion(authentication: ClientAuthentication, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if authentication.lifetime not in LIFETIME:
        yield "lifetime", f"must be between {LIFETIME.start} and {LIFETIME.stop - 1} seconds"
    if authentication.audience not in AUDIENCES:
        problem = browser_url_problem(authentication.audience, allowed)
        if problem:
            yield "audience", f"must be one of {', '.join(AUDIENCES)} or a URL; a URL {problem}"
    if authentication.typ is not None and not _TYP.fullmatch(authentication.typ):
        yield "typ", "must be a media type such as JWT or client-authentication+jwt"
    if not _KID.fullmatch(authentication.kid):
        yield "kid", "must be thumbprint, omit or a literal of at most 256 printable ASCII characters"


def _references(authentication: ClientAuthentication, *, local: bool) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for field, reference in key_references(authentication):
        if problem := reference_problem(reference, local=local, key=True, ring=field == "key"):
            yield field, problem
        elif reference in seen:
            yield field, f"is the same key as {seen[reference]}"
        seen.setdefault(reference, field)
    for field in ("secret", "certificate"):
        reference = getattr(authentication, field)
        ring = field == "certificate"
        if reference is not None and (
            problem := reference_problem(reference, local=local, key=False, ring=ring)
        ):
            yield field, problem
    for key, field in seen.items():
        if authentication.secret in (key, document_of(key)):
            yield "secret", f"is the document of {field}: a secret is sent, a private key never"


def _expiry(authentication: ClientAuthentication) -> Iterator[tuple[str, str]]:
    """Its form alone: a day that has passed keeps nobody from publishing what mends it."""
    day = authentication.secret_expires
    if day is not None and not _is_day(day):
        yield "secret_expires", "must be a day, such as 2027-05-31"


def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _certificate(authentication: ClientAuthentication) -> Iterator[tuple[str, str]]:
    asked = [field for field in _ON_THUMBPRINT if getattr(authentication, field)]
    if asked and not authentication.certificate:
        yield from ((field, "needs certificate") for field in asked)
    if authentication.certificate and not asked:
        yield "certificate", f"is not used: set one of {', '.join(_ON_THUMBPRINT)}"


def _apple(authentication: ClientAuthentication) -> Iterator[tuple[str, str]]:
    """Apple's client secret is a JWT, by the team's key: who and which key are Apple's own words for them."""
    if authentication.method != "apple_client_secret":
        return
    if not authentication.assertion_issuer:
        yield "assertion_issuer", "is missing: apple_client_secret needs the team id"
    elif not _TEXT.fullmatch(authentication.assertion_issuer):
        yield "assertion_issuer", "must be printable ASCII without blanks"
    if authentication.kid in {"thumbprint", "omit"}:
        yield "kid", "must be the id that Apple gave the key"
    if authentication.algorithm not in {None, "ES256"}:
        yield "algorithm", "must be ES256: Apple takes no other"


def _manual_methods(connection: Connection) -> Iterator[Problem]:
    """With `auto` and manual endpoints there is no metadata that could make up for what the file says."""
    authentication = connection.client_authentication
    if connection.endpoints is None or authentication.method != "auto":
        return
    usable = {"private_key_jwt"} if authentication.key else set()
    if connection.mutual_tls is not None:
        usable.add("tls_client_auth")
    if authentication.secret:
        usable |= {"client_secret_basic", "client_secret_post", "client_secret_jwt"}
    named = set(connection.endpoints.token_endpoint_auth_methods_supported)
    if usable and named and not usable & named:
        yield Problem(
            "endpoints.token_endpoint_auth_methods_supported",
            f"names no method that key, secret or certificate can serve ({', '.join(sorted(usable))})",
        )
