"""The public keys of a SAML connection with their certificates, which its metadata publish."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError
from fedbridge.keys.jwk import thumbprint
from fedbridge.keys.pem import certificates_der
from fedbridge.keys.strength import require_strong

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.saml import Saml
    from fedbridge.ports import Keys, Secrets


def certified_jwks(
    saml: Saml, *, keys: Keys, secrets: Secrets, deadline: Deadline
) -> tuple[dict[str, Any], ...]:
    """Return the public JWKs of signing and decryption keys, each with `use` and its certificate as `x5c`.

    The keys are loaded to know them, so that whatever cannot sign or decrypt is found here, when the connection is
    published or read, and not in somebody's sign-in. Raises ConfigurationError (see `Keys.signer`; a certificate of
    another key; a key named twice) and KeyUnavailable.
    """
    jwks: list[dict[str, Any]] = []
    for key in saml.signing_keys:
        algorithm = saml.request.signature_algorithm if key is saml.signing_keys[0] else None
        jwk = dict(keys.signer(key.key, algorithm, deadline).public_jwk)
        jwks.append(jwk | {"x5c": [_certificate(key.certificate, jwk["kid"], secrets, deadline)]})
    for key in saml.decryption_keys:
        jwk = dict(keys.decrypter(key.key, deadline).public_jwk)
        if jwk["kty"] != "RSA":
            raise ConfigurationError(f"{key.key}: SAML encrypts to RSA keys alone")
        jwks.append(jwk | {"x5c": [_certificate(key.certificate, jwk["kid"], secrets, deadline)]})
    for reference in saml.retired_decryption_keys:
        keys.decrypter(reference, deadline)
    kids = [jwk["kid"] for jwk in jwks]
    if len(set(kids)) != len(kids):
        raise ConfigurationError(
            "a key stands twice among signing_keys and decryption_keys: each has one use"
        )
    return tuple(jwks)


def _certificate(reference: str, kid: str, secrets: Secrets, deadline: Deadline) -> str:
    """Return the base64 of the key's own certificate: IdPs take the key out of it and look at nothing else."""
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415  published once, never in a sign-in

    der = certificates_der(secrets.get(reference, deadline), reference)[0]
    try:
        public_key = load_der_x509_certificate(der).public_key()
    except ValueError:
        raise ConfigurationError(f"{reference}: not a certificate (X.509)") from None
    if thumbprint(require_strong(public_key, reference)) != kid:
        raise ConfigurationError(f"{reference}: the first certificate is not of the connection's key")
    return base64.b64encode(der).decode("ascii")
