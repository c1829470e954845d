"""What the connection asks of the IdP, held against what the IdP advertises. What it says nothing of is not judged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fedbridge.cli.check.codes import found
from fedbridge.errors import ConfigurationError, FedbridgeError
from fedbridge.model.connection import HMAC_ALGORITHMS, ClaimRule
from fedbridge.rp.client_authentication import choose_method

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fedbridge.cli.check.discovery import Provider
    from fedbridge.cli.check.finding import Finding
    from fedbridge.rp.context import Context

_METHODS = {"apple_client_secret": "client_secret_post"}
_PLAIN_CLAIM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_ADVERTISED = frozenset({"upstream_sub", "upstream_iss", "id_token", "userinfo"})


def offer_findings(context: Context, provider: Provider) -> Iterator[Finding]:
    """Yield everything that the connection does and the IdP says it does not know."""
    yield from _authentication(context, provider)
    if not provider.document:
        return
    yield from _flow(context, provider)
    yield from _request_object(context, provider)
    yield from _signatures(context, provider)
    yield from _encryption(context, provider)
    yield from _asked_for(context, provider)
    yield from _signing_out(context, provider)


def _authentication(context: Context, provider: Provider) -> Iterator[Finding]:
    try:
        method = choose_method(context)
    except ConfigurationError as failure:
        yield found("auth_method_unavailable", f"{failure}.")
        return
    except FedbridgeError:
        return  # A secret that cannot be had is a finding of its own.
    spoken = _METHODS.get(method, method)
    yield from _one("auth_method_not_offered", provider, "token_endpoint_auth_methods_supported", spoken)
    algorithm = _assertion_algorithm(context, method)
    if algorithm is not None:
        yield from _one(
            "assertion_algorithm_not_offered",
            provider,
            "token_endpoint_auth_signing_alg_values_supported",
            algorithm,
        )


def _assertion_algorithm(context: Context, method: str) -> str | None:
    profile = context.connection.client_authentication
    if method == "client_secret_jwt":
        return profile.algorithm or "HS256"
    return _algorithm(context, profile.key, profile.algorithm) if method == "private_key_jwt" else None


def _algorithm(context: Context, reference: str | None, algorithm: str | None) -> str | None:
    """Return the algorithm that a key signs with, None where it does not: that is a finding of its own."""
    if reference is None:
        return None
    try:
        return context.keys.signer(reference, algorithm, context.deadline).algorithm
    except FedbridgeError:
        return None


def _flow(context: Context, provider: Provider) -> Iterator[Finding]:
    profile, document = context.connection.authorization, provider.document
    yield from _one("code_flow_not_offered", provider, "response_types_supported", "code")
    yield from _one("code_flow_not_offered", provider, "grant_types_supported", "authorization_code")
    if profile.response_mode is not None:
        mode = "query.jwt" if profile.response_mode == "jwt" else profile.response_mode
        offered = provider.strings("response_modes_supported")
        if offered is not None and not {mode, profile.response_mode} & {*offered}:
            yield found("response_mode_not_offered", _says("response_modes_supported", offered, mode))
    if profile.pkce == "S256":
        yield from _one("pkce_not_offered", provider, "code_challenge_methods_supported", "S256")
    if profile.par == "off" and document.get("require_pushed_authorization_requests") is True:
        yield found("par_required", "The IdP takes pushed requests alone, and the connection has par: off.")
    pushes = profile.par == "required" or provider.metadata.require_pushed_authorization_requests
    if pushes and provider.metadata.pushed_authorization_request_endpoint is None:
        yield found("par_not_offered", "The document names no pushed_authorization_request_endpoint.")
    if context.connection.dpop is not None:
        algorithm = context.connection.dpop.algorithm
        yield from _one(
            "dpop_algorithm_not_offered", provider, "dpop_signing_alg_values_supported", algorithm
        )
    if context.connection.userinfo.method != "none" and provider.metadata.userinfo_endpoint is None:
        yield found("userinfo_not_offered", "The document names no userinfo_endpoint.")


def _request_object(context: Context, provider: Provider) -> Iterator[Finding]:
    profile = context.connection.authorization.request_object
    if profile is None:
        return
    authentication = context.connection.client_authentication
    own = authentication.algorithm if authentication.algorithm not in HMAC_ALGORITHMS else None
    algorithm = (
        _algorithm(context, profile.key, profile.algorithm)
        if profile.key is not None
        else _algorithm(context, authentication.key, profile.algorithm or own)
    )
    if algorithm is not None:
        yield from _one(
            "request_object_algorithm_not_offered",
            provider,
            "request_object_signing_alg_values_supported",
            algorithm,
        )
    for name, wanted in (
        ("request_object_encryption_alg_values_supported", profile.encryption_algorithm),
        ("request_object_encryption_enc_values_supported", profile.content_encryption),
    ):
        if profile.encryption_algorithm is not None and wanted is not None:
            yield from _one("request_object_encryption_not_offered", provider, name, wanted)
    pushed = provider.metadata.pushed_authorization_request_endpoint is not None
    if provider.document.get("request_parameter_supported") is False and not pushed:
        yield found("request_object_not_offered", "The IdP says request_parameter_supported: false.")


def _signatures(context: Context, provider: Provider) -> Iterator[Finding]:
    connection = context.connection
    algorithms = connection.id_token.algorithms
    if connection.protocol == "oidc":
        yield from _any(
            "id_token_algorithm_not_offered", provider, "id_token_signing_alg_values_supported", algorithms
        )
    if connection.userinfo.format != "json":
        wanted = connection.userinfo.algorithms or algorithms
        yield from _any(
            "userinfo_algorithm_not_offered", provider, "userinfo_signing_alg_values_supported", wanted
        )
    if connection.authorization.signed_response:
        wanted = connection.authorization_response.algorithms or algorithms
        yield from _any(
            "response_algorithm_not_offered", provider, "authorization_signing_alg_values_supported", wanted
        )


def _encryption(context: Context, provider: Provider) -> Iterator[Finding]:
    policy = context.connection.token_decryption
    if context.connection.id_token.encryption != "required" or policy is None:
        return
    for name, wanted in (
        ("id_token_encryption_alg_values_supported", policy.algorithms),
        ("id_token_encryption_enc_values_supported", policy.content_encryption),
    ):
        yield from _any("id_token_encryption_not_offered", provider, name, wanted)


def _asked_for(context: Context, provider: Provider) -> Iterator[Finding]:
    profile = context.connection.authorization
    for scope in profile.scope.split():
        yield from _one("scope_not_offered", provider, "scopes_supported", scope)
    for value in profile.acr_values:
        yield from _one("acr_not_offered", provider, "acr_values_supported", value)
    if "claims" in profile.parameters and provider.document.get("claims_parameter_supported") is False:
        yield found("claims_parameter_not_offered", "The IdP says claims_parameter_supported: false.")
    for claim, rule in (context.connection.claims or {}).items():
        required = rule.value if isinstance(rule, ClaimRule) and rule.required else None
        if required is not None and _PLAIN_CLAIM.fullmatch(required) and required not in _NOT_ADVERTISED:
            for finding in _one("claim_not_offered", provider, "claims_supported", required):
                yield found(finding.code, f"{claim} is required: {finding.what}")


def _signing_out(context: Context, provider: Provider) -> Iterator[Finding]:
    logout, document = context.connection.logout, provider.document
    if logout.mode != "none" and provider.metadata.end_session_endpoint is None:
        yield found("logout_not_offered", "The document names no end_session_endpoint.")
    for wanted, name in (
        (logout.back_channel, "backchannel_logout_supported"),
        (logout.front_channel, "frontchannel_logout_supported"),
    ):
        if wanted and document.get(name) is False:
            yield found("logout_notice_not_offered", f"The IdP says {name}: false.")
    if logout.revoke_tokens and provider.metadata.revocation_endpoint is None:
        yield found("revocation_not_offered", "The document names no revocation_endpoint.")


def _one(code: str, provider: Provider, name: str, wanted: str) -> Iterator[Finding]:
    yield from _any(code, provider, name, (wanted,))


def _any(code: str, provider: Provider, name: str, wanted: Collection[str]) -> Iterator[Finding]:
    """Yield a finding where the IdP has this list and nothing of what is wanted stands in it."""
    offered = provider.strings(name)
    if offered is not None and not {*wanted} & {*offered}:
        yield found(code, _says(name, offered, ", ".join(wanted)))


def _says(name: str, offered: Collection[str], wanted: str) -> str:
    shown = ", ".join(sorted(offered)[:20])[:300]
    return f"The connection uses {wanted}; the IdP's {name}: {shown or 'none'}."
