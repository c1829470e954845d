"""A sign-in's moves with everything right, so that a test can make one thing wrong."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fedbridge.model.deadline import Deadline
from fedbridge.model.transaction import Authorize, Claim, Fail, Phase, Redeem, Transaction
from fedbridge.ports import TransactionStore

Move = Claim | Authorize | Fail | Redeem

EXPIRES_AT = 1_800_000_300
NOW = 1_800_000_010
EXCHANGE_DEADLINE = NOW + 27
CODE_EXPIRES_AT = NOW + 60
TOKEN_EXPIRES_AT = NOW + 360

PENDING = Transaction(
    id="Zm9vYmFyYmF6cXV4MTIzNA",
    connection="acme-bank",
    connection_version="2026-11-22.1",
    client_id="cognito-client",
    correlation_id="01JD0000",
    phase=Phase.PENDING,
    expires_at=EXPIRES_AT,
    state_hash=b"state" + bytes(27),
    browser_hash=b"browser" + bytes(25),
    sealed_request=bytes(range(256)),
)
CLAIM = Claim(
    id=PENDING.id,
    connection=PENDING.connection,
    state_hash=PENDING.state_hash,
    browser_hash=PENDING.browser_hash,
    now=NOW,
    exchange_deadline=EXCHANGE_DEADLINE,
)
AUTHORIZE = Authorize(
    id=PENDING.id,
    connection=PENDING.connection,
    state_hash=PENDING.state_hash,
    browser_hash=PENDING.browser_hash,
    now=NOW,
    code_hash=b"code" + bytes(28),
    code_expires_at=CODE_EXPIRES_AT,
    sealed_token=b"sealed token",
    token_hash=b"token" + bytes(27),
    token_expires_at=TOKEN_EXPIRES_AT,
    sealed_grant=b"sealed grant",
)
FAIL = Fail(
    id=PENDING.id,
    connection=PENDING.connection,
    state_hash=PENDING.state_hash,
    browser_hash=PENDING.browser_hash,
    now=NOW,
)
REDEEM = Redeem(
    id=PENDING.id,
    connection=PENDING.connection,
    client_id=PENDING.client_id,
    code_hash=AUTHORIZE.code_hash,
    now=NOW,
)

EXCHANGING = replace(PENDING, phase=Phase.EXCHANGING, exchange_deadline=EXCHANGE_DEADLINE)
AUTHORIZED = replace(
    EXCHANGING,
    phase=Phase.AUTHORIZED,
    code_hash=AUTHORIZE.code_hash,
    code_expires_at=CODE_EXPIRES_AT,
    sealed_token=AUTHORIZE.sealed_token,
    token_hash=AUTHORIZE.token_hash,
    token_expires_at=TOKEN_EXPIRES_AT,
    sealed_grant=AUTHORIZE.sealed_grant,
)
REDEEMED = replace(AUTHORIZED, phase=Phase.REDEEMED, sealed_token=None, sealed_request=None)
FAILED = replace(EXCHANGING, phase=Phase.FAILED, sealed_request=None)

PATH: dict[Phase, tuple[Move, ...]] = {
    Phase.PENDING: (),
    Phase.EXCHANGING: (CLAIM,),
    Phase.AUTHORIZED: (CLAIM, AUTHORIZE),
    Phase.REDEEMED: (CLAIM, AUTHORIZE, REDEEM),
    Phase.FAILED: (CLAIM, FAIL),
}
"""The moves that lead a new transaction to each phase."""


def soon() -> Deadline:
    """Return a deadline that no call meets."""
    return Deadline.after(30)


def apply(store: TransactionStore, move: Move) -> Transaction | None:
    """Make the move; return what the port returns."""
    methods: dict[type, Callable[[Any, Deadline], Transaction | None]] = {
        Claim: store.claim,
        Authorize: store.authorize,
        Fail: store.fail,
        Redeem: store.redeem,
    }
    return methods[type(move)](move, soon())


def bring_to(store: TransactionStore, phase: Phase) -> None:
    """Put the transaction and move it to the phase."""
    store.put(PENDING, soon())
    for move in PATH[phase]:
        apply(store, move)
