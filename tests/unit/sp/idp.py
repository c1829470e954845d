"""A SAML IdP made here: its Responses are right unless a test says what is wrong, before they are signed or after.

The signatures are made by hand (lxml canonicalizes, cryptography signs), so that anything can be signed, and no
signature is wrong for want of a library's permission.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree

from fedbridge.errors import ConfigurationError
from fedbridge.keys.decrypter import LocalDecrypter
from fedbridge.keys.jwk import ImportedKey
from fedbridge.keys.local import LocalSigner
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.model.saml import AssertionPolicy, AuthnRequestProfile, Saml, SamlKey, SamlProvider
from fedbridge.ports import Decrypter, Keys, Secrets, Signer
from fedbridge.sp.artifact import ArtifactResolver
from fedbridge.sp.idp_metadata import IdentityProviders
from fedbridge.sp.saml import SamlUpstream
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.canaries import canary
from tests.support.keys import ec_key, rsa_key
from tests.unit.rp.idp import POOL

IDP = "https://idp.example/saml"
SP = "https://bridge.example/acme/saml/metadata"
ACS = "https://bridge.example/acme/saml/acs"
SSO = "https://idp.example/sso"
REQUEST_ID = "_request-of-this-sign-in"
STATE = "R" * 43
NAME_ID = canary("persistent-name-id-of-ana", "NameID")
EMAIL = "ana.saml@example.com"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
NS = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
}
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = NS["ds"] + "enveloped-signature"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = NS["xenc"] + "sha256"
GCM256 = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
CBC256 = NS["xenc"] + "aes256-cbc"
OAEP = NS["xenc"] + "rsa-oaep-mgf1p"

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "1": hashes.SHA1(), "256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512(),
}  # fmt: skip


def at(seconds: float = 0.0) -> str:
    """Return what becomes the time that many seconds after the document is made, as SAML writes it."""
    return f"§{int(seconds)}§"


def _timed(text: str) -> str:
    now = time.time()

    def moment(match: re.Match[str]) -> str:
        return dt.datetime.fromtimestamp(now + int(match[1]), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    return re.sub(r"§(-?[0-9]+)§", moment, text)


@cache
def certificate(
    number: int = 1, *, kind: str = "RSA", bits: int = 2048, begins: int = -1, ends: int = 30
) -> tuple[Any, str]:
    """Return a key and its self-signed certificate in PEM; days from now."""
    key: Any = ec_key("P-256", number)
    if kind == "RSA":
        key = rsa_key(bits, number) if bits >= 2048 else rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"idp-{number}")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now + dt.timedelta(days=begins))
        .not_valid_after(now + dt.timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )
    return key, made.public_bytes(Encoding.PEM).decode()


def der_text(pem: str) -> str:
    """Return the base64 of a certificate."""
    return "".join(line for line in pem.splitlines() if "-----" not in line)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a Response says. Every part is text, so that a test may write anything there; None leaves an attribute out.

    `before` changes the document before it is signed, `after` what was signed.
    """

    request_id: str = REQUEST_ID
    acs: str = ACS
    sp: str = SP
    version: str | None = "2.0"
    response_id: str | None = "_response"
    in_response_to: str | None = REQUEST_ID
    destination: str | None = ACS
    issue_instant: str | None = field(default_factory=at)
    issuer: str = f"<saml:Issuer>{IDP}</saml:Issuer>"
    status: str = f'<samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status>'
    assertion_id: str | None = "_assertion"
    assertion_version: str | None = "2.0"
    assertion_instant: str | None = field(default_factory=at)
    assertion_issuer: str = f"<saml:Issuer>{IDP}</saml:Issuer>"
    name_id: str = f'<saml:NameID Format="{PERSISTENT}">{NAME_ID}</saml:NameID>'
    method: str | None = BEARER
    confirmation: Mapping[str, str | None] = field(default_factory=dict)
    confirmations: str | None = None
    conditions: Mapping[str, str | None] = field(default_factory=dict)
    audience: str = (
        f"<saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction>"
    )
    authn: Mapping[str, str | None] = field(default_factory=dict)
    context: str = PASSWORD
    authn_statement: str | None = None
    attributes: str = (
        f'<saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue>{EMAIL}</saml:AttributeValue>'
        "</saml:Attribute></saml:AttributeStatement>"
    )
    extra: str = ""
    assertions: str | None = None
    signed: str = "assertion"
    algorithm: str = RSA_SHA256
    digest: str = SHA256
    encrypt: str | None = None
    before: Callable[[etree._Element], object] | None = None
    after: Callable[[etree._Element], object] | None = None
    text: Callable[[str], str] | None = None

    def assertion(self) -> str:
        """Return the assertion, unsigned."""
        if self.assertions is not None:
            return self.assertions
        confirmation = self.confirmations
        if confirmation is None:
            data = _attributes(
                {"InResponseTo": REQUEST_ID, "Recipient": ACS, "NotOnOrAfter": at(300), **self.confirmation}
            )
            confirmation = (
                f"<saml:SubjectConfirmation{_attributes({'Method': self.method})}>"
                f"<saml:SubjectConfirmationData{data}/></saml:SubjectConfirmation>"
            )
        conditions = _attributes({"NotBefore": at(-30), "NotOnOrAfter": at(300), **self.conditions})
        authn = self.authn_statement
        if authn is None:
            authn = (
                f"<saml:AuthnStatement{_attributes({'AuthnInstant': at(), 'SessionIndex': '_s', **self.authn})}>"
                f"<saml:AuthnContext><saml:AuthnContextClassRef>{self.context}</saml:AuthnContextClassRef>"
                "</saml:AuthnContext></saml:AuthnStatement>"
            )
        attributes = _attributes(
            {
                "ID": self.assertion_id,
                "Version": self.assertion_version,
                "IssueInstant": self.assertion_instant,
            }
        )
        return (
            f'<saml:Assertion xmlns:saml="{NS["saml"]}"{attributes}>{self.assertion_issuer}<saml:Subject>{self.name_id}'
            f"{confirmation}</saml:Subject><saml:Conditions{conditions}>{self.audience}</saml:Conditions>{authn}"
            f"{self.attributes}</saml:Assertion>"
        )

    def unsigned(self) -> str:
        """Return the Response, unsigned."""
        attributes = _attributes({
            "ID": self.response_id, "Version": self.version, "IssueInstant": self.issue_instant,
            "Destination": self.destination, "InResponseTo": self.in_response_to,
        })  # fmt: skip
        text = (
            f'<samlp:Response xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}"{attributes}>{self.issuer}{self.status}'
            f"{self.assertion()}{self.extra}</samlp:Response>"
        )
        return _timed(text).replace(REQUEST_ID, self.request_id).replace(ACS, self.acs).replace(SP, self.sp)


def _attributes(values: Mapping[str, str | None]) -> str:
    return "".join(f' {name}="{value}"' for name, value in values.items() if value is not None)


@dataclass
class SamlIdp:
    """An IdP, one connection to it, and the real upstream in between."""

    number: int = 1
    kind: str = "RSA"
    policy: AssertionPolicy = field(default_factory=AssertionPolicy)
    request: AuthnRequestProfile = field(default_factory=AuthnRequestProfile)
    trusted: str | None = None
    connection_fields: dict[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)

    def __post_init__(self) -> None:
        self.key, self.pem = certificate(self.number, kind=self.kind)
        self.ports = FakePorts({"env:IDP": self.trusted or self.pem})
        self.providers = IdentityProviders(
            calls=NoCalls(), secrets=self.ports, cache=NoCache(), clock=self.clock, on_stale=unheard
        )
        self.upstream = SamlUpstream(
            providers=self.providers,
            keys=self.ports,
            telemetry=self.telemetry,
            clock=self.clock,
            artifacts=ArtifactResolver(calls=NoCalls(), clock=self.clock),
        )

    @property
    def connection(self) -> Connection:
        encrypted = self.policy.encryption != "none"
        defaults: dict[str, Any] = {
            "name": "acme",
            "issuer": IDP,
            "client_id": SP,
            "protocol": "saml",
            "relying_parties": (POOL,),
            "saml": Saml(
                provider=SamlProvider(single_sign_on_service=SSO, certificates=("env:IDP",)),
                signing_keys=(SamlKey(key="env:SIGN", certificate="env:SIGN-CERTIFICATE"),),
                decryption_keys=(SamlKey(key="env:DECRYPT", certificate="env:DECRYPT-CERTIFICATE"),)
                if encrypted
                else (),
                request=self.request,
                assertion=self.policy,
            ),
        }
        return Connection(**(defaults | self.connection_fields))

    def document(self, message: Message) -> str:
        """Return the Response as it is sent."""
        root = etree.fromstring(message.unsigned().encode())
        if message.before is not None:
            message.before(root)
        assertion = root.find("saml:Assertion", NS)
        if assertion is not None and message.signed in {"assertion", "both"}:
            sign(assertion, self.key, self.pem, algorithm=message.algorithm, digest=message.digest)
        if assertion is not None and message.encrypt is not None:
            encrypt(assertion, message.encrypt)
        if message.signed in {"response", "both"}:
            sign(root, self.key, self.pem, algorithm=message.algorithm, digest=message.digest)
        if message.after is not None:
            message.after(root)
        text: str = etree.tostring(root, encoding="unicode")
        return text if message.text is None else message.text(text)

    def form(self, message: Message) -> Parameters:
        """Return the form that brings the Response."""
        return Parameters(SAMLResponse=encode(self.document(message)), RelayState=STATE)

    def finish(self, form: Parameters, **remembered: str) -> Identity:
        """Let the bridge finish the sign-in."""
        return self.upstream.finish(
            self.connection,
            remembered={"request_id": REQUEST_ID, "asked_at": repr(self.clock() - 10), **remembered},
            callback_url=ACS,
            response=form,
            deadline=Deadline.after(20),
        )

    def accept(self, message: Message | None = None, **remembered: str) -> Identity:
        return self.finish(self.form(message or Message()), **remembered)

    def with_policy(self, **policy: Any) -> SamlIdp:
        return replace(self, policy=replace(self.policy, **policy))


def encode(document: str | bytes) -> str:
    return base64.b64encode(document.encode() if isinstance(document, str) else document).decode()


def sign(
    element: etree._Element,
    key: Any,
    pem: str | None,
    *,
    algorithm: str = RSA_SHA256,
    digest: str = SHA256,
    uri: str | None = None,
    transforms: str = f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{EXC}"/>',
    canonicalization: str = EXC,
    key_info: str | None = None,
    reference_more: str = "",
    at_index: int | None = None,
) -> etree._Element:
    """Put an enveloped Signature behind the element's Issuer; its digest is that of the element by exclusive c14n."""
    value = base64.b64encode(_hash(digest, canonical(element))).decode()
    uri = f"#{element.get('ID')}" if uri is None else uri
    if key_info is None:
        key_info = (
            f"<ds:X509Data><ds:X509Certificate>{der_text(pem or '')}</ds:X509Certificate></ds:X509Data>"
        )
    signature = etree.fromstring(
        f'<ds:Signature xmlns:ds="{NS["ds"]}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{canonicalization}"/>'
        f'<ds:SignatureMethod Algorithm="{algorithm}"/><ds:Reference URI="{uri}"><ds:Transforms>{transforms}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>{reference_more}'
        f"</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo>{key_info}</ds:KeyInfo></ds:Signature>"
    )
    resign(signature, key)
    issuer = element.find("saml:Issuer", NS)
    index = at_index if at_index is not None else (0 if issuer is None else element.index(issuer) + 1)
    element.insert(index, signature)
    return signature


def resign(signature: etree._Element, key: Any) -> None:
    """Sign the SignedInfo as it now is."""
    info, value = signature.find("ds:SignedInfo", NS), signature.find("ds:SignatureValue", NS)
    assert info is not None
    assert value is not None
    method = info.find("ds:SignatureMethod", NS)
    assert method is not None
    value.text = base64.b64encode(_sign(key, method.get("Algorithm", ""), canonical(info))).decode()


def canonical(element: etree._Element) -> bytes:
    result: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return result


def _hash(identifier: str, data: bytes) -> bytes:
    name = {"sha1": "sha1", "md5": "md5"}.get(identifier.rpartition("#")[2], identifier.rpartition("#")[2])
    return hashlib.new(name, data, usedforsecurity=False).digest()


def _sign(key: Any, identifier: str, data: bytes) -> bytes:
    size = (re.findall(r"sha(\d+)", identifier) or ["256"])[0]
    chosen = _HASHES[size]
    if isinstance(key, bytes):
        import hmac

        return hmac.new(key, data, f"sha{size}").digest()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(chosen)))
        length = (key.key_size + 7) // 8
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")
    assert isinstance(key, rsa.RSAPrivateKey)
    if "MGF1" in identifier:
        pss = padding.PSS(mgf=padding.MGF1(chosen), salt_length=chosen.digest_size)
        return key.sign(data, pss, chosen)
    return key.sign(data, padding.PKCS1v15(), chosen)


def decryption_key(number: int = 7) -> rsa.RSAPrivateKey:
    return rsa_key(2048, number)


def encrypt(
    element: etree._Element,
    content: str = GCM256,
    *,
    transport: str = OAEP,
    digest: str | None = None,
    mask: str | None = None,
    container: str = "saml:EncryptedAssertion",
    key: rsa.RSAPrivateKey | None = None,
    plaintext: bytes | None = None,
    damage: Callable[[bytes], bytes] = lambda data: data,
) -> etree._Element:
    """Replace the element by its encrypted form, to the bridge's key."""
    plain = etree.tostring(element, with_tail=False) if plaintext is None else plaintext
    size = int((re.findall(r"aes(\d+)", content) or ["256"])[0]) // 8
    secret = os.urandom(size)
    public = (key or decryption_key()).public_key()
    if transport.endswith("rsa-1_5"):
        wrapped = public.encrypt(secret, padding.PKCS1v15())
    else:
        inner: hashes.HashAlgorithm = hashes.SHA256() if digest and "sha256" in digest else hashes.SHA1()
        outer: hashes.HashAlgorithm = hashes.SHA256() if mask and "sha256" in mask else hashes.SHA1()
        wrapped = public.encrypt(secret, padding.OAEP(padding.MGF1(outer), inner, label=None))
    methods = (f'<ds:DigestMethod xmlns:ds="{NS["ds"]}" Algorithm="{digest}"/>' if digest else "") + (
        f'<x:MGF xmlns:x="http://www.w3.org/2009/xmlenc11#" Algorithm="{mask}"/>' if mask else ""
    )
    prefix = container.partition(":")[0]
    encrypted = etree.fromstring(
        f'<{container} xmlns:{prefix}="{NS[prefix]}"><xenc:EncryptedData xmlns:xenc="{NS["xenc"]}" '
        f'Type="{NS["xenc"]}Element"><xenc:EncryptionMethod Algorithm="{content}"/><ds:KeyInfo xmlns:ds="{NS["ds"]}">'
        f'<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="{transport}">{methods}</xenc:EncryptionMethod>'
        f"<xenc:CipherData><xenc:CipherValue>{encode(wrapped)}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
        f"</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{encode(damage(_encrypt(content, secret, plain)))}"
        f"</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></{container}>"
    )
    parent = element.getparent()
    if parent is not None:
        encrypted.tail = element.tail
        parent.replace(element, encrypted)
    return encrypted


def _encrypt(content: str, key: bytes, plain: bytes) -> bytes:
    if "gcm" in content:
        iv = os.urandom(12)
        return iv + AESGCM(key).encrypt(iv, plain, None)
    iv = os.urandom(16)
    added = 16 - len(plain) % 16
    padded = plain + os.urandom(added - 1) + bytes([added])
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return iv + encryptor.update(padded) + encryptor.finalize()


class FakePorts(Keys, Secrets):
    """The bridge's keys, and public documents by reference. Every use of a private key is counted."""

    def __init__(self, documents: dict[str, str]) -> None:
        self.documents = documents
        self.unwraps = 0

    def signer(self, reference: str, algorithm: str | None, deadline: Deadline) -> Signer:
        return LocalSigner.of(ImportedKey(key=rsa_key(2048, 6)), algorithm, source=reference)

    def decrypter(self, reference: str, deadline: Deadline) -> Decrypter:
        number = {"env:DECRYPT": 7, "env:RETIRED": 8}[reference]
        decrypter = LocalDecrypter.of(ImportedKey(key=decryption_key(number)))
        return _Counting(decrypter, self)

    def client_certificate(self, mutual_tls: Any, deadline: Deadline) -> Any:
        raise ConfigurationError("SAML shows no client certificate here")

    def get(self, reference: str, deadline: Deadline, *, refresh: bool = False) -> str:
        if reference not in self.documents:
            raise ConfigurationError(f"{reference}: is not set")
        return self.documents[reference]


class _Counting:
    def __init__(self, decrypter: LocalDecrypter, ports: FakePorts) -> None:
        self._decrypter, self._ports = decrypter, ports
        self.kid, self.public_jwk = decrypter.kid, decrypter.public_jwk

    def unwrap(self, algorithm: str, encrypted_key: bytes, deadline: Deadline) -> bytes:
        self._ports.unwraps += 1
        return self._decrypter.unwrap(algorithm, encrypted_key, deadline)

    def agree(self, public_jwk: Mapping[str, Any], deadline: Deadline) -> bytes:
        return self._decrypter.agree(public_jwk, deadline)


class NoCalls:
    """An IdP by hand needs no call."""

    def get(self, connection: Any, endpoint: Any, request: Any, deadline: Any) -> Any:
        raise AssertionError("the IdP is called")

    send = get


def unheard(key: Any, failure: Any) -> None:
    raise AssertionError("an IdP by hand has no metadata that could be stale")


class NoCache:
    def get(
        self, key: Any, fetch: Callable[[Any, Deadline], Any], deadline: Deadline, *, seed: Any = None
    ) -> tuple[Any, bool]:
        return fetch(None, deadline), True

    def refetch(self, key: Any, fetch: Any, deadline: Deadline, *, cooldown: float, seed: Any = None) -> Any:
        raise AssertionError("an IdP by hand is not fetched anew")
