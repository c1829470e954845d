"""`fedbridge connections list` and `show`: what is published."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import yaml

from fedbridge.cli.address import base_url_of
from fedbridge.cli.connections.addresses import addresses
from fedbridge.cli.connections.desk import open_table, read_current
from fedbridge.cli.connections.loading import BUDGET
from fedbridge.errors import ConfigurationError, UnknownConnection
from fedbridge.model.deadline import Deadline

if TYPE_CHECKING:
    import argparse

    from fedbridge.store.connections_dynamodb import PublishedItem, Revision

COLUMNS = ("name", "protocol", "preset", "version", "published", "issuer")


def every(options: argparse.Namespace) -> int:
    """Print a line a connection, read by one Scan."""
    items = sorted(open_table(options).all(Deadline.after(BUDGET)), key=lambda item: item.name)
    if options.json:
        print(json.dumps({"connections": [_summary(item) for item in items]}, indent=2))
        return 0
    rows = [COLUMNS, *(_row(item) for item in items)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the published document, what is known of its versions, and with `--base-url` what others need."""
    base_url = base_url_of(options) if options.base_url is not None else None
    item = open_table(options).read(options.name, Deadline.after(BUDGET))
    if item is None:
        raise UnknownConnection(f"no connection {options.name!r} is published")
    shown = _shown(item, base_url)
    if options.json:
        print(json.dumps(shown, indent=2))
        return 0
    for line in _head(item):
        print(line)
    for address in shown["addresses"]:
        print(f"# {address['who']:>8}  {address['name']:<26}  {address['value']}")
    print(
        yaml.safe_dump({"connections": {item.name: shown["document"]}}, sort_keys=False, width=1000), end=""
    )
    return 0


def _summary(item: PublishedItem) -> dict[str, Any]:
    connection, current = read_current(item), item.current
    return {
        "name": item.name,
        "protocol": connection.protocol if connection else None,
        "issuer": connection.issuer if connection else None,
        "preset": connection.preset if connection else None,
        "version": current.version,
        "published_at": current.published_at,
        "snapshot_taken_at": current.snapshot.taken_at if current.snapshot else None,
        "disabled": item.disabled,
    }


def _row(item: PublishedItem) -> tuple[str, ...]:
    summary = _summary(item)
    protocol = summary["protocol"] or "(of another release)"
    return (
        item.name,
        f"{protocol}, disabled" if item.disabled else protocol,
        summary["preset"] or "-",
        item.current.version[:8],
        _moment(item.current.published_at),
        summary["issuer"] or "-",
    )


def _shown(item: PublishedItem, base_url: str | None) -> dict[str, Any]:
    connection = read_current(item)
    if base_url is not None and connection is None:
        raise ConfigurationError(
            f"{item.name}: was published by another release: what others need cannot be told"
        )
    needed = addresses(connection, base_url) if connection is not None and base_url is not None else []
    return {
        **_summary(item),
        "current": _versions(item.current),
        "previous": _versions(item.previous) if item.previous else None,
        "addresses": [address._asdict() for address in needed],
        "document": document_of(item),
    }


def document_of(item: PublishedItem) -> Any:
    """Return the connection as it is stored, without the name that stands above it."""
    try:
        document = json.loads(item.current.document)
    except ValueError:
        raise ConfigurationError(f"{item.name}: what is published is not a JSON document") from None
    return {key: value for key, value in document.items() if key not in ("name", "version")}


def _versions(revision: Revision) -> dict[str, Any]:
    snapshot = revision.snapshot
    return {
        "version": revision.version,
        "published_at": revision.published_at,
        "bytes": len(revision.document),
        "snapshot": None
        if snapshot is None
        else {
            "taken_at": snapshot.taken_at,
            "bytes": len(snapshot.document),
            "of": sorted(json.loads(snapshot.document)),
        },
    }


def _head(item: PublishedItem) -> list[str]:
    switched, published = ", disabled" if item.disabled else "", _moment(item.current.published_at)
    lines = [f"# {item.name}{switched}: version {item.current.version}, published {published}"]
    if item.previous is not None:
        lines.append(
            f"# previous version {item.previous.version}, published {_moment(item.previous.published_at)}"
        )
    snapshot = item.current.snapshot
    if snapshot is not None:
        lines.append(f"# snapshot of its provider taken {_moment(snapshot.taken_at)}")
    return lines


def _moment(seconds: int | None) -> str:
    """Return a time as people read it, a dash for one from before times were kept."""
    if seconds is None:
        return "-"
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
