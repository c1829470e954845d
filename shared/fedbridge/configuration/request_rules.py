"""Rules of pushed, signed and sifted authorization requests and of signed responses (RFC 9126, RFC 9101, JARM)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection


def request_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:  # noqa: ARG001
    """Yield what is wrong with a connection in this regard."""
    yield from ()
