"""The structural allow-list: what may stand where in a Response, before a cryptographic library sees it.

Everything of SAML, XML Signature and XML Encryption has its one place; so there is one assertion at most, a signature
stands on what it signs and nowhere else, and nothing refers to anything outside of the document.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from fedbridge.sp import names
from fedbridge.sp.errors import response_refused
from fedbridge.sp.names import DS, DS11, EC, SAML, SAMLP, XENC, XENC11, XML, XSI, q

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")

MAX_TRANSFORMS = 2
MAX_CERTIFICATES = 10
MAX_PREFIXES = 32
"""Of InclusiveNamespaces: canonicalization, which comes before the signature is checked, looks each up at each element."""


def _children(namespace: str, *listed: str) -> frozenset[str]:
    return frozenset(q(namespace, name) for name in listed)


_NAME_IDS = _children(SAML, "NameID", "EncryptedID")
_ENCRYPTED = _children(XENC, "EncryptedData", "EncryptedKey")
_ASSERTION_PARTS = _children(
    SAML, "Issuer", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"
) | {q(DS, "Signature")}

CHILDREN: dict[str, frozenset[str]] = {
    q(SAMLP, "Response"): _children(SAML, "Issuer", "Assertion", "EncryptedAssertion")
    | _children(SAMLP, "Extensions", "Status")
    | {q(DS, "Signature")},
    q(SAMLP, "ArtifactResponse"): _children(SAMLP, "Extensions", "Status", "Response")
    | _children(SAML, "Issuer")
    | {q(DS, "Signature")},
    q(SAMLP, "LogoutRequest"): _NAME_IDS | _children(SAML, "Issuer") | _children(SAMLP, "Extensions", "SessionIndex")
    | {q(DS, "Signature")},
    q(SAMLP, "LogoutResponse"): _children(SAML, "Issuer") | _children(SAMLP, "Extensions", "Status")
    | {q(DS, "Signature")},
    q(SAMLP, "Status"): _children(SAMLP, "StatusCode", "StatusMessage", "StatusDetail"),
    q(SAMLP, "StatusCode"): _children(SAMLP, "StatusCode"),
    q(SAML, "Assertion"): _ASSERTION_PARTS,
    q(SAML, "Subject"): _NAME_IDS | _children(SAML, "SubjectConfirmation"),
    q(SAML, "SubjectConfirmation"): _NAME_IDS | _children(SAML, "SubjectConfirmationData"),
    q(SAML, "Conditions"): _children(SAML, "AudienceRestriction", "OneTimeUse", "ProxyRestriction"),
    q(SAML, "AudienceRestriction"): _children(SAML, "Audience"),
    q(SAML, "ProxyRestriction"): _children(SAML, "Audience"),
    q(SAML, "AuthnStatement"): _children(SAML, "SubjectLocality", "AuthnContext"),
    q(SAML, "AuthnContext"): _children(
        SAML, "AuthnContextClassRef", "AuthnContextDecl", "AuthnContextDeclRef", "AuthenticatingAuthority"
    ),
    q(SAML, "AttributeStatement"): _children(SAML, "Attribute"),
    q(SAML, "Attribute"): _children(SAML, "AttributeValue"),
    q(SAML, "AttributeValue"): _children(SAML, "NameID"),
    q(SAML, "EncryptedAssertion"): _ENCRYPTED,
    q(SAML, "EncryptedID"): _ENCRYPTED,
    q(XENC, "EncryptedData"): _children(XENC, "EncryptionMethod", "CipherData") | {q(DS, "KeyInfo")},
    q(XENC, "EncryptedKey"): _children(XENC, "EncryptionMethod", "CipherData", "ReferenceList", "CarriedKeyName")
    | {q(DS, "KeyInfo")},
    q(XENC, "EncryptionMethod"): _children(DS, "DigestMethod") | _children(XENC11, "MGF"),
    q(XENC, "CipherData"): _children(XENC, "CipherValue"),
    q(XENC, "ReferenceList"): _children(XENC, "DataReference"),
    q(DS, "Signature"): _children(DS, "SignedInfo", "SignatureValue", "KeyInfo"),
    q(DS, "SignedInfo"): _children(DS, "CanonicalizationMethod", "SignatureMethod", "Reference"),
    q(DS, "Reference"): _children(DS, "Transforms", "DigestMethod", "DigestValue"),
    q(DS, "Transforms"): _children(DS, "Transform"),
    q(DS, "Transform"): _children(EC, "InclusiveNamespaces"),
    q(DS, "CanonicalizationMethod"): _children(EC, "InclusiveNamespaces"),
    q(DS, "KeyInfo"): _children(DS, "X509Data", "KeyName", "KeyValue"),
    q(DS, "X509Data"): _children(
        DS, "X509Certificate", "X509IssuerSerial", "X509SubjectName", "X509SKI"
    ),
    q(DS, "X509IssuerSerial"): _children(DS, "X509IssuerName", "X509SerialNumber"),
    q(DS, "KeyValue"): _children(DS, "RSAKeyValue") | _children(DS11, "ECKeyValue"),
    q(DS, "RSAKeyValue"): _children(DS, "Modulus", "Exponent"),
    q(DS11, "ECKeyValue"): _children(DS11, "NamedCurve", "PublicKey"),
}  # fmt: skip
"""Parent → the children that it may have. An element that is not a key here has none."""

FREE = _children(SAMLP, "Extensions", "StatusDetail") | _children(SAML, "AuthnContextDecl")
"""Elements that may hold what others define: anything but what is spoken of here."""

_OWN = frozenset({SAML, SAMLP, DS, DS11, EC, XENC, XENC11, "http://www.w3.org/2001/XInclude"})

_KEYS_IN_ENCRYPTION = _children(XENC, "EncryptedKey") | _children(
    DS, "RetrievalMethod", "KeyName", "X509Data"
)
"""What the KeyInfo of EncryptedData may hold: the key itself, or where in this document it stands; neither is followed."""

_BASE64_ELEMENTS = _children(DS, "DigestValue", "SignatureValue", "X509Certificate") | _children(
    XENC, "CipherValue"
)


def check_structure(root: etree._Element, *, expected: str = q(SAMLP, "Response")) -> None:
    """Return if everything stands where it may; raises IssuerMismatch.

    `saml_structure_refused`, or `saml_signature_refused` for what is wrong about a Signature.
    """
    if root.tag != expected:
        raise response_refused("saml_structure_refused")
    _check_ids(root)
    for element in root.iter():
        _check_namespaces(element)
        _check_place(element)
        if element.tag in _BASE64_ELEMENTS and not _BASE64.fullmatch(element.text or ""):
            raise response_refused("saml_structure_refused")
    _check_counts(root)
    for signature in root.iter(q(DS, "Signature")):
        check_signature(signature)


def _check_place(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is None:
        return
    tag = parent.tag
    allowed = CHILDREN.get(tag, frozenset())
    if tag == q(DS, "KeyInfo") and _parent_tag(parent) in _ENCRYPTED:
        allowed = _KEYS_IN_ENCRYPTION
    if element.tag in allowed:
        return
    if _is_free(parent) and not _is_own(element):
        return
    inside = q(DS, "Signature") in {each.tag for each in (element, *element.iterancestors())}
    raise response_refused("saml_signature_refused" if inside else "saml_structure_refused")


def _is_free(element: etree._Element) -> bool:
    """Whether the element is one that others fill, or within one."""
    if element.tag in FREE:
        return True
    return not _is_own(element) and any(each.tag in FREE for each in element.iterancestors())


def _is_own(element: etree._Element) -> bool:
    tag = str(element.tag)
    return not tag.startswith("{") or tag[1:].partition("}")[0] in _OWN


def _parent_tag(element: etree._Element) -> str:
    parent = element.getparent()
    return "" if parent is None else str(parent.tag)


def _check_namespaces(element: etree._Element) -> None:
    """Refuse what two parsers, or two people, might resolve in two ways."""
    for prefix, uri in element.nsmap.items():
        known = names.PREFIXES.get(prefix or "", uri)
        if known != uri or not _ABSOLUTE.fullmatch(uri):
            raise response_refused("saml_structure_refused")
    for name in element.attrib:
        namespace, _, local = str(name).rpartition("}")
        if namespace[1:] == XSI and local in {"schemaLocation", "noNamespaceSchemaLocation"}:
            raise response_refused("saml_structure_refused")
        if (namespace and local.lower() == "id") or (namespace[1:] == XML and local == "base"):
            raise response_refused("saml_structure_refused")


def _check_ids(root: etree._Element) -> None:
    """Refuse identifiers that are not unique, or not of the element that has them."""
    seen: Counter[str] = Counter()
    for element in root.iter():
        tag = str(element.tag)
        name = "ID" if tag in _IDENTIFIED else "Id"
        for attribute in element.attrib:
            if str(attribute).lower() == "id":
                if attribute != name or not (name == "ID" or tag[1:].partition("}")[0] in {DS, XENC}):
                    raise response_refused("saml_structure_refused")
                seen[str(element.attrib[attribute])] += 1
        if name == "ID" and not _ID.fullmatch(element.get("ID", "")):
            raise response_refused("saml_structure_refused")
    if any(count > 1 for count in seen.values()):
        raise response_refused("saml_structure_refused")


_IDENTIFIED = _children(SAMLP, "Response", "ArtifactResponse", "LogoutRequest", "LogoutResponse") | _children(
    SAML, "Assertion"
)

_NAMING = frozenset({q(SAML, "Subject"), q(SAMLP, "LogoutRequest")})

_AT_MOST_ONE = {
    q(SAMLP, "ArtifactResponse"): _children(SAMLP, "Status", "Extensions", "Response") | _children(SAML, "Issuer"),
    q(SAMLP, "Response"): _children(SAMLP, "Status", "Extensions") | _children(SAML, "Issuer"),
    q(SAMLP, "LogoutRequest"): _NAME_IDS | _children(SAMLP, "Extensions") | _children(SAML, "Issuer"),
    q(SAMLP, "LogoutResponse"): _children(SAMLP, "Status", "Extensions") | _children(SAML, "Issuer"),
    q(SAML, "Assertion"): _children(SAML, "Issuer", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"),
    q(SAML, "Subject"): _NAME_IDS,
    q(SAML, "SubjectConfirmation"): _children(SAML, "SubjectConfirmationData"),
    q(SAML, "AuthnStatement"): _children(SAML, "AuthnContext"),
    q(SAML, "AuthnContext"): _children(SAML, "AuthnContextClassRef"),
    q(SAML, "AttributeValue"): _children(SAML, "NameID"),
    q(SAMLP, "Status"): _children(SAMLP, "StatusCode"),
    q(SAMLP, "StatusCode"): _children(SAMLP, "StatusCode"),
    q(SAML, "EncryptedAssertion"): _children(XENC, "EncryptedData"),
    q(SAML, "EncryptedID"): _children(XENC, "EncryptedData"),
    q(XENC, "EncryptedData"): CHILDREN[q(XENC, "EncryptedData")],
    q(XENC, "EncryptedKey"): CHILDREN[q(XENC, "EncryptedKey")],
    q(XENC, "EncryptionMethod"): CHILDREN[q(XENC, "EncryptionMethod")],
    q(XENC, "CipherData"): CHILDREN[q(XENC, "CipherData")],
}  # fmt: skip


def _check_counts(root: etree._Element) -> None:
    assertions = [*root.iter(q(SAML, "Assertion"), q(SAML, "EncryptedAssertion"))]
    if len(assertions) > 1:
        raise response_refused("saml_structure_refused")
    for element in root.iter():
        single = _AT_MOST_ONE.get(str(element.tag), frozenset())
        counts = Counter(str(child.tag) for child in element)
        if any(counts[tag] > 1 for tag in single):
            raise response_refused("saml_structure_refused")
        if element.tag in _NAMING and sum(counts[tag] for tag in _NAME_IDS) > 1:
            raise response_refused("saml_structure_refused")
    for container in root.iter(q(SAML, "EncryptedAssertion"), q(SAML, "EncryptedID")):
        if (
            len([*container.iter(q(XENC, "EncryptedKey"))]) != 1
            or len([*container.iter(q(XENC, "EncryptedData"))]) != 1
        ):
            raise response_refused("saml_structure_refused")


def check_signature(signature: etree._Element) -> None:
    """Refuse a Signature that is not one reference to its own parent, through the two transforms that SAML knows."""
    signed = signature.getparent()
    if signed is None or len([*signed.iterchildren(q(DS, "Signature"))]) != 1:
        raise response_refused("saml_signature_refused")
    info = _only(signature, "SignedInfo")
    _only(signature, "SignatureValue")
    reference = _only(info, "Reference")
    _only(reference, "DigestValue")
    algorithms = {
        "canonicalization": _only(info, "CanonicalizationMethod").get("Algorithm"),
        "transforms": [each.get("Algorithm") for each in _only(reference, "Transforms")],
    }
    if (
        reference.get("URI") != f"#{signed.get('ID')}"
        or reference.get("Type") is not None
        or algorithms["canonicalization"] != names.EXCLUSIVE_C14N
        or algorithms["transforms"] != [names.ENVELOPED, names.EXCLUSIVE_C14N]
        or len([*signature.iter(q(DS, "X509Certificate"))]) > MAX_CERTIFICATES
        or sum(
            len(each.get("PrefixList", "").split()) for each in signature.iter(q(EC, "InclusiveNamespaces"))
        )
        > MAX_PREFIXES
    ):
        raise response_refused("saml_signature_refused")


def _only(parent: etree._Element, name: str) -> etree._Element:
    found = [*parent.iterchildren(q(DS, name))]
    if len(found) != 1:
        raise response_refused("saml_signature_refused")
    return found[0]


def algorithms_of(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield signature and digest algorithm of every Signature of a checked document."""
    for signature in root.iter(q(DS, "Signature")):
        method = next(signature.iter(q(DS, "SignatureMethod")), None)
        digest = next(signature.iter(q(DS, "DigestMethod")), None)
        yield (
            "" if method is None else method.get("Algorithm", ""),
            "" if digest is None else digest.get("Algorithm", ""),
        )
