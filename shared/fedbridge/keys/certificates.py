"""Self-signed certificates and certificate signing requests for keys that only a `Signer` can use, such as KMS keys.

`cryptography` signs with any object that has its private keys' interface ("Cloud KMS and HSM Asymmetric Keys" in its
documentation); the two classes here lend it to signers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from joserfc.jwk import ECKey, RSAKey

from fedbridge.errors import ConfigurationError
from fedbridge.keys.algorithms import CURVES, PublicKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Signer

_HASHES: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CLIENT_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


_SIGNATURES_ONLY = _key_usage(signs=True)
_DECRYPTION_ONLY = _key_usage(signs=False)


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the public key of a JWK that fedbridge publishes."""
    members = {name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk}
    key: PublicKey = (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(members).public_key
    return key


def public_pem(jwk: Mapping[str, Any]) -> str:
    """Return the SubjectPublicKeyInfo of a JWK as PEM."""
    return public_key(jwk).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def subject_name(text: str) -> x509.Name:
    """Return a distinguished name as RFC 4514 writes it, `CN=bridge,O=Acme,C=SE`; raises ConfigurationError."""
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError:
        name = None
    if name is None or not list(name):
        raise ConfigurationError("the subject must be a distinguished name such as CN=bridge,O=Acme,C=SE")
    return name


def certificate_pem(
    signer: Signer,
    subject: x509.Name,
    *,
    lifetime: int,
    client_tls: bool,
    deadline: Deadline,
    now: float | None = None,
    decrypting: PublicKey | None = None,
) -> str:
    """Return a certificate of the signer's key, signed by itself, in PEM; it is valid from `now` on (default: the clock).

    `client_tls` makes it one for TLS handshakes. With `decrypting` it is of that key, which cannot sign, or must not: the
    signer does it in its place, and nobody is to take it for an authority. The serial number is random, `lifetime` in
    seconds. Raises KeyUnavailable, DeadlineExceeded.
    """
    own = public_key(signer.public_jwk)
    key = own if decrypting is None else decrypting
    begins = (datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC)).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(seconds=lifetime))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNATURES_ONLY if decrypting is None else _DECRYPTION_ONLY, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if client_tls:
        builder = builder.add_extension(_CLIENT_AUTH, critical=False)
    signed = builder.sign(
        _lent(signer, own, deadline), _HASHES[signer.algorithm[2:]], rsa_padding=_padding(signer)
    )
    return signed.public_bytes(Encoding.PEM).decode("ascii")


def request_pem(signer: Signer, subject: x509.Name, *, client_tls: bool, deadline: Deadline) -> str:
    """Return a certificate signing request (PKCS #10) for the signer's key, in PEM; raises as `certificate_pem` does."""
    key = public_key(signer.public_jwk)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(_SIGNATURES_ONLY, critical=True)
    )
    if client_tls:
        builder = builder.add_extension(_CLIENT_AUTH, critical=False)
    signed = builder.sign(
        _lent(signer, key, deadline), _HASHES[signer.algorithm[2:]], rsa_padding=_padding(signer)
    )
    return signed.public_bytes(Encoding.PEM).decode("ascii")


def _padding(signer: Signer) -> padding.PSS | None:
    if not signer.algorithm.startswith("PS"):
        return None
    algorithm = _HASHES[signer.algorithm[2:]]
    return padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)


def _lent(signer: Signer, key: PublicKey, deadline: Deadline) -> _RsaKey | _EcKey:
    return (
        _RsaKey(signer, key, deadline) if isinstance(key, rsa.RSAPublicKey) else _EcKey(signer, key, deadline)
    )


class _Lent:
    """What a private key that is elsewhere cannot do."""

    def private_numbers(self) -> NoReturn:
        raise TypeError("the private key is not here")

    def private_bytes(self, *_: Any) -> NoReturn:
        raise TypeError("the private key is not here")

    decrypt = exchange = private_bytes

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: Any) -> Any:
        return self


class _RsaKey(_Lent, rsa.RSAPrivateKey):
    def __init__(self, signer: Signer, key: rsa.RSAPublicKey, deadline: Deadline) -> None:
        self._signer, self._key, self._deadline = signer, key, deadline

    @property
    def key_size(self) -> int:
        return self._key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._key

    def sign(self, data: Any, *_: Any) -> bytes:
        """Sign as the signer does, by the very padding and hash that it was asked with."""
        return self._signer.sign(bytes(data), self._deadline)


class _EcKey(_Lent, ec.EllipticCurvePrivateKey):
    def __init__(self, signer: Signer, key: ec.EllipticCurvePublicKey, deadline: Deadline) -> None:
        self._signer, self._key, self._deadline = signer, key, deadline

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._key.curve

    @property
    def key_size(self) -> int:
        return self._key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key

    def sign(self, data: Any, *_: Any) -> bytes:
        """Sign as the signer does: R ‖ S in JWS, which X.509 wants in DER."""
        signature = self._signer.sign(bytes(data), self._deadline)
        size = CURVES[self._key.curve.name].size
        return encode_dss_signature(
            int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        )
