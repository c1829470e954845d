"""A `ConnectionRegistry` over what the test puts in."""

from fedbridge.errors import UnknownConnection
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline


class FakeRegistry:
    """Holds connections by name and version; the one put last is current. `failure` is raised instead of an answer."""

    def __init__(self, *connections: Connection) -> None:
        self.failure: Exception | None = None
        self._versions: dict[str, dict[str, Connection]] = {}
        for connection in connections:
            self.put(connection)

    def put(self, connection: Connection) -> None:
        versions = self._versions.setdefault(connection.name, {})
        versions.pop(connection.version, None)
        versions[connection.version] = connection

    def remove(self, name: str, version: str) -> None:
        del self._versions[name][version]

    def get(self, name: str, deadline: Deadline, version: str | None = None) -> Connection:
        if self.failure is not None:
            raise self.failure
        versions = self._versions.get(name, {})
        current = next(reversed(versions.values()), None)
        wanted = versions.get(version) if version else current
        if wanted is None or current is None or current.disabled:
            raise UnknownConnection
        return wanted
