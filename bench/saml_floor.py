"""The crypto floor of SAML beside `bench.floor`: one XML signature check, one decryption, and nothing around them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import xmlsec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from bench.saml_identity_provider import response
from bench.saml_scenarios import IDP_KEY, make_keys
from tests.unit.sp.idp import NS


def operations() -> dict[str, Callable[[], object]]:
    """Return each operation, ready to run on the canned provider's assertion; RSA keys have 2,048 bits.

    `xml_verify`: xmlsec on a document that is read and a key that is loaded: canonicalization, digest, RSA.
    `xml_decrypt`: RSA-OAEP-256 unwraps the content key, which opens the assertion by AES-256-GCM.
    """
    assertion, key = signed_assertion()
    return {"xml_verify": verification(assertion, key), "xml_decrypt": _decryption(etree.tostring(assertion))}


def signed_assertion() -> tuple[etree._Element, xmlsec.Key]:
    """Return an assertion as the canned provider signs it, and its key."""
    with TemporaryDirectory(prefix="fedbridge-bench-") as folder:
        keys = Path(folder)
        make_keys(keys)
        encoded = response("_r", acs="https://a", sp="https://b", folder=keys, encrypted=False)
        key = xmlsec.Key.from_file(str(keys / IDP_KEY), xmlsec.constants.KeyDataFormatPem)
    assertion = etree.fromstring(base64.b64decode(encoded)).find("saml:Assertion", NS)
    assert assertion is not None  # noqa: S101  it was just made
    return assertion, key


def verification(assertion: etree._Element, key: xmlsec.Key) -> Callable[[], object]:
    """Return the check of its signature, which raises xmlsec.Error."""
    xmlsec.tree.add_ids(assertion, ["ID"])
    signature = assertion.find("ds:Signature", NS)
    assert signature is not None  # noqa: S101  it was signed

    def verify() -> None:
        context = xmlsec.SignatureContext()
        context.key = key
        context.verify(signature)

    return verify


def _decryption(plaintext: bytes) -> Callable[[], object]:
    key, secret, iv = rsa.generate_private_key(65537, 2048), os.urandom(32), os.urandom(12)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    wrapped, ciphertext = key.public_key().encrypt(secret, oaep), AESGCM(secret).encrypt(iv, plaintext, None)
    return lambda: AESGCM(key.decrypt(wrapped, oaep)).decrypt(iv, ciphertext, None)
