"""What the bridge knows of an IdP: where browsers are sent, and whose signatures count."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
import re
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

MIN_RSA_BITS = 2048

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)

Binding = Literal["redirect", "post"]


class UnusableCertificateError(ValueError):
    """A certificate that no signature may rest on; the argument says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A signing certificate of the IdP, trusted because it is configured: no authority vouches for it."""

    pem: str = field(repr=False)
    not_before: float
    not_after: float

    def is_valid(self, now: float, clock_skew: float) -> bool:
        """Return whether it may be used at this time, in seconds since the epoch."""
        return self.not_before - clock_skew <= now <= self.not_after + clock_skew


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """`endpoints` are where AuthnRequests go, by binding; `artifact_services` by index. All URLs are absolute.

    `logout_endpoints` are where LogoutRequests go, `logout_response_endpoints` where the answers to the IdP's go.

    `valid_until` is when the metadata end, None where they do not say; `refresh_at` when they want to be read anew.
    """

    entity_id: str
    endpoints: dict[Binding, str]
    certificates: tuple[Certificate, ...]
    wants_signed_requests: bool = False
    artifact_services: dict[int, str] = field(default_factory=dict)
    logout_endpoints: dict[Binding, str] = field(default_factory=dict)
    logout_response_endpoints: dict[Binding, str] = field(default_factory=dict)
    valid_until: float | None = None
    refresh_at: float = math.inf


def certificate_of(der: bytes) -> Certificate:
    """Return the certificate; raises UnusableCertificateError: malformed, neither RSA nor EC, RSA below 2,048 bits."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise UnusableCertificateError("is no X.509 certificate") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise UnusableCertificateError(
                f"has an RSA key of {key.key_size} bits; {MIN_RSA_BITS} are needed"
            )
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnusableCertificateError("has a key that is neither RSA nor EC")
    return Certificate(
        pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
        not_before=_seconds(certificate.not_valid_before_utc),
        not_after=_seconds(certificate.not_valid_after_utc),
    )


def certificates_of(text: str) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM document; raises UnusableCertificateError, also where there is none."""
    bodies = _BLOCK.findall(text)
    if not bodies:
        raise UnusableCertificateError("holds no PEM certificate")
    return tuple(certificate_of(decode_certificate(body)) for body in bodies)


def decode_certificate(body: str) -> bytes:
    """Return the DER of a certificate in base64 with any blanks; raises UnusableCertificateError."""
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableCertificateError("is no base64") from None


def _seconds(moment: dt.datetime) -> float:
    return moment.timestamp()
