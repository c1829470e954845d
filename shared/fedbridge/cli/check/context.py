"""What every check works with: one connection, and the ways to its IdP, its keys and AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    from fedbridge.cli.check.finding import Finding
    from fedbridge.keys.calls import ClientFactory
    from fedbridge.model.connection import Connection
    from fedbridge.ports import Clock, HttpClient, Keys, Secrets

BUDGET = 20.0
"""Seconds for one step of a check: a document, a key, a token request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What an operator can choose.

    `probe` authenticates to the IdP for real. `user_pool` and `identity_provider` (the bridge's name there) stand in for
    the `user_pool` of relying parties. `private_hosts` and `ca_bundle` are those that `http` was made with.
    """

    probe: bool = True
    user_pool: str | None = None
    identity_provider: str | None = None
    private_hosts: tuple[str, ...] = ()
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """One connection as the runtime reads it, and the ports of the runtime.

    `base_url` is the bridge's own address, None where nobody has said it: what needs it is left out. `clients` makes
    low-level SDK clients by service name, `clock` is in seconds since the epoch. The keys of the connection are not
    loaded yet: one that cannot be is a finding.
    """

    connection: Connection
    base_url: str | None
    clients: ClientFactory = field(repr=False)
    http: HttpClient = field(repr=False)
    keys: Keys = field(repr=False)
    secrets: Secrets = field(repr=False)
    clock: Clock = field(repr=False)
    options: CheckOptions = CheckOptions()

    def deadline(self) -> Deadline:
        """Return the deadline of a step that begins now."""
        return Deadline.after(BUDGET)


Check = Callable[[CheckContext], Iterator["Finding"]]
"""Yields what is wrong with one side of a connection, nothing where all is well.

What the world does wrong is a finding, never an exception: the checks that come after it run all the same.
"""
