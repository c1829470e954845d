"""Transactions in a SQLite file, for local work: survives a restart, and several processes may share it."""

from __future__ import annotations

import sqlite3
from dataclasses import fields
from typing import TYPE_CHECKING

from fedbridge.errors import TransitionRefused
from fedbridge.model.transaction import Phase, Transaction
from fedbridge.store import moves
from fedbridge.store.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from pathlib import Path

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.transaction import Authorize, Claim, Fail, Redeem

SCHEMA = 1

_TABLE = """
CREATE TABLE transactions (
    id TEXT PRIMARY KEY,
    connection TEXT NOT NULL,
    connection_version TEXT NOT NULL,
    client_id TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    phase TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    state_hash BLOB NOT NULL,
    browser_hash BLOB NOT NULL,
    sealed_request BLOB,
    exchange_deadline INTEGER,
    code_hash BLOB,
    code_expires_at INTEGER,
    sealed_token BLOB,
    token_hash BLOB,
    token_expires_at INTEGER,
    sealed_grant BLOB,
    ttl INTEGER NOT NULL
) WITHOUT ROWID
"""

_COLUMNS = tuple(field.name for field in fields(Transaction))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM transactions WHERE id = ?"  # noqa: S608  our own field names
_INSERT = f"INSERT INTO transactions ({', '.join(_COLUMNS)}, ttl) VALUES ({'?, ' * len(_COLUMNS)}?)"  # noqa: S608


class SqliteTransactionStore:
    """A `TransactionStore` in one file, safe for threads and processes.

    Every move is one UPDATE inside an immediate transaction, which holds the file's only write lock. Beside
    TransitionRefused and DeadlineExceeded, methods raise StoreUnavailable (`store_busy` where the lock was not had in
    time) and OutcomeUnknown where a commit failed. The constructor makes the file, readable by its owner alone, and
    raises ConfigurationError where it cannot be one of ours.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = SqliteFile(path, "a transaction store", _prepare)
        self.close = self._file.close

    def put(self, transaction: Transaction, deadline: Deadline) -> None:
        """Store a new transaction."""
        values = [getattr(transaction, name) for name in _COLUMNS]
        with self._file.writing(deadline) as connection:
            # A new item's own expiry tells the time well enough to sweep by.
            connection.execute("DELETE FROM transactions WHERE ttl < ?", (transaction.expires_at,))
            current = _find(connection, transaction.id)
            if current is not None:
                raise TransitionRefused(current)
            connection.execute(_INSERT, (*values, moves.sweep_at(transaction)))

    def claim(self, move: Claim, deadline: Deadline) -> Transaction:
        """pending → exchanging."""
        return self._move(moves.claim(move), deadline)

    def authorize(self, move: Authorize, deadline: Deadline) -> None:
        """exchanging → authorized."""
        self._move(moves.authorize(move), deadline)

    def fail(self, move: Fail, deadline: Deadline) -> None:
        """exchanging → failed."""
        self._move(moves.fail(move), deadline)

    def redeem(self, move: Redeem, deadline: Deadline) -> Transaction:
        """authorized → redeemed."""
        return self._move(moves.redeem(move), deadline)

    def read(self, transaction_id: str, deadline: Deadline) -> Transaction | None:
        """Return the item."""
        with self._file.using(deadline) as connection:
            return _find(connection, transaction_id)

    def _move(self, step: moves.Transition, deadline: Deadline) -> Transaction:
        written = {**step.write, **dict.fromkeys(step.remove)}
        if step.ttl is not None:
            written["ttl"] = step.ttl
        update = (
            f"UPDATE transactions SET {', '.join(f'{name} = ?' for name in written)} WHERE id = ?"  # noqa: S608
            f" AND {' AND '.join(f'{name} = ?' for name in step.equal)} AND {step.expiry} > ?"
        )
        with self._file.writing(deadline) as connection:
            current = _find(connection, step.id)
            changed = connection.execute(
                update, (*written.values(), step.id, *step.equal.values(), step.now)
            ).rowcount
            if current is None or not changed:
                raise TransitionRefused(current)
            return current


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table in an empty file; refuse one of another schema."""
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema == 0:
        connection.execute(_TABLE)
        connection.execute("CREATE INDEX sweeping ON transactions (ttl)")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    elif schema != SCHEMA:
        raise sqlite3.DatabaseError(f"it is of schema {schema}, not {SCHEMA}; remove it to start anew")


def _find(connection: sqlite3.Connection, transaction_id: str) -> Transaction | None:
    row = connection.execute(_SELECT, (transaction_id,)).fetchone()
    if row is None:
        return None
    values = dict(zip(_COLUMNS, row, strict=True))
    return Transaction(**{**values, "phase": Phase(values["phase"])})
