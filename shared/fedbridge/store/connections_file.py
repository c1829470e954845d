"""Connections from a file, for local work."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from fedbridge.errors import StoreUnavailable
from fedbridge.store.registry import Published

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline


class FileConnections:
    """A `ConnectionSource` over a file that is loaded again when it changes.

    `load` reads the file and returns its connections by name; what it raises for a faulty file (ConfigurationError)
    reaches every caller until the file is mended. A connection that changed keeps its former version as the previous
    one, so that an edit breaks no sign-in under way. A file that cannot be read is StoreUnavailable, `store_missing`.
    """

    def __init__(self, path: str | Path, load: Callable[[Path], Mapping[str, Connection]]) -> None:
        self._path = Path(path)
        self._load = load
        self._lock = Lock()
        self._seen: tuple[int, int, int] | None = None
        self._published: dict[str, Published] = {}

    def find(self, name: str, deadline: Deadline) -> Published | None:
        """Return what the file says now."""
        deadline.remaining()
        with self._lock:
            self._refresh()
            return self._published.get(name)

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return
            connections = self._load(self._path)
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror}", reason="store_missing") from error
        self._published = {
            name: _succeed(connection, self._published.get(name)) for name, connection in connections.items()
        }
        self._seen = seen


def _succeed(connection: Connection, before: Published | None) -> Published:
    if before is None:
        return Published(current=connection)
    if before.current.version == connection.version:
        return Published(current=connection, previous=before.previous)
    return Published(current=connection, previous=before.current)
