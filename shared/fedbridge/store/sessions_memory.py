"""Sessions and used messages in memory, for tests and local work in one process."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.session import Session


class MemorySessionStore:
    """A `SessionStore` that lives as long as its process."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def put(self, session: Session, deadline: Deadline) -> None:
        """Keep the session."""
        deadline.remaining()
        with self._lock:
            self._sessions[session.id] = session

    def read(self, session_id: str, deadline: Deadline) -> Session | None:
        """Return the session."""
        deadline.remaining()
        with self._lock:
            return self._sessions.get(session_id)

    def remove(self, session_id: str, deadline: Deadline) -> None:
        """Forget the session."""
        deadline.remaining()
        with self._lock:
            self._sessions.pop(session_id, None)


class MemoryReplayGuard:
    """A `ReplayGuard` that lives as long as its process."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}
        self._lock = Lock()

    def take(self, message: str, *, until: int, now: int, deadline: Deadline) -> bool:
        """Return whether this is the first time."""
        deadline.remaining()
        with self._lock:
            self._until = {known: expiry for known, expiry in self._until.items() if expiry > now}
            if message in self._until:
                return False
            self._until[message] = until
            return True

    def release(self, message: str, deadline: Deadline) -> None:
        """Forget the message."""
        deadline.remaining()
        with self._lock:
            self._until.pop(message, None)
