"""Our own signatures, by the `Signer` port: over the Redirect query, and enveloped in a POSTed request."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lxml import etree

from fedbridge.sp import names
from fedbridge.sp.names import DS, SAML, q

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Signer


def signed_query(parameters: Mapping[str, str], signer: Signer, deadline: Deadline) -> str:
    """Return the query with SigAlg and Signature, which covers exactly the octets before it (SAML bindings §3.4.4.1).

    Raises KeyUnavailable, DeadlineExceeded.
    """
    signed = urlencode({**parameters, "SigAlg": names.SIGNATURES[signer.algorithm]}, quote_via=quote, safe="")
    signature = base64.b64encode(signer.sign(signed.encode("ascii"), deadline)).decode("ascii")
    return f"{signed}&{urlencode({'Signature': signature}, quote_via=quote, safe='')}"


def sign_enveloped(root: etree._Element, signer: Signer, certificate: str | None, deadline: Deadline) -> None:
    """Put a Signature behind the Issuer of a document made here (SAML core §5.4); raises as `signed_query` does.

    `certificate` is the base64 of the DER, for the IdP's KeyInfo.
    """
    digest = base64.b64encode(hashlib.sha256(_canonical(root)).digest()).decode("ascii")
    signature = etree.Element(q(DS, "Signature"), nsmap={"ds": DS})
    info = etree.SubElement(signature, q(DS, "SignedInfo"))
    etree.SubElement(info, q(DS, "CanonicalizationMethod"), Algorithm=names.EXCLUSIVE_C14N)
    etree.SubElement(info, q(DS, "SignatureMethod"), Algorithm=names.SIGNATURES[signer.algorithm])
    reference = etree.SubElement(info, q(DS, "Reference"), URI=f"#{root.get('ID')}")
    transforms = etree.SubElement(reference, q(DS, "Transforms"))
    for algorithm in (names.ENVELOPED, names.EXCLUSIVE_C14N):
        etree.SubElement(transforms, q(DS, "Transform"), Algorithm=algorithm)
    etree.SubElement(reference, q(DS, "DigestMethod"), Algorithm=names.SHA256)
    etree.SubElement(reference, q(DS, "DigestValue")).text = digest
    octets = signer.sign(_canonical(info), deadline)
    etree.SubElement(signature, q(DS, "SignatureValue")).text = base64.b64encode(octets).decode("ascii")
    if certificate is not None:
        data = etree.SubElement(etree.SubElement(signature, q(DS, "KeyInfo")), q(DS, "X509Data"))
        etree.SubElement(data, q(DS, "X509Certificate")).text = certificate
    issuer = root.find(q(SAML, "Issuer"))
    root.insert(0 if issuer is None else root.index(issuer) + 1, signature)


def published_certificate(connection: Connection, kid: str) -> str | None:
    """Return the base64 of the certificate that the bridge's metadata publish for the key of this kid."""
    return next(
        (jwk["x5c"][0] for jwk in connection.client_jwks if jwk["kid"] == kid and jwk.get("x5c")), None
    )


def _canonical(element: etree._Element) -> bytes:
    octets: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return octets
