"""Rules of what a SAML connection has to ask for: Responses by artifact, sign-ins that the IdP begins, federations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from fedbridge.configuration.binding_rules import binding_problems
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, browser_url_problem, upstream_url_problem
from fedbridge.model.logout import Logout

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.saml import Saml
    from fedbridge.model.saml_profiles import ArtifactResolution, InitiatedSignIn, InitiatedTarget

_TARGET = re.compile(r"(?![0-9A-Za-z]{43}$)[\x21-\x7e]{1,80}")
"""What RelayState may hold (SAML bindings §3.4.3: 80 bytes), but nothing that looks like the handle of a sign-in."""

_OURS = ("iss", "target_link_uri", "login_hint")


def profile_problems(connection: Connection, saml: Saml, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with them."""
    yield from _federation(saml)
    yield from _mutual_tls(connection, saml, allowed)
    if saml.artifact is not None:
        yield from _artifact(connection, saml, saml.artifact, allowed)
    if saml.initiated is not None:
        yield from _initiated(connection, saml, saml.initiated, allowed)
    yield from _logout(connection, saml, allowed)


_OPENID_LOGOUT = (
    "mode", "hint_required", "max_query", "back_channel", "require_typ", "front_channel", "revoke_tokens",
)  # fmt: skip


def _logout(connection: Connection, saml: Saml, allowed: Allowed) -> Iterator[Problem]:
    default = Logout()
    for name in _OPENID_LOGOUT:
        if getattr(connection.logout, name) != getattr(default, name):
            yield Problem(f"logout.{name}", "does not apply to SAML: see saml.logout")
    service = saml.provider.single_logout_service if saml.provider is not None else None
    if service is not None and (problem := browser_url_problem(service, allowed)):
        yield Problem("saml.provider.single_logout_service", problem)
    if saml.logout is None:
        if service is not None:
            yield Problem("saml.provider.single_logout_service", "needs saml.logout")
        return
    if not connection.logout.sessions:
        yield Problem("logout.sessions", "must be true: a LogoutRequest names the person and the session")
    if not saml.signing_keys:
        yield Problem("saml.signing_keys", "must name at least one: every logout message is signed")
    if saml.provider is not None and service is None:
        yield Problem("saml.provider.single_logout_service", "is missing: saml.logout sends browsers there")
    if saml.provider is not None and saml.logout.binding not in {None, saml.provider.binding}:
        yield Problem("saml.logout.binding", "must be the provider's binding")


def _federation(saml: Saml) -> Iterator[Problem]:
    metadata = saml.metadata
    if metadata is None or metadata.kind == "entity":
        return
    if metadata.signer is None:
        yield Problem("saml.metadata.signer", f"is missing: kind {metadata.kind} speaks for many IdPs")
    if metadata.kind == "mdq" and ("?" in metadata.source or not metadata.source.startswith("http")):
        yield Problem("saml.metadata.source", "must be the base URL of the service: kind is mdq")


def _mutual_tls(connection: Connection, saml: Saml, allowed: Allowed) -> Iterator[Problem]:
    if connection.mutual_tls is None:
        return
    if saml.artifact is None:
        yield Problem("mutual_tls", "needs saml.artifact: nothing else is called with it")
    yield from binding_problems(connection, allowed)
    keys = {key.key for key in (*saml.signing_keys, *saml.decryption_keys)}
    if connection.mutual_tls.key in keys | {*saml.retired_decryption_keys}:
        yield Problem("mutual_tls.key", "is a key of saml as well: each key has one use")


def _artifact(
    connection: Connection, saml: Saml, artifact: ArtifactResolution, allowed: Allowed
) -> Iterator[Problem]:
    if saml.metadata is not None and artifact.services:
        yield Problem("saml.artifact.services", "do not apply: the metadata name them")
    if saml.provider is not None and not artifact.services:
        yield Problem("saml.artifact.services", "must name at least one: there are no metadata that do")
    for i, url in enumerate(artifact.services):
        if problem := upstream_url_problem(url, allowed):
            yield Problem(f"saml.artifact.services[{i}]", problem)
    if not saml.signing_keys and connection.mutual_tls is None:
        yield Problem(
            "saml.artifact", "needs signing_keys or mutual_tls: the IdP must know who asks for the Response"
        )
    if saml.initiated is not None:
        yield Problem(
            "saml.initiated", "does not go with artifact: strangers could make the bridge call the IdP"
        )


def _initiated(
    connection: Connection, saml: Saml, policy: InitiatedSignIn, allowed: Allowed
) -> Iterator[Problem]:
    if not policy.targets:
        yield Problem("saml.initiated.targets", "must name at least one")
    if policy.default_target is not None and policy.default_target not in policy.targets:
        yield Problem("saml.initiated.default_target", "must be one of targets")
    if saml.assertion.encryption != "none" and saml.assertion.signed == "assertion":
        yield Problem(
            "saml.initiated",
            "needs assertion.signed: response or both, because strangers can encrypt, and each decryption costs",
        )
    for name, target in policy.targets.items():
        path = f"saml.initiated.targets.{name}"
        if not _TARGET.fullmatch(name):
            yield Problem(path, "must be called by 1 to 80 printable ASCII characters without blanks")
        if connection.relying_party(target.client_id) is None:
            yield Problem(f"{path}.client_id", "must be one of relying_parties")
        for field, message in _target(target, allowed):
            yield Problem(f"{path}.{field}", message)


def _target(target: InitiatedTarget, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if (target.initiate_login_uri is None) == (target.cognito_authorize_url is None):
        yield "initiate_login_uri", "must be there, or cognito_authorize_url in its place, and not both"
    if target.initiate_login_uri is None:
        for field in ("target_link_uri", "issuer"):
            if getattr(target, field) is not None:
                yield field, "needs initiate_login_uri"
    for field in ("initiate_login_uri", "target_link_uri", "issuer", "cognito_authorize_url"):
        url = getattr(target, field)
        if url is None:
            continue
        if problem := browser_url_problem(url, allowed):
            yield field, problem
        elif field in {"initiate_login_uri", "cognito_authorize_url"} and (taken := _names(url) & {*_OURS}):
            yield field, f"must not hold {', '.join(sorted(taken))}: fedbridge adds it"
    url = target.cognito_authorize_url
    if url is not None and not (
        urlsplit(url).path.endswith("/oauth2/authorize")
        and {"client_id", "redirect_uri", "identity_provider"} <= _names(url)
        and parse_qs(urlsplit(url).query).get("response_type") == ["code"]
    ):
        yield (
            "cognito_authorize_url",
            "must be …/oauth2/authorize with client_id, redirect_uri, identity_provider and response_type=code",
        )


def _names(url: str) -> set[str]:
    return {*parse_qs(urlsplit(url).query, keep_blank_values=True)}
