"""Snapshots of what identity providers publish: taken when a connection is published, and anew by schedule (ADR 0023)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError
from fedbridge.model.snapshot import Snapshot
from fedbridge.rp import snapshot as oidc
from fedbridge.rp.calls import Calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Clock, HttpClient, Keys, Secrets, Telemetry
    from fedbridge.store.connections_dynamodb import ConnectionPublisher, PublishedItem

MAX_BYTES = 64 * 1024
"""Bytes of one snapshot; the table's item holds two, beside two documents, and has room for 400 KB."""

DUE_AFTER = 12 * 3600
"""Seconds since it was taken after which a snapshot is taken anew: it stands in for a fetch for 24 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """Takes them. `clock` is in seconds since the epoch."""

    http: HttpClient = field(repr=False)
    keys: Keys = field(repr=False)
    secrets: Secrets = field(repr=False)
    telemetry: Telemetry = field(repr=False)
    clock: Clock = time.time

    def take(
        self, connection: Connection, deadline: Deadline, *, last_good: Snapshot | None = None
    ) -> Snapshot | None:
        """Return what the IdP publishes now; None where sign-ins of the connection fetch nothing that could be kept.

        What a sign-in would refuse is refused: UpstreamError says why, with `last_good` also where endpoints have left their
        hosts since. Raises DeadlineExceeded, KeyUnavailable and ConfigurationError as well, the latter for more than 64 KB
        and for SAML where its libraries are not installed.
        """
        taken_at = int(self.clock())
        before = json.loads(last_good.document) if last_good is not None else {}
        parts = self._parts(connection, before, deadline)
        if not parts:
            return None
        document = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        if len(document) > MAX_BYTES:
            raise ConfigurationError(
                f"{connection.name}: what its provider publishes is too large to be kept: {len(document)} bytes"
            )
        return Snapshot(taken_at=taken_at, document=document)

    def _parts(self, connection: Connection, before: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        calls = Calls(self.http, self.telemetry, keys=self.keys, clock=self.clock)
        if connection.protocol == "saml":
            return self._saml_parts(connection, before, calls, deadline)
        parts = oidc.take(connection, calls, deadline)
        oidc.refuse_moved(connection, before, parts)
        return parts

    def _saml_parts(
        self, connection: Connection, before: Mapping[str, Any], calls: Calls, deadline: Deadline
    ) -> dict[str, Any]:
        try:
            from fedbridge.saml_routes import snapshot_parts  # noqa: PLC0415  lxml and xmlsec, for SAML alone
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{connection.name}: SAML metadata are read with {error.name}, which is not installed here"
            ) from None
        return snapshot_parts(
            connection, before, calls=calls, secrets=self.secrets, clock=self.clock, deadline=deadline
        )


def refresh_snapshot(
    publisher: ConnectionPublisher,
    published: PublishedItem,
    snapshots: Snapshots,
    deadline: Deadline,
) -> Literal["refreshed", "not_due", "nothing_to_take", "superseded"]:
    """Take the snapshot of a published connection anew if it is due, and keep it if that version is still current.

    A disabled connection is left alone. Raises what `Snapshots.take` and `fedbridge.store.table` raise, and
    ConfigurationError for a document that this release cannot read; what was kept stays then.
    """
    current = published.current
    taken_at = current.snapshot.taken_at if current.snapshot is not None else 0
    if published.disabled or snapshots.clock() - taken_at < DUE_AFTER:
        return "not_due"
    snapshot = snapshots.take(decode(current.document), deadline, last_good=current.snapshot)
    if snapshot is None:
        return "nothing_to_take"
    kept = publisher.keep_snapshot(published.name, current.version, snapshot, deadline)
    return "refreshed" if kept else "superseded"
