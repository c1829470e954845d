"""Sessions and used messages in SQLite files, for local work: they survive a restart, and processes may share them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from fedbridge.model.session import Session
from fedbridge.store.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from pathlib import Path

    from fedbridge.model.deadline import Deadline

SCHEMA = 1

_SESSIONS = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    connection TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    sealed_logout BLOB NOT NULL,
    sealed_subject BLOB
) WITHOUT ROWID
"""
_USED = "CREATE TABLE IF NOT EXISTS used (message TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID"

_COLUMNS = "id, connection, expires_at, sealed_logout, sealed_subject"


class SqliteSessionStore:
    """A `SessionStore` in one file of its own. Constructor and methods raise as `SqliteFile` does."""

    def __init__(self, path: str | Path) -> None:
        self._file = SqliteFile(path, "a session store", _prepare)
        self.close = self._file.close

    def put(self, session: Session, deadline: Deadline) -> None:
        """Keep the session."""
        values = (
            session.id,
            session.connection,
            session.expires_at,
            session.sealed_logout,
            session.sealed_subject,
        )
        with self._file.writing(deadline) as connection:
            connection.execute(f"INSERT OR REPLACE INTO sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", values)  # noqa: S608

    def read(self, session_id: str, deadline: Deadline) -> Session | None:
        """Return the session."""
        with self._file.using(deadline) as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM sessions WHERE id = ?",  # noqa: S608
                (session_id,),
            ).fetchone()
        return row and Session(**dict(zip(_COLUMNS.split(", "), row, strict=True)))

    def remove(self, session_id: str, deadline: Deadline) -> None:
        """Forget the session."""
        with self._file.writing(deadline) as connection:
            connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))


class SqliteReplayGuard:
    """A `ReplayGuard` in one file, which may be the one of transactions. Raises as `SqliteFile` does."""

    def __init__(self, path: str | Path) -> None:
        self._file = SqliteFile(path, "a store of used messages", _prepare_used)
        self.close = self._file.close

    def take(self, message: str, *, until: int, now: int, deadline: Deadline) -> bool:
        """Return whether this is the first time."""
        with self._file.writing(deadline) as connection:
            connection.execute("DELETE FROM used WHERE until <= ?", (now,))
            taken = connection.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (message, until)).rowcount
        return taken == 1

    def release(self, message: str, deadline: Deadline) -> None:
        """Forget the message."""
        with self._file.writing(deadline) as connection:
            connection.execute("DELETE FROM used WHERE message = ?", (message,))


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table in an empty file; refuse one of another schema."""
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema == 0:
        connection.execute(_SESSIONS)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    elif schema != SCHEMA:
        raise sqlite3.DatabaseError(f"it is of schema {schema}, not {SCHEMA}; remove it to start anew")


def _prepare_used(connection: sqlite3.Connection) -> None:
    connection.execute(_USED)
