"""Rules of `dpop` and `mutual_tls`: what binds tokens and requests to the bridge (RFC 9449, RFC 8705)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection


def binding_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:  # noqa: ARG001
    """Yield what is wrong with a connection in this regard."""
    yield from ()
