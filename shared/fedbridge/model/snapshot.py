"""What an identity provider published about itself, kept with a connection: it stands in for a fetch (ADR 0023)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

STANDS_IN_FOR = 24 * 3600.0
"""Seconds since it was taken that a snapshot stands in for the first fetch of a sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`taken_at` is in seconds since the epoch; `document` is JSON that the side reads which took it (`rp` or `sp`)."""

    taken_at: int
    document: str = field(repr=False)

    def part(self, name: str) -> Any:
        """Return one document of it as plain data, None where it has none of this name."""
        return json.loads(self.document).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed(Generic[T]):
    """One document out of a snapshot, for a cache that has none yet: it counts as fetched at `taken_at`.

    With `stands_in` it is used without a question up to `STANDS_IN_FOR`, where nothing rests on it that a stranger could
    bring. `read` returns None where the snapshot has no such document, and raises UpstreamError where this connection or
    release cannot use it.
    """

    taken_at: float
    read: Callable[[], T | None]
    stands_in: bool
