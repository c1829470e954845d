"""`UserPools` that keep who was signed out."""

from dataclasses import dataclass, field

from fedbridge.model.deadline import Deadline


@dataclass
class FakeUserPools:
    """Knows everybody but `strangers`; `failure` is raised instead."""

    signed_out: list[tuple[str, str]] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    failure: Exception | None = None

    def sign_out(self, pool_id: str, username: str, deadline: Deadline) -> bool:
        deadline.remaining()
        if self.failure is not None:
            raise self.failure
        if username in self.strangers:
            return False
        self.signed_out.append((pool_id, username))
        return True
