"""Throw-away private keys, each made once a run, and the forms in which people store them."""

import json
from functools import cache
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey, RSAKey

from fedbridge.keys.algorithms import PrivateKey
from tests.support.canaries import watch_private_jwk

Key = TypeVar("Key", rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return the key of this size; another `number` is another key."""
    return _watched(rsa.generate_private_key(public_exponent=65537, key_size=bits))


@cache
def ec_key(curve: str = "P-256", number: int = 0) -> ec.EllipticCurvePrivateKey:
    """Return the key on this curve; another `number` is another key."""
    return _watched(ec.generate_private_key(CURVES[curve]))


def private_pem(
    key: PrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    *,
    password: str | None = None,
) -> str:
    encryption: KeySerializationEncryption = NoEncryption()
    if password is not None:
        encryption = BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """Return the private JWK as joserfc writes it, with more members."""
    return {**_joserfc_key(key).as_dict(private=True), **members}


def jwk_text(key: PrivateKey, **members: Any) -> str:
    return json.dumps(private_jwk(key, **members))


def thumbprint_of(key: PrivateKey) -> str:
    """Return the RFC 7638 thumbprint as joserfc computes it."""
    return _joserfc_key(key).thumbprint()


def _watched(key: Key) -> Key:
    watch_private_jwk(private_jwk(key))
    return key


def _joserfc_key(key: PrivateKey) -> RSAKey | ECKey:
    return RSAKey.import_key(key) if isinstance(key, rsa.RSAPrivateKey) else ECKey.import_key(key)
