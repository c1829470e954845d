"""Attributes of a SAML assertion → the identity that Cognito gets, by the same rules as claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fedbridge.claims.mapping import VERIFIED, Mapper, MappingResult, rules_of
from fedbridge.claims.subject import to_subject
from fedbridge.errors import UpstreamError
from fedbridge.model.identity import Identity

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection


def identity_of_attributes(
    connection: Connection,
    *,
    subject: Sequence[str],
    attributes: Mapping[str, str | list[str]],
    friendly_names: Mapping[str, str | list[str]],
    acr: str | None,
    auth_time: int,
) -> MappingResult:
    """Return who signed in; expressions see attributes by Name, `friendly_names`, `upstream_sub` and `upstream_iss`.

    `subject` is the identifier and what it is relative to; raw subjects are the identifier alone. An address is verified
    only where a rule of the connection says so. Raises UpstreamError: `required_claim_missing`, `claim_unusable`,
    `claim_too_long`, `subject_not_representable`, `saml_attribute_ambiguous` (two addresses).
    """
    mapper = attribute_mapper(
        connection,
        subject=subject,
        attributes=attributes,
        friendly_names=friendly_names,
        acr=acr,
        auth_time=auth_time,
    )
    claims = mapper.claims(rules_of(connection), connection.verified_email_domains)
    if any(isinstance(claims.get(name), list) for name in VERIFIED):
        raise UpstreamError("saml_attribute_ambiguous")
    parts = subject[:1] if connection.subject == "raw" else subject
    identity = Identity(
        subject=to_subject(connection, connection.issuer, *parts),
        claims=claims,
        acr=mapper.acr(),
        auth_time=mapper.auth_time(),
    )
    return MappingResult(identity, tuple(mapper.dropped))


def attribute_mapper(
    connection: Connection,
    *,
    subject: Sequence[str],
    attributes: Mapping[str, str | list[str]],
    friendly_names: Mapping[str, str | list[str]],
    acr: str | None,
    auth_time: int,
) -> Mapper:
    """Return what the rules of a connection see of an assertion."""
    mapped = connection.claims or {}
    unvouched = {flag for flag in VERIFIED.values() if flag not in mapped}
    document = {name: value for name, value in attributes.items() if name not in unvouched}
    mapper = Mapper({**document, "acr": acr, "auth_time": auth_time}, {}, {})
    mapper.view = {
        **document,
        "friendly_names": friendly_names,
        "upstream_sub": subject[0],
        "upstream_iss": connection.issuer,
    }
    return mapper
