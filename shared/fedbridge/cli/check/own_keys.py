"""The connection's own keys, certificates and secrets: each is loaded and tried, and its days are counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import load_der_x509_certificate

from fedbridge.cli.check.codes import found
from fedbridge.cli.check.trials import decrypts, signs
from fedbridge.configuration.rings import SCHEME
from fedbridge.configuration.rules import unregistered
from fedbridge.errors import ConfigurationError, DeadlineExceeded, FedbridgeError, KeyUnavailable
from fedbridge.keys.jwk import jwk_thumbprint, thumbprint
from fedbridge.keys.pem import certificates_der
from fedbridge.keys.strength import require_strong
from fedbridge.model.connection import HMAC_ALGORITHMS
from fedbridge.publishing import publishable
from fedbridge.rp.client_assertion import fits_hmac

if TYPE_CHECKING:
    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline

SOON = 30
"""Days before a certificate or a secret of ours ends in which somebody should act."""

_SECRET_METHODS = frozenset({"auto", "client_secret_basic", "client_secret_post", "client_secret_jwt"})
_DISABLED = frozenset({"kms_key_disabled", "kms_key_invalid_state"})
_MISSING = frozenset({"kms_key_not_found", "secret_not_found", "secret_deleted"})
_DENIED = frozenset({"kms_access_denied", "secret_access_denied"})
_TLS_REASONS = {
    "client_certificate_invalid": "certificate_invalid",
    "client_certificate_mismatch": "certificate_mismatch",
    "client_certificate_expired": "certificate_expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A key of the connection: where it stands in the configuration, its reference, and what shows that it works."""

    path: str
    reference: str
    load: Callable[[Deadline], Any]
    certificate: str | None = None


def own_key_findings(context: CheckContext) -> Iterator[Finding]:
    """Yield keys, certificates and secrets that sign-ins will miss, now or soon."""
    if context.connection.disabled:
        yield found("connection_disabled", "The connection is disabled.")
    if not is_registered(context.connection):
        yield found("client_id_missing", "The connection has no client_id.")
    problems = [*_secret(context), *_keys(context), *_mutual_tls(context)]
    yield from problems
    if all(each.severity == "warning" for each in problems):
        yield from _together(context)


def is_registered(connection: Connection) -> bool:
    """Tell whether the connection has a client id of the IdP's, and not the one that stands for it."""
    return connection.client_id != unregistered(connection.name)


def loading_failed(
    context: CheckContext, path: str, failure: FedbridgeError, *references: str, missing: str
) -> Finding:
    """Return the finding for what these references should bring; `missing` is the code where one of them brings nothing."""
    what = f"{path}: {failure}."
    reason = failure.reason
    if any(each.startswith(SCHEME) for each in references):
        return found("key_ring_not_filled", f"{path} is filled in by {', '.join(references)}.")
    if isinstance(failure, KeyUnavailable):
        code = {
            **dict.fromkeys(_DISABLED, "key_disabled"),
            **dict.fromkeys(_MISSING, missing),
            **dict.fromkeys(_DENIED, "key_access_denied"),
        }.get(reason, "key_unavailable")
        return found(code, what)
    if isinstance(failure, DeadlineExceeded):
        return found("key_unavailable", f"{path}: it took too long.")
    absent = any(_brings_nothing(context, each) for each in references)
    return found(missing if absent else _TLS_REASONS.get(reason, "key_invalid"), what)


def _brings_nothing(context: CheckContext, reference: str) -> bool:
    """Tell whether there is no value at all, such as no file; what KMS lacks has a reason of its own."""
    if reference.startswith("kms:"):
        return False
    try:
        context.secrets.get(reference, context.deadline())
    except ConfigurationError:
        return True
    except FedbridgeError:
        return False
    return False


def _secret(context: CheckContext) -> Iterator[Finding]:
    profile = context.connection.client_authentication
    if profile.secret is None:
        return
    needed = profile.method in _SECRET_METHODS or context.connection.id_token.symmetric
    if needed:
        try:
            secret = context.secrets.get(profile.secret, context.deadline())
        except FedbridgeError as failure:
            path = "client_authentication.secret"
            yield loading_failed(context, path, failure, profile.secret, missing="secret_missing")
            return
        algorithm = profile.algorithm or "HS256"
        if profile.method == "client_secret_jwt" and not fits_hmac(algorithm, secret):
            yield found("secret_too_short", f"The secret is too short for {algorithm}.")
    ends = profile.secret_expires_at
    if ends is not None:
        yield from _days(
            "client_secret_expired", "client_secret_expires_soon", "The client secret", ends, context.clock()
        )


def _keys(context: CheckContext) -> Iterator[Finding]:
    for key in _declared(context):
        try:
            public = key.load(context.deadline())
        except FedbridgeError as failure:
            yield loading_failed(context, key.path, failure, key.reference, missing="key_missing")
            continue
        except (InvalidSignature, ValueError):
            yield found("key_does_not_work", f"{key.path}: what the key makes does not fit its public half.")
            continue
        if key.certificate is not None:
            yield from _certificate(context, key.path, key.certificate, public)


def _declared(context: CheckContext) -> Iterator[_Key]:
    """Yield every key that the connection names, those of mutual TLS aside."""
    connection, keys = context.connection, context.keys
    profile, request = connection.client_authentication, connection.authorization.request_object

    def signing(path: str, reference: str, algorithm: str | None, certificate: str | None = None) -> _Key:
        def load(deadline: Deadline) -> Any:
            return signs(keys.signer(reference, algorithm, deadline), deadline)

        return _Key(path=path, reference=reference, load=load, certificate=certificate)

    def decrypting(path: str, reference: str, certificate: str | None = None) -> _Key:
        def load(deadline: Deadline) -> Any:
            return decrypts(keys.decrypter(reference, deadline), deadline)

        return _Key(path=path, reference=reference, load=load, certificate=certificate)

    asymmetric = None if profile.algorithm in HMAC_ALGORITHMS else profile.algorithm
    if profile.key is not None:
        yield signing("client_authentication.key", profile.key, asymmetric, profile.certificate)
    if profile.next_key is not None:
        yield signing("client_authentication.next_key", profile.next_key, None)
    for number, reference in enumerate(profile.retired_keys):
        yield signing(f"client_authentication.retired_keys[{number}]", reference, None)
    if request is not None and request.key is not None:
        yield signing("authorization.request_object.key", request.key, request.algorithm)
    tokens = connection.token_decryption
    for name, references in (("keys", tokens.keys), ("retired_keys", tokens.retired_keys)) if tokens else ():
        for number, reference in enumerate(references):
            yield decrypting(f"token_decryption.{name}[{number}]", reference)
    saml = connection.saml
    if saml is None:
        return
    for number, pair in enumerate(saml.signing_keys):
        algorithm = saml.request.signature_algorithm if number == 0 else None
        yield signing(f"saml.signing_keys[{number}]", pair.key, algorithm, pair.certificate)
    for number, pair in enumerate(saml.decryption_keys):
        yield decrypting(f"saml.decryption_keys[{number}]", pair.key, pair.certificate)
    for number, reference in enumerate(saml.retired_decryption_keys):
        yield decrypting(f"saml.retired_decryption_keys[{number}]", reference)


def _certificate(context: CheckContext, path: str, reference: str, public: Any) -> Iterator[Finding]:
    """Yield whether the certificate is the key's, and for how long; without `public` for how long alone."""
    try:
        text = context.secrets.get(reference, context.deadline())
    except FedbridgeError as failure:
        what = f"{path}: certificate"
        yield loading_failed(context, what, failure, reference, missing="certificate_invalid")
        return
    try:
        certificate = load_der_x509_certificate(certificates_der(text, reference)[0])
        kid = thumbprint(require_strong(certificate.public_key(), reference))
    except (ConfigurationError, ValueError, UnsupportedAlgorithm):
        yield found("certificate_invalid", f"{path}: no PEM certificate of an RSA or EC key.")
        return
    if public is not None and kid != jwk_thumbprint(public):
        yield found("certificate_mismatch", f"{path}: its certificate is of another key.")
    ends = certificate.not_valid_after_utc.timestamp()
    yield from _days(
        "certificate_expired", "certificate_expires_soon", f"{path}: its certificate", ends, context.clock()
    )


def _mutual_tls(context: CheckContext) -> Iterator[Finding]:
    policy = context.connection.mutual_tls
    if policy is None:
        return
    try:
        context.keys.client_certificate(policy, context.deadline())
    except FedbridgeError as failure:
        references = (policy.certificate, policy.key)
        yield loading_failed(context, "mutual_tls", failure, *references, missing="key_missing")
    else:
        yield from _certificate(context, "mutual_tls", policy.certificate, None)
    if policy.next_certificate is not None:
        yield from _certificate(context, "mutual_tls.next_certificate", policy.next_certificate, None)


def _days(expired: str, soon: str, what: str, ends: float, now: float) -> Iterator[Finding]:
    day = dt.datetime.fromtimestamp(ends, dt.UTC).date()
    if ends <= now:
        yield found(expired, f"{what} ended on {day}.")
    elif ends - now < SOON * 24 * 3600:
        yield found(soon, f"{what} ends on {day}.")


def _together(context: CheckContext) -> Iterator[Finding]:
    """Yield what is wrong between keys that work one by one, as publishing would say."""
    try:
        publishable(context.connection, context.keys, context.secrets)
    except ConfigurationError as failure:
        yield found("keys_conflict", f"{failure}.")
    except FedbridgeError as failure:
        yield found("key_unavailable", f"{failure}.")
