"""What one request's dealings with one IdP share."""

from __future__ import annotations

from dataclasses import dataclass

from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import Clock, Keys, Secrets
from fedbridge.rp.calls import Calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One connection, its metadata, the request's deadline, and the ports. `clock` is in seconds since the epoch."""

    connection: Connection
    metadata: ProviderMetadata
    deadline: Deadline
    calls: Calls
    keys: Keys
    secrets: Secrets
    clock: Clock
