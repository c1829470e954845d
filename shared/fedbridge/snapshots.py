"""Snapshots of what identity providers publish: taken when a connection is published, and anew by schedule (ADR 0023)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from fedbridge.configuration.document import decode
from fedbridge.errors import ConfigurationError, FedbridgeError
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

ASKING = 10.0
"""Seconds for the documents of one identity provider."""

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


Outcome = Literal["refreshed", "not_due", "nothing_to_take", "superseded"]


def refresh_snapshot(
    publisher: ConnectionPublisher, published: PublishedItem, snapshots: Snapshots, deadline: Deadline
) -> Outcome:
    """Take the snapshot of a published connection anew if it is due, and keep it if that version is still current.

    A disabled connection is left alone, and one of SAML: XML is parsed by the functions that sign in there, and by operators.
    Raises what `Snapshots.take` and `fedbridge.store.table` raise, and ConfigurationError for a document that this release
    cannot read; what was kept stays then.
    """
    current = published.current
    if published.disabled or snapshots.clock() - _taken_at(published) < DUE_AFTER:
        return "not_due"
    connection = replace(decode(current.document), version=current.version)
    if connection.protocol == "saml":
        return "nothing_to_take"
    snapshot = snapshots.take(connection, deadline, last_good=current.snapshot)
    if snapshot is None:
        return "nothing_to_take"
    kept = publisher.keep_snapshot(published.name, current.version, snapshot, deadline)
    return "refreshed" if kept else "superseded"


def refresh_snapshots(publisher: ConnectionPublisher, snapshots: Snapshots, deadline: Deadline) -> int:
    """Refresh the snapshots of a table that are due, the oldest first, until all are done or the time is spent.

    Returns how many failed: each is told to telemetry (`snapshot_not_taken`) and stops no other. Raises what reading the
    table raises.
    """
    failures = 0
    if not _has_time(deadline):
        return failures
    for published in sorted(publisher.all(deadline), key=_taken_at):
        if not _has_time(deadline):
            break  # What is due stays due, and is the first of the next run.
        within = replace(deadline, at=deadline.monotonic() + ASKING)
        try:
            outcome = refresh_snapshot(publisher, published, snapshots, within)
        except Exception as failure:  # noqa: BLE001  whatever it is, the other connections go on
            failures += 1
            _tell(snapshots.telemetry, published, failure, deadline)
        else:
            if outcome == "refreshed":
                snapshots.telemetry.event(
                    "snapshot_taken", connection=published.name, correlation_id=deadline.correlation_id
                )
    return failures


def _has_time(deadline: Deadline) -> bool:
    """Return whether a provider could still be asked in this run."""
    return deadline.at - deadline.monotonic() > ASKING


def _taken_at(published: PublishedItem) -> int:
    snapshot = published.current.snapshot
    return snapshot.taken_at if snapshot is not None else 0


def _tell(telemetry: Telemetry, published: PublishedItem, failure: Exception, deadline: Deadline) -> None:
    expected = isinstance(failure, FedbridgeError)
    telemetry.event(
        "snapshot_not_taken",
        connection=published.name,
        correlation_id=deadline.correlation_id,
        reason=failure.reason if isinstance(failure, FedbridgeError) else FedbridgeError.reason,
        exception=None if expected else type(failure).__name__,
    )
