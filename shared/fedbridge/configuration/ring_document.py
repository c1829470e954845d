"""The stored form of a key ring: JSON of policy and state, of what differs from the defaults."""

from __future__ import annotations

import json

from fedbridge.configuration.document import plain
from fedbridge.configuration.structure import Problem, build
from fedbridge.errors import ConfigurationError
from fedbridge.model.key_ring import KeyRing, RingState, StoredRing


def encode_ring(ring: StoredRing) -> bytes:
    """Return compact JSON with sorted keys; name and revision stand beside it."""
    document = {"policy": plain(ring.policy), "state": plain(ring.state)}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def decode_ring(name: str, document: bytes, revision: int) -> StoredRing:
    """Return the ring; raises ConfigurationError, for one of a newer version, too."""
    try:
        data = json.loads(document)
        policy, state = data["policy"], data["state"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ConfigurationError(f"ring {name}: is not the document of a key ring") from None
    problems: list[Problem] = []
    ring = StoredRing(
        name=name,
        policy=build(KeyRing, policy, problems, "policy"),
        state=build(RingState, state, problems, "state"),
        revision=revision,
    )
    if problems:
        raise ConfigurationError(problems=tuple(f"ring {name}: {path}: {text}" for path, text in problems))
    return ring
