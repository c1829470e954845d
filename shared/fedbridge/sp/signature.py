"""Signatures of the IdP: algorithms pinned by name, keys by certificate; and the very bytes that were signed, read anew."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING

import xmlsec
from lxml import etree

from fedbridge.sp import names
from fedbridge.sp.errors import response_refused
from fedbridge.sp.names import DS, EC, q
from fedbridge.sp.structure import algorithms_of
from fedbridge.sp.xml import MAX_ELEMENTS, parse, text_of

if TYPE_CHECKING:
    from fedbridge.sp.idp import Certificate

_TRANSFORMS = (
    xmlsec.constants.TransformEnveloped,
    xmlsec.constants.TransformExclC14N,
    xmlsec.constants.TransformSha256,
    xmlsec.constants.TransformSha384,
    xmlsec.constants.TransformSha512,
)
"""All that a Reference may go through; xmlsec would offer XSLT and XPath, too."""


def check_algorithms(root: etree._Element, accepted: Iterable[str]) -> None:
    """Return if every Signature is made with accepted algorithms (JWA names), its digest with SHA-2.

    Raises IssuerMismatch (`saml_algorithm_refused`).
    """
    identifiers = {names.SIGNATURES[name] for name in accepted}
    for signature, digest in algorithms_of(root):
        if signature not in identifiers or digest not in names.DIGESTS:
            raise response_refused("saml_algorithm_refused")


def verify_enveloped(element: etree._Element, certificates: Iterable[Certificate]) -> None:
    """Return if the element's own Signature was made by one of the certificates; structure and algorithms are checked.

    Raises IssuerMismatch: `saml_signature_missing`, `saml_signature_invalid`.
    """
    signature = element.find(q(DS, "Signature"))
    if signature is None:
        raise response_refused("saml_signature_missing")
    xmlsec.tree.add_ids(element, ["ID"])
    for certificate in certificates:
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(certificate.pem, xmlsec.constants.KeyDataFormatCertPem)
        context.set_enabled_key_data([xmlsec.constants.KeyDataX509])
        for transform in _TRANSFORMS:
            context.enable_reference_transform(transform)
        try:
            context.verify(signature)
        except xmlsec.Error:
            continue  # Not this one's: several are trusted while the IdP rotates.
        return
    raise response_refused("saml_signature_invalid")


def signed_element(
    document: bytes, *path: str, max_elements: int = MAX_ELEMENTS, comments: bool = False
) -> etree._Element:
    """Return the root, or what is at `path` below it, read from exactly the bytes that its verified Signature covers.

    They are canonicalized, hashed and compared with the DigestValue here, by another library than the one that
    verified: what is read below cannot be anything else than what was signed. Raises IssuerMismatch
    (`saml_signature_invalid`,
    `saml_signature_missing`).
    """
    element = parse(document, max_elements=max_elements, comments=comments)
    for tag in path:
        element = _only(element, tag)
    signature = _only(element, q(DS, "Signature"))
    prefixes, digests = _reference(signature)
    _remove(signature)
    canonical: bytes = etree.tostring(
        element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes or None
    )
    name, expected = digests
    if not hmac.compare_digest(hashlib.new(name, canonical).digest(), expected):
        raise response_refused("saml_signature_invalid")
    return parse(canonical, max_elements=max_elements)


def _reference(signature: etree._Element) -> tuple[list[str], tuple[str, bytes]]:
    (reference,) = signature.iter(q(DS, "Reference"))
    prefixes = [
        prefix
        for each in reference.iter(q(EC, "InclusiveNamespaces"))
        for prefix in each.get("PrefixList", "").split()
    ]
    (method,), (value,) = reference.iter(q(DS, "DigestMethod")), reference.iter(q(DS, "DigestValue"))
    try:
        digest = base64.b64decode("".join(text_of(value).split()), validate=True)
    except (binascii.Error, ValueError):
        raise response_refused("saml_signature_invalid") from None
    return prefixes, (names.DIGESTS[method.get("Algorithm", "")], digest)


def _only(parent: etree._Element, tag: str) -> etree._Element:
    found = parent.findall(tag)
    if len(found) != 1:
        raise response_refused("saml_signature_missing")
    return found[0]


def _remove(element: etree._Element) -> None:
    """Remove the element alone; lxml would take the text behind it along, which stays signed."""
    parent, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    if parent is None:
        return
    if before is None:
        parent.text = (parent.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    element.tail = None
    parent.remove(element)
