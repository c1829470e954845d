"""Connections small enough to write by hand, and a document format that needs no other part of the product."""

import json
from dataclasses import asdict
from typing import Any

from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection


def connection(**changes: Any) -> Connection:
    """Return a connection `acme` with these fields changed."""
    fields: dict[str, Any] = {
        "name": "acme",
        "issuer": "https://idp.example",
        "client_id": "bridge",
        "relying_parties": (),
        **changes,
    }
    return Connection(**fields)


def document(**changes: Any) -> bytes:
    """Return the document of `connection(**changes)`."""
    fields = asdict(connection(**changes))
    return json.dumps({name: fields[name] for name in ("name", "client_id", "disabled", "version")}).encode()


def decode(encoded: bytes) -> Connection:
    """Read a document; raises ConfigurationError."""
    try:
        fields = json.loads(encoded)
        return connection(**fields)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"not a connection: {error}") from error
