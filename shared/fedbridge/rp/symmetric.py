"""Tokens that an IdP signs with the client secret (OpenID Connect Core §10.1), where a preset says that it does.

Its public keys are not looked at then: whoever knows them could sign anything (RFC 8725 §2.1).
"""

from __future__ import annotations

from joserfc.jwk import OctKey

from fedbridge.errors import ConfigurationError
from fedbridge.rp.client_assertion import fits_hmac
from fedbridge.rp.context import Context
from fedbridge.rp.jwk_set import VerificationKey


def secret_key(context: Context, *, kid: str | None, algorithm: str) -> VerificationKey:
    """Return the client secret as the key of an HMAC algorithm; a `kid` names nothing that we have.

    Raises ConfigurationError for no secret, or one with fewer bits than the hash (RFC 7518 §3.2), and KeyUnavailable.
    """
    name, reference = context.connection.name, context.connection.client_authentication.secret
    if reference is None:
        raise ConfigurationError(f"connection {name}: id_token.symmetric needs client_authentication.secret")
    secret = context.secrets.get(reference, context.deadline)
    if not fits_hmac(algorithm, secret):
        raise ConfigurationError(
            f"connection {name}: the client secret is shorter than {algorithm} demands",
            reason="client_secret_too_short",
        )
    try:
        key = OctKey.import_key(secret.encode("utf-8"))
    except ValueError:
        # The library takes nothing that looks like a public key: then the secret is not the client's secret.
        raise ConfigurationError(f"connection {name}: the client secret is a key, not a secret") from None
    return VerificationKey(kid=kid, algorithm=algorithm, key=key)
