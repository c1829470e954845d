"""`fedbridge keys`: a new private key, for local use or for Secrets Manager; the public keys of a connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedbridge.cli import keys_export
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

KINDS = ("RSA-2048", "RSA-3072", "RSA-4096", "P-256", "P-384", "P-521")
_CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


def add_command(commands: Any) -> None:
    """Add `keys` to the parser."""
    parser = commands.add_parser("keys", help="make keys, and export public ones")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="write a new private key (PEM, readable by you alone)")
    new.add_argument("file", type=Path)
    new.add_argument("--kind", choices=KINDS, default="RSA-2048")
    new.set_defaults(run=_new)
    keys_export.add_command(actions)


def _new(options: argparse.Namespace) -> int:
    write_private_key(options.file, options.kind)
    print(f"Wrote {options.file} ({options.kind}). Refer to it as file:{options.file}, or store it:")
    print(
        f"  aws secretsmanager create-secret --name fedbridge/ENVIRONMENT/NAME --secret-string file://{options.file}"
    )
    return 0


def write_private_key(file: Path, kind: str) -> None:
    """Write a new PKCS#8 PEM; raises ConfigurationError where the file exists: no key is ever overwritten."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if kind.startswith("RSA-"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("RSA-")))
    else:
        key = ec.generate_private_key(_CURVES[kind])
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
