"""Messages by HTTP-Redirect (SAML bindings §3.4): the signature covers the octets of the query as they were sent.

Only what stands before `&Signature=` is looked at, name by name in the one order that the binding signs in. So nothing that
is read here was left out of the signature, and nothing was decoded and encoded anew before it was verified.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from fedbridge.model.http import parse_parameters
from fedbridge.sp import names
from fedbridge.sp.errors import response_refused

if TYPE_CHECKING:
    from fedbridge.sp.idp import Certificate

MAX_INFLATED = 100_000
"""Bytes of a message: as many as a POST may bring; not one more is ever inflated."""

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512(),
}  # fmt: skip
_CURVES = {"256": "secp256r1", "384": "secp384r1", "512": "secp521r1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedQuery:
    """A message whose signature was verified."""

    document: bytes
    relay_state: str | None


def signed_message(
    raw_query: str, name: str, *, accepted: Iterable[str], certificates: Iterable[Certificate]
) -> SignedQuery:
    """Return the message `name` (SAMLRequest, SAMLResponse) of a query that one of the certificates' keys signed.

    `accepted` are JWA names. Nothing is inflated before the signature is known to be good. Raises IssuerMismatch:
    `saml_signature_missing`, `saml_query_refused` (other parameters, another order), `saml_algorithm_refused`,
    `saml_signature_invalid`, `saml_response_malformed`, `saml_response_too_large`; RequestRefused for what is no query.
    """
    signed, found, encoded = raw_query.rpartition("&Signature=")
    if not found or "&" in encoded:
        raise response_refused("saml_signature_missing" if not found else "saml_query_refused")
    parameters = parse_parameters(signed)
    if "SigAlg" not in parameters:
        raise response_refused("saml_signature_missing")
    expected = [each for each in (name, "RelayState", "SigAlg") if each != "RelayState" or each in parameters]
    if [piece.partition("=")[0] for piece in signed.split("&")] != expected:
        raise response_refused("saml_query_refused")
    algorithm = next((each for each in accepted if names.SIGNATURES.get(each) == parameters["SigAlg"]), None)
    if algorithm is None:
        raise response_refused("saml_algorithm_refused")
    signature = _decode(parse_parameters(f"Signature={encoded}")["Signature"], "saml_signature_invalid")
    if not any(
        _is_signed(each, algorithm, signature, signed.encode("utf-8", "surrogatepass"))
        for each in certificates
    ):
        raise response_refused("saml_signature_invalid")
    return SignedQuery(
        document=_inflate(_decode(parameters[name], "saml_response_malformed")),
        relay_state=parameters.get("RelayState"),
    )


def _is_signed(certificate: Certificate, algorithm: str, signature: bytes, octets: bytes) -> bool:
    """Tell whether this certificate's key made the signature, by an algorithm that is for its kind of key."""
    key = x509.load_pem_x509_certificate(certificate.pem.encode("ascii")).public_key()
    digest = _HASHES[algorithm[2:]]
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm.startswith("RS"):
            key.verify(signature, octets, padding.PKCS1v15(), digest)
        elif isinstance(key, rsa.RSAPublicKey) and algorithm.startswith("PS"):
            pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
            key.verify(signature, octets, pss, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm.startswith("ES"):
            return _is_signed_ecdsa(key, algorithm, signature, octets)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _is_signed_ecdsa(key: ec.EllipticCurvePublicKey, algorithm: str, signature: bytes, octets: bytes) -> bool:
    """R ‖ S, as XML Signature has it (RFC 4050 §3.3); raises InvalidSignature."""
    size = (key.curve.key_size + 7) // 8
    if key.curve.name != _CURVES[algorithm[2:]] or len(signature) != 2 * size:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(_HASHES[algorithm[2:]]))
    return True


def _decode(text: str, reason: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise response_refused(reason) from None


def _inflate(compressed: bytes) -> bytes:
    """Return the whole message, or refuse it before it grows beyond the cap."""
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        document = inflater.decompress(compressed, MAX_INFLATED + 1)
    except zlib.error:
        raise response_refused("saml_response_malformed") from None
    if len(document) > MAX_INFLATED:
        raise response_refused("saml_response_too_large")
    if not inflater.eof or inflater.unused_data:
        raise response_refused("saml_response_malformed")
    return document
