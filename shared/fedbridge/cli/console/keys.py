"""The keys of a connection and of rings, as pages show them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fedbridge.cli.console.desk import Key
from fedbridge.model.key_ring import Step, upcoming

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Literal

    from fedbridge.model.connection import Connection
    from fedbridge.model.key_ring import RingKey, StoredRing


def keys_of(connection: Connection) -> tuple[Key, ...]:
    """Return the public keys that are published for the connection, by their order: the one in use comes first."""
    signing = [jwk for jwk in connection.client_jwks if jwk.get("use") != "enc"]
    decrypting = [jwk for jwk in connection.client_jwks if jwk.get("use") == "enc"]
    return (*_signing(connection, signing), *_decrypting(connection, decrypting))


def _signing(connection: Connection, jwks: Sequence[Mapping[str, Any]]) -> Iterator[Key]:
    authentication = connection.client_authentication
    references = [authentication.key, authentication.next_key, *authentication.retired_keys]
    known = [reference for reference in references if reference is not None]
    for index, jwk in enumerate(jwks):
        reference = known[index] if index < len(known) else ""
        yield Key(
            use=f"signature, {jwk['alg']}" if "alg" in jwk else "signature",
            kid=str(jwk.get("kid", "")),
            reference=reference,
            state=_state(connection, reference),
        )


def _state(connection: Connection, reference: str) -> Literal["next", "active", "retired"]:
    authentication = connection.client_authentication
    if reference and reference == authentication.next_key:
        return "next"
    return "retired" if reference in authentication.retired_keys else "active"


def _decrypting(connection: Connection, jwks: Sequence[Mapping[str, Any]]) -> Iterator[Key]:
    references = connection.token_decryption.keys if connection.token_decryption else ()
    for index, jwk in enumerate(jwks):
        yield Key(
            use="decryption",
            kid=str(jwk.get("kid", "")),
            reference=references[index] if index < len(references) else "",
            state="active",
        )


DONE = {
    "publish": "is published by the next run of the schedule,",
    "confirm": "waits to be confirmed,",
    "activate": "becomes active",
    "remove": "is withdrawn",
    "disable": "is switched off",
}
"""What each step does to the key that it names."""


def keys_of_rings(rings: Iterable[StoredRing]) -> tuple[Key, ...]:
    """Return the keys of every ring that are still in use, with what happens to each next."""
    return tuple(
        _of_ring(ring, key)
        for ring in sorted(rings, key=lambda ring: ring.name)
        for key in ring.state.of("active", "next", "retired")
    )


def _of_ring(ring: StoredRing, key: RingKey) -> Key:
    waits = ring.policy.needs_confirmation and key.state == "next" and key.confirmed_at is None
    return Key(
        use=ring.policy.use,
        kid=key.kid,
        reference=key.reference,
        state=key.state if key.state != "removed" else "retired",
        ring=ring.name,
        created_at=key.created_at,
        expires_at=key.not_after,
        next_step=(
            f"give it to the identity provider, then: fedbridge keys confirm {ring.name} {key.kid[:8]}"
            if waits
            else _next_step(ring, key)
        ),
        awaits_confirmation=waits,
    )


def _next_step(ring: StoredRing, key: RingKey) -> str:
    steps = upcoming(ring.policy, ring.state)
    own = next((step for step in steps if step.kid == key.kid), None)
    if own is not None:
        return f"{DONE[own.action]} {_day(own)}"
    staged = next((step for step in steps if step.action == "stage"), None)
    if key.state == "active" and staged is not None:
        return f"the key after it is made {_day(staged)}"
    return "gives way when the next key is ready" if key.state == "active" else ""


def _day(step: Step) -> str:
    if step.at <= time.time():
        return "now"
    return time.strftime("on %Y-%m-%d %H:%M UTC", time.gmtime(step.at))
