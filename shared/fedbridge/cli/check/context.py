"""What every check works with: one connection, and the ways to its IdP, its keys and AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.check.observed import Seen
    from fedbridge.keys.calls import ClientFactory
    from fedbridge.model.connection import Connection
    from fedbridge.model.metadata import ProviderMetadata
    from fedbridge.ports import Clock, HttpClient, Keys, Secrets
    from fedbridge.rp.calls import Calls
    from fedbridge.rp.context import Context
    from fedbridge.rp.dpop import Prover

BUDGET = 20.0
"""Seconds for one step of a check: a document, a key, a token request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What an operator can choose.

    `probe` authenticates to the IdP for real. `user_pool` and `identity_provider` (the bridge's name there) stand in for
    the `user_pool` of relying parties. `http_apis` are ids of HTTP APIs whose JWT authorizers should take the pool's tokens.
    `private_hosts` and `ca_bundle` are those that `http` was made with.
    """

    probe: bool = True
    user_pool: str | None = None
    identity_provider: str | None = None
    http_apis: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """One connection as the runtime reads it, and the ports of the runtime.

    `base_url` is the bridge's own address without a slash at the end, None where nobody has said it: what needs it is left
    out. `clients` makes low-level SDK clients by service name, `clock` is in seconds since the epoch. The keys of the
    connection are not loaded yet: one that cannot be is a finding. `seen` collects what `calls` met on its way.
    """

    connection: Connection
    base_url: str | None
    clients: ClientFactory = field(repr=False)
    http: HttpClient = field(repr=False)
    keys: Keys = field(repr=False)
    secrets: Secrets = field(repr=False)
    clock: Clock = field(repr=False)
    options: CheckOptions = CheckOptions()
    seen: list[Seen] = field(default_factory=list, repr=False)

    def deadline(self) -> Deadline:
        """Return the deadline of a step that begins now."""
        return Deadline.after(BUDGET)

    @property
    def callback_url(self) -> str | None:
        """Where the IdP sends the browser back to, None while nobody has said where the bridge is."""
        return None if self.base_url is None else f"{self.base_url}/{self.connection.name}/callback"

    @property
    def observed(self) -> HttpClient:
        """The way out, watched."""
        from fedbridge.cli.check.observed import Observed  # noqa: PLC0415  it knows this class

        return Observed(self.http, self.clock, self.seen)

    def calls(self) -> Calls:
        """Return the runtime's own wrapper around calls, without anything in it of calls before."""
        from fedbridge.cli.connections import Quiet  # noqa: PLC0415  the parser of every command comes with it
        from fedbridge.rp.calls import Calls  # noqa: PLC0415

        return Calls(self.observed, Quiet(), keys=self.keys, clock=self.clock)

    def runtime(self, metadata: ProviderMetadata, dpop: Prover | None = None) -> Context:
        """Return what a sign-in would work with at an IdP with these metadata."""
        from fedbridge.rp.context import Context  # noqa: PLC0415  what checks no OpenID provider has no use for it

        return Context(
            connection=self.connection,
            metadata=metadata,
            deadline=self.deadline(),
            calls=self.calls(),
            keys=self.keys,
            secrets=self.secrets,
            clock=self.clock,
            dpop=dpop,
        )


Check = Callable[[CheckContext], Iterator["Finding"]]
"""Yields what is wrong with one side of a connection, nothing where all is well.

What the world does wrong is a finding, never an exception: the checks that come after it run all the same.
"""
