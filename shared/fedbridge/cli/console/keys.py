"""The keys of a connection and of rings, as pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.console.desk import Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal

    from fedbridge.model.connection import Connection


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
