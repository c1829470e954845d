"""What the bridge registers about itself, from what a connection needs (RFC 7591 §2).

Members are from OpenID Connect Dynamic Client Registration 1.0 §2, RP-Initiated Logout 1.0 §3.1, Back-Channel Logout 1.0 §2.2,
Front-Channel Logout 1.0 §2, RFC 7591 §2, RFC 8705 §2.1.2 and §3.4, RFC 9101
§10.5, RFC 9126 §6, RFC 9449 §5.2 and JARM §3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection

KEY_ENCRYPTION = ("RSA-OAEP-256", "RSA-OAEP", "ECDH-ES+A256KW", "ECDH-ES+A192KW", "ECDH-ES+A128KW", "ECDH-ES")
CONTENT_ENCRYPTION = ("A256GCM", "A128GCM", "A256CBC-HS512", "A128CBC-HS256")
"""In the order in which they are asked for, as far as connection, keys and IdP allow."""

_OURS = frozenset({
    "post_logout_redirect_uris", "backchannel_logout_uri", "backchannel_logout_session_required",
    "frontchannel_logout_uri", "frontchannel_logout_session_required",
    "dpop_bound_access_tokens", "jwks", "jwks_uri", "require_pushed_authorization_requests",
    "require_signed_request_object", "tls_client_auth_subject_dn", "tls_client_certificate_bound_access_tokens",
    "token_endpoint_auth_method", "token_endpoint_auth_signing_alg",
    *(f"{name}_response_{suffix}" for name in ("id_token_encrypted", "userinfo_encrypted", "authorization_encrypted")
      for suffix in ("alg", "enc")),
    *(f"{name}_signed_response_alg" for name in ("id_token", "userinfo", "authorization")),
    *(f"request_object_{name}" for name in ("signing_alg", "encryption_alg", "encryption_enc")),
})  # fmt: skip
"""What only the connection decides: an update drops what it no longer says."""

_KEY_METHODS = ("private_key_jwt", "self_signed_tls_client_auth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a registration says beside the connection itself.

    `method` and `assertion_algorithm` are those of client authentication, `request_object_algorithm` that of request
    objects. `jwks` are the hosted public keys; with a `jwks_uri` they are registered by that URL. `supported` are the
    lists of strings in the IdP's metadata, by name; an absent one says nothing. `pushes` says whether sign-ins push
    their requests.
    """

    callback_url: str
    client_name: str
    method: str
    assertion_algorithm: str | None = None
    request_object_algorithm: str | None = None
    jwks: Sequence[Mapping[str, Any]] = ()
    jwks_uri: str | None = None
    certificate_subject: str | None = None
    supported: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pushes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A member with one of some values: what will do, the best first, and what its absence in an answer means.

    What is not `asked` for may be absent; with nothing `accepted` it must be.
    """

    name: str
    accepted: tuple[str, ...]
    default: str | None = None
    asked: bool = True

    @property
    def supported(self) -> str:
        """The name of the IdP's own list: of `id_token_signed_response_alg` `id_token_signing_alg_values_supported`."""
        if self.name == "token_endpoint_auth_method":
            return "token_endpoint_auth_methods_supported"
        name = self.name.replace("_signed_response_alg", "_signing_alg")
        return f"{name.replace('_encrypted_response_', '_encryption_')}_values_supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A flag: whether it is asked for, and whether sign-ins would do what it demands; if not, what is missing."""

    name: str
    asked: bool
    met: bool
    remedy: str


def requested(connection: Connection, facts: Facts) -> dict[str, Any]:
    """Return the client metadata to register: what the connection needs, and nothing else.

    Raises ConfigurationError where the IdP's own lists hold nothing that the connection can do.
    """
    metadata: dict[str, Any] = {
        "redirect_uris": [facts.callback_url],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "client_name": facts.client_name,
        "scope": connection.authorization.scope,
    }
    metadata |= {
        choice.name: _chosen(choice, facts.supported)
        for choice in choices(connection, facts)
        if choice.asked and choice.accepted
    }
    metadata |= {demand.name: True for demand in demands(connection, facts) if demand.asked}
    metadata |= ways_out(connection, facts)
    if facts.certificate_subject is not None:
        metadata["tls_client_auth_subject_dn"] = facts.certificate_subject
    if facts.jwks and facts.jwks_uri is not None:
        metadata["jwks_uri"] = facts.jwks_uri
    elif facts.jwks:
        metadata["jwks"] = {"keys": [dict(jwk) for jwk in facts.jwks]}
    elif facts.method in _KEY_METHODS:
        raise ConfigurationError(f"connection {connection.name}: {facts.method} needs a key to register")
    return metadata


def ways_out(connection: Connection, facts: Facts) -> dict[str, Any]:
    """Return where the IdP sends a browser that signed out there, and how it tells us of its own logouts."""
    policy, base = connection.logout, facts.callback_url.removesuffix("/callback")
    found: dict[str, Any] = {}
    if policy.mode != "none":
        found["post_logout_redirect_uris"] = [f"{base}/logout/callback"]
    if any(party.user_pool is not None for party in connection.relying_parties):
        if policy.back_channel:
            found["backchannel_logout_uri"] = f"{base}/backchannel-logout"
            found["backchannel_logout_session_required"] = policy.sessions
        if policy.front_channel:
            found["frontchannel_logout_uri"] = f"{base}/frontchannel-logout"
            found["frontchannel_logout_session_required"] = True
    return found


def updated(
    connection: Connection, facts: Facts, current: Mapping[str, Any], client_id: str
) -> dict[str, Any]:
    """Return the metadata of an update: all that is registered now (RFC 7592 §2.2), with the connection's over it.

    What an update leaves out is deleted by the IdP, so what it holds beside ours stays in.
    """
    kept = {name: value for name, value in current.items() if name not in _OURS and value is not None}
    return {**kept, **requested(connection, facts), "client_id": client_id}


def choices(connection: Connection, facts: Facts) -> list[Choice]:
    """Return the members that have one of some values, as this connection can do with them."""
    algorithm = facts.assertion_algorithm
    choices = [
        Choice(
            name="token_endpoint_auth_method",
            accepted=(facts.method,),
            default="client_secret_basic",
        )
    ]
    if algorithm is not None:
        # Unregistered, any algorithm may be used (OpenID Connect Dynamic Client Registration 1.0 §2).
        choices.append(
            Choice(name="token_endpoint_auth_signing_alg", accepted=(algorithm,), default=algorithm)
        )
    if connection.protocol == "oidc":
        policy = connection.id_token
        choices.append(
            Choice(name="id_token_signed_response_alg", accepted=policy.algorithms, default="RS256")
        )
        choices += _encryption(
            "id_token_encrypted_response", connection, facts, allowed=policy.encryption != "none",
            asked=policy.encryption == "required",
        )  # fmt: skip
        choices += _userinfo(connection, facts)
    choices += _authorization_response(connection, facts)
    choices += _request_object(connection, facts)
    return choices


def _userinfo(connection: Connection, facts: Facts) -> Iterator[Choice]:
    policy = connection.userinfo
    if policy.method == "none":
        return
    signed = policy.format != "json"
    algorithms = policy.algorithms or connection.id_token.algorithms
    yield Choice(name="userinfo_signed_response_alg", accepted=algorithms if signed else (), asked=signed)
    yield from _encryption(
        "userinfo_encrypted_response", connection, facts, allowed=policy.format in {"jwe", "jws_or_jwe"},
        asked=policy.format == "jwe",
    )  # fmt: skip


def _authorization_response(connection: Connection, facts: Facts) -> Iterator[Choice]:
    mode = connection.authorization.response_mode or ""
    if "jwt" not in mode:
        return
    policy = connection.authorization_response
    algorithms = policy.algorithms or connection.id_token.algorithms
    yield Choice(name="authorization_signed_response_alg", accepted=algorithms, default="RS256")
    yield from _encryption(
        "authorization_encrypted_response", connection, facts, allowed=policy.encryption != "none",
        asked=policy.encryption == "required",
    )  # fmt: skip


def _request_object(connection: Connection, facts: Facts) -> Iterator[Choice]:
    profile, algorithm = connection.authorization.request_object, facts.request_object_algorithm
    if profile is None or algorithm is None:
        return
    # Unregistered, any of these that the IdP supports may be used (ibid.).
    yield Choice(name="request_object_signing_alg", accepted=(algorithm,), default=algorithm)
    if profile.encryption_algorithm is not None:
        for suffix, value in (("alg", profile.encryption_algorithm), ("enc", profile.content_encryption)):
            yield Choice(
                name=f"request_object_encryption_{suffix}",
                accepted=(value,),
                default=value,
            )


def _encryption(
    prefix: str, connection: Connection, facts: Facts, *, allowed: bool, asked: bool
) -> Iterator[Choice]:
    """Yield `{prefix}_alg` and `{prefix}_enc`; where nothing is encrypted, what the IdP must not grant."""
    policy = connection.token_decryption
    algorithms: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    if allowed and policy is not None:
        usable = [name for name in KEY_ENCRYPTION if name in policy.algorithms]
        algorithms = tuple(name for name in usable if any(_encrypts(jwk, name) for jwk in facts.jwks))
        contents = tuple(name for name in CONTENT_ENCRYPTION if name in policy.content_encryption)
    if asked and not (algorithms and contents):
        raise ConfigurationError(
            f"connection {connection.name}: {prefix}_alg: no key of token_decryption serves an algorithm"
            " that it allows"
        )
    yield Choice(name=f"{prefix}_alg", accepted=algorithms, asked=asked)
    yield Choice(
        name=f"{prefix}_enc",
        accepted=contents,
        default="A128CBC-HS256" if asked else None,
        asked=asked,
    )


def _encrypts(jwk: Mapping[str, Any], algorithm: str) -> bool:
    if jwk.get("use") != "enc" or jwk.get("alg", algorithm) != algorithm:
        return False
    return algorithm.startswith("RSA" if jwk["kty"] == "RSA" else "ECDH")


def demands(connection: Connection, facts: Facts) -> list[Demand]:
    """Return the flags by which a client may be held to more than others."""
    profile = connection.authorization
    return [
        Demand(
            name="require_pushed_authorization_requests",
            asked=profile.par == "required",
            met=facts.pushes,
            remedy="set authorization.par: required",
        ),
        Demand(
            name="require_signed_request_object",
            asked=profile.request_object is not None,
            met=profile.request_object is not None,
            remedy="set authorization.request_object",
        ),
        Demand(
            name="dpop_bound_access_tokens",
            asked=connection.dpop is not None,
            met=connection.dpop is not None,
            remedy="set dpop",
        ),
        Demand(
            name="tls_client_certificate_bound_access_tokens",
            asked=connection.mutual_tls is not None and connection.dpop is None,
            met=connection.mutual_tls is not None,
            remedy="set mutual_tls",
        ),
    ]


def _chosen(choice: Choice, supported: Mapping[str, Sequence[str]]) -> str:
    offered = supported.get(choice.supported)
    for value in choice.accepted:
        if offered is None or value in offered:
            return value
    raise ConfigurationError(
        f"{choice.name}: the connection takes {', '.join(choice.accepted)}, but the IdP's {choice.supported} are"
        f" {', '.join(offered or ()) or 'empty'}"
    )
