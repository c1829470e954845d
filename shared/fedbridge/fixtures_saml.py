"""The SAML side of fixtures mode: an IdP by hand, whose certificate nobody holds the key of for longer than a process lives.

No Response that signs anybody in can be written down beforehand, because python3-saml looks at the real clock: the sample
events show the request, the metadata, and what becomes of answers that sign nobody in.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fedbridge.keys.certified import certified_jwks
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.saml import PublishedMetadata, RequestedAttribute, Saml, SamlKey, SamlProvider

if TYPE_CHECKING:
    from fedbridge.model.connection import RelyingParty
    from fedbridge.ports import Keys, Secrets

CONNECTION = "example-saml"
ENTITY_ID = "https://idp.example/saml"
SINGLE_SIGN_ON_SERVICE = "https://idp.example/saml/sso"
SP_ENTITY_ID = "https://bridge.example/example-saml/saml/metadata"
REQUEST_ID = "_fixture"


def documents() -> dict[str, str]:
    """Return a key and two certificates in PEM, by name of the variable that holds them."""
    key, own = _certified("bridge.example")
    _, idp = _certified("idp.example")
    return {"SAML_KEY": key, "SAML_CERTIFICATE": own, "IDP_CERTIFICATE": idp}


def connection_of(party: RelyingParty, keys: Keys, secrets: Secrets) -> Connection:
    """Return the connection as it is published."""
    saml = Saml(
        provider=SamlProvider(
            single_sign_on_service=SINGLE_SIGN_ON_SERVICE, certificates=("env:IDP_CERTIFICATE",)
        ),
        signing_keys=(SamlKey(key="env:SAML_KEY", certificate="env:SAML_CERTIFICATE"),),
        published=PublishedMetadata(
            name="Example", attributes=(RequestedAttribute(name="urn:oid:0.9.2342.19200300.100.1.3"),)
        ),
    )
    return Connection(
        name=CONNECTION,
        version="fixtures",
        protocol="saml",
        issuer=ENTITY_ID,
        client_id=SP_ENTITY_ID,
        relying_parties=(party,),
        saml=saml,
        client_jwks=certified_jwks(saml, keys=keys, secrets=secrets, deadline=Deadline.after(20)),
    )


def remembered(now: float) -> dict[str, str]:
    """Return what the sign-in that waits remembers of its AuthnRequest."""
    return {"request_id": REQUEST_ID, "asked_at": repr(now)}


def _certified(name: str) -> tuple[str, str]:
    """Return a new key and its certificate, which is valid long enough for a clock that stands still."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2050, 1, 1, tzinfo=dt.UTC))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode("ascii"), certificate.public_bytes(Encoding.PEM).decode("ascii")
