"""What differs between two connections, and between two snapshots, by the paths of connections.yaml.

No value of these is a secret: keys and secrets stand there as references, and Cognito's client secrets as hashes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.snapshot import Snapshot

IDENTITIES = ("client_id", "name")
"""Fields by which the items of a list are told apart."""

NOT_COMPARED = ("name", "version", "client_jwks", "snapshot")


class Change(NamedTuple):
    """What stood at a path, and what will; None where there is nothing. Plain data."""

    path: str
    before: Any
    after: Any


def changes_between(before: Connection, after: Connection) -> list[Change]:
    """Return what publishing would change, defaults written out, public keys by `kid` and algorithm."""
    found = [
        change
        for field in fields(before)
        if field.name not in NOT_COMPARED
        for change in _changes(field.name, getattr(before, field.name), getattr(after, field.name))
    ]
    return [*found, *_changes("client_jwks", _keys(before.client_jwks), _keys(after.client_jwks))]


def snapshot_changes(before: Snapshot | None, after: Snapshot | None) -> list[Change]:
    """Return what the identity provider has changed, keys by `kid` and certificates by thumbprint."""
    return list(_changes("", _shown(before), _shown(after)))


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if is_dataclass(before) and type(before) is type(after):
        for field in fields(before):
            yield from _changes(
                _join(path, field.name), getattr(before, field.name), getattr(after, field.name)
            )
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _changes(_join(path, str(key)), before.get(key), after.get(key))
    elif (identity := _identity(before, after)) is not None:
        yield from _changes(path, _by(identity, before), _by(identity, after))
    else:
        yield Change(path, plain(before), plain(after))


def plain(value: Any) -> Any:
    """Return a value of the model as JSON has it, without what equals nothing."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(member) for name, member in asdict(value).items() if member not in (None, (), {})}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item not in (None, (), {})}
    return value


def _join(path: str, key: str) -> str:
    if key.startswith("["):
        return f"{path}{key}"
    return f"{path}.{key}" if path else key


def _identity(before: Any, after: Any) -> str | None:
    """Return the field that names the items of both lists, None where they are no such lists."""
    items = [*before, *after] if isinstance(before, tuple) and isinstance(after, tuple) else []
    if not items or not all(is_dataclass(item) for item in items):
        return None
    for name in IDENTITIES:
        if all(hasattr(item, name) for item in items):
            unique = all(len({getattr(item, name) for item in each}) == len(each) for each in (before, after))
            return name if unique else None
    return None


def _by(name: str, items: tuple[Any, ...]) -> dict[str, Any]:
    return {f"[{getattr(item, name)}]": item for item in items}


def _keys(jwks: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
    """Return what tells public keys apart. A certificate in `x5c` may be new around the same key."""
    return tuple(
        " ".join(str(text) for text in (jwk.get("kid"), jwk.get("use"), jwk.get("alg"), *_end(jwk)) if text)
        for jwk in jwks
    )


def _end(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    chain = jwk.get("x5c")
    return (f"certificate {_thumbprint(str(chain[0]))}",) if chain else ()


def _shown(snapshot: Snapshot | None) -> dict[str, Any]:
    if snapshot is None:
        return {}
    shown: dict[str, Any] = dict(snapshot.part("metadata") or {})
    jwks = snapshot.part("jwks")
    if jwks is not None:
        shown["keys"] = sorted(
            " ".join(str(each) for each in (key.get("kid"), key.get("kty"), key.get("alg")) if each)
            for key in jwks["keys"]
        )
    saml = snapshot.part("saml")
    if saml is not None:
        times = ("refresh_at", "valid_until")  # A federation signs anew every day, and nothing has moved.
        shown |= {name: value for name, value in saml.items() if name not in times}
        shown["certificates"] = [_thumbprint(pem) for pem in saml["certificates"]]
    return shown


def _thumbprint(certificate: str) -> str:
    """Return the SHA-256 of a certificate in PEM or base64, as openssl's -fingerprint has it without colons."""
    body = "".join(line for line in certificate.splitlines() if not line.startswith("-"))
    try:
        return hashlib.sha256(base64.b64decode(body)).hexdigest()
    except binascii.Error:
        return "unreadable"
