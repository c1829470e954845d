"""Rules of `token_decryption` and of everything that says it comes encrypted (RFC 7516, RFC 7518)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.authentication_rules import signing_references
from fedbridge.configuration.references import reference_problem
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed
from fedbridge.model.policies import CONTENT_ENCRYPTION_ALGORITHMS, KEY_ENCRYPTION_ALGORITHMS

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.policies import TokenDecryption

MAX_KEYS = 4
"""Published keys, and retired ones: a token that names no key is tried on as many, each maybe a call to KMS."""


def encryption_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with what a connection decrypts and with what."""
    policy = connection.token_decryption
    encrypted = _encrypted(connection)
    if policy is None:
        yield from (Problem(path, "needs token_decryption: the keys to encrypt to") for path in encrypted)
        return
    if not encrypted:
        yield Problem(
            "token_decryption",
            "is not used: nothing is encrypted by id_token.encryption, userinfo.format or authorization_response.encryption",
        )
    for path, message in (
        *_keys(connection, policy, allowed),
        *_algorithms("algorithms", policy.algorithms, KEY_ENCRYPTION_ALGORITHMS),
        *_algorithms("content_encryption", policy.content_encryption, CONTENT_ENCRYPTION_ALGORITHMS),
    ):
        yield Problem(f"token_decryption.{path}", message)


def decryption_references(policy: TokenDecryption) -> Iterator[tuple[str, str]]:
    """Yield field and reference of every decryption key: the published, then the retired."""
    for field in ("keys", "retired_keys"):
        for i, reference in enumerate(getattr(policy, field)):
            yield f"{field}[{i}]", reference


def _encrypted(connection: Connection) -> list[str]:
    """Return where the connection says that something may come encrypted."""
    says = {
        "id_token.encryption": connection.id_token.encryption != "none",
        "userinfo.format": connection.userinfo.format in {"jwe", "jws_or_jwe"},
        "authorization_response.encryption": connection.authorization_response.encryption != "none",
    }
    return [path for path, encrypted in says.items() if encrypted]


def _keys(connection: Connection, policy: TokenDecryption, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if not policy.keys:
        yield "keys", "must name at least one key, which is published"
    for field in ("keys", "retired_keys"):
        if len(getattr(policy, field)) > MAX_KEYS:
            yield field, f"must be at most {MAX_KEYS}: a token without a kid is tried on each"
    signing = {reference: path for path, reference in signing_references(connection)}
    seen: dict[str, str] = {}
    for field, reference in decryption_references(policy):
        ring = field.startswith("keys")
        if problem := reference_problem(reference, local=allowed.local, key=True, ring=ring):
            yield field, problem
        elif reference in seen:
            yield field, f"is the same key as {seen[reference]}"
        elif reference in signing:
            yield field, f"is {signing[reference]} as well: one key, one use"
        seen.setdefault(reference, field)


def _algorithms(field: str, names: tuple[str, ...], known: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not names:
        yield field, "must name at least one algorithm"
    for i, name in enumerate(names):
        if name not in known:
            yield f"{field}[{i}]", f"must be one of {', '.join(known)}"
        elif name in names[:i]:
            yield f"{field}[{i}]", "is there twice"
