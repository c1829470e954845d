"""A private key, tried: what it makes must fit its public half, wherever the two live."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from fedbridge.jws import b64url, sign_compact
from fedbridge.rp.jwk_set import import_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Decrypter, Signer

_OAEP = {"RSA-OAEP": SHA1, "RSA-OAEP-256": SHA256}


def signs(signer: Signer, deadline: Deadline) -> Mapping[str, Any]:
    """Sign something and verify it with the public half; return that. Raises InvalidSignature, KeyUnavailable."""
    compact = sign_compact(signer, {}, {"check": b64url(secrets.token_bytes(16))}, deadline)
    key = import_public_key(signer.public_jwk)
    if key is None:
        raise InvalidSignature
    try:
        jws.deserialize_compact(compact, key, algorithms=[signer.algorithm])
    except JoseError:
        raise InvalidSignature from None
    return signer.public_jwk


def decrypts(decrypter: Decrypter, deadline: Deadline) -> Mapping[str, Any]:
    """Encrypt something to the public half and decrypt it; return that half. Raises ValueError, KeyUnavailable."""
    public = decrypter.public_jwk
    key = import_public_key(public)
    if key is None:
        raise ValueError
    theirs = key.public_key
    if isinstance(theirs, rsa.RSAPublicKey):
        _unwraps(decrypter, theirs, public.get("alg"), deadline)
    elif isinstance(theirs, ec.EllipticCurvePublicKey):
        ephemeral = ec.generate_private_key(theirs.curve)
        jwk = ECKey.import_key(ephemeral.public_key()).as_dict(private=False)
        if decrypter.agree(jwk, deadline) != ephemeral.exchange(ec.ECDH(), theirs):
            raise ValueError
    return public


def _unwraps(decrypter: Decrypter, theirs: rsa.RSAPublicKey, only: str | None, deadline: Deadline) -> None:
    """Try every algorithm of the key: one that its JWK names, else both."""
    content_key = secrets.token_bytes(32)
    for algorithm in [only] if only in _OAEP else _OAEP:
        digest = _OAEP[algorithm]
        oaep = padding.OAEP(padding.MGF1(digest()), digest(), None)
        if decrypter.unwrap(algorithm, theirs.encrypt(content_key, oaep), deadline) != content_key:
            raise ValueError
