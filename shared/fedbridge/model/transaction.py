"""One sign-in: a single item that moves through phases, each move one conditional write."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """pending → exchanging → authorized → redeemed; exchanging → failed."""

    PENDING = "pending"
    EXCHANGING = "exchanging"
    AUTHORIZED = "authorized"
    REDEEMED = "redeemed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """The stored item. It holds hashes of handles and sealed bytes, nothing that opens them.

    Times are whole seconds since the epoch. `sealed_request` opens with the upstream state's secret and the browser's
    cookie; `sealed_token` (the access token's secret) with the code's; `sealed_grant` with the access token's.
    """

    id: str
    connection: str
    connection_version: str
    client_id: str
    correlation_id: str
    phase: Phase
    expires_at: int
    state_hash: bytes
    browser_hash: bytes
    sealed_request: bytes | None = None
    exchange_deadline: int | None = None
    code_hash: bytes | None = None
    code_expires_at: int | None = None
    sealed_token: bytes | None = None
    token_hash: bytes | None = None
    token_expires_at: int | None = None
    sealed_grant: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """pending → exchanging: what the callback must present. `now` and `exchange_deadline` in seconds since the epoch."""

    id: str
    connection: str
    state_hash: bytes
    browser_hash: bytes
    now: int
    exchange_deadline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorize:
    """exchanging → authorized: what the finished exchange writes. Same handles as the claim that began it."""

    id: str
    connection: str
    state_hash: bytes
    browser_hash: bytes
    now: int
    code_hash: bytes
    code_expires_at: int
    sealed_token: bytes
    token_hash: bytes
    token_expires_at: int
    sealed_grant: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """exchanging → failed: the exchange ended without an identity; everything sealed is removed."""

    id: str
    connection: str
    state_hash: bytes
    browser_hash: bytes
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeem:
    """authorized → redeemed: what the token endpoint presents. Removes `sealed_token` and `sealed_request`."""

    id: str
    connection: str
    client_id: str
    code_hash: bytes
    now: int
