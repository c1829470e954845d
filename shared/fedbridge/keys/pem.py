"""PEM (RFC 7468) private keys and certificates, read so that no error ever carries their bytes."""

from __future__ import annotations

import base64
import binascii
import re

from fedbridge.errors import ConfigurationError

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
# Consoles and environment variables turn line ends into blanks or into a backslash and an n.
_BLANKS = re.compile(r"\s|\\[nr]")

_PRIVATE_KEY_LABELS = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}  # PKCS#8, PKCS#1, SEC1


def private_key_der(text: str, source: str) -> bytes:
    """Return the DER of the one private key in `text` (PKCS#8, PKCS#1 or SEC1); other blocks are passed over.

    Raises ConfigurationError: no PEM, no private key, several, encrypted, of another kind, not base64.
    """
    blocks = _BLOCK.findall(text)
    if not blocks:
        raise ConfigurationError(f"{source}: neither a PEM private key nor a JWK")
    keys = [(label, body) for label, body in blocks if label.endswith("PRIVATE KEY")]
    if not keys:
        raise ConfigurationError(
            f"{source}: holds no private key, only {', '.join(label for label, _ in blocks)}"
        )
    if len(keys) > 1:
        raise ConfigurationError(f"{source}: holds {len(keys)} private keys; a PEM may hold one")
    label, body = keys[0]
    if label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in body:
        raise ConfigurationError(
            f"{source}: the private key is encrypted; the store that holds it is its protection"
        )
    if label not in _PRIVATE_KEY_LABELS:
        raise ConfigurationError(f"{source}: a {label} cannot be used; convert it to PKCS#8 (PRIVATE KEY)")
    return _decode(body, label, source)


def certificates_der(text: str, source: str) -> list[bytes]:
    """Return the DER of every certificate in `text`, in their order; raises ConfigurationError where there is none."""
    bodies = [body for label, body in _BLOCK.findall(text) if label == "CERTIFICATE"]
    if not bodies:
        raise ConfigurationError(f"{source}: holds no PEM certificate")
    return [_decode(body, "CERTIFICATE", source) for body in bodies]


def _decode(body: str, label: str, source: str) -> bytes:
    der = _base64(_BLANKS.sub("", body))
    if not der:
        raise ConfigurationError(f"{source}: the {label} is not base64")
    return der


def _base64(text: str) -> bytes | None:
    # The caller raises, outside of the except block: an exception's context would carry the key into a traceback.
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
