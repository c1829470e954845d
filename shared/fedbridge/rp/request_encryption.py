"""Encrypting to an IdP (RFC 9101 §6.1 has the request object signed first): only what it published may open it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey, RSAKey

from fedbridge.rp.context import Context
from fedbridge.rp.jwk_set import import_public_key
from fedbridge.rp.jwks import JwksSource

CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


class _Agreeing(ECKey):
    """An IdP's key to agree with. joserfc asks it for the ephemeral key.

    That is drawn from `secrets`, because OpenSSL's own generator may be part of a frozen snapshot.
    """

    # Narrower than the library's on purpose: it passes the curve alone, and gets a plain key.
    @classmethod
    def generate_key(cls, crv: str | None = None, *_: Any, **__: Any) -> ECKey:  # type: ignore[override]
        """Return a new private key on the curve."""
        curve = CURVES[crv or ""]
        return ECKey.import_key(ec.derive_private_key(1 + secrets.randbelow(curve.group_order - 1), curve))


def encrypt_request_object(
    context: Context, jwks: JwksSource, signed: str, algorithm: str, content_encryption: str
) -> str:
    """Return a nested JWT (RFC 7519 §5.2: `cty` is JWT) for a key at the IdP's `jwks_uri`.

    Raises UpstreamError `request_encryption_key_missing` and what fetching the keys raises.
    """
    kid, key = jwks.encryption_key(context, lambda published: choose_key(published, algorithm))
    header = {"alg": algorithm, "enc": content_encryption, "cty": "JWT"}
    if kid is not None:
        header["kid"] = kid
    registry = JWERegistry(algorithms=[algorithm, content_encryption])
    return jwe.encrypt_compact(header, signed, key, registry=registry)


def choose_key(
    published: Iterable[Mapping[str, Any]], algorithm: str
) -> tuple[str | None, RSAKey | ECKey] | None:
    """Return `kid` and key of the first sound JWK that goes with the algorithm (RFC 7518 §4.1), None without one."""
    key_type = "EC" if algorithm.startswith("ECDH-ES") else "RSA"
    for member in published:
        # Tuples, because a set would stumble over a list.
        if member.get("kty") != key_type or member.get("alg") not in (None, algorithm):
            continue
        if key_type == "EC" and member.get("crv") not in tuple(CURVES):
            continue
        key = import_public_key(member, ec_class=_Agreeing)
        kid = member.get("kid")
        if key is not None and (kid is None or isinstance(kid, str)):
            return kid, key
    return None
