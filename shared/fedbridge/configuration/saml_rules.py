"""Rules of connections that speak SAML: their own keys, and none of OpenID Connect's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING
from xml.parsers import expat

from fedbridge.configuration.document import default_of
from fedbridge.configuration.references import reference_problem
from fedbridge.configuration.saml_profile_rules import profile_problems
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed, browser_url_problem, upstream_url_problem
from fedbridge.model.connection import SIGNATURE_ALGORITHMS, AuthorizationRequestProfile
from fedbridge.model.saml import CONTENT_ENCRYPTION_ALGORITHMS, KEY_TRANSPORT_ALGORITHMS

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.saml import Saml

MAX_CLOCK_SKEW = 300
"""Seconds."""

_OPENID = (
    "endpoints", "client_authentication", "dpop", "token_decryption", "authorization_response", "assurance", "tenants",
    "oauth2", "registration", "id_token", "userinfo", "subject_claims",
)  # fmt: skip
_PASSED = ("acr_values", "prompt", "max_age")

_ENTITY_ID = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21\x23-\x3b\x3d\x3f-\x7e]{1,1000}")  # SAML core §8.3.6
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_EMAIL = re.compile(r"[^\s@<>&\"]{1,64}@[A-Za-z0-9.-]{1,253}")
_HOST = re.compile(r"[a-z0-9.-]+(?::[0-9]{1,5})?")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,256}")


def saml_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:
    """Yield what is wrong with a connection in this regard; of one that speaks another protocol, that it says `saml`."""
    if connection.protocol != "saml":
        if connection.saml is not None:
            yield Problem("saml", "needs protocol: saml")
        return
    yield from _parties(connection)
    yield from _foreign(connection)
    yield from _passed(connection)
    if connection.saml is None:
        yield Problem("saml", "is missing: protocol saml needs it")
        return
    for path, message in (
        *_source(connection.saml, allowed),
        *_keys(connection.saml, allowed),
        *_request(connection.saml),
        *_assertion(connection.saml),
        *_published(connection.saml, allowed),
    ):
        yield Problem(f"saml.{path}", message)
    yield from profile_problems(connection, connection.saml, allowed)


def _parties(connection: Connection) -> Iterator[Problem]:
    for name in ("issuer", "client_id"):
        if not _ENTITY_ID.fullmatch(getattr(connection, name)):
            yield Problem(name, "must be an entityID: a URI such as https://idp.example.com/saml")
    if connection.issuer == connection.client_id:
        yield Problem("client_id", "is the bridge's own entityID, not the IdP's")
    if not _PRINTABLE.fullmatch(connection.user_agent):
        yield Problem("user_agent", "must be 1 to 256 printable ASCII characters")
    for i, host in enumerate(connection.endpoint_hosts):
        if not _HOST.fullmatch(host) or host.endswith(":443"):
            yield Problem(
                f"endpoint_hosts[{i}]", "must be a host name in small letters, a port only if it is not 443"
            )


def _foreign(connection: Connection) -> Iterator[Problem]:
    defaults = {field.name: default_of(field) for field in fields(connection)}
    for name in _OPENID:
        if getattr(connection, name) != defaults[name]:
            yield Problem(name, "does not apply to SAML")
    profile = connection.authorization
    for field in fields(profile):
        if field.name != "pass_through" and getattr(profile, field.name) != default_of(field):
            yield Problem(f"authorization.{field.name}", "does not apply to SAML: see saml.request")
    if connection.tokens != "reissue":
        yield Problem("tokens", "must be reissue: SAML has no ID token that could be relayed")


def _source(saml: Saml, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if (saml.metadata is None) == (saml.provider is None):
        yield "metadata", "must be there, or provider in its place, and not both"
    if saml.metadata is not None:
        source = saml.metadata.source
        if source.startswith(("https:", "http:")):
            if problem := upstream_url_problem(source, allowed):
                yield "metadata.source", problem
        elif problem := reference_problem(source, local=allowed.local, key=False):
            yield "metadata.source", f"{problem}; or a URL"
        if saml.metadata.signer is not None and (
            problem := reference_problem(saml.metadata.signer, local=allowed.local, key=False)
        ):
            yield "metadata.signer", problem
    if saml.provider is not None:
        if problem := browser_url_problem(saml.provider.single_sign_on_service, allowed):
            yield "provider.single_sign_on_service", problem
        if not saml.provider.certificates:
            yield "provider.certificates", "must name at least one: every Response is signed"
        for i, reference in enumerate(saml.provider.certificates):
            if problem := reference_problem(reference, local=allowed.local, key=False):
                yield f"provider.certificates[{i}]", problem


def _keys(saml: Saml, allowed: Allowed) -> Iterator[tuple[str, str]]:
    if saml.request.signed and not saml.signing_keys:
        yield "signing_keys", "must name at least one, unless request.signed is false"
    policy = saml.assertion
    if policy.encryption != "none" and not saml.decryption_keys:
        yield "decryption_keys", "must name at least one: assertion.encryption is not none"
    if policy.encryption == "none" and (saml.decryption_keys or saml.retired_decryption_keys):
        yield "decryption_keys", "are not used: assertion.encryption is none"
    seen: dict[str, str] = {}
    for path, reference in _key_references(saml):
        ring = not path.startswith("retired")
        if problem := reference_problem(reference, local=allowed.local, key=True, ring=ring):
            yield path, problem
        elif reference in seen:
            yield path, f"is the same key as {seen[reference]}: each key has one use"
        seen.setdefault(reference, path)
    for name in ("signing_keys", "decryption_keys"):
        for i, key in enumerate(getattr(saml, name)):
            if key.key.startswith("ring:"):
                if key.certificate:
                    yield f"{name}[{i}].certificate", "comes with the key ring: leave it out"
            elif not key.certificate:
                yield f"{name}[{i}].certificate", "is missing"
            elif problem := reference_problem(key.certificate, local=allowed.local, key=False):
                yield f"{name}[{i}].certificate", problem


def saml_key_references(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield path and reference of every private key of a SAML connection."""
    if connection.saml is not None:
        yield from ((f"saml.{path}", reference) for path, reference in _key_references(connection.saml))


def _key_references(saml: Saml) -> Iterator[tuple[str, str]]:
    for name in ("signing_keys", "decryption_keys"):
        for i, key in enumerate(getattr(saml, name)):
            yield f"{name}[{i}].key", key.key
    for i, reference in enumerate(saml.retired_decryption_keys):
        yield f"retired_decryption_keys[{i}]", reference


def _request(saml: Saml) -> Iterator[tuple[str, str]]:
    request, order = saml.request, saml.assertion.authn_context_order
    algorithm = request.signature_algorithm
    if algorithm is not None and algorithm not in SIGNATURE_ALGORITHMS:
        yield "request.signature_algorithm", f"must be one of {', '.join(SIGNATURE_ALGORITHMS)}"
    for i, reference in enumerate(request.authn_context):
        if not _TOKEN.fullmatch(reference):
            yield f"request.authn_context[{i}]", "must be a URI"
        elif request.comparison != "exact" and reference not in order:
            yield f"request.authn_context[{i}]", "must be in assertion.authn_context_order to be compared"
    if request.comparison != "exact" and not request.authn_context:
        yield "request.comparison", "needs authn_context"
    if request.force_authn and request.is_passive:
        yield "request.is_passive", "cannot be asked for together with force_authn"
    for name in ("name_id_format", "sp_name_qualifier"):
        value = getattr(request, name)
        if value is not None and not _TOKEN.fullmatch(value):
            yield f"request.{name}", "must be a URI"
    if request.provider_name is not None and not _is_text(request.provider_name):
        yield "request.provider_name", "must be 1 to 256 printable characters"
    index = request.attribute_consuming_service_index
    if index is not None and not 0 <= index <= 65535:
        yield "request.attribute_consuming_service_index", "must be between 0 and 65535"
    if request.extensions is not None and not _is_fragment(request.extensions):
        yield "request.extensions", "must be well-formed XML elements that declare their namespaces"


def _is_fragment(text: str) -> bool:
    """Return whether the text is one element or more, without DTD, comment or processing instruction."""
    if "<!" in text or "<?" in text or not text.strip().startswith("<"):
        return False
    parser = expat.ParserCreate(namespace_separator=" ")
    try:
        parser.Parse(f"<x>{text}</x>", True)
    except expat.ExpatError:
        return False
    return True


def _assertion(saml: Saml) -> Iterator[tuple[str, str]]:
    policy = saml.assertion
    for name, known in (
        ("algorithms", SIGNATURE_ALGORITHMS),
        ("key_transport", KEY_TRANSPORT_ALGORITHMS),
        ("content_encryption", CONTENT_ENCRYPTION_ALGORITHMS),
    ):
        values = getattr(policy, name)
        if not values and not (name == "content_encryption" and policy.allow_aes_cbc):
            yield f"assertion.{name}", "must name at least one"
        for i, value in enumerate(values):
            if value not in known:
                yield f"assertion.{name}[{i}]", f"must be one of {', '.join(known)}"
    if policy.allow_aes_cbc and policy.signed == "assertion":
        yield (
            "assertion.allow_aes_cbc",
            "needs signed: response or both, so that ciphertexts cannot be tried out",
        )
    if not 0 <= policy.clock_skew <= MAX_CLOCK_SKEW:
        yield "assertion.clock_skew", f"must be between 0 and {MAX_CLOCK_SKEW} seconds"
    if len(set(policy.authn_context_order)) != len(policy.authn_context_order):
        yield "assertion.authn_context_order", "must name each once"
    if policy.subject_attribute is not None and not _TOKEN.fullmatch(policy.subject_attribute):
        yield "assertion.subject_attribute", "must be the Name of an attribute"


def _published(saml: Saml, allowed: Allowed) -> Iterator[tuple[str, str]]:
    published = saml.published
    for name in ("name", "description"):
        value = getattr(published, name)
        if value is not None and not _is_text(value):
            yield f"published.{name}", "must be 1 to 256 printable characters"
    if not _LANGUAGE.fullmatch(published.language):
        yield "published.language", "must be a language such as en or pt-BR"
    for name in ("information_url", "privacy_statement_url", "logo"):
        value = getattr(published, name)
        if value is not None and (problem := browser_url_problem(value, allowed, fragment=True)):
            yield f"published.{name}", problem
    if published.logo is not None and not (published.logo_width > 0 and published.logo_height > 0):
        yield "published.logo", "needs logo_width and logo_height"
    if published.attributes and not published.name:
        yield "published.attributes", "need name: the service that asks for them must be called something"
    for i, attribute in enumerate(published.attributes):
        if not _TOKEN.fullmatch(attribute.name):
            yield (
                f"published.attributes[{i}].name",
                "must be 1 to 512 printable ASCII characters without blanks",
            )
    for i, contact in enumerate(published.contacts):
        if not _EMAIL.fullmatch(contact.email):
            yield f"published.contacts[{i}].email", "must be an e-mail address"
    for name, values in published.entity_attributes.items():
        if not _TOKEN.fullmatch(name) or not values or not all(map(_is_text, values)):
            yield f"published.entity_attributes.{name}", "must have a URI as name, and at least one value"


def _passed(connection: Connection) -> Iterator[Problem]:
    """What may not pass from Cognito: an AuthnRequest has no place for it. The default's login_hint goes nowhere."""
    names = connection.authorization.pass_through
    for i, name in enumerate(names):
        if name not in _PASSED and names != AuthorizationRequestProfile().pass_through:
            yield Problem(f"authorization.pass_through[{i}]", f"must be one of {', '.join(_PASSED)}")


def _is_text(text: str) -> bool:
    return bool(text.strip()) and len(text) <= 256 and text.isprintable()
