"""A canned SAML identity provider: it answers every AuthnRequest at once, in the browser's own process.

It checks nothing of its clients, because the interop tests' providers do. Signing and encrypting are its own work: whoever
measures leaves them out.
"""

from __future__ import annotations

import base64
import zlib
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from bench.saml_scenarios import DECRYPTION_KEY, IDP, IDP_KEY
from fedbridge.sp import names
from tests.support.client_certificates import self_signed
from tests.unit.sp.idp import NS, Message, encode, encrypt, sign

ATTRIBUTES = {
    "email": ["ana.pereira@bank.example"],
    "name": ["Ana Pereira de Almeida"],
    "given_name": ["Ana"],
    "family_name": ["Pereira de Almeida"],
    "groups": [f"CN=bank-application-{number},OU=Groups,DC=bank,DC=example" for number in range(8)],
}


def respond(saml_request: str, folder: Path, *, encrypted: bool) -> str:
    """Return the SAMLResponse to a SAMLRequest of the Redirect binding; `folder` holds the keys."""
    request = etree.fromstring(zlib.decompress(base64.b64decode(saml_request), -zlib.MAX_WBITS))
    acs = request.get("AssertionConsumerServiceURL", "")
    return response(
        request.get("ID", ""),
        acs=acs,
        sp=request.findtext("saml:Issuer", "", NS),
        folder=folder,
        encrypted=encrypted,
    )


def response(request_id: str, *, acs: str, sp: str, folder: Path, encrypted: bool) -> str:
    """Return the SAMLResponse to a request of this id: the assertion is signed, and then encrypted if it shall be."""
    issuer = f"<saml:Issuer>{IDP}</saml:Issuer>"
    message = Message(
        request_id=request_id,
        acs=acs,
        sp=sp,
        issuer=issuer,
        assertion_issuer=issuer,
        attributes=f"<saml:AttributeStatement>{''.join(map(_attribute, ATTRIBUTES))}</saml:AttributeStatement>",
    )
    root = etree.fromstring(message.unsigned().encode())
    assertion = root.find("saml:Assertion", NS)
    assert assertion is not None  # noqa: S101  it was just made
    sign(assertion, *_signing(folder))
    if encrypted:
        encrypt(
            assertion,
            key=_key(folder / DECRYPTION_KEY),
            transport=names.RSA_OAEP,
            digest=names.SHA256,
            mask=names.MGF1_SHA256,
        )
    return encode(etree.tostring(root))


def _attribute(name: str) -> str:
    values = "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in ATTRIBUTES[name])
    return f'<saml:Attribute Name="{name}">{values}</saml:Attribute>'


@cache
def _signing(folder: Path) -> tuple[RSAPrivateKey, str]:
    key = _key(folder / IDP_KEY)
    return key, self_signed(key)


@cache
def _key(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)  # noqa: S101  the bench made it
    return key
