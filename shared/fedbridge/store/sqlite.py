"""Transactions in a SQLite file, for local work: survives a restart, and several processes may share it."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError, OutcomeUnknown, StoreUnavailable, TransitionRefused
from fedbridge.model.transaction import Phase, Transaction
from fedbridge.store import moves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.transaction import Authorize, Claim, Fail, Redeem

SCHEMA = 1

_OPENING_TIMEOUT = 5.0
_OPENING_PAUSE = 0.02
"""Seconds, both."""

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
        self._lock = Lock()
        try:
            self._connection = _open(Path(path))
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"{path}: cannot be used as a transaction store: {error}") from error
        self.close = weakref.finalize(self, self._connection.close)

    def put(self, transaction: Transaction, deadline: Deadline) -> None:
        """Store a new transaction."""
        values = [getattr(transaction, name) for name in _COLUMNS]
        with self._writing(deadline) as connection:
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
        with self._using(deadline) as connection:
            return _find(connection, transaction_id)

    def _move(self, step: moves.Transition, deadline: Deadline) -> Transaction:
        written = {**step.write, **dict.fromkeys(step.remove)}
        if step.ttl is not None:
            written["ttl"] = step.ttl
        update = (
            f"UPDATE transactions SET {', '.join(f'{name} = ?' for name in written)} WHERE id = ?"  # noqa: S608
            f" AND {' AND '.join(f'{name} = ?' for name in step.equal)} AND {step.expiry} > ?"
        )
        with self._writing(deadline) as connection:
            current = _find(connection, step.id)
            changed = connection.execute(
                update, (*written.values(), step.id, *step.equal.values(), step.now)
            ).rowcount
            if current is None or not changed:
                raise TransitionRefused(current)
            return current

    @contextmanager
    def _writing(self, deadline: Deadline) -> Iterator[sqlite3.Connection]:
        """Be alone with the file, in this process and in all others; commit unless an exception leaves."""
        with self._using(deadline) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise OutcomeUnknown from error
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _using(self, deadline: Deadline) -> Iterator[sqlite3.Connection]:
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise StoreUnavailable(reason="store_busy")
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {int(deadline.remaining() * 1000)}")
            yield self._connection
        except sqlite3.Error as error:
            raise StoreUnavailable(reason="store_busy" if _busy(error) else None) from error
        finally:
            self._lock.release()


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        with suppress(FileExistsError):
            # Before SQLite does: it would make the file with the umask's mode. Its journals inherit the mode. An
            # existing file is left alone, because closing it would drop the locks that SQLite holds in this process.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    give_up_at = time.monotonic() + _OPENING_TIMEOUT
    while True:
        try:
            return _connect(path)
        except sqlite3.OperationalError as error:
            # To turn the write-ahead log on, and to remove it at the end, takes locks that SQLite does not wait for.
            if not _busy(error) or time.monotonic() > give_up_at:
                raise
        time.sleep(_OPENING_PAUSE)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_OPENING_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table in an empty file; refuse one of another schema."""
    connection.execute("BEGIN IMMEDIATE")
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema == 0:
        connection.execute(_TABLE)
        connection.execute("CREATE INDEX sweeping ON transactions (ttl)")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    elif schema != SCHEMA:
        raise sqlite3.DatabaseError(f"it is of schema {schema}, not {SCHEMA}; remove it to start anew")
    connection.execute("COMMIT")


def _find(connection: sqlite3.Connection, transaction_id: str) -> Transaction | None:
    row = connection.execute(_SELECT, (transaction_id,)).fetchone()
    if row is None:
        return None
    values = dict(zip(_COLUMNS, row, strict=True))
    return Transaction(**{**values, "phase": Phase(values["phase"])})


def _busy(error: sqlite3.Error) -> bool:
    """Tell whether somebody else held the file; the extended codes carry the reason in their upper bits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
