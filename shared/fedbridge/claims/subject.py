"""What Cognito gets as `sub`: it becomes `<provider name>_<sub>`, a user name of at most 128 characters."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from fedbridge.errors import UpstreamError

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection

MAX_RAW = 95
"""Characters: 128 less the longest provider name (32) and the underscore."""

# OpenID Connect Core §2: a subject is ASCII. Cognito's user names take neither blanks nor control characters.
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def to_subject(connection: Connection, issuer: str, subject: str) -> str:
    """Return the subject, hashed or raw as the connection says; tokens that are relayed keep theirs.

    Raises UpstreamError (`subject_not_representable`): empty, not encodable, or, where it stays raw, longer than 95
    characters, with characters other than printable ASCII, or with capitals while the pool does not tell them from
    small letters (two people would become one user).
    """
    if not subject:
        raise _not_representable()
    if (namespace := _namespace(connection)) is not None:
        return hashed_subject(namespace, issuer, subject)
    if len(subject) > MAX_RAW or not _PRINTABLE.fullmatch(subject):
        raise _not_representable()
    if subject != subject.casefold() and not connection.case_sensitive_pool:
        raise _not_representable()
    return subject


def hashed_subject(namespace: str, issuer: str, subject: str) -> str:
    """Return SHA-256 in lower-case hexadecimal over the three texts, each behind its length (8 bytes, big-endian).

    The lengths make the input injective: no other triple has the same bytes. It hides nothing from who can guess
    subjects. Raises UpstreamError (`subject_not_representable`) for text that UTF-8 cannot encode.
    """
    digest = hashlib.sha256()
    for text in (namespace, issuer, subject):
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise _not_representable() from None
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def keeps_subjects(before: Connection, after: Connection) -> bool:
    """Return whether both give a person the same subject, so that publishing `after` turns nobody into someone else.

    Where subjects stay raw, another issuer counts as a change: its subjects are other people's.
    """
    return before.issuer == after.issuer and _namespace(before) == _namespace(after)


def _namespace(connection: Connection) -> str | None:
    """The namespace of hashed subjects, None where they stay raw."""
    if connection.subject == "raw" or connection.tokens == "relay":
        return None
    return connection.subject_namespace or connection.name


def _not_representable() -> UpstreamError:
    return UpstreamError(
        "subject_not_representable", description="The subject of this user cannot become a Cognito user name."
    )
