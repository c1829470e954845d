"""Connections as stricter providers demand them, at the same canned provider, which knows them by their client ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fedbridge.model.connection import Connection, IdTokenPolicy
from fedbridge.model.policies import DPoP, TokenDecryption

Change = Callable[[Connection, Path], Connection]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A kind of sign-in: how its connection differs from the bank's, and what comes with it.

    `extra` counts operations of `bench.floor` beside a plain sign-in's, `calls` the provider's endpoints, warm.
    """

    name: str
    title: str
    extra: Mapping[str, int]
    calls: int
    change: Change = field(repr=False)


def _pushed(connection: Connection, _folder: Path) -> Connection:
    return replace(connection, authorization=replace(connection.authorization, par="required"))


def _bound(connection: Connection, _folder: Path) -> Connection:
    return replace(connection, dpop=DPoP())


def _encrypted(key: str) -> Change:
    def change(connection: Connection, folder: Path) -> Connection:
        return replace(
            connection,
            token_decryption=TokenDecryption(keys=(f"file:{folder}/{key}",)),
            id_token=IdTokenPolicy(encryption="required"),
        )

    return change


SCENARIOS = (
    # The client authenticates twice.
    Scenario(name="bank-par", title="PAR", extra={"rs256_sign": 1}, calls=3, change=_pushed),
    # A key for each sign-in, a proof for the token endpoint and one for userinfo.
    Scenario(
        name="bank-dpop", title="DPoP", extra={"p256_generate": 1, "es256_sign": 2}, calls=2, change=_bound
    ),
    Scenario(
        name="bank-jwe-rsa",
        title="ID token in JWE, RSA-OAEP-256",
        extra={"rsa_decrypt": 1},
        calls=2,
        change=_encrypted("decryption-rsa.json"),
    ),
    Scenario(
        name="bank-jwe-ec",
        title="ID token in JWE, ECDH-ES+A256KW",
        extra={"p256_agree": 1},
        calls=2,
        change=_encrypted("decryption-ec.json"),
    ),
)
"""The connection's name is its client id at the provider, too."""
