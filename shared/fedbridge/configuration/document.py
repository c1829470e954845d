"""The published form of a connection: JSON of what differs from the defaults."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any

from fedbridge.configuration.structure import Problem, build
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection


def decode(document: bytes) -> Connection:
    """Return the connection; raises ConfigurationError that names the connection and every key at fault.

    Unknown keys are refused: they were written by a newer version, whose meaning would be lost. What the values mean
    was checked before they were published (`configuration.rules`).
    """
    try:
        data = json.loads(document)
    except (ValueError, RecursionError):
        raise ConfigurationError("connection: is not a JSON document") from None
    if not isinstance(data, dict):
        raise ConfigurationError("connection: must be a mapping")
    problems: list[Problem] = []
    connection = build(Connection, data, problems)
    if problems:
        name = connection.name or "connection"
        raise ConfigurationError(problems=tuple(f"{name}: {path}: {message}" for path, message in problems))
    return connection


def encode(connection: Connection) -> bytes:
    """Return compact JSON with sorted keys and without what equals a default, so that a new field changes no digest.

    The snapshot is left out: it is kept beside the document, and changes while that does not.
    """
    connection = replace(connection, snapshot=None)
    return json.dumps(plain(connection), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def version_of(connection: Connection) -> str:
    """Return the digest of everything but `version`: 128 bits of SHA-256 in hexadecimal.

    `client_jwks` are in it: a key that was exchanged behind its reference makes a new version, once they are filled in.
    """
    return hashlib.sha256(encode(replace(connection, version=""))).hexdigest()[:32]


def plain(value: Any) -> Any:
    """Return dataclasses as plain data, without what equals a default."""
    if is_dataclass(value):
        members = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: plain(member) for field, member in members if member != default_of(field)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def default_of(field: Field[Any]) -> Any:
    """Return a field's default, MISSING where it has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()
