"""A new private key in a file."""

from __future__ import annotations

import os
from pathlib import Path

from fedbridge.errors import ConfigurationError
from fedbridge.keys.ring_keys import new_private_key, private_pem

KINDS = ("RSA-2048", "RSA-3072", "RSA-4096", "P-256", "P-384", "P-521")


def write_private_key(file: Path, kind: str) -> None:
    """Write a new PKCS#8 PEM; raises ConfigurationError where the file exists: no key is ever overwritten."""
    text = private_pem(new_private_key(kind))
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(text)
