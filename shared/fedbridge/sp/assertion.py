"""What a verified assertion says: who, how and when they signed in, and their attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.model.saml import TRANSIENT
from fedbridge.sp import times
from fedbridge.sp.errors import assurance_not_met, response_refused
from fedbridge.sp.names import SAML, XSI, q
from fedbridge.sp.xml import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml import etree

    from fedbridge.model.connection import Connection
    from fedbridge.model.saml import AssertionPolicy, Saml
    from fedbridge.sp.checks import Expected

MAX_NAME_ID = 256
"""Characters (SAML core §8.3.7)."""

AttributeValues = str | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One value as text, several as a list. A FriendlyName is for people and proves nothing: it has a view of its own."""

    by_name: Mapping[str, AttributeValues]
    by_friendly_name: Mapping[str, AttributeValues]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """`authn_context` is the class reference, `at` seconds since the epoch."""

    authn_context: str | None
    at: float


def authentication_of(assertion: etree._Element, expected: Expected) -> Authentication:
    """Return how and when the person signed in.

    Raises IssuerMismatch: `saml_authn_statement_missing`, `saml_expired` (the session), `saml_time_malformed`,
    `saml_not_yet_valid`.
    """
    statement = assertion.find(q(SAML, "AuthnStatement"))
    if statement is None:
        raise response_refused("saml_authn_statement_missing")
    session_end = statement.get("SessionNotOnOrAfter")
    if session_end is not None and times.to_seconds(session_end) <= expected.now - expected.clock_skew:
        raise response_refused("saml_expired")
    at = times.to_seconds(statement.get("AuthnInstant"))
    if at > expected.now + expected.clock_skew:
        raise response_refused("saml_not_yet_valid")
    reference = statement.find(f"{q(SAML, 'AuthnContext')}/{q(SAML, 'AuthnContextClassRef')}")
    return Authentication(authn_context=None if reference is None else text_of(reference).strip(), at=at)


def check_assurance(
    saml: Saml, asked: Mapping[str, str], authentication: Authentication, expected: Expected
) -> None:
    """Compare with what the AuthnRequest asked for, which an IdP need not have honoured.

    Raises UpstreamError access_denied `assurance_not_met`: `saml_authn_context_unmet`, `saml_auth_time_unmet`.
    """
    references = asked.get("authn_context", "").split()
    if references and not _satisfies(saml, references, authentication.authn_context):
        raise assurance_not_met("saml_authn_context_unmet")
    if asked.get("force_authn") and authentication.at < expected.asked_at - expected.clock_skew:
        raise assurance_not_met("saml_auth_time_unmet")
    if "max_age" in asked and authentication.at < expected.now - int(asked["max_age"]) - expected.clock_skew:
        raise assurance_not_met("saml_auth_time_unmet")


def _satisfies(saml: Saml, references: list[str], answered: str | None) -> bool:
    """Tell whether the answer compares as was asked (SAML core §3.3.2.2.1); what stands in no order never does."""
    if saml.request.comparison == "exact":
        return answered in references
    order = saml.assertion.authn_context_order
    if answered not in order:
        return False
    place, asked = order.index(answered), [order.index(each) for each in references]
    return {
        "minimum": place >= min(asked),
        "maximum": place <= max(asked),
        "better": place > max(asked),
    }[saml.request.comparison]


def once_only(assertion: etree._Element) -> tuple[str, float]:
    """Return the ID of a checked assertion, and until when its Conditions hold, in seconds since the epoch."""
    conditions = assertion.find(q(SAML, "Conditions"))
    if conditions is None:
        raise response_refused("saml_conditions_missing")
    return assertion.get("ID", ""), times.to_seconds(conditions.get("NotOnOrAfter"))


def subject_of(
    name_id: etree._Element | None, attributes: Attributes, connection: Connection, saml: Saml
) -> tuple[str, ...]:
    """Return the person's identifier, then what it is relative to: both qualifiers, or the attribute's name.

    Qualifiers that are left out are the IdP's and our own entityID (SAML core §8.3.7). Raises IssuerMismatch:
    `saml_name_id_malformed`, `saml_name_id_format_mismatch`, `saml_name_id_transient`,
    `saml_name_id_qualifier_mismatch`, `saml_subject_attribute_missing`.
    """
    policy = saml.assertion
    if policy.subject_attribute is not None:
        value = attributes.by_name.get(policy.subject_attribute)
        if not isinstance(value, str) or not _is_identifier(value):
            raise response_refused("saml_subject_attribute_missing")
        return value, policy.subject_attribute
    if name_id is None or not _is_identifier(text_of(name_id)):
        raise response_refused("saml_name_id_malformed")
    _check_format(name_id.get("Format"), saml.request.name_id_format, policy)
    ours = saml.request.sp_name_qualifier or connection.client_id
    if name_id.get("SPNameQualifier", ours) != ours:
        raise response_refused("saml_name_id_qualifier_mismatch")
    return text_of(name_id), name_id.get("NameQualifier", connection.issuer), ours


def _check_format(found: str | None, asked: str | None, policy: AssertionPolicy) -> None:
    if found == TRANSIENT and not policy.transient_subjects:
        raise response_refused("saml_name_id_transient")
    if asked is not None and found != asked:
        raise response_refused("saml_name_id_format_mismatch")


def _is_identifier(text: str) -> bool:
    return 1 <= len(text) <= MAX_NAME_ID and text.isprintable() and text == text.strip()


def attributes_of(assertion: etree._Element, policy: AssertionPolicy) -> Attributes:
    """Return the attributes; raises IssuerMismatch (`saml_attribute_refused`).

    Refused are attributes without a name, with elements in their values, nil, or there twice unless they are merged.
    """
    by_name: dict[str, list[str]] = {}
    friendly: dict[str, str | None] = {}
    for attribute in assertion.iter(q(SAML, "Attribute")):
        name, friendly_name = attribute.get("Name", ""), attribute.get("FriendlyName")
        if not name or (name in by_name and policy.repeated_attributes == "refuse"):
            raise response_refused("saml_attribute_refused")
        by_name.setdefault(name, []).extend(map(_value, attribute))
        if friendly_name:
            friendly[friendly_name] = name if friendly.get(friendly_name, name) == name else None
    return Attributes(
        by_name={name: _plain(values) for name, values in by_name.items() if values},
        by_friendly_name={
            alias: _plain(by_name[name])
            for alias, name in friendly.items()
            if name is not None and by_name[name]
        },
    )


def _value(element: etree._Element) -> str:
    """Return the text of a value, or of the NameID that is all of it (eduPersonTargetedID)."""
    if element.get(q(XSI, "nil")) is not None:
        raise response_refused("saml_attribute_refused")
    if len(element) == 1 and not (element.text or "").strip() and not (element[0].tail or "").strip():
        return text_of(element[0])
    if len(element):
        raise response_refused("saml_attribute_refused")
    return element.text or ""


def _plain(values: list[str]) -> AttributeValues:
    return values[0] if len(values) == 1 else values
