"""Client assertions (RFC 7523 §3, OpenID Connect Core §9): a JWT by which the bridge proves who it is to an IdP.

Made anew for every request, retries included: strict IdPs take a `jti` once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey, RSAKey

from fedbridge.errors import ConfigurationError
from fedbridge.jws import b64url, sign_compact
from fedbridge.model.deadline import Deadline
from fedbridge.ports import Signer
from fedbridge.rp.context import Context
from fedbridge.rp.random_values import random_value

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

HMAC_BITS = {"HS256": 256, "HS384": 384, "HS512": 512}
"""Algorithms of client_secret_jwt, and the least bits of a secret (RFC 7518 §3.2)."""


def sign_with_key(context: Context, endpoint: str) -> str:
    """Return an assertion for a request to `endpoint` (private_key_jwt).

    Raises ConfigurationError (no key, key and algorithm or certificate disagree), KeyUnavailable, DeadlineExceeded.
    """
    profile = context.connection.client_authentication
    if profile.key is None:
        raise ConfigurationError(f"connection {context.connection.name}: private_key_jwt needs a key")
    signer = context.keys.signer(profile.key, profile.algorithm, context.deadline)
    header = key_header(context, signer, profile.typ)
    return sign_compact(signer, header, assertion_claims(context, endpoint), context.deadline)


def key_header(context: Context, signer: Signer, typ: str | None) -> dict[str, Any]:
    """Return the header of whatever the key of client assertions signs: the IdP knows it by these members."""
    kid = context.connection.client_authentication.kid
    return {
        "kid": {"thumbprint": signer.kid, "omit": None}.get(kid, kid),
        "typ": typ,
        **_certificate_members(context, signer),
    }


def sign_client_secret(context: Context, endpoint: str) -> str:
    """Return a client secret as Apple wants it: a JWT of the developer's team (`iss`) about the client (`sub`).

    Raises ConfigurationError (no key, no team, a key that is not P-256), KeyUnavailable, DeadlineExceeded. Source:
    https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret
    """
    name, profile = context.connection.name, context.connection.client_authentication
    if profile.key is None or profile.assertion_issuer is None:
        raise ConfigurationError(
            f"connection {name}: apple_client_secret needs a key and the team id (assertion_issuer)"
        )
    signer = context.keys.signer(profile.key, profile.algorithm or "ES256", context.deadline)
    claims = assertion_claims(context, endpoint) | {"iss": profile.assertion_issuer}
    # Apple documents no jti. The secret may be used for its whole life; it is made anew all the same.
    del claims["jti"]
    return sign_compact(signer, key_header(context, signer, profile.typ), claims, context.deadline)


def sign_with_secret(context: Context, endpoint: str, secret: str) -> str:
    """Return an assertion for a request to `endpoint` (client_secret_jwt); raises ConfigurationError for a short secret."""
    profile = context.connection.client_authentication
    algorithm = profile.algorithm or "HS256"
    if not fits_hmac(algorithm, secret):
        raise ConfigurationError(
            f"connection {context.connection.name}: client_secret_jwt needs HS256, HS384 or HS512 and a secret"
            " of at least as many bits",
            reason="client_secret_too_short" if algorithm in HMAC_BITS else None,
        )
    header = {"kid": None if profile.kid in {"thumbprint", "omit"} else profile.kid, "typ": profile.typ}
    signer = _SecretSigner(algorithm, secret.encode("utf-8"))
    return sign_compact(signer, header, assertion_claims(context, endpoint), context.deadline)


def assertion_claims(context: Context, endpoint: str) -> dict[str, Any]:
    """Return the claims. `aud` is one string, and the configured issuer unless the connection says otherwise.

    A list, or an issuer taken from discovery, is how an assertion made for one IdP comes to be accepted by another
    (draft-ietf-oauth-rfc7523bis §4).
    """
    profile = context.connection.client_authentication
    audiences = {
        "issuer": context.connection.issuer,
        "token_endpoint": context.metadata.token_endpoint,
        "endpoint": endpoint,
    }
    issued_at = int(context.clock())
    claims = {
        "iss": context.connection.client_id,
        "sub": context.connection.client_id,
        "aud": audiences.get(profile.audience, profile.audience),
        "jti": random_value(),
        "iat": issued_at,
        "exp": issued_at + profile.lifetime,
    }
    return claims | {"nbf": issued_at} if profile.not_before else claims


def fits_hmac(algorithm: str, secret: str) -> bool:
    """Tell whether the secret has at least the bits of the algorithm's hash (RFC 7518 §3.2)."""
    return algorithm in HMAC_BITS and len(secret.encode("utf-8")) * 8 >= HMAC_BITS[algorithm]


def _certificate_members(context: Context, signer: Signer) -> Mapping[str, Any]:
    """Return `x5t`, `x5t#S256` and `x5c` (RFC 7515 §4.1.6 to §4.1.8), as far as the connection wants them."""
    profile = context.connection.client_authentication
    if not (profile.x5t or profile.x5t_s256 or profile.x5c):
        return {}
    if profile.certificate is None:
        raise ConfigurationError(f"connection {context.connection.name}: x5t and x5c need a certificate")
    chain = _load_chain(context.secrets.get(profile.certificate, context.deadline))
    if chain.thumbprint != signer.kid:
        raise ConfigurationError(
            f"connection {context.connection.name}: the certificate is not of the client assertion's key",
            reason="client_certificate_mismatch",
        )
    leaf = chain.certificates[0]
    return {
        # An identifier, chosen by the specification; nothing is signed with SHA-1.
        "x5t": b64url(hashlib.sha1(leaf, usedforsecurity=False).digest()) if profile.x5t else None,
        "x5t#S256": b64url(hashlib.sha256(leaf).digest()) if profile.x5t_s256 else None,
        "x5c": [base64.b64encode(der).decode("ascii") for der in chain.certificates] if profile.x5c else None,
    }


@dataclass(frozen=True, slots=True)
class _Chain:
    """Certificates in DER, the client's own first, and the RFC 7638 thumbprint of its key."""

    certificates: tuple[bytes, ...]
    thumbprint: str


@lru_cache(maxsize=128)
def _load_chain(pem: str) -> _Chain:
    # As forgiving as publishing is: consoles turn line ends into a backslash and an n, and tools write comments.
    text = pem.replace("\\r", "").replace("\\n", "\n")
    try:
        certificates = x509.load_pem_x509_certificates(text.encode("utf-8"))
        public_key = certificates[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(
            "the client certificate is not PEM", reason="client_certificate_invalid"
        ) from None
    if isinstance(public_key, RSAPublicKey):
        thumbprint = RSAKey.import_key(public_key).thumbprint()
    elif isinstance(public_key, EllipticCurvePublicKey):
        thumbprint = ECKey.import_key(public_key).thumbprint()
    else:
        raise ConfigurationError(
            "the client certificate's key is neither RSA nor EC", reason="client_certificate_invalid"
        )
    return _Chain(tuple(item.public_bytes(Encoding.DER) for item in certificates), thumbprint)


@dataclass(frozen=True, slots=True)
class _SecretSigner:
    """A client secret as a `Signer`; it has no public half."""

    algorithm: str
    secret: bytes = field(repr=False)
    kid: str = ""
    public_jwk: Mapping[str, Any] = field(default_factory=dict)

    def sign(self, signing_input: bytes, deadline: Deadline) -> bytes:  # noqa: ARG002  the port's signature
        return hmac.digest(self.secret, signing_input, f"sha{self.algorithm[2:]}")
