"""Client authentication (RFC 6749 §2.3.1, OpenID Connect Core §9), one function a method.

Each takes the context, the URL that is about to be called and its form, and returns the form and the headers to send.
A further method is a further function in `METHODS`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from fedbridge.errors import ConfigurationError
from fedbridge.rp.client_assertion import (
    ASSERTION_TYPE,
    fits_hmac,
    sign_client_secret,
    sign_with_key,
    sign_with_secret,
)
from fedbridge.rp.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedForm:
    """A form with client authentication, and the headers that go with it; `secret` is the client secret it rests on."""

    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str | None = field(default=None, repr=False)


def authenticate(context: Context, endpoint: str, form: Mapping[str, str]) -> AuthenticatedForm:
    """Authenticate `form` for a POST to `endpoint`, anew at every call.

    Raises ConfigurationError, KeyUnavailable, DeadlineExceeded.
    """
    return METHODS[choose_method(context)](context, endpoint, form)


def choose_method(context: Context) -> str:
    """Return the connection's method; for `auto` the strongest that the IdP's metadata names and we have means for.

    private_key_jwt, then tls_client_auth (with `mutual_tls`; a self-signed certificate must be published, so that method
    is named), then client_secret_jwt (only if the secret is long enough and HS256, or the `algorithm` of the
    connection, is not missing from the IdP's own list), then client_secret_basic, then client_secret_post: a secret
    that stays here beats one that travels, and the header is logged less often than a body. Raises ConfigurationError
    where nothing fits.
    """
    profile = context.connection.client_authentication
    if profile.method != "auto":
        return profile.method
    offered = context.metadata.token_endpoint_auth_methods_supported
    for method, possible in (
        ("private_key_jwt", _can_sign_with_key),
        ("tls_client_auth", _has_certificate),
        ("client_secret_jwt", _can_sign_with_secret),
        ("client_secret_basic", _has_secret),
        ("client_secret_post", _has_secret),
    ):
        if method in offered and possible(context):
            return method
    raise ConfigurationError(
        f"connection {context.connection.name}: the IdP offers {', '.join(offered) or 'no method'}, which"
        " there is no key, secret or certificate for; give one, or name the method",
        reason="client_authentication_unavailable",
    )


def private_key_jwt(context: Context, endpoint: str, form: Mapping[str, str]) -> AuthenticatedForm:
    """Add an assertion signed with the connection's private key (RFC 7523 §2.2)."""
    return AuthenticatedForm(form={**form, **_assertion(context, sign_with_key(context, endpoint))})


def client_secret_jwt(context: Context, endpoint: str, form: Mapping[str, str]) -> AuthenticatedForm:
    """Add an assertion keyed with the client secret (OpenID Connect Core §9)."""
    secret = _secret(context)
    assertion = _assertion(context, sign_with_secret(context, endpoint, secret))
    return AuthenticatedForm(form={**form, **assertion}, secret=secret)


def client_secret_basic(context: Context, endpoint: str, form: Mapping[str, str]) -> AuthenticatedForm:  # noqa: ARG001
    """Send id and secret in the Authorization header.

    RFC 6749 §2.3.1 has both form-encoded first; `raw` is for IdPs that do not decode, and cannot carry a client id
    with a colon (RFC 7617 §2).
    """
    client_id, secret = context.connection.client_id, _secret(context)
    if context.connection.client_authentication.basic_encoding == "form":
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    elif ":" in client_id:
        raise ConfigurationError(
            f"connection {context.connection.name}: a client id with a colon needs basic_encoding: form"
        )
    else:
        pair = f"{client_id}:{secret}"
    credentials = base64.b64encode(pair.encode("utf-8")).decode("ascii")
    return AuthenticatedForm(form=form, headers={"authorization": f"Basic {credentials}"}, secret=secret)


def client_secret_post(context: Context, endpoint: str, form: Mapping[str, str]) -> AuthenticatedForm:  # noqa: ARG001
    """Send id and secret in the form."""
    secret = _secret(context)
    credentials = {"client_id": context.connection.client_id, "client_secret": secret}
    return AuthenticatedForm(form={**form, **credentials}, secret=secret)


def mutual_tls(context: Context, endpoint: str, form: Mapping[str, str]) -> AuthenticatedForm:  # noqa: ARG001
    """Send the client id alone (RFC 8705 §2): who it is shows in the handshake, by a certificate or a published key."""
    if context.connection.mutual_tls is None:
        raise ConfigurationError(f"connection {context.connection.name}: the method needs mutual_tls")
    return AuthenticatedForm(form={**form, "client_id": context.connection.client_id})


def apple_client_secret(context: Context, endpoint: str, form: Mapping[str, str]) -> AuthenticatedForm:
    """Send a client secret that is a JWT, made for this request (Sign in with Apple)."""
    credentials = {
        "client_id": context.connection.client_id,
        "client_secret": sign_client_secret(context, endpoint),
    }
    return AuthenticatedForm(form={**form, **credentials})


METHODS: Mapping[str, Callable[[Context, str, Mapping[str, str]], AuthenticatedForm]] = {
    "private_key_jwt": private_key_jwt,
    "client_secret_jwt": client_secret_jwt,
    "client_secret_basic": client_secret_basic,
    "client_secret_post": client_secret_post,
    "tls_client_auth": mutual_tls,
    "self_signed_tls_client_auth": mutual_tls,
    "apple_client_secret": apple_client_secret,
}


def _assertion(context: Context, assertion: str) -> dict[str, str]:
    # The client id is optional beside an assertion (RFC 7521 §4.2); some IdPs look the client up by it all the same.
    return {
        "client_id": context.connection.client_id,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }


def _secret(context: Context) -> str:
    reference = context.connection.client_authentication.secret
    if reference is None:
        raise ConfigurationError(f"connection {context.connection.name}: the method needs a client secret")
    return context.secrets.get(reference, context.deadline)


def _can_sign_with_key(context: Context) -> bool:
    return context.connection.client_authentication.key is not None


def _has_certificate(context: Context) -> bool:
    return context.connection.mutual_tls is not None


def _has_secret(context: Context) -> bool:
    return context.connection.client_authentication.secret is not None


def _can_sign_with_secret(context: Context) -> bool:
    algorithm = context.connection.client_authentication.algorithm or "HS256"
    known = context.metadata.token_endpoint_auth_signing_alg_values_supported
    return (
        _has_secret(context)
        and algorithm in (known or (algorithm,))
        and fits_hmac(algorithm, _secret(context))
    )
