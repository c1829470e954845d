"""Sealing: what the store holds opens only with a secret that the store never sees.

AES-256-GCM under HKDF-SHA256 (RFC 5869) keys, one key a secret and purpose. The authenticated data names environment,
connection, purpose, transaction and expiry, so that a sealed value moved anywhere else does not open.

What is sealed is packed first, because a table charges for every kilobyte: Cognito's state alone has 1,250 characters of
six bits. Packed by Huffman codes only, which look at how often a character stands there and never for repetitions: the
length of a seal cannot tell whether one value contains another (the oracle of CRIME).
"""

from __future__ import annotations

import json
import secrets
import zlib
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedbridge.errors import FedbridgeError

_NONCE_LENGTH = 12

_RAW = -15
"""zlib's window bits for DEFLATE without a header (RFC 1951); the tag is what tells whether it is whole."""

_MEMORY_LEVEL = 5
"""Blocks of 2,048 characters, which are most of our values, for a quarter of the default's time to make ready."""


class SealBroken(FedbridgeError):
    """A sealed value does not open: wrong secret, wrong place, or changed. Told apart by nobody."""

    reason = "seal_broken"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an artefact belongs: the environment and the connection."""

    environment: str
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is sealed: bound into the key and the authenticated data. `expires_at` in seconds since the epoch."""

    scope: Scope
    purpose: str
    transaction_id: str
    expires_at: int

    def encode(self) -> bytes:
        """Return the authenticated data."""
        return frame(
            "fedbridge/seal/v1",
            self.purpose,
            self.scope.environment,
            self.scope.connection,
            self.transaction_id,
            str(self.expires_at),
        )


def frame(*parts: str) -> bytes:
    """Return the parts, each behind its length, so that no two lists of parts give the same bytes."""
    encoded = [part.encode("utf-8") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def derive(secret: str, label: str, scope: Scope, transaction_id: str) -> bytes:
    """Return 32 bytes for one use of a secret."""
    info = frame(label, scope.environment, scope.connection, transaction_id)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode("utf-8"))


def seal(secret: str, label: Label, value: Any) -> bytes:
    """Return `value` (JSON) sealed under `secret`: nonce ‖ ciphertext ‖ tag."""
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    plaintext = _pack(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8"))
    return nonce + AESGCM(_key(secret, label)).encrypt(nonce, plaintext, label.encode())


def unseal(secret: str, label: Label, sealed: bytes | None) -> Any:
    """Return what was sealed; raises SealBroken."""
    if sealed is None or len(sealed) <= _NONCE_LENGTH:
        raise SealBroken
    try:
        plaintext = AESGCM(_key(secret, label)).decrypt(
            sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:], label.encode()
        )
    except InvalidTag:
        raise SealBroken from None
    return json.loads(zlib.decompress(plaintext, wbits=_RAW))


def _pack(data: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, _RAW, _MEMORY_LEVEL, zlib.Z_HUFFMAN_ONLY)
    return compressor.compress(data) + compressor.flush()


def _key(secret: str, label: Label) -> bytes:
    return derive(secret, f"fedbridge/key/v1/{label.purpose}", label.scope, label.transaction_id)
