"""Hostile and malformed Responses, each wrong in one way, and what is said of it: the table of groups G and H.

Each is made anew for the sign-in under way (audience, times and signature are right unless they are what is wrong), so that
it is refused for its one reason and for no other.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from tests.unit.sp.idp import (
    ACS,
    BEARER,
    CBC256,
    ENVELOPED,
    EXC,
    GCM256,
    IDP,
    NAME_ID,
    NS,
    OAEP,
    PERSISTENT,
    REQUEST_ID,
    RSA_SHA256,
    SHA256,
    SP,
    SUCCESS,
    Message,
    at,
    certificate,
    encrypt,
    sign,
)

EVIL = "evil-name-id-of-mallory"
STRUCTURE, SIGNATURE, INVALID = "saml_structure_refused", "saml_signature_refused", "saml_signature_invalid"
MISSING, ALGORITHM, MARKUP = "saml_signature_missing", "saml_algorithm_refused", "saml_markup_refused"
MALFORMED, AUDIENCE, REJECTED = "saml_response_malformed", "saml_audience_mismatch", "saml_rejected"

DS = f'xmlns:ds="{NS["ds"]}"'


@dataclass(frozen=True, kw_only=True)
class Vector:
    """A Response and the reason for which it is refused; `policy` is what the connection demands besides."""

    case: int
    name: str
    message: Message
    reason: str
    policy: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.case}-{self.name}"


VECTORS: list[Vector] = []


def _add(case: int, name: str, reason: str, policy: dict[str, Any] | None = None, **message: Any) -> None:
    VECTORS.append(
        Vector(case=case, name=name, message=Message(**message), reason=reason, policy=policy or {})
    )


def of(case: int) -> list[Vector]:
    return [vector for vector in VECTORS if vector.case == case]


def part(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path, NS)
    assert found is not None, path
    return found


def element(text: str) -> etree._Element:
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items())
    (found,) = etree.fromstring(f"<x {declared}>{text}</x>")
    return found


def evil_assertion(root: etree._Element) -> etree._Element:
    """Return a copy of the assertion, unsigned, about somebody else."""
    evil = copy.deepcopy(part(root, "saml:Assertion"))
    evil.set("ID", "_evil")
    for signature in evil.findall("ds:Signature", NS):
        evil.remove(signature)
    part(evil, "saml:Subject/saml:NameID").text = EVIL
    return evil


def _signature(path: str = "saml:Assertion") -> Callable[[etree._Element, str], etree._Element]:
    return lambda root, name: part(root, f"{path}/ds:Signature/{name}")


def _set(path: str, text: str | None = None, **attributes: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = part(root, path)
        if text is not None:
            found.text = text
        for name, value in attributes.items():
            found.set(name, value)

    return change


def _append(path: str, text: str, index: int | None = None) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        parent = root if path == "." else part(root, path)
        parent.insert(len(parent) if index is None else index, element(text))

    return change


def _drop(path: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = part(root, path)
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)

    return change


def _resigned(*, number: int = 1, **how: Any) -> Callable[[etree._Element], None]:
    """Sign the assertion in another way, properly: only what is signed differs."""

    def change(root: etree._Element) -> None:
        key, pem = certificate(number)
        sign(part(root, "saml:Assertion"), how.pop("key", key), pem, **how)

    return change


# fmt: off
# --- 49: signed by nobody, or in the wrong place -------------------------------------------------------------------
_add(49, "nothing-is-signed", MISSING, signed="none")
_add(49, "only-the-response-is-signed", MISSING, signed="response")
_add(49, "only-the-assertion-is-signed", MISSING, {"signed": "response"})
_add(49, "the-response-is-not-where-both-must-be", MISSING, {"signed": "both"})
for _place in ("saml:Assertion/saml:Subject", "saml:Assertion/saml:Issuer", "samlp:Status", "saml:Assertion/saml:Conditions"):

    def _moved(root: etree._Element, place: str = _place) -> None:
        part(root, place).append(part(root, "saml:Assertion/ds:Signature"))

    _add(49, f"signature-under-{_place.rpartition(':')[2]}", SIGNATURE, after=_moved)
_add(49, "signed-by-another-key", INVALID, signed="none", before=_resigned(number=2))
_add(49, "signed-by-an-ec-key-of-nobody", INVALID, signed="none", before=lambda root: sign(
    part(root, "saml:Assertion"), *certificate(3, kind="EC"), algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"))
_add(49, "signature-value-empty", INVALID, after=_set("saml:Assertion/ds:Signature/ds:SignatureValue", ""))
_add(49, "digest-value-empty", INVALID, after=_set("saml:Assertion/ds:Signature/ds:SignedInfo/ds:Reference/ds:DigestValue", ""))
_add(49, "name-id-changed-after-signing", INVALID, after=_set("saml:Assertion/saml:Subject/saml:NameID", EVIL))
_add(49, "audience-changed-after-signing", INVALID,
     audience="<saml:AudienceRestriction><saml:Audience>https://x</saml:Audience></saml:AudienceRestriction>",
     after=_set("saml:Assertion/saml:Conditions/saml:AudienceRestriction/saml:Audience", SP))

# --- 51: two of what there is one of -------------------------------------------------------------------------------
_add(51, "two-assertions-evil-first", STRUCTURE, after=lambda root: root.insert(2, evil_assertion(root)))
_add(51, "two-assertions-evil-last", STRUCTURE, after=lambda root: root.append(evil_assertion(root)))
_add(51, "two-assertions-both-signed", STRUCTURE, before=lambda root: root.append(evil_assertion(root)))
_add(51, "the-same-assertion-twice", STRUCTURE, after=lambda root: root.append(copy.deepcopy(part(root, "saml:Assertion"))))
_add(51, "plain-beside-encrypted", STRUCTURE, {"encryption": "optional"},
     before=lambda root: root.append(encrypt(copy.deepcopy(part(root, "saml:Assertion")))))
_add(51, "two-encrypted", STRUCTURE, {"encryption": "optional"}, encrypt=GCM256,
     after=lambda root: root.append(copy.deepcopy(part(root, "saml:EncryptedAssertion"))))
for _where, _text in {
    "Extensions": "<samlp:Extensions/>", "StatusDetail": "<samlp:StatusDetail/>",
}.items():

    def _hidden(root: etree._Element, text: str = _text) -> None:
        evil, container = evil_assertion(root), element(text)
        container.append(evil)
        (part(root, "samlp:Status") if "Detail" in text else root).append(container)

    _add(51, f"assertion-in-{_where}", STRUCTURE, after=_hidden)


def _in_advice(root: etree._Element) -> None:
    advice = element("<saml:Advice/>")
    advice.append(evil_assertion(root))
    part(root, "saml:Assertion").append(advice)


_add(51, "assertion-in-Advice", STRUCTURE, before=_in_advice)
_add(51, "assertion-in-an-attribute-value", STRUCTURE, before=lambda root: part(
    root, "saml:Assertion/saml:AttributeStatement/saml:Attribute/saml:AttributeValue").append(evil_assertion(root)))


def _in_object(root: etree._Element) -> None:
    holder = etree.SubElement(part(root, "saml:Assertion/ds:Signature"), f"{{{NS['ds']}}}Object")
    holder.append(evil_assertion(root))


_add(51, "assertion-in-ds-Object", SIGNATURE, after=_in_object)
_add(51, "empty-ds-Object", SIGNATURE, after=_append("saml:Assertion/ds:Signature", "<ds:Object/>"))
_add(51, "response-and-assertion-share-an-id", STRUCTURE, assertion_id="_response")
_add(51, "two-signatures", SIGNATURE, after=lambda root: part(root, "saml:Assertion").insert(
    1, copy.deepcopy(part(root, "saml:Assertion/ds:Signature"))))
for _name in ("SignedInfo", "SignatureValue", "SignedInfo/ds:Reference", "SignedInfo/ds:Reference/ds:DigestValue",
              "SignedInfo/ds:SignatureMethod", "SignedInfo/ds:CanonicalizationMethod", "SignedInfo/ds:Reference/ds:Transforms"):

    def _doubled(root: etree._Element, name: str = _name) -> None:
        found = part(root, f"saml:Assertion/ds:Signature/ds:{name}")
        found.addnext(copy.deepcopy(found))

    _add(51, f"two-of-{_name.rpartition('/')[2].removeprefix('ds:')}", SIGNATURE if "Method" not in _name or "Canon" in _name else REJECTED,
         after=_doubled)

# --- 52: references -------------------------------------------------------------------------------------------------
for _name, _uri in {
    "empty": "", "the-response": "#_response", "xpointer": "#xpointer(/)", "xpointer-id": "#xpointer(id('_assertion'))",
    "relative": "assertion.xml", "http": "http://127.0.0.1:9/x", "https": "https://idp.example/x#_assertion",
    "file": "file:///dev/zero", "file-passwd": "file:///etc/passwd", "fragmentless": "_assertion",
    "other-element": "#_elsewhere", "nul-fragment": "#",
}.items():  # fmt: skip
    _add(52, f"reference-{_name}", SIGNATURE, signed="none", before=_resigned(uri=_uri))
_add(52, "reference-without-uri", SIGNATURE, after=lambda root: part(
    root, "saml:Assertion/ds:Signature/ds:SignedInfo/ds:Reference").attrib.pop("URI"))
_add(52, "second-reference-to-dev-zero", SIGNATURE, signed="none", before=_resigned(number=2, reference_more=(
    f'<ds:Reference {DS} URI="file:///dev/zero"><ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>AA==</ds:DigestValue>'
    "</ds:Reference>")))
_add(52, "reference-of-a-type", SIGNATURE, after=_set(
    "saml:Assertion/ds:Signature/ds:SignedInfo/ds:Reference", Type=NS["ds"] + "Manifest"))

# --- 53: transforms -------------------------------------------------------------------------------------------------
_XSLT = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet version="1.0" '
    'xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template name="a" match="/"><xsl:call-template name="a"/>'
    '<xsl:call-template name="a"/></xsl:template></xsl:stylesheet></ds:Transform>'
)
_XPATH = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>'
    "count(//. | //@* | //namespace::*) > 0</ds:XPath></ds:Transform>"
)
_PREFIXES = (
    f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{EXC}">'
    f'<ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="{" ".join(f"q{i}" for i in range(33))}"/></ds:Transform>'
)
_USUAL = f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{EXC}"/>'
for _name, _transforms in {
    "xslt": _XSLT + _USUAL, "xpath": _XPATH + _USUAL,
    "xpath-filter2": '<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"/>' + _USUAL,
    "base64": '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/>' + _USUAL,
    "with-comments": f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{EXC}WithComments"/>',
    "inclusive": f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>',
    "prefixes": _PREFIXES, "three-hundred": _USUAL * 150, "none": "", "only-enveloped": f'<ds:Transform Algorithm="{ENVELOPED}"/>',
    "only-c14n": f'<ds:Transform Algorithm="{EXC}"/>', "reversed":
        f'<ds:Transform Algorithm="{EXC}"/><ds:Transform Algorithm="{ENVELOPED}"/>',
    "unknown": '<ds:Transform Algorithm="urn:example:transform"/>' + _USUAL,
}.items():  # fmt: skip
    _add(53, f"transform-{_name}", SIGNATURE, signed="none", before=_resigned(transforms=_transforms))
_add(53, "xslt-by-an-attackers-key", SIGNATURE, signed="none", before=_resigned(number=2, transforms=_XSLT))

# --- 54: KeyInfo ----------------------------------------------------------------------------------------------------
_, _MALLORY = certificate(2)
_MALLORY_TEXT = "".join(line for line in _MALLORY.splitlines() if "-----" not in line)
_ONE = f"<ds:X509Data><ds:X509Certificate>{_MALLORY_TEXT}</ds:X509Certificate></ds:X509Data>"
for _name, (_info, _why) in {
    "attackers-certificate": (_ONE, INVALID),
    "attackers-name": ("<ds:KeyName>mallory</ds:KeyName>", INVALID),
    "attackers-rsa-key": (("<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
                           "</ds:RSAKeyValue></ds:KeyValue>"), INVALID),
    "retrieval-by-http": ('<ds:RetrievalMethod URI="http://127.0.0.1:9/key"/>', SIGNATURE),
    "retrieval-by-file": ('<ds:RetrievalMethod URI="file:///dev/zero"/>', SIGNATURE),
    "encrypted-key": (f'<xenc:EncryptedKey xmlns:xenc="{NS["xenc"]}"/>', SIGNATURE),
    "pgp": ("<ds:PGPData/>", SIGNATURE),
    "eleven-certificates": (_ONE.replace(
        "</ds:X509Data>", f"<ds:X509Certificate>{_MALLORY_TEXT}</ds:X509Certificate>" * 10 + "</ds:X509Data>"), SIGNATURE),
}.items():  # fmt: skip
    _add(54, f"key-info-{_name}", _why, signed="none", before=_resigned(number=2, key_info=_info))

# --- 55: algorithms -------------------------------------------------------------------------------------------------
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
for _name, _how in {
    "rsa-sha1": {"algorithm": NS["ds"] + "rsa-sha1"},
    "dsa-sha1": {"algorithm": NS["ds"] + "dsa-sha1"},
    "digest-sha1": {"digest": NS["ds"] + "sha1"},
    "digest-md5": {"digest": _MORE + "md5"},
        "unknown": {"algorithm": "urn:example:signature"},
    "none": {"algorithm": ""},
}.items():
    _add(55, f"algorithm-{_name}", ALGORITHM, signed="none", before=_resigned(**dict[str, Any](_how)))
_add(55, "hmac-keyed-with-the-certificate", ALGORITHM, signed="none", before=lambda root: sign(
    part(root, "saml:Assertion"), certificate(1)[1].encode(), certificate(1)[1], algorithm=_MORE + "hmac-sha256"))
_add(55, "hmac-output-length", SIGNATURE, after=_append(
    "saml:Assertion/ds:Signature/ds:SignedInfo/ds:SignatureMethod", "<ds:HMACOutputLength>0</ds:HMACOutputLength>"))
_add(55, "ps256-where-rs256-is-pinned", ALGORITHM, {"algorithms": ("RS256",)},
     algorithm="http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1")
_add(55, "inclusive-canonicalization", SIGNATURE, signed="none", before=_resigned(
    canonicalization="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"))
_add(55, "canonicalization-with-comments", SIGNATURE, signed="none", before=_resigned(canonicalization=EXC + "WithComments"))

# --- 56, 57: what a text is made of ---------------------------------------------------------------------------------
_LEAVES = {
    56: ("ds:DigestValue>", "ds:SignatureValue>", "ds:X509Certificate>"),
    57: ("saml:NameID>", "saml:Issuer>", "saml:Audience>", "saml:AttributeValue>"),
}
for _case, _ends in _LEAVES.items():
    for _end in _ends:
        for _name, _piece in {
            "comment": "<!-- -->", "pi": "<?x y?>", "cdata": "<![CDATA[]]>",
        }.items():  # fmt: skip
            _add(_case, f"{_name}-in-{_end[:-1].partition(':')[2]}", MARKUP,
                 text=lambda text, end=_end, piece=_piece: text.replace(f"</{end}", f"{piece}</{end}"))
        _add(_case, f"element-in-{_end[:-1].partition(':')[2]}", STRUCTURE,
             text=lambda text, end=_end: text.replace(f"</{end}", f"<b xmlns=''>x</b></{end}"))
_add(56, "not-base64-in-DigestValue", STRUCTURE, after=_set("saml:Assertion/ds:Signature/ds:SignedInfo/ds:Reference/ds:DigestValue", "!"))
_add(57, "name-id-truncated-by-a-comment", MARKUP, name_id=f'<saml:NameID Format="{PERSISTENT}">{NAME_ID}.evil</saml:NameID>',
     text=lambda text: text.replace(f"{NAME_ID}.evil", f"{NAME_ID}<!---->.evil"))
_add(57, "signed-element-within-a-value", STRUCTURE, attributes=(
    '<saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue>al<b xmlns="urn:x">x</b>ice@example.com'
    "</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"))

# --- 58, 59: documents ----------------------------------------------------------------------------------------------
_BILLION = (
    '<!DOCTYPE r [<!ENTITY a "lol">' + "".join(f'<!ENTITY a{n} "{"&a" + (str(n - 1) if n > 1 else "") + ";"}{"&a;" * 9}">' for n in range(1, 9)) + "]>"
)
for _name, _prefix in {
    "doctype": "<!DOCTYPE r>", "internal-entity": '<!DOCTYPE r [<!ENTITY x "y">]>', "billion-laughs": _BILLION,
    "quadratic": f'<!DOCTYPE r [<!ENTITY x "{"x" * 20000}">]>',
    "external-entity": '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    "parameter-entity": '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x">%x;]>',
    "external-dtd": '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">', "stylesheet": '<?xml-stylesheet href="x"?>',
    "leading-comment": "<!-- x -->",
}.items():  # fmt: skip
    _add(58, _name, MARKUP, text=lambda text, prefix=_prefix: prefix + text)
_add(58, "trailing-comment", MARKUP, text=lambda text: text + "<!-- x -->")
_add(58, "undeclared-entity", MALFORMED, text=lambda text: text.replace("</saml:NameID>", "&x;</saml:NameID>"))
_add(58, "xinclude", STRUCTURE, after=lambda root: root.append(etree.fromstring(
    '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>')))
_add(58, "xinclude-in-extensions", STRUCTURE, after=lambda root: root.insert(1, element(
    '<samlp:Extensions><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/></samlp:Extensions>')))
_add(58, "schema-location", STRUCTURE, after=lambda root: root.set(
    "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", "urn:x http://127.0.0.1:9/x.xsd"))
_add(59, "xml-1-1", MARKUP, text=lambda text: '<?xml version="1.1"?>' + text)
_add(59, "declares-utf-16", MALFORMED, text=lambda text: '<?xml version="1.0" encoding="UTF-16"?>' + text)
_add(59, "declares-latin-1", MALFORMED, text=lambda text: '<?xml version="1.0" encoding="ISO-8859-1"?>' + text)
_add(59, "declares-utf-7", MALFORMED, text=lambda text: '<?xml version="1.0" encoding="UTF-7"?>' + text)
_add(59, "byte-order-mark", MALFORMED, text=lambda text: "\ufeff\ufeff" + text)
_add(59, "trailing-text", MALFORMED, text=lambda text: text + "x")
_add(59, "trailing-element", MALFORMED, text=lambda text: text + "<x/>")
_add(59, "nul", MALFORMED, text=lambda text: text + "\x00")
_add(59, "not-well-formed", MALFORMED, text=lambda text: text[:-5])
_add(59, "no-xml", MALFORMED, text=lambda _: "SAMLResponse")
_add(59, "undeclared-prefix", MALFORMED, text=lambda text: text.replace("<saml:Subject>", "<sam:Subject>"))

# --- 60: names ------------------------------------------------------------------------------------------------------
_add(60, "relative-namespace", STRUCTURE, text=lambda text: text.replace("<samlp:Response ", '<samlp:Response xmlns:r="relative" ', 1))
_add(60, "foreign-id", STRUCTURE, after=lambda root: part(root, "saml:Assertion").set("{urn:x}ID", "_assertion"))
_add(60, "xml-id", STRUCTURE, after=lambda root: root.set("{http://www.w3.org/XML/1998/namespace}id", "_assertion"))
_add(60, "Id-on-the-assertion", STRUCTURE, after=lambda root: part(root, "saml:Assertion").set("Id", "_assertion"))
_add(60, "id-on-the-response", STRUCTURE, after=lambda root: root.set("id", "_assertion"))
_add(60, "ID-on-the-subject", STRUCTURE, after=lambda root: part(root, "saml:Assertion/saml:Subject").set("ID", "_assertion"))
_add(60, "signature-takes-the-assertions-id", STRUCTURE, after=lambda root: part(root, "saml:Assertion/ds:Signature").set("Id", "_assertion"))
_add(60, "rebound-saml-prefix", STRUCTURE, text=lambda text: text.replace("<samlp:Status>", '<samlp:Status xmlns:saml="urn:x">', 1))
_add(60, "rebound-ds-prefix", STRUCTURE, text=lambda text: text.replace("<samlp:Status>", '<samlp:Status xmlns:ds="urn:x">', 1))
_add(60, "default-namespace-switch", STRUCTURE, text=lambda text: text.replace("</samlp:Response>", '<Assertion xmlns="urn:x"/></samlp:Response>'))
_add(60, "saml-1-1", STRUCTURE, text=lambda text: text.replace("SAML:2.0:assertion", "SAML:1.0:assertion"))
_add(60, "xml-base", STRUCTURE, after=lambda root: root.set("{http://www.w3.org/XML/1998/namespace}base", "http://x/"))
_add(60, "id-with-a-blank", STRUCTURE, assertion_id="a b")
_add(60, "no-assertion-id", STRUCTURE, assertion_id=None, signed="none")
_add(60, "no-response-id", STRUCTURE, response_id=None)

# --- 61: sizes ------------------------------------------------------------------------------------------------------
_add(61, "100001-characters", "saml_response_too_large", attributes=f"<saml:AttributeStatement><saml:Attribute Name='x'><saml:AttributeValue>{'x' * 75_000}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>")
_add(61, "depth", STRUCTURE, after=_append(".", "<samlp:Extensions>" + "<a xmlns='urn:x'>" * 70 + "</a>" * 70 + "</samlp:Extensions>", 1))
_add(61, "namespaces", STRUCTURE, after=_append(".", "<samlp:Extensions><a:a xmlns:a='urn:x' " + " ".join(f"xmlns:a{i}='urn:x'" for i in range(100)) + "/></samlp:Extensions>", 1))
_add(61, "namespaces-declared-anew", STRUCTURE, after=_append(".", "<samlp:Extensions>" + "".join(f"<a:a xmlns:a='urn:x{i}' xmlns:b='urn:y{i}'>" for i in range(40)) + "</a:a>" * 40 + "</samlp:Extensions>", 1))
_add(61, "too-deep-for-the-parser", MALFORMED, text=lambda _: "<a>" * 300 + "</a>" * 300)
_add(61, "elements", STRUCTURE, after=_append(".", "<samlp:Extensions xmlns:x='urn:x'>" + "<x:a/>" * 5_001 + "</samlp:Extensions>", 1))
_add(61, "xml-attributes", STRUCTURE, after=_append(".", "<samlp:Extensions xmlns:x='urn:x'><x:a " + " ".join(f"a{n}=''" for n in range(1_000)) + "/></samlp:Extensions>", 1))

# --- 62 to 66: whose answer, to what, for whom, when ---------------------------------------------------------------
_REQUEST = "saml_in_response_to_mismatch"
_add(62, "response-level-absent", _REQUEST, in_response_to=None)
_add(62, "confirmation-level-absent", _REQUEST, confirmation={"InResponseTo": None})
_add(62, "both-absent", _REQUEST, in_response_to=None, confirmation={"InResponseTo": None})
_add(62, "response-level-other", _REQUEST, in_response_to="_other")
_add(62, "confirmation-level-other", "saml_confirmation_refused", confirmation={"InResponseTo": "_other"})
_add(62, "both-other", _REQUEST, in_response_to="_other", confirmation={"InResponseTo": "_other"})
_add(62, "stripped-from-an-answer-to-another-request", _REQUEST, confirmation={"InResponseTo": "_other"},
     after=lambda root: root.attrib.pop("InResponseTo"))
_add(62, "prefix", _REQUEST, in_response_to=REQUEST_ID + "x", confirmation={"InResponseTo": REQUEST_ID + "x"})


def _audience(*audiences: str) -> str:
    return "".join(f"<saml:AudienceRestriction><saml:Audience>{each}</saml:Audience></saml:AudienceRestriction>" for each in audiences)


for _name, _text in {
    "none": "", "other": _audience("https://other.example/sp"), "slash": _audience(SP + "/"), "empty": _audience(""),
    "case": _audience(SP.upper()), "padded": _audience(f" {SP}"), "two-restrictions-one-not-ours": _audience(SP, "https://other.example/sp"),
    "prefix": _audience(SP[:-1]), "only-a-proxy-restriction": f"<saml:ProxyRestriction><saml:Audience>{SP}</saml:Audience></saml:ProxyRestriction>",
}.items():  # fmt: skip
    _add(63, f"audience-{_name}", AUDIENCE, audience=_text)
_add(63, "restriction-without-audience", REJECTED, audience="<saml:AudienceRestriction/>")

_ELSEWHERE = {
    "absent": None, "empty": "", "other-host": "https://evil.example/acme/saml/acs", "prefix": ACS + "/other-tenant",
    "suffix": ACS + ".evil", "within": f"https://evil.example/?u={ACS}", "case": ACS.upper(), "slash": ACS + "/",
    "other-connection": "https://bridge.example/other/saml/acs", "http": ACS.replace("https", "http"), "query": ACS + "?x=1",
}  # fmt: skip
for _name, _url in _ELSEWHERE.items():
    _add(64, f"destination-{_name}", "saml_destination_mismatch", destination=_url)
    _why = "saml_recipient_mismatch" if _url is None or ACS in _url or _url == "" else "saml_confirmation_refused"
    _add(64, f"recipient-{_name}", _why, confirmation={"Recipient": _url})

_MALFORMED_TIME = "saml_time_malformed"
for _name, _text in {
    "no-z": "2030-01-01T00:00:00", "offset": "2030-01-01T00:00:00+02:00", "hour-24": "2030-01-01T24:00:00Z",
    "year-0000": "0000-01-01T00:00:00Z", "month-13": "2030-13-01T00:00:00Z", "date-only": "2030-01-01",
    "words": "tomorrow", "arabic-digits": "٢٠٣٠-01-01T00:00:00Z", "blank": " 2030-01-01T00:00:00Z ",
}.items():  # fmt: skip
    _why = _MALFORMED_TIME if _name == "no-z" else REJECTED
    _add(65, f"conditions-{_name}", _why, conditions={"NotOnOrAfter": _text})
    _add(65, f"confirmation-{_name}", _why, confirmation={"NotOnOrAfter": _text})
_add(65, "conditions-without-end", _MALFORMED_TIME, conditions={"NotOnOrAfter": None})
_add(65, "confirmation-without-end", _MALFORMED_TIME, confirmation={"NotOnOrAfter": None})
_add(65, "conditions-expired-61-s-ago", "saml_expired", conditions={"NotOnOrAfter": at(-62)})
_add(65, "conditions-expired-290-s-ago", "saml_expired", conditions={"NotOnOrAfter": at(-290)})
_add(65, "confirmation-expired", "saml_confirmation_refused", confirmation={"NotOnOrAfter": at(-62)})
_add(65, "conditions-ahead", "saml_not_yet_valid", conditions={"NotBefore": at(90)})
_add(65, "conditions-far-ahead", "saml_not_yet_valid", conditions={"NotBefore": at(400)})
_add(65, "confirmation-ahead", "saml_confirmation_refused", confirmation={"NotBefore": at(62)})
_add(65, "conditions-of-year-9999", "saml_validity_too_long", conditions={"NotOnOrAfter": "9999-12-31T23:59:59Z"})
_add(65, "confirmation-of-year-9999", "saml_validity_too_long", confirmation={"NotOnOrAfter": "9999-12-31T23:59:59Z"})
_add(65, "response-a-year-old", "saml_issue_instant_refused", issue_instant=at(-365 * 86400))
_add(65, "response-ahead", "saml_issue_instant_refused", issue_instant=at(90))
_add(65, "assertion-a-year-old", "saml_issue_instant_refused", assertion_instant=at(-365 * 86400))
_add(65, "assertion-ahead", "saml_issue_instant_refused", assertion_instant=at(90))
_add(65, "assertion-older-than-the-request", "saml_issue_instant_refused", assertion_instant=at(-120))
_add(65, "session-ended", "saml_expired", authn={"SessionNotOnOrAfter": at(-62)})
_add(65, "authenticated-in-the-future", "saml_not_yet_valid", authn={"AuthnInstant": at(90)})

_ISSUER = "saml_issuer_mismatch"
for _name, _text in {
    "absent": "", "other": "<saml:Issuer>https://other.example</saml:Issuer>", "padded": f"<saml:Issuer> {IDP} </saml:Issuer>",
    "slash": f"<saml:Issuer>{IDP}/</saml:Issuer>", "case": f"<saml:Issuer>{IDP.upper()}</saml:Issuer>", "empty": "<saml:Issuer/>",
    "format": f'<saml:Issuer Format="{PERSISTENT}">{IDP}</saml:Issuer>', "qualified": f'<saml:Issuer NameQualifier="x">{IDP}</saml:Issuer>',
}.items():  # fmt: skip
    _add(66, f"response-issuer-{_name}", _ISSUER, issuer=_text)
    _add(66, f"assertion-issuer-{_name}", REJECTED if _name == "absent" else _ISSUER, assertion_issuer=_text)
_add(66, "two-issuers", STRUCTURE, issuer=f"<saml:Issuer>{IDP}</saml:Issuer>" * 2)

# --- 68: who --------------------------------------------------------------------------------------------------------
_NAME = "saml_name_id_malformed"


def _name_id(text: str, **attributes: str) -> str:
    given = {"Format": PERSISTENT, **attributes}
    return f"<saml:NameID {' '.join(f'{name}={chr(34)}{value}{chr(34)}' for name, value in given.items())}>{text}</saml:NameID>"


for _name, _text in {
    "empty": "", "padded": f" {NAME_ID}", "10-kb": "x" * 10_240, "newline": "a\nb", "tab": "a\tb", "bidi": "a\u202eb",
    "257-characters": "x" * 257, "only-blanks": "   ",
}.items():  # fmt: skip
    _add(68, f"name-id-{_name}", _NAME, name_id=_name_id(_text))
_add(68, "no-name-id", _NAME, name_id="")
_add(68, "transient", "saml_name_id_transient", name_id=_name_id("x", Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient"))
_add(68, "another-format-than-asked-for", "saml_name_id_format_mismatch",
     name_id=_name_id("ana@example.com", Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"))
_add(68, "no-format", "saml_name_id_format_mismatch", name_id=f"<saml:NameID>{NAME_ID}</saml:NameID>")
_add(68, "foreign-sp-name-qualifier", "saml_name_id_qualifier_mismatch", name_id=_name_id(NAME_ID, SPNameQualifier="https://other.example/sp"))
_add(68, "two-name-ids", STRUCTURE, name_id=_name_id(NAME_ID) * 2)
_add(68, "base-id", STRUCTURE, name_id="<saml:BaseID/>")
_add(68, "no-confirmation", "saml_confirmation_refused", confirmations="")
_add(68, "holder-of-key-only", "saml_confirmation_refused", method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
_add(68, "sender-vouches-only", "saml_confirmation_refused", method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")
_add(68, "no-method", REJECTED, method=None)
_add(68, "confirmation-without-data", "saml_confirmation_refused", confirmations=f'<saml:SubjectConfirmation Method="{BEARER}"/>')
_add(68, "right-data-under-another-method", "saml_recipient_mismatch", confirmations="".join(
    f'<saml:SubjectConfirmation Method="{method}"><saml:SubjectConfirmationData InResponseTo="{REQUEST_ID}" Recipient="{recipient}" '
    f'NotOnOrAfter="{at(300)}"/></saml:SubjectConfirmation>'
    for method, recipient in ((BEARER, ACS + "/x"), ("urn:oasis:names:tc:SAML:2.0:cm:sender-vouches", ACS))))
_add(68, "no-authn-statement", REJECTED, authn_statement="")
_add(68, "two-authn-statements", STRUCTURE, authn_statement=(
    f'<saml:AuthnStatement AuthnInstant="{at()}"><saml:AuthnContext><saml:AuthnContextClassRef>x</saml:AuthnContextClassRef>'
    "</saml:AuthnContext></saml:AuthnStatement>") * 2)
_add(68, "unknown-condition", STRUCTURE, audience=_audience(SP) + '<saml:Condition xmlns:x="urn:x"/>')
_add(68, "version-1-1", "saml_version_refused", version="1.1")
_add(68, "assertion-version-1-1", "saml_version_refused", assertion_version="1.1")
_add(68, "response-without-assertion", REJECTED, assertions="")
_add(68, "no-response-at-all", STRUCTURE, text=lambda _: f'<samlp:LogoutResponse xmlns:samlp="{NS["samlp"]}" ID="_x"/>')

# --- 69: attributes -------------------------------------------------------------------------------------------------


def _attributes(*pairs: tuple[str, str], more: str = "") -> str:
    return "<saml:AttributeStatement>" + "".join(
        f'<saml:Attribute Name="{name}"{more}>{values}</saml:Attribute>' for name, values in pairs
    ) + "</saml:AttributeStatement>"


_V = "<saml:AttributeValue>{}</saml:AttributeValue>"
_ATTRIBUTE = "saml_attribute_refused"
_add(69, "name-twice", _ATTRIBUTE, attributes=_attributes(("email", _V.format("a@x")), ("email", _V.format("b@x"))))
_add(69, "encrypted-attribute", STRUCTURE, attributes="<saml:AttributeStatement><saml:EncryptedAttribute/></saml:AttributeStatement>")
_add(69, "nil", _ATTRIBUTE, attributes=_attributes(("email", '<saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>')))
_add(69, "without-name", _ATTRIBUTE, attributes=_attributes(("", _V.format("x"))))
_add(69, "two-statements", STRUCTURE, attributes=_attributes(("email", _V.format("a@x"))) * 2)
_add(69, "text-beside-a-name-id", _ATTRIBUTE, attributes=_attributes(("eptid", f"<saml:AttributeValue>x{_name_id('y')}</saml:AttributeValue>")))

# --- 71: encryption -------------------------------------------------------------------------------------------------
_ENCRYPTED = {"encryption": "required"}
_REFUSED, _FAILED = "saml_encryption_refused", "saml_decryption_failed"


def _encrypted(**how: Any) -> Callable[[etree._Element], object]:
    """Encrypt the signed assertion in another way."""

    def change(root: etree._Element) -> None:
        encrypt(part(root, "saml:Assertion"), **how)

    return change


_RSA15 = NS["xenc"] + "rsa-1_5"
_3DES = NS["xenc"] + "tripledes-cbc"
for _name, (_how, _why) in {
    "rsa-1-5": ({"transport": _RSA15}, _REFUSED),
    "aes-cbc": ({"content": CBC256}, _REFUSED),
    "another-sps-key": ({"key": certificate(5)[0]}, _FAILED),
    "oaep-of-mixed-hashes": ({"digest": SHA256}, _REFUSED),
    "oaep-with-unknown-mask": ({"transport": "http://www.w3.org/2009/xmlenc11#rsa-oaep", "mask": "urn:x"}, _REFUSED),
    "unknown-transport": ({"transport": "urn:x"}, _REFUSED),
    "damaged-ciphertext": ({"damage": lambda data: data[:-1] + bytes([data[-1] ^ 1])}, _FAILED),
    "damaged-iv": ({"damage": lambda data: bytes([data[0] ^ 1]) + data[1:]}, _FAILED),
    "too-short": ({"damage": lambda data: data[:20]}, _REFUSED),
    "plaintext-is-no-xml": ({"plaintext": b"not xml <"}, MALFORMED),
    "plaintext-has-a-doctype": ({"plaintext": b"<!DOCTYPE x><x/>"}, MARKUP),
    "plaintext-is-a-response": ({"plaintext": f'<p:Response xmlns:p="{NS["samlp"]}" ID="_x"/>'.encode()}, STRUCTURE),
    "plaintext-is-empty": ({"plaintext": b""}, _FAILED),
    "plaintext-escapes-its-wrapper": ({"plaintext": b"</plaintext><plaintext>"}, MALFORMED),
}.items():  # fmt: skip
    _add(71, _name, _why, _ENCRYPTED, after=_encrypted(**_how))


def _two_plain(root: etree._Element) -> None:
    signed = part(root, "saml:Assertion")
    encrypt(signed, plaintext=etree.tostring(signed) + etree.tostring(evil_assertion(root)))


_add(71, "plaintext-is-two-assertions", _FAILED, _ENCRYPTED, after=_two_plain)
_add(71, "plaintext-is-an-unsigned-assertion", MISSING, _ENCRYPTED, signed="none", before=_encrypted())


def _wrapped_and_encrypted(root: etree._Element) -> None:
    _in_object(root)
    encrypt(part(root, "saml:Assertion"))


_add(71, "plaintext-is-wrapped", SIGNATURE, _ENCRYPTED, after=_wrapped_and_encrypted)
_add(71, "plaintext-takes-the-responses-id", STRUCTURE, _ENCRYPTED, assertion_id="_response2", response_id="_response2", encrypt=GCM256)
_add(71, "clear-where-encryption-is-required", "saml_not_encrypted", _ENCRYPTED)
_add(71, "encrypted-where-none-is-expected", "saml_encrypted", encrypt=GCM256)
_add(71, "cipher-reference", STRUCTURE, _ENCRYPTED, encrypt=GCM256, text=lambda text: text.replace(
    "<xenc:CipherValue>", '<xenc:CipherReference URI="file:///dev/zero"/><xenc:CipherValue>', 1))
_add(71, "cipher-reference-alone", STRUCTURE, _ENCRYPTED, encrypt=GCM256, text=lambda text: text[: text.rindex(
    "<xenc:CipherValue>")] + '<xenc:CipherReference URI="file:///dev/zero"/>' + text[text.rindex("</xenc:CipherValue>") + 19 :])
_add(71, "two-encrypted-keys", STRUCTURE, _ENCRYPTED, encrypt=GCM256, after=lambda root: part(
    root, ".//xenc:EncryptedKey").addnext(copy.deepcopy(part(root, ".//xenc:EncryptedKey"))))
_add(71, "no-encrypted-key", STRUCTURE, _ENCRYPTED, encrypt=GCM256, after=_drop(".//xenc:EncryptedKey"))
_add(71, "retrieval-of-a-key-elsewhere", STRUCTURE, _ENCRYPTED, encrypt=GCM256, after=lambda root: part(
    root, ".//ds:KeyInfo").replace(part(root, ".//xenc:EncryptedKey"), element('<ds:RetrievalMethod URI="http://127.0.0.1:9/key"/>')))
_add(71, "oaep-parameters", STRUCTURE, _ENCRYPTED, encrypt=GCM256, after=lambda root: part(
    root, ".//xenc:EncryptedKey/xenc:EncryptionMethod").append(element("<xenc:OAEPparams>AA==</xenc:OAEPparams>")))
_CBC = {"encryption": "required", "allow_aes_cbc": True, "signed": "response"}
_add(71, "cbc-in-an-unsigned-response", MISSING, _CBC, signed="assertion", encrypt=CBC256)
_add(71, "cbc-altered-after-the-response-was-signed", INVALID, _CBC, signed="response", encrypt=CBC256, after=lambda root: setattr(
    part(root, "saml:EncryptedAssertion/xenc:EncryptedData/xenc:CipherData/xenc:CipherValue"), "text", "A" * 64))

_STATUSES = {
    "missing": "", "no-code": "<samlp:Status/>", "empty": '<samlp:Status><samlp:StatusCode Value=""/></samlp:Status>',
    "no-value": "<samlp:Status><samlp:StatusCode/></samlp:Status>",
}  # fmt: skip
for _name, _text in _STATUSES.items():
    _add(67, f"status-{_name}", "saml_status_malformed", status=_text)
_add(67, "two-statuses", STRUCTURE, status=f'<samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status>' * 2)
_add(67, "flipped-to-success", REJECTED, assertions="", status=f'<samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status>')

# fmt: on

__all__ = ["EVIL", "OAEP", "RSA_SHA256", "VECTORS", "Vector", "element", "evil_assertion", "of", "part"]
