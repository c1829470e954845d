"""Namespaces, algorithms and status codes of SAML 2.0, XML Signature and XML Encryption."""

from __future__ import annotations

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
MDUI = "urn:oasis:names:tc:SAML:metadata:ui"
MDATTR = "urn:oasis:names:tc:SAML:metadata:attribute"
DS = "http://www.w3.org/2000/09/xmldsig#"
DS11 = "http://www.w3.org/2009/xmldsig11#"
EC = "http://www.w3.org/2001/10/xml-exc-c14n#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "http://www.w3.org/XML/1998/namespace"

PREFIXES = {
    "saml": SAML, "saml2": SAML, "samlp": SAMLP, "saml2p": SAMLP, "md": MD, "ds": DS, "dsig": DS, "xenc": XENC,
    "xenc11": XENC11, "ec": EC,
}  # fmt: skip
"""What these prefixes mean to everybody who reads a message."""

NSMAP = {"saml": SAML, "samlp": SAMLP, "md": MD, "ds": DS, "ec": EC, "xenc": XENC}

POST_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
ARTIFACT_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
SOAP_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
REDIRECT_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"

BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
ENTITY_FORMAT = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
URI_NAME_FORMAT = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"

ENVELOPED = DS + "enveloped-signature"
EXCLUSIVE_C14N = EC  # the algorithm's name is the namespace
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
MORE_2007 = "http://www.w3.org/2007/05/xmldsig-more#"

SIGNATURES = {
    "RS256": MORE + "rsa-sha256",
    "RS384": MORE + "rsa-sha384",
    "RS512": MORE + "rsa-sha512",
    "PS256": MORE_2007 + "sha256-rsa-MGF1",
    "PS384": MORE_2007 + "sha384-rsa-MGF1",
    "PS512": MORE_2007 + "sha512-rsa-MGF1",
    "ES256": MORE + "ecdsa-sha256",
    "ES384": MORE + "ecdsa-sha384",
    "ES512": MORE + "ecdsa-sha512",
}
"""JWA name → identifier (RFC 9231 §2.3). A signature has the same octets in both worlds, ECDSA as R ‖ S too."""

DIGESTS = {XENC + "sha256": "sha256", MORE + "sha384": "sha384", XENC + "sha512": "sha512"}
"""Identifier → name in hashlib. SHA-1 is not among them."""

RSA_OAEP_MGF1P = XENC + "rsa-oaep-mgf1p"
RSA_OAEP = XENC11 + "rsa-oaep"
MGF1_SHA1 = XENC11 + "mgf1sha1"
MGF1_SHA256 = XENC11 + "mgf1sha256"
SHA1 = DS + "sha1"
SHA256 = XENC + "sha256"

GCM = {
    XENC11 + "aes128-gcm": ("A128GCM", 16),
    XENC11 + "aes192-gcm": ("A192GCM", 24),
    XENC11 + "aes256-gcm": ("A256GCM", 32),
}
CBC = {XENC + "aes128-cbc": 16, XENC + "aes192-cbc": 24, XENC + "aes256-cbc": 32}
"""Identifier → octets of the key (and, of GCM, the JWA name)."""

STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS = STATUS + "Success"


def q(namespace: str, name: str) -> str:
    """Return the name as lxml writes it."""
    return f"{{{namespace}}}{name}"
