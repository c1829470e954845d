"""`ring:NAME` where a key reference stands: which ring fills what, and with which references.

`connections.yaml` says `ring:NAME`; a published connection holds the references that the ring has at that moment, and in
`rings` which ring fills which path, so that it can be filled anew when the ring has moved on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.key_ring import KeyState, RingState, Use

SCHEME = "ring:"

USES: Mapping[str, Use] = {
    "client_authentication.key": "client-assertion",
    "client_authentication.certificate": "client-assertion",
    "authorization.request_object.key": "request-object",
    "token_decryption.keys": "token-decryption",
    "mutual_tls.key": "client-tls",
    "mutual_tls.certificate": "client-tls",
    "saml.signing_keys": "saml-signing",
    "saml.decryption_keys": "saml-decryption",
}
"""Path → the use of the rings that may stand there."""

BESIDE: Mapping[str, tuple[str, ...]] = {
    "client_authentication.key": ("next_key", "retired_keys"),
    "authorization.request_object.key": ("next_key", "retired_keys"),
    "token_decryption.keys": ("retired_keys",),
    "mutual_tls.key": ("next_certificate", "retired_certificates"),
    "saml.decryption_keys": ("retired_decryption_keys",),
}
"""Path → the keys beside it that a ring fills as well."""


def ring_of(reference: Any) -> str | None:
    """Return the name of the ring that stands in place of a reference, None where none does."""
    if isinstance(reference, str) and reference.startswith(SCHEME):
        return reference.removeprefix(SCHEME)
    return None


def references_at(connection: Connection, path: str) -> tuple[str, ...]:
    """Return the references at a path of USES, rings among them; a SAML key by its private key."""
    value = _value(connection, path)
    if value is None:
        return ()
    items = value if isinstance(value, tuple) else (value,)
    return tuple(item if isinstance(item, str) else item.key for item in items)


def certificate_at(connection: Connection, path: str, reference: str) -> str | None:
    """Return the reference of the certificate that goes with a key at a path of USES, None where it has none."""
    match path:
        case "client_authentication.key":
            return connection.client_authentication.certificate
        case "mutual_tls.key":
            return None if connection.mutual_tls is None else connection.mutual_tls.certificate
        case "saml.signing_keys" | "saml.decryption_keys":
            keys = _value(connection, path) or ()
            return next((key.certificate for key in keys if key.key == reference), None)
        case _:
            return None


def rings_in(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the rings that an unfilled connection names, or that a filled one was filled by, by path."""
    named = {path: tuple(filter(None, map(ring_of, references_at(connection, path)))) for path in USES}
    return {path: names for path, names in named.items() if names} or dict(connection.rings)


def filled(connection: Connection, rings: Mapping[str, RingState]) -> Connection:
    """Return the connection with the references that its rings have now, whether it was filled before or not.

    Without rings it is returned as it is. Raises ConfigurationError for a ring that is not among `rings`, or has no
    active key.
    """
    declared = emptied(connection)
    uses = rings_in(declared)
    for path, names in uses.items():
        states = [_state(declared.name, path, name, rings) for name in names]
        declared = _fill(declared, path, states)
    return replace(declared, rings=uses) if uses else connection


def emptied(connection: Connection) -> Connection:
    """Return the connection with `ring:NAME` in the places that rings had filled, as the file has it."""
    result = connection
    for path, names in connection.rings.items():
        standing: Any = tuple(f"{SCHEME}{name}" for name in names)
        if path.startswith("saml."):
            from fedbridge.model.saml import SamlKey  # noqa: PLC0415  most connections speak no SAML

            standing = tuple(SamlKey(key=reference) for reference in standing)
        elif path != "token_decryption.keys":
            standing = standing[0]
        beside = {field: _cleared(result, path, field) for field in BESIDE.get(path, ())}
        result = _with(result, path, {_field(path): standing, **beside})
    return replace(result, rings={}) if connection.rings else connection


def _fill(connection: Connection, path: str, states: Sequence[RingState]) -> Connection:
    """Put the references of the rings to a path and beside it."""
    state = states[0]
    match path:
        case "client_authentication.certificate":
            changes: dict[str, Any] = {"certificate": _certificates(state, "active")[0]}
        case "mutual_tls.certificate":
            changes = {
                "certificate": _certificates(state, "active")[0],
                "next_certificate": next(iter(_certificates(state, "next")), None),
                "retired_certificates": _certificates(state, "retired"),
            }
        case "mutual_tls.key":
            changes = {"key": _references([state], "active")[0]}
        case "token_decryption.keys":
            # The next one decrypts before anybody can encrypt to it: a sign-in ends on the version it began with.
            changes = {
                "keys": _references(states, "active"),
                "retired_keys": _references(states, "next", "retired"),
            }
        case "saml.decryption_keys":
            changes = {
                "decryption_keys": _certified(states, "active"),
                "retired_decryption_keys": _references(states, "next", "retired"),
            }
        case "saml.signing_keys":
            changes = {"signing_keys": _certified(states, "active", "next", "retired")}
        case _:
            changes = {
                "key": _references(states, "active")[0],
                "next_key": next(iter(_references(states, "next")), None),
                "retired_keys": _references(states, "retired"),
            }
    return _with(connection, path, changes)


def _state(name: str, path: str, ring: str, rings: Mapping[str, RingState]) -> RingState:
    state = rings.get(ring)
    if state is None:
        raise ConfigurationError(f"{name}: {path}: ring:{ring} is filled in from the Connections table only")
    if state.active is None:
        raise ConfigurationError(f"{name}: {path}: ring:{ring} has no active key")
    return state


def _references(states: Sequence[RingState], *wanted: KeyState) -> tuple[str, ...]:
    return tuple(key.reference for in_state in wanted for state in states for key in state.of(in_state))


def _certified(states: Sequence[RingState], *wanted: KeyState) -> tuple[Any, ...]:
    from fedbridge.model.saml import SamlKey  # noqa: PLC0415  as above

    return tuple(
        SamlKey(key=key.reference, certificate=key.certificate or "")
        for in_state in wanted
        for state in states
        for key in state.of(in_state)
    )


def _certificates(state: RingState, wanted: KeyState) -> tuple[str, ...]:
    return tuple(key.certificate or "" for key in state.of(wanted))


def _cleared(connection: Connection, path: str, field: str) -> Any:
    value = getattr(_value(connection, path.rpartition(".")[0]), field)
    return () if isinstance(value, tuple) else None


def _field(path: str) -> str:
    return path.rpartition(".")[2]


def _value(connection: Connection, path: str) -> Any:
    value: Any = connection
    for name in path.split("."):
        value = None if value is None else getattr(value, name)
    return value


def _with(connection: Connection, path: str, changes: Mapping[str, Any]) -> Connection:
    """Return the connection with other fields in the object that holds a path's last name."""
    changed: Connection = _replaced(connection, path.split(".")[:-1], changes)
    return changed


def _replaced(value: Any, way: Sequence[str], changes: Mapping[str, Any]) -> Any:
    if not way:
        return replace(value, **changes)
    return replace(value, **{way[0]: _replaced(getattr(value, way[0]), way[1:], changes)})
