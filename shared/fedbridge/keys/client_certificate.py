"""The client certificate of mutual TLS and its private key, checked before a handshake shows them (RFC 8705 §2)."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import Certificate, load_der_x509_certificate

from fedbridge.errors import ConfigurationError
from fedbridge.jws import b64url
from fedbridge.keys.algorithms import choose_algorithm
from fedbridge.keys.jwk import public_jwk, thumbprint
from fedbridge.keys.pem import certificates_der
from fedbridge.keys.strength import require_strong
from fedbridge.ports import ClientCertificate

if TYPE_CHECKING:
    from fedbridge.keys.algorithms import PrivateKey, PublicKey
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.policies import MutualTls
    from fedbridge.ports import Keys, Secrets


def client_certificate(chain: str, key: PrivateKey, *, source: str, now: float) -> ClientCertificate:
    """Return the PEM chain, its own certificate first, with the key, both written anew.

    So consoles' habits with line ends never reach OpenSSL, nor does an encrypted key, for which it would ask a terminal.
    `now` is in seconds since the epoch. Raises ConfigurationError: not PEM or X.509, a weak key
    (`client_certificate_invalid`), of another key (`client_certificate_mismatch`), past its time or not there yet
    (`client_certificate_expired`).
    """
    certificates = [_certificate(der, source) for der in certificates_der(chain, source)]
    own = certificates[0]
    public = _public_key(own, source)
    if thumbprint(public) != thumbprint(key.public_key()):
        raise ConfigurationError(
            f"{source}: the first certificate is not of mutual_tls.key", reason="client_certificate_mismatch"
        )
    begins, ends = own.not_valid_before_utc, own.not_valid_after_utc
    if not begins <= dt.datetime.fromtimestamp(now, dt.UTC) <= ends:
        raise ConfigurationError(
            f"{source}: the certificate is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}",
            reason="client_certificate_expired",
        )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ClientCertificate(
        chain="".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in certificates),
        private_key=private.decode("ascii"),
    )


def certificate_jwks(
    policy: MutualTls, *, keys: Keys, secrets: Secrets, deadline: Deadline
) -> tuple[dict[str, Any], ...]:
    """Return the JWKs of a self-signed certificate, of the one that comes next and of former ones, as the IdP knows them.

    RFC 8705 §2.2.2: the certificate is in `x5c`. Its thumbprint is the `kid`, because a renewed certificate may have the
    old key. Raises ConfigurationError, KeyUnavailable.
    """
    chains = [keys.client_certificate(policy, deadline).chain]
    others = (policy.next_certificate, *policy.retired_certificates)
    chains += [secrets.get(reference, deadline) for reference in others if reference is not None]
    return tuple(_jwk(chain, policy.certificate) for chain in chains)


def _jwk(chain: str, source: str) -> dict[str, Any]:
    ders = certificates_der(chain, source)
    own = _certificate(ders[0], source)
    public = _public_key(own, source)
    digest = b64url(own.fingerprint(SHA256()))
    return {
        **public_jwk(public, choose_algorithm(public, None, source).name),
        "kid": digest,
        "x5c": [base64.b64encode(der).decode("ascii") for der in ders],
        "x5t#S256": digest,
    }


def _public_key(certificate: Certificate, source: str) -> PublicKey:
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # such as a curve that OpenSSL does not know
        raise ConfigurationError(
            f"{source}: the certificate's key is of an unknown kind", reason="client_certificate_invalid"
        ) from None
    return require_strong(public, source)


def _certificate(der: bytes, source: str) -> Certificate:
    try:
        return load_der_x509_certificate(der)
    except ValueError:
        raise ConfigurationError(
            f"{source}: not a certificate (X.509)", reason="client_certificate_invalid"
        ) from None
