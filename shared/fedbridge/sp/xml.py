"""The first gates: size, character set, no DTD nor other markup, a parser that opens nothing; and xmlsec's doors closed."""

from __future__ import annotations

import base64
import binascii
import re

import xmlsec
from lxml import etree

from fedbridge.sp.errors import response_refused

# python-xmlsec registers readers of files and URLs. A Reference is read before the signature is checked, so that anyone
# could make us read /dev/zero without end; afterwards references within the document are all that is left.
xmlsec.cleanup_callbacks()

MAX_RESPONSE = 100_000
"""Characters of SAMLResponse, as Cognito has it."""

MAX_DEPTH = 64
MAX_ELEMENTS = 5_000
MAX_ATTRIBUTES = 32
MAX_NAMESPACES = 64
"""Namespace declarations in scope at one place, repeated ones too: whoever looks a prefix up goes through all of them."""

# XML 1.0 §2.8; a document without it is UTF-8. Single or double quotes.
_DECLARATION = re.compile(
    r"<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*['\"]1\.0['\"]"
    r"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*['\"]([A-Za-z][A-Za-z0-9._-]*)['\"])?"
    r"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*['\"](?:yes|no)['\"])?[ \t\r\n]*\?>"
)


def decode_message(encoded: str) -> bytes:
    """Return the XML of a message in base64, line breaks allowed; raises IssuerMismatch.

    `saml_response_too_large` is decided before anything is decoded.
    """
    if len(encoded) > MAX_RESPONSE:
        raise response_refused("saml_response_too_large")
    try:
        return base64.b64decode(encoded.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise response_refused("saml_response_malformed") from None


def parse(document: bytes, *, max_elements: int = MAX_ELEMENTS, comments: bool = False) -> etree._Element:
    """Return the root of a document in UTF-8 without DTD, comments, processing instructions and CDATA sections.

    No SAML message needs any of these, and each has made two parsers read two things. A `<!` or `<?` can be nothing else:
    in text and attribute values a `<` is always escaped. With `comments` they are taken out while parsing: metadata of
    federations begin with one, and a signature does not cover them. Raises IssuerMismatch: `saml_markup_refused`,
    `saml_response_malformed`, `saml_structure_refused` (depth, number of elements, attributes or namespaces).
    """
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError:
        raise response_refused("saml_response_malformed") from None
    declaration = _DECLARATION.match(text)
    body = text[declaration.end() :] if declaration else text
    markup = body.replace("<!--", "") if comments else body
    if "<!" in markup or "<?" in markup:
        raise response_refused("saml_markup_refused")
    if declaration and (declaration[1] or "utf-8").lower() != "utf-8":
        raise response_refused("saml_response_malformed")
    try:
        root = etree.fromstring(body.encode(), _parser(comments=comments))
    except (etree.XMLSyntaxError, ValueError):
        raise response_refused("saml_response_malformed") from None
    _check_bounds(root, max_elements)
    return root


def _parser(*, comments: bool) -> etree.XMLParser:
    """Return a new parser: lxml's are not to be shared among threads."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=comments, remove_pis=False, strip_cdata=False, recover=False, ns_clean=False, collect_ids=False,
    )  # fmt: skip


def _check_bounds(root: etree._Element, max_elements: int) -> None:
    in_scope = 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        in_scope += 1 if event == "start-ns" else -1
        if in_scope > MAX_NAMESPACES:
            raise response_refused("saml_structure_refused")
    depths = {root: 1}
    for number, element in enumerate(root.iter()):
        parent = element.getparent()
        depth = 1 if parent is None else depths[parent] + 1
        if depth > MAX_DEPTH or number >= max_elements or len(element.attrib) > MAX_ATTRIBUTES:
            raise response_refused("saml_structure_refused")
        depths[element] = depth


def text_of(element: etree._Element) -> str:
    """Return the text of an element that has no children; raises IssuerMismatch (`saml_structure_refused`)."""
    if len(element):
        raise response_refused("saml_structure_refused")
    return element.text or ""
