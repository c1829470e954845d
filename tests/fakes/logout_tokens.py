"""`LogoutTokens` that take what a test prepared; tests/unit/rp/test_logout_token.py verifies real ones."""

from dataclasses import dataclass, field

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.session import EndedSession


@dataclass
class FakeLogoutTokens:
    """`known` by token; `failure` is raised instead."""

    known: dict[str, EndedSession] = field(default_factory=dict)
    failure: Exception | None = None

    def verify(self, connection: Connection, token: str, deadline: Deadline) -> EndedSession:
        deadline.remaining()
        if self.failure is not None:
            raise self.failure
        if token not in self.known:
            raise UpstreamError("logout_token_malformed")
        return self.known[token]
