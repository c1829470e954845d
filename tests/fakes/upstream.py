"""An `Upstream` that answers at once: what it sends is kept, what it finds is set by the test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.ports import UpstreamRedirect

IDENTITY = Identity(
    subject="a" * 64, claims={"email": "ana@example.com", "email_verified": True}, acr="high", amr=("mfa",)
)


@dataclass
class FakeUpstream:
    """`outcome` is the identity, an exception to raise, or a function called in the middle of the exchange.

    `end_session` says whether browsers sign out at the IdP, or is an exception to raise.
    """

    outcome: Identity | Exception | Callable[[], Identity] = IDENTITY
    begin_failure: Exception | None = None
    began: list[Mapping[str, str]] = field(default_factory=list)
    finished: list[Mapping[str, str]] = field(default_factory=list)
    left: list[Mapping[str, str]] = field(default_factory=list)
    end_session: bool | Exception = True

    def begin(
        self,
        connection: Connection,
        *,
        state: str,
        callback_url: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        if self.begin_failure is not None:
            raise self.begin_failure
        sent = {**parameters, "state": state, "redirect_uri": callback_url, "client_id": connection.client_id}
        self.began.append(sent)
        return UpstreamRedirect(
            url=f"{connection.issuer}/authorize?{urlencode(sent)}",
            remembered={"nonce": f"nonce-{len(self.began)}"},
        )

    def state_of(self, connection: Connection, response: Parameters, deadline: Deadline) -> str | None:
        return response.value("state")

    def finish(
        self,
        connection: Connection,
        *,
        remembered: Mapping[str, str],
        callback_url: str,
        response: Parameters,
        deadline: Deadline,
    ) -> Identity:
        self.finished.append(
            {**remembered, **response, "connection": connection.name, "version": connection.version}
        )
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome() if callable(self.outcome) else self.outcome

    def logout(
        self,
        connection: Connection,
        *,
        state: str,
        return_url: str,
        remembered: Mapping[str, str],
        deadline: Deadline,
    ) -> str | None:
        if isinstance(self.end_session, Exception):
            raise self.end_session
        sent = {**remembered, "post_logout_redirect_uri": return_url, "state": state}
        self.left.append(sent)
        return f"{connection.issuer}/logout?{urlencode(sent)}" if self.end_session else None
