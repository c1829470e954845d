"""One SQLite file: opened with care, written by one at a time, and every fault of it in our own words."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError, OutcomeUnknown, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fedbridge.model.deadline import Deadline

    Prepare = Callable[[sqlite3.Connection], None]

_OPENING_TIMEOUT = 5.0
_OPENING_PAUSE = 0.02
"""Seconds, both."""


class SqliteFile:
    """One file, safe for threads and processes; `prepare` makes its tables, in a transaction of its own.

    The constructor makes the file, readable by its owner alone, and raises ConfigurationError where it cannot be one of
    ours. `purpose` says in its message what it would be for.
    """

    def __init__(self, path: str | Path, purpose: str, prepare: Prepare) -> None:
        self._lock = Lock()
        try:
            self._connection = _open(Path(path), prepare)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"{path}: cannot be used as {purpose}: {error}") from error
        self.close = weakref.finalize(self, self._connection.close)

    @contextmanager
    def writing(self, deadline: Deadline) -> Iterator[sqlite3.Connection]:
        """Be alone with the file, in this process and in all others; commit unless an exception leaves.

        Raises StoreUnavailable, DeadlineExceeded, and OutcomeUnknown where the commit failed.
        """
        with self.using(deadline) as connection:
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
    def using(self, deadline: Deadline) -> Iterator[sqlite3.Connection]:
        """Read; raises StoreUnavailable (`store_busy` where the lock was not had in time), DeadlineExceeded."""
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise StoreUnavailable(reason="store_busy")
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {int(deadline.remaining() * 1000)}")
            yield self._connection
        except sqlite3.Error as error:
            raise StoreUnavailable(reason="store_busy" if _busy(error) else None) from error
        finally:
            self._lock.release()


def _open(path: Path, prepare: Prepare) -> sqlite3.Connection:
    if not path.exists():
        with suppress(FileExistsError):
            # Before SQLite does: it would make the file with the umask's mode. Its journals inherit the mode. An
            # existing file is left alone, because closing it would drop the locks that SQLite holds in this process.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    give_up_at = time.monotonic() + _OPENING_TIMEOUT
    while True:
        try:
            return _connect(path, prepare)
        except sqlite3.OperationalError as error:
            # To turn the write-ahead log on, and to remove it at the end, takes locks that SQLite does not wait for.
            if not _busy(error) or time.monotonic() > give_up_at:
                raise
        time.sleep(_OPENING_PAUSE)


def _connect(path: Path, prepare: Prepare) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_OPENING_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        prepare(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _busy(error: sqlite3.Error) -> bool:
    """Tell whether somebody else held the file; the extended codes carry the reason in their upper bits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
