"""Rules of `token_decryption` and of everything that says it comes encrypted (RFC 7516, RFC 7518)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection


def encryption_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:  # noqa: ARG001
    """Yield what is wrong with a connection in this regard."""
    yield from ()
