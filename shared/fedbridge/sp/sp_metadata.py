"""The bridge's own metadata for one connection (SAML metadata §2.4.4): what its IdP needs, and nothing of any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lxml import etree

from fedbridge.model.saml import Saml
from fedbridge.sp import names
from fedbridge.sp.names import DS, MD, MDATTR, MDUI, SAML, SAMLP, XENC, XENC11, XML, q

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.saml import PublishedMetadata

_CONTENT = {name: identifier for identifier, (name, _) in names.GCM.items()}
_TRANSPORT = {"RSA-OAEP": names.RSA_OAEP_MGF1P, "RSA-OAEP-256": names.RSA_OAEP}


def sp_metadata(connection: Connection, acs_url: str, logout_url: str | None = None) -> bytes:
    """Return the EntityDescriptor; URLs are the configured ones, keys those that were published with the connection."""
    saml = connection.saml or Saml()
    root = etree.Element(
        q(MD, "EntityDescriptor"),
        nsmap={"md": MD, "ds": DS, "mdui": MDUI, "mdattr": MDATTR, "saml": SAML, "xenc": XENC},
        entityID=connection.client_id,
    )
    _entity_attributes(root, saml.published.entity_attributes)
    descriptor = etree.SubElement(
        root,
        q(MD, "SPSSODescriptor"),
        AuthnRequestsSigned=_boolean(value=saml.request.signed),
        WantAssertionsSigned=_boolean(value=saml.assertion.signed in {"assertion", "both"}),
        protocolSupportEnumeration=SAMLP,
    )
    _user_interface(descriptor, saml.published)
    for jwk in connection.client_jwks:
        _key(descriptor, jwk, saml)
    if saml.logout is not None and logout_url is not None:
        for binding in (names.REDIRECT_BINDING, names.POST_BINDING):
            etree.SubElement(descriptor, q(MD, "SingleLogoutService"), Binding=binding, Location=logout_url)
    if saml.request.name_id_format is not None:
        etree.SubElement(descriptor, q(MD, "NameIDFormat")).text = saml.request.name_id_format
    etree.SubElement(
        descriptor,
        q(MD, "AssertionConsumerService"),
        Binding=names.POST_BINDING if saml.artifact is None else names.ARTIFACT_BINDING,
        Location=acs_url,
        index="0",
        isDefault="true",
    )
    _attribute_consuming_service(descriptor, saml)
    _contacts(root, saml.published)
    cleaned: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return cleaned


def _key(descriptor: etree._Element, jwk: Mapping[str, Any], saml: Saml) -> None:
    encryption = jwk.get("use") == "enc"
    key = etree.SubElement(descriptor, q(MD, "KeyDescriptor"), use="encryption" if encryption else "signing")
    data = etree.SubElement(etree.SubElement(key, q(DS, "KeyInfo")), q(DS, "X509Data"))
    for certificate in jwk.get("x5c", ())[:1]:
        etree.SubElement(data, q(DS, "X509Certificate")).text = certificate
    if not encryption:
        return
    for name in saml.assertion.content_encryption:
        etree.SubElement(key, q(MD, "EncryptionMethod"), Algorithm=_CONTENT[name])
    for name in _transports(saml):
        method = etree.SubElement(key, q(MD, "EncryptionMethod"), Algorithm=_TRANSPORT[name])
        if name == "RSA-OAEP-256":
            etree.SubElement(method, q(DS, "DigestMethod"), Algorithm=names.SHA256)
            etree.SubElement(method, q(XENC11, "MGF"), Algorithm=names.MGF1_SHA256, nsmap={"xenc11": XENC11})


def _transports(saml: Saml) -> Iterator[str]:
    """Yield what the IdP may choose from; SHA-256 needs XML Encryption 1.1, which goes with signed assertions alone."""
    for name in saml.assertion.key_transport:
        if name != "RSA-OAEP-256" or saml.assertion.signed != "response":
            yield name


def _entity_attributes(root: etree._Element, attributes: Mapping[str, Iterable[str]]) -> None:
    if not attributes:
        return
    container = etree.SubElement(etree.SubElement(root, q(MD, "Extensions")), q(MDATTR, "EntityAttributes"))
    for name, values in attributes.items():
        attribute = etree.SubElement(
            container, q(SAML, "Attribute"), Name=name, NameFormat=names.URI_NAME_FORMAT
        )
        for value in values:
            etree.SubElement(attribute, q(SAML, "AttributeValue")).text = value


def _user_interface(descriptor: etree._Element, published: PublishedMetadata) -> None:
    texts = {
        "DisplayName": published.name,
        "Description": published.description,
        "InformationURL": published.information_url,
        "PrivacyStatementURL": published.privacy_statement_url,
    }
    if not any(texts.values()) and published.logo is None:
        return
    info = etree.SubElement(etree.SubElement(descriptor, q(MD, "Extensions")), q(MDUI, "UIInfo"))
    for name, text in texts.items():
        if text:
            _localized(info, q(MDUI, name), text, published.language)
    if published.logo is not None:
        logo = etree.SubElement(
            info, q(MDUI, "Logo"), height=str(published.logo_height), width=str(published.logo_width)
        )
        logo.text = published.logo


def _attribute_consuming_service(descriptor: etree._Element, saml: Saml) -> None:
    published = saml.published
    if not published.attributes or not published.name:
        return
    index = saml.request.attribute_consuming_service_index
    service = etree.SubElement(
        descriptor,
        q(MD, "AttributeConsumingService"),
        index=str(1 if index is None else index),
        isDefault="true",
    )
    _localized(service, q(MD, "ServiceName"), published.name, published.language)
    if published.description:
        _localized(service, q(MD, "ServiceDescription"), published.description, published.language)
    for each in published.attributes:
        requested = etree.SubElement(
            service,
            q(MD, "RequestedAttribute"),
            Name=each.name,
            NameFormat=names.URI_NAME_FORMAT,
            isRequired=_boolean(value=each.required),
        )
        if each.friendly_name:
            requested.set("FriendlyName", each.friendly_name)


def _contacts(root: etree._Element, published: PublishedMetadata) -> None:
    if published.name and published.information_url:
        organization = etree.SubElement(root, q(MD, "Organization"))
        for name in ("OrganizationName", "OrganizationDisplayName"):
            _localized(organization, q(MD, name), published.name, published.language)
        _localized(organization, q(MD, "OrganizationURL"), published.information_url, published.language)
    for contact in published.contacts:
        person = etree.SubElement(root, q(MD, "ContactPerson"), contactType=contact.type)
        for name, text in (("Company", contact.company), ("GivenName", contact.given_name)):
            if text:
                etree.SubElement(person, q(MD, name)).text = text
        etree.SubElement(person, q(MD, "EmailAddress")).text = f"mailto:{contact.email}"


def _localized(parent: etree._Element, tag: str, text: str, language: str) -> None:
    element = etree.SubElement(parent, tag)
    element.set(q(XML, "lang"), language)
    element.text = text


def _boolean(*, value: bool) -> str:
    return "true" if value else "false"
