"""What one request's dealings with one IdP share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import Clock, Keys, Secrets
from fedbridge.rp.calls import Calls

if TYPE_CHECKING:
    from fedbridge.rp.dpop import Prover


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyContext:
    """One connection, the request's deadline, and the connection's keys: enough for what calls no IdP."""

    connection: Connection
    deadline: Deadline
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(KeyContext):
    """Also the IdP's metadata, and the other ports. `clock` is in seconds since the epoch.

    With `dpop` every form that is posted and every resource that is fetched carries a proof.
    """

    metadata: ProviderMetadata
    calls: Calls
    secrets: Secrets
    clock: Clock
    dpop: Prover | None = None

    def called(self, name: str, url: str) -> str:
        """Return where the endpoint of this metadata name is called: its alias for mutual TLS, if it has one (RFC 8705 §5).

        Only the call goes there. Whatever names the authorization server, such as the audience `token_endpoint` of
        assertions, keeps the canonical URL: an alias is another way to the same server, and servers without mutual TLS
        in their assertions' checks know it by one name.
        """
        return self.metadata.mtls_endpoint_aliases.get(name, url)
