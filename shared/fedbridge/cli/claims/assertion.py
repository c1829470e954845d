"""A sample of SAML: an assertion or a Response as it came, or its attributes as JSON. Nothing of it is verified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from fedbridge.cli.claims.samples import Samples, text_of
from fedbridge.errors import ConfigurationError
from fedbridge.model.saml import Saml
from fedbridge.sp import assertion as saml_assertion
from fedbridge.sp import times
from fedbridge.sp.checks import Expected
from fedbridge.sp.names import SAML, SAMLP, q
from fedbridge.sp.xml import decode_message, parse

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection

_OPTION = "--assertion"
_MEMBERS = frozenset({"name_id", "name_id_format", "attributes", "friendly_names", "authn_context"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlSample:
    """What the mapping takes of an assertion; see `fedbridge.claims.attributes`."""

    subject: tuple[str, ...]
    attributes: saml_assertion.Attributes
    authn_context: str | None
    auth_time: int


def read_assertion(connection: Connection, saml: Saml, sample: str, samples: Samples) -> SamlSample:
    """Return what the sample says, read as a sign-in reads a verified assertion.

    Raises ConfigurationError for what is no assertion or is encrypted, and what reading raises (UpstreamError).
    """
    assertion = _assertion(text_of(_OPTION, sample).strip(), saml, samples)
    attributes = saml_assertion.attributes_of(assertion, saml.assertion)
    statement = assertion.find(q(SAML, "AuthnStatement"))
    instant = None if statement is None else statement.get("AuthnInstant")
    expected = Expected(
        idp_entity_id=connection.issuer,
        sp_entity_id=connection.client_id,
        acs_url="",
        request_id=None,
        asked_at=0.0,
        now=0.0 if instant is None else times.to_seconds(instant),
        clock_skew=saml.assertion.clock_skew,
    )
    authentication = saml_assertion.authentication_of(assertion, expected)
    name_id = assertion.find(f"{q(SAML, 'Subject')}/{q(SAML, 'NameID')}")
    return SamlSample(
        subject=saml_assertion.subject_of(name_id, attributes, connection, saml),
        attributes=attributes,
        authn_context=authentication.authn_context,
        auth_time=int(authentication.at),
    )


def _assertion(text: str, saml: Saml, samples: Samples) -> Any:
    """Return the element, of XML, of the form field's base64, or made of JSON."""
    if text.startswith("{"):
        document = samples.document(_OPTION, text)
        text = _written(document if isinstance(document, dict) else {}, saml)
    else:
        samples.notes.append(f"{_OPTION} was read only: no signature, recipient or time is looked at")
    root = parse(text.encode() if text.startswith("<") else decode_message(text))
    if root.find(f".//{q(SAML, 'EncryptedAssertion')}") is not None:
        raise ConfigurationError(
            f"{_OPTION}: is encrypted: give the assertion as the provider's own tools show it, or JSON"
        )
    if root.tag == q(SAML, "Assertion"):
        return root
    found = root.findall(q(SAML, "Assertion")) if root.tag == q(SAMLP, "Response") else []
    if len(found) != 1:
        raise ConfigurationError(
            f"{_OPTION}: must be one Assertion, a Response with one, or JSON of attributes"
        )
    return found[0]


def _written(document: Mapping[str, Any], saml: Saml) -> str:
    """Return an assertion with these attributes: `{"name_id": …, "attributes": {Name: value or values}}`.

    JSON without `attributes` is taken for the attributes themselves. The NameID has the format that the connection asks for.
    """
    if "attributes" not in document:
        document = {"attributes": document}
    unknown = document.keys() - _MEMBERS
    if unknown or not isinstance(document["attributes"], dict):
        raise ConfigurationError(f"{_OPTION}: must have {', '.join(sorted(_MEMBERS))} and nothing else")
    aliases = {name: alias for alias, name in dict(document.get("friendly_names") or {}).items()}
    attributes = "".join(
        _attribute(name, value, aliases.get(name)) for name, value in document["attributes"].items()
    )
    name_id_format = document.get("name_id_format", saml.request.name_id_format)
    shaped = f" Format={quoteattr(str(name_id_format))}" if name_id_format else ""
    name_id = f"<NameID{shaped}>{escape(str(document.get('name_id', '')))}</NameID>"
    reference = document.get("authn_context")
    context = f"<AuthnContextClassRef>{escape(str(reference))}</AuthnContextClassRef>" if reference else ""
    return (
        f'<Assertion xmlns="{SAML}"><Subject>{name_id}</Subject>'
        f'<AuthnStatement AuthnInstant="1970-01-01T00:00:00Z"><AuthnContext>{context}</AuthnContext></AuthnStatement>'
        f"<AttributeStatement>{attributes}</AttributeStatement></Assertion>"
    )


def _attribute(name: str, value: Any, alias: str | None) -> str:
    friendly = f" FriendlyName={quoteattr(alias)}" if alias else ""
    values = "".join(f"<AttributeValue>{escape(text)}</AttributeValue>" for text in _texts(name, value))
    return f"<Attribute Name={quoteattr(name)}{friendly}>{values}</Attribute>"


def _texts(name: str, value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool):
            yield "true" if item else "false"
        elif isinstance(item, str | int | float):
            yield str(item)
        else:
            raise ConfigurationError(f"{_OPTION}: {name}: an attribute's values are text")
