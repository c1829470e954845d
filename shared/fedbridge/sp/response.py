"""From the form that the browser brings to a verified assertion: the gates of DESIGN.md rule 8, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from lxml import etree

from fedbridge.sp.checks import check_assertion, check_envelope, failure_of
from fedbridge.sp.decryption import decrypt
from fedbridge.sp.errors import response_refused
from fedbridge.sp.names import DS, SAML, q
from fedbridge.sp.signature import check_algorithms, signed_element, verify_enveloped
from fedbridge.sp.strict import Trust, validate
from fedbridge.sp.structure import check_structure
from fedbridge.sp.xml import decode_message, parse

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Parameters
    from fedbridge.model.saml import Saml
    from fedbridge.ports import Decrypter, Keys
    from fedbridge.sp.checks import Expected
    from fedbridge.sp.idp import Certificate, IdentityProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What a Response is received with. `expected` is what belongs to this very sign-in."""

    saml: Saml
    provider: IdentityProvider
    keys: Keys
    expected: Expected
    deadline: Deadline

    def certificates(self) -> tuple[Certificate, ...]:
        """Return the certificates that are valid today; an IdP that changes its key publishes both for a while."""
        now, skew = self.expected.now, self.expected.clock_skew
        current = tuple(each for each in self.provider.certificates if each.is_valid(now, skew))
        if not current:
            raise response_refused("saml_idp_certificate_expired")
        return current

    def decrypters(self) -> list[Decrypter]:
        """Return the keys that IdPs may have encrypted to, the newest first; raises KeyUnavailable."""
        published = (key.key for key in self.saml.decryption_keys)
        references = [*published, *self.saml.retired_decryption_keys]
        return [self.keys.decrypter(reference, self.deadline) for reference in references]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """An assertion, read from the bytes that were signed, and its NameID, decrypted where it was encrypted."""

    assertion: etree._Element
    name_id: etree._Element | None


def verify_response(reception: Reception, document: bytes) -> Verified:
    """Return the assertion of a Response, however it came, that answers this very sign-in.

    Raises IssuerMismatch (`saml_…`), UpstreamError for a Status other than Success, KeyUnavailable, DeadlineExceeded.
    """
    saml, expected = reception.saml, reception.expected
    root = parse(document)
    check_structure(root)
    check_algorithms(root, saml.assertion.algorithms)
    certificates = reception.certificates()
    if (failure := failure_of(root)) is not None:
        check_envelope(root, expected)
        _verify_if_signed(root, certificates)
        raise failure
    encrypted = root.find(q(SAML, "EncryptedAssertion"))
    _check_encryption(saml, root, encrypted)
    plain = None
    if encrypted is not None:
        if saml.assertion.signed in {"response", "both"} or saml.assertion.allow_aes_cbc:
            verify_enveloped(root, certificates)
        else:
            _verify_if_signed(root, certificates)
        plain = _with_plain_assertion(reception, document, encrypted)
    _validate(reception, document, plain, certificates)
    envelope, assertion = _signed_parts(saml, document, root, plain)
    check_envelope(envelope, expected)
    check_assertion(assertion, expected)
    return Verified(assertion=assertion, name_id=name_id_of(reception, assertion.find(q(SAML, "Subject"))))


def posted_response(form: Parameters) -> bytes:
    """Return the XML of the form: a Response alone, never beside a request or an artifact; raises IssuerMismatch."""
    encoded = form.value("SAMLResponse")
    if encoded is None or "SAMLRequest" in form or "SAMLart" in form:
        raise response_refused("saml_response_missing")
    return decode_message(encoded)


def _verify_if_signed(root: etree._Element, certificates: tuple[Certificate, ...]) -> None:
    """Verify the Signature of a Response that need not have one: many IdPs sign no errors, or the assertion alone."""
    if root.find(q(DS, "Signature")) is not None:
        verify_enveloped(root, certificates)


def _check_encryption(saml: Saml, root: etree._Element, encrypted: etree._Element | None) -> None:
    wanted = saml.assertion.encryption
    if wanted == "none" and (
        encrypted is not None or next(root.iter(q(SAML, "EncryptedID")), None) is not None
    ):
        raise response_refused("saml_encrypted")
    if wanted == "required" and encrypted is None:
        raise response_refused("saml_not_encrypted")


def _with_plain_assertion(reception: Reception, document: bytes, encrypted: etree._Element) -> etree._Element:
    """Return a copy of the document with the plain assertion in place, which passed the same gates."""
    policy = reception.saml.assertion
    plaintext = decrypt(encrypted, policy, reception.decrypters(), reception.deadline)
    assertion = _fragment(plaintext, encrypted)
    check_structure(assertion, expected=q(SAML, "Assertion"))
    plain = parse(document)
    place = plain.find(q(SAML, "EncryptedAssertion"))
    if place is None:
        raise response_refused("saml_structure_refused")
    assertion.tail = place.tail
    plain.replace(place, assertion)
    check_structure(plain)
    check_algorithms(plain, policy.algorithms)
    return plain


def _fragment(plaintext: bytes, container: etree._Element) -> etree._Element:
    """Return the one element that was encrypted; prefixes may be declared around the place where it stood."""
    declared = " ".join(
        f"xmlns{':' if prefix else ''}{prefix or ''}={quoteattr(uri)}"
        for prefix, uri in container.nsmap.items()
    )
    wrapper = parse(f"<plaintext {declared}>".encode() + plaintext.strip() + b"</plaintext>")
    if len(wrapper) != 1 or (wrapper.text or "").strip() or (wrapper[0].tail or "").strip():
        raise response_refused("saml_decryption_failed")
    (element,) = wrapper
    wrapper.remove(element)
    return element


def _validate(
    reception: Reception,
    document: bytes,
    plain: etree._Element | None,
    certificates: tuple[Certificate, ...],
) -> None:
    """Let python3-saml judge the Response.

    Where the assertion was encrypted and has a Signature of its own, it sees the plain document. The Signature of the
    Response around it, which covers the ciphertext, was verified before anything was decrypted; and python3-saml's
    schema knows nothing of XML Encryption 1.1, without which there is no OAEP with SHA-256.
    """
    expected, signed = reception.expected, reception.saml.assertion.signed
    if plain is not None and plain.find(f"{q(SAML, 'Assertion')}/{q(DS, 'Signature')}") is not None:
        copied = parse(etree.tostring(plain))
        for signature in copied.findall(q(DS, "Signature")):
            copied.remove(signature)
        document, plain, signed = etree.tostring(copied), None, "assertion"
    trust = Trust(
        idp_entity_id=expected.idp_entity_id,
        certificates=tuple(certificate.pem for certificate in certificates),
        sp_entity_id=expected.sp_entity_id,
        acs_url=expected.acs_url,
        signed=signed,
    )
    validate(trust, document, plain, expected.request_id)


def _signed_parts(
    saml: Saml, document: bytes, root: etree._Element, plain: etree._Element | None
) -> tuple[etree._Element, etree._Element]:
    """Return envelope and assertion, each from the bytes that its signature covers, as far as it must have one.

    Of an encrypted assertion that has no signature of its own, the signed Response covers the ciphertext, and what was
    decrypted from it is as good.
    """
    envelope = root
    if saml.assertion.signed in {"response", "both"}:
        envelope = signed_element(document)
    if saml.assertion.signed in {"assertion", "both"}:
        whole = document if plain is None else etree.tostring(plain)
        return envelope, signed_element(whole, q(SAML, "Assertion"))
    assertion = (envelope if plain is None else plain).find(q(SAML, "Assertion"))
    if assertion is None:
        raise response_refused("saml_assertion_missing")
    return envelope, assertion


def name_id_of(reception: Reception, holder: etree._Element | None) -> etree._Element | None:
    """Return the NameID of a Subject or LogoutRequest whose signature was verified, decrypted where it was encrypted.

    Raises IssuerMismatch (`saml_encryption_refused`, `saml_decryption_failed`), KeyUnavailable, DeadlineExceeded.
    """
    if holder is None:
        return None
    encrypted = holder.find(q(SAML, "EncryptedID"))
    if encrypted is None:
        return holder.find(q(SAML, "NameID"))
    policy = reception.saml.assertion
    name_id = _fragment(decrypt(encrypted, policy, reception.decrypters(), reception.deadline), encrypted)
    if name_id.tag != q(SAML, "NameID"):
        raise response_refused("saml_decryption_failed")
    return name_id
