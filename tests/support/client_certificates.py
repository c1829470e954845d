"""Throw-away client certificates: self-signed, or of an authority that is made for them."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedbridge.keys.algorithms import PrivateKey
from tests.support.keys import ec_key

DAY = dt.timedelta(days=1)
NUMBER = 900
"""Where these keys' numbers begin, so that no other test has them."""


def on_an_unknown_curve(certificate: str) -> str:
    """Return the PEM certificate of a P-256 key under the name of a curve that OpenSSL in `cryptography` does not load."""
    p256, prime192v2 = (bytes.fromhex(f"06082a8648ce3d0301{last}") for last in ("07", "02"))
    der = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(Encoding.DER)
    body = base64.encodebytes(der.replace(p256, prime192v2)).decode("ascii")
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


def self_signed(
    key: PrivateKey,
    *,
    name: str = "bridge",
    begins: dt.datetime | None = None,
    ends: dt.datetime | None = None,
) -> str:
    """Return a certificate of the key by itself in PEM, valid from yesterday to tomorrow."""
    subject = _name(name)
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        begins or now - DAY,
        ends or now + DAY,
    )
    return _pem(builder.sign(key, SHA256()))


@dataclass(frozen=True, slots=True)
class ClientAuthority:
    """An authority that issues client certificates; `certificate` is its own, in PEM."""

    certificate: str
    _key: PrivateKey

    def issue(self, key: PrivateKey, *, name: str, days: int = 1) -> str:
        """Return a certificate of the key in PEM, with the subject `CN=name,O=fedbridge`."""
        own = x509.load_pem_x509_certificate(self.certificate.encode())
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder(
                own.subject,
                _name(name),
                key.public_key(),
                x509.random_serial_number(),
                now - DAY,
                now + days * DAY,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example")]), critical=False)
        )
        return _pem(builder.sign(self._key, SHA256()))


@cache
def client_authority(number: int = 0) -> ClientAuthority:
    """Return the authority; another `number` is another one."""
    key = ec_key(number=NUMBER + number)
    subject = _name(f"client authority {number}")
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now - DAY, now + 400 * DAY
    ).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return ClientAuthority(_pem(builder.sign(key, SHA256())), key)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fedbridge"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
