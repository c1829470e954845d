"""The public keys that an IdP encrypts to, which it may fetch beside those of client assertions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError
from fedbridge.keys.jwk import decrypts, jwk_thumbprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.policies import TokenDecryption
    from fedbridge.ports import Keys


def decryption_jwks(
    policy: TokenDecryption, *, signing: Sequence[Mapping[str, Any]], keys: Keys, deadline: Deadline
) -> tuple[dict[str, Any], ...]:
    """Return the public JWKs of `policy.keys`, in their order, each with `use: enc` and `kid`.

    `alg` is there if the key's own JWK names it, or if just one of the connection's algorithms goes with its type:
    whoever encrypts by another would be refused. Retired keys are loaded, to know that they still decrypt, and not
    published: nobody shall encrypt to them any more. `signing` are the connection's other public JWKs.

    Raises ConfigurationError (see `Keys.decrypter`; a key named twice, or one that signs; one that serves none of the
    algorithms) and KeyUnavailable.
    """
    references = (*policy.keys, *policy.retired_keys)
    jwks = [_published(reference, policy.algorithms, keys, deadline) for reference in references]
    if len({jwk["kid"] for jwk in jwks}) != len(jwks):
        raise ConfigurationError("a key stands twice in token_decryption, behind different references")
    signers = {jwk_thumbprint(jwk) for jwk in signing}
    for reference, jwk in zip(references, jwks, strict=True):
        if jwk["kid"] in signers:
            raise ConfigurationError(
                f"{reference}: this key signs as well, behind another reference: one key, one use"
            )
    return tuple(jwks[: len(policy.keys)])


def _published(reference: str, algorithms: Sequence[str], keys: Keys, deadline: Deadline) -> dict[str, Any]:
    jwk = dict(keys.decrypter(reference, deadline).public_jwk)
    served = [
        algorithm
        for algorithm in algorithms
        if decrypts(jwk["kty"], algorithm) and jwk.get("alg", algorithm) == algorithm
    ]
    if not served:
        raise ConfigurationError(
            f"{reference}: this {jwk['kty']} key serves none of token_decryption.algorithms"
        )
    return {**jwk, "alg": served[0]} if len(served) == 1 else jwk
