"""The moves of a transaction as data, so that every store carries out the same conditions in its own language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fedbridge.model.transaction import Authorize, Claim, Fail, Phase, Redeem, Transaction

SLACK = 3600
"""Seconds that an item outlives its latest expiry before it is swept: far longer than any exchange takes."""

Expiry = Literal["expires_at", "exchange_deadline", "code_expires_at"]
Value = str | int | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One conditional write. All names are fields of Transaction.

    It happens where every field of `equal` has that value and `expiry` lies after `now`; then `write` is written and
    `remove` removed. `ttl` is the new moment to sweep the item at, None where the old one stands. Times are in seconds
    since the epoch.
    """

    id: str
    equal: Mapping[str, str | bytes] = field(repr=False)
    expiry: Expiry
    now: int
    write: Mapping[str, Value] = field(repr=False)
    remove: tuple[str, ...] = ()
    ttl: int | None = None


def sweep_at(transaction: Transaction) -> int:
    """Return when nothing needs the item any more."""
    expiries = (transaction.expires_at, transaction.code_expires_at, transaction.token_expires_at)
    return max(expiry or 0 for expiry in expiries) + SLACK


def claim(move: Claim) -> Transition:
    """pending → exchanging."""
    return Transition(
        id=move.id,
        equal=_presented(move, Phase.PENDING),
        expiry="expires_at",
        now=move.now,
        write={"phase": Phase.EXCHANGING.value, "exchange_deadline": move.exchange_deadline},
    )


def authorize(move: Authorize) -> Transition:
    """exchanging → authorized."""
    return Transition(
        id=move.id,
        equal=_presented(move, Phase.EXCHANGING),
        expiry="exchange_deadline",
        now=move.now,
        write={
            "phase": Phase.AUTHORIZED.value,
            "code_hash": move.code_hash,
            "code_expires_at": move.code_expires_at,
            "sealed_token": move.sealed_token,
            "token_hash": move.token_hash,
            "token_expires_at": move.token_expires_at,
            "sealed_grant": move.sealed_grant,
        },
        ttl=max(move.code_expires_at, move.token_expires_at) + SLACK,
    )


def fail(move: Fail) -> Transition:
    """exchanging → failed; nothing sealed stays."""
    return Transition(
        id=move.id,
        equal=_presented(move, Phase.EXCHANGING),
        expiry="exchange_deadline",
        now=move.now,
        write={"phase": Phase.FAILED.value},
        remove=("sealed_request",),
    )


def redeem(move: Redeem) -> Transition:
    """authorized → redeemed; what the code opens is removed."""
    return Transition(
        id=move.id,
        equal={
            "phase": Phase.AUTHORIZED.value,
            "connection": move.connection,
            "client_id": move.client_id,
            "code_hash": move.code_hash,
        },
        expiry="code_expires_at",
        now=move.now,
        write={"phase": Phase.REDEEMED.value},
        remove=("sealed_token", "sealed_request"),
    )


def _presented(move: Claim | Authorize | Fail, phase: Phase) -> dict[str, str | bytes]:
    return {
        "phase": phase.value,
        "connection": move.connection,
        "state_hash": move.state_hash,
        "browser_hash": move.browser_hash,
    }
