"""A SAML IdP that keeps its copy of the bridge's metadata for a day: it verifies and encrypts by what it read then."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import load_der_x509_certificate
from lxml import etree

from tests.counterparts.api_gateway_events import HttpResponse
from tests.rotation.bridge import Bridge
from tests.rotation.timeline import Kept
from tests.rotation.world import NAME, SignInFailed
from tests.unit.sp.idp import GCM256, IDP, NS, Message, at, certificate, encode, encrypt, sign

ACS = f"https://bridge.example/{NAME}/saml/acs"
SP = f"https://bridge.example/{NAME}/saml/metadata"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
NUMBER = 4_000_041
"""Of the IdP's own key, far from those of other tests."""


@dataclass
class SamlIdp:
    """The IdP's page. `metadata` is its copy of the bridge's; `real` is the clock of who makes the documents."""

    clock: Callable[[], float]
    real: Callable[[], float]
    metadata: Kept[bytes]
    verified: list[str] = field(default_factory=list)
    encrypted_to: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key, self.pem = certificate(NUMBER, kind="EC")

    def visit(self, answer: HttpResponse) -> Callable[[Bridge, str], HttpResponse]:
        """Verify the AuthnRequest by a key of the copy, and answer encrypted to a key of the copy."""
        query = urlsplit(dict(answer.headers)["location"]).query
        asked = dict(parse_qsl(query))
        self._check_signature(query, asked)
        request = etree.fromstring(zlib.decompress(base64.b64decode(asked["SAMLRequest"]), wbits=-15))
        form = urlencode(
            {"SAMLResponse": self._response(request.get("ID", "")), "RelayState": asked["RelayState"]}
        ).encode()
        return lambda bridge, cookie: bridge.post(f"/{NAME}/saml/acs", form, ("cookie", cookie))

    def _check_signature(self, query: str, asked: dict[str, str]) -> None:
        """SAML bindings §3.4.4.1: the signature covers the octets of the query before it."""
        signed = query.partition("&Signature=")[0].encode()
        signature = base64.b64decode(asked["Signature"])
        for text in self._certificates("signing"):
            public: Any = load_der_x509_certificate(base64.b64decode(text)).public_key()
            try:
                if isinstance(public, ec.EllipticCurvePublicKey):
                    r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
                    public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
                else:
                    public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                continue
            self.verified.append(text)
            return
        raise SignInFailed("the IdP refuses the AuthnRequest: no certificate of its copy made that signature")

    def _response(self, request_id: str) -> str:
        now = self.clock() - self.real()
        message = Message(
            request_id=request_id,
            acs=ACS,
            sp=SP,
            destination=ACS,
            issue_instant=at(now),
            assertion_instant=at(now),
            confirmation={"NotOnOrAfter": at(now + 300)},
            # Without NotBefore: python3-saml compares it with the real clock.
            conditions={"NotBefore": None, "NotOnOrAfter": at(now + 300)},
            authn={"AuthnInstant": at(now)},
        )
        root = etree.fromstring(message.unsigned().encode())
        assertion = root.find("saml:Assertion", NS)
        assert assertion is not None
        sign(assertion, self.key, self.pem, algorithm=ECDSA_SHA256)
        (to,) = self._certificates("encryption")[:1]
        public: Any = load_der_x509_certificate(base64.b64decode(to)).public_key()
        encrypt(assertion, GCM256, key=_Public(public))  # type: ignore[arg-type]
        self.encrypted_to.append(to)
        return encode(etree.tostring(root))

    def _certificates(self, use: str) -> list[str]:
        document = etree.fromstring(self.metadata.get())
        found = document.iterfind(f".//md:KeyDescriptor[@use='{use}']//ds:X509Certificate", NS)
        return [str(each.text) for each in found]


@dataclass(frozen=True)
class _Public:
    """A public key in the place of a pair, of which whoever encrypts takes the public half."""

    key: Any

    def public_key(self) -> Any:
        return self.key


assert IDP == "https://idp.example/saml"
