"""What Cognito gets as `sub`: it becomes `<provider name>_<sub>`, a user name of at most 128 characters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from fedbridge.errors import UpstreamError

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection

MAX_RAW = 95
"""Characters: 128 less the longest provider name (32) and the underscore."""

MAX_SUBJECT = 255
"""Characters (OpenID Connect Core §2)."""

# OpenID Connect Core §2: a subject is ASCII. Cognito's user names take neither blanks nor control characters.
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def subject_parts(connection: Connection, subject: str, id_token: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what together names the person: `sub`, or the values of the connection's `subject_claims`.

    Raises UpstreamError (`subject_claim_missing`) unless each of these could be a `sub` (see `is_subject`).
    """
    if not connection.subject_claims:
        return (subject,)
    values = (_named(id_token, name) for name in connection.subject_claims)
    parts = tuple(value for value in values if is_subject(value))
    if len(parts) != len(connection.subject_claims):
        raise UpstreamError("subject_claim_missing")
    return parts


def _named(id_token: Mapping[str, Any], name: str) -> Any:
    """Return the claim of this very name; else what its dots lead to, object by object: the actor's `act.sub` (RFC 8693)."""
    if name in id_token:
        return id_token[name]
    value: Any = id_token
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def is_subject(value: Any) -> TypeGuard[str]:
    """Return whether this can name a person: 1 to 255 printable characters without blanks around them."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_SUBJECT
        and value.isprintable()
        and value == value.strip()
    )


def to_subject(connection: Connection, issuer: str, *parts: str) -> str:
    """Return the subject, hashed or raw as the connection says; tokens that are relayed keep theirs.

    Raises UpstreamError (`subject_not_representable`): empty, not encodable, or, where it stays raw, of several parts
    (joined they might be another person's), longer than 95 characters, with characters other than printable ASCII, or
    with capitals while the pool does not tell them from small letters (two people would become one user).
    """
    if not all(parts):
        raise _not_representable()
    if (namespace := _namespace(connection)) is not None:
        return hashed_subject(namespace, issuer, *parts)
    if len(parts) != 1:
        raise _not_representable()
    (subject,) = parts
    if len(subject) > MAX_RAW or not _PRINTABLE.fullmatch(subject):
        raise _not_representable()
    if subject != subject.casefold() and not connection.case_sensitive_pool:
        raise _not_representable()
    return subject


def hashed_subject(namespace: str, issuer: str, *parts: str) -> str:
    """Return SHA-256 in lower-case hexadecimal over all the texts, each behind its length (8 bytes, big-endian).

    The lengths make the input injective: no other texts, nor another number of them, have the same bytes. It hides
    nothing from who can guess subjects. Raises UpstreamError (`subject_not_representable`) for text that UTF-8 cannot
    encode.
    """
    digest = hashlib.sha256()
    for text in (namespace, issuer, *parts):
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise _not_representable() from None
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def keeps_subjects(before: Connection, after: Connection) -> bool:
    """Return whether both give a person the same subject, so that publishing `after` turns nobody into someone else.

    Where subjects stay raw, another issuer counts as a change: its subjects are other people's. Tenants may come and
    go, as long as the issuers of those that stay are the same.
    """
    return (
        _same_issuers(before, after)
        and _namespace(before) == _namespace(after)
        and _source(before) == _source(after)
    )


def _same_issuers(before: Connection, after: Connection) -> bool:
    if before.tenants and after.tenants and before.tenants.issuer_template == after.tenants.issuer_template:
        return True
    return _issuers(before) <= _issuers(after)


def _issuers(connection: Connection) -> frozenset[str]:
    return connection.tenants.issuers() if connection.tenants else frozenset({connection.issuer})


def _source(connection: Connection) -> tuple[object, ...]:
    """Where the parts of a subject are read."""
    if connection.oauth2 is None:
        return ("oidc", connection.subject_claims or ("sub",))
    expression = connection.oauth2.subject
    documents = {each.name: each.url for each in connection.oauth2.documents if each.name in expression}
    return ("oauth2", expression, documents)


def _namespace(connection: Connection) -> str | None:
    """The namespace of hashed subjects, None where they stay raw."""
    if connection.subject == "raw" or connection.tokens == "relay":
        return None
    return connection.subject_namespace or connection.name


def _not_representable() -> UpstreamError:
    return UpstreamError(
        "subject_not_representable", description="The subject of this user cannot become a Cognito user name."
    )
