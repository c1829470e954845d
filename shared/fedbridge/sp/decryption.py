"""Encrypted assertions and NameIDs (XML Encryption 1.1), by keys behind the `Decrypter` port: here or in KMS.

RSA-OAEP and AES-GCM. AES-CBC authenticates nothing, so that answers to altered ciphertexts would give the plaintext away:
it is taken only where a connection says so, and then only from a Response whose signature was verified before.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedbridge.sp import names
from fedbridge.sp.errors import response_refused
from fedbridge.sp.names import DS, XENC, XENC11, q
from fedbridge.sp.xml import text_of

if TYPE_CHECKING:
    from lxml import etree

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.saml import AssertionPolicy
    from fedbridge.ports import Decrypter

_IV = {"gcm": 12, "cbc": 16}
_TAG = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encrypted:
    transport: str
    wrapped: bytes
    content: str
    key_size: int
    ciphertext: bytes


def decrypt(
    container: etree._Element, policy: AssertionPolicy, decrypters: Sequence[Decrypter], deadline: Deadline
) -> bytes:
    """Return the plaintext of an EncryptedAssertion or EncryptedID whose structure is checked.

    Algorithms are compared with the policy before a key is used (`saml_encryption_refused`). Each key is tried that is
    long enough, because an IdP need not say which it took; whatever then fails is `saml_decryption_failed`, whether
    key, padding, tag or length, so that nobody learns where. Raises IssuerMismatch, KeyUnavailable, DeadlineExceeded.
    """
    encrypted = _read(container, policy)
    for decrypter in decrypters:
        key = _unwrap(decrypter, encrypted, deadline)
        plaintext = None if key is None else _decrypt_content(key, encrypted)
        if plaintext is not None:
            return plaintext
    raise response_refused("saml_decryption_failed")


def _unwrap(decrypter: Decrypter, encrypted: _Encrypted, deadline: Deadline) -> bytes | None:
    try:
        key = decrypter.unwrap(encrypted.transport, encrypted.wrapped, deadline)
    except ValueError:
        return None
    return key if len(key) == encrypted.key_size else None


def _decrypt_content(key: bytes, encrypted: _Encrypted) -> bytes | None:
    iv, rest = encrypted.ciphertext[: _IV[encrypted.content]], encrypted.ciphertext[_IV[encrypted.content] :]
    if encrypted.content == "gcm":
        try:
            return AESGCM(key).decrypt(iv, rest, None)
        except (InvalidTag, ValueError):
            return None
    # XML Encryption 1.1 §5.2.3: the last octet says how many were added; the others may be anything.
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(rest) + decryptor.finalize()
    added = padded[-1]
    return padded[:-added] if 1 <= added <= padding.PKCS7(128).block_size // 8 else None


def _read(container: etree._Element, policy: AssertionPolicy) -> _Encrypted:
    data, key = _one(container, q(XENC, "EncryptedData")), _one(container, q(XENC, "EncryptedKey"))
    transport = _transport(key)
    if transport not in policy.key_transport:
        raise response_refused("saml_encryption_refused")
    identifier = _algorithm(data)
    ciphertext = _cipher_value(data)
    if identifier in names.GCM:
        name, size = names.GCM[identifier]
        if name not in policy.content_encryption or len(ciphertext) < _IV["gcm"] + _TAG:
            raise response_refused("saml_encryption_refused")
        content = "gcm"
    elif identifier in names.CBC and policy.allow_aes_cbc:
        size, content = names.CBC[identifier], "cbc"
        if len(ciphertext) < 2 * _IV["cbc"] or len(ciphertext) % _IV["cbc"]:
            raise response_refused("saml_decryption_failed")
    else:
        raise response_refused("saml_encryption_refused")
    return _Encrypted(
        transport=transport,
        wrapped=_cipher_value(key),
        content=content,
        key_size=size,
        ciphertext=ciphertext,
    )


def _transport(key: etree._Element) -> str | None:
    """Return the JWA name of the key transport, None where there is none.

    JWA and KMS know OAEP with one hash for label and mask: SHA-1, the defaults of XML Encryption, or SHA-256.
    """
    method = _one(key, q(XENC, "EncryptionMethod"))
    algorithm = method.get("Algorithm")
    digest = _child_algorithm(method, q(DS, "DigestMethod")) or names.SHA1
    mask = _child_algorithm(method, q(XENC11, "MGF")) or names.MGF1_SHA1
    if algorithm == names.RSA_OAEP_MGF1P and (digest, mask) == (names.SHA1, names.MGF1_SHA1):
        return "RSA-OAEP"
    if algorithm == names.RSA_OAEP:
        return {
            (names.SHA1, names.MGF1_SHA1): "RSA-OAEP",
            (names.SHA256, names.MGF1_SHA256): "RSA-OAEP-256",
        }.get((digest, mask))
    return None


def _algorithm(element: etree._Element) -> str:
    method = element.find(q(XENC, "EncryptionMethod"))
    return "" if method is None else method.get("Algorithm", "")


def _child_algorithm(method: etree._Element, tag: str) -> str | None:
    child = method.find(tag)
    return None if child is None else child.get("Algorithm", "")


def _cipher_value(element: etree._Element) -> bytes:
    value = element.find(f"{q(XENC, 'CipherData')}/{q(XENC, 'CipherValue')}")
    if value is None:
        raise response_refused("saml_encryption_refused")
    try:
        return base64.b64decode("".join(text_of(value).split()), validate=True)
    except (binascii.Error, ValueError):
        raise response_refused("saml_encryption_refused") from None


def _one(container: etree._Element, tag: str) -> etree._Element:
    found = next(container.iter(tag), None)
    if found is None:
        raise response_refused("saml_encryption_refused")
    return found
