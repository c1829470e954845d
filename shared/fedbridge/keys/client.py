"""The public keys of a connection's client assertions and request objects, which the IdP may fetch."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm

from fedbridge.errors import ConfigurationError
from fedbridge.keys.algorithms import ALGORITHMS
from fedbridge.keys.jwk import jwk_thumbprint, thumbprint
from fedbridge.keys.pem import certificates_der
from fedbridge.keys.strength import require_strong

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fedbridge.model.connection import ClientAuthentication
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.policies import RequestObject
    from fedbridge.ports import Keys, Secrets


def client_jwks(
    authentication: ClientAuthentication, *, keys: Keys, secrets: Secrets, deadline: Deadline
) -> tuple[dict[str, Any], ...]:
    """Return the public JWKs of a connection's client authentication: active, next, then retired; () without keys.

    Each has `use: sig`, `alg` and `kid`; the active one the `kid` that its assertions carry, and `x5c` (RFC 7517 §4.7)
    where a certificate is configured. The keys are loaded to know them, so that whatever cannot sign is found here,
    when the connection is published or read, and not in somebody's sign-in.

    Raises ConfigurationError (see `Keys.signer`; a key named twice; a certificate of another key) and KeyUnavailable.
    """
    algorithm = authentication.algorithm if authentication.algorithm in ALGORITHMS else None
    jwks: list[dict[str, Any]] = []
    if authentication.key is not None:
        jwk = dict(keys.signer(authentication.key, algorithm, deadline).public_jwk)
        if authentication.certificate is not None:
            jwk["x5c"] = _chain(
                secrets.get(authentication.certificate, deadline), jwk["kid"], authentication.certificate
            )
        if authentication.kid not in ("thumbprint", "omit"):
            jwk["kid"] = authentication.kid
        jwks.append(jwk)
    others = [authentication.next_key, *authentication.retired_keys]
    jwks += [_other(reference, algorithm, keys, deadline) for reference in others if reference is not None]
    kids = [jwk["kid"] for jwk in jwks]
    if len(set(kids)) != len(kids):
        raise ConfigurationError(
            "a key stands twice among key, next_key and retired_keys, or another one has its kid"
        )
    return tuple(jwks)


def request_object_jwks(
    policy: RequestObject, *, signing: Sequence[Mapping[str, Any]], keys: Keys, deadline: Deadline
) -> tuple[dict[str, Any], ...]:
    """Return the public JWKs of request objects that have a key of their own; () where they are signed as assertions are.

    `signing` are the connection's other public JWKs. Raises ConfigurationError (see `Keys.signer`; a key that is among
    them behind another reference, whose `alg` and `kid` might differ) and KeyUnavailable.
    """
    if policy.key is None:
        return ()
    others = [policy.next_key, *policy.retired_keys]
    jwks = [dict(keys.signer(policy.key, policy.algorithm, deadline).public_jwk)]
    jwks += [
        _other(reference, policy.algorithm, keys, deadline) for reference in others if reference is not None
    ]
    taken = {other["kid"] for other in signing} | {jwk_thumbprint(other) for other in signing}
    for reference, jwk in zip(filter(None, (policy.key, *others)), jwks, strict=True):
        if jwk["kid"] in taken:
            raise ConfigurationError(
                f"{reference}: this key is published already, behind another reference; leave it out"
            )
        taken.add(jwk["kid"])
    return tuple(jwks)


def _other(reference: str, algorithm: str | None, keys: Keys, deadline: Deadline) -> dict[str, Any]:
    """Return a key that does not sign now, with the configured algorithm if that goes with its type."""
    jwk = keys.signer(reference, None, deadline).public_jwk
    if algorithm is not None and jwk["kty"] == "RSA" and algorithm[:2] != "ES":
        jwk = keys.signer(reference, algorithm, deadline).public_jwk
    return dict(jwk)


def _chain(text: str, kid: str, source: str) -> list[str]:
    """Return `x5c`: the certificate of the key (leaf) first, each as base64 of its DER."""
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415  published once, never in a sign-in

    chain = certificates_der(text, source)
    try:
        leaf = load_der_x509_certificate(chain[0]).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{source}: not a certificate (X.509) with a key that can be used") from None
    if thumbprint(require_strong(leaf, source)) != kid:
        raise ConfigurationError(f"{source}: the first certificate is not of the connection's key")
    return [base64.b64encode(der).decode("ascii") for der in chain]
