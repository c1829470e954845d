"""Which signatures an IdP says that it verifies (SAML v2.0 Metadata Profile for Algorithm Support §2.2)."""

from __future__ import annotations

from fedbridge.errors import IssuerMismatch
from fedbridge.sp.metadata_document import MAX_AGGREGATE_ELEMENTS
from fedbridge.sp.names import MD, SIGNATURES, q
from fedbridge.sp.xml import parse

ALG = "urn:oasis:names:tc:SAML:metadata:algsupport"


def signing_methods(document: bytes, entity_id: str) -> tuple[str, ...] | None:
    """Return the JWA names of the IdP's SigningMethods, None where it names none: nothing follows from that.

    What is not known here, such as SHA-1, has no name. The document was checked before; this decides nothing.
    """
    try:
        root = parse(document, max_elements=MAX_AGGREGATE_ELEMENTS, comments=True)
    except IssuerMismatch:
        return None
    found = [
        method.get("Algorithm", "")
        for entity in root.iter(q(MD, "EntityDescriptor"))
        if entity.get("entityID") == entity_id
        for method in entity.iter(q(ALG, "SigningMethod"))
    ]
    names = {identifier: name for name, identifier in SIGNATURES.items()}
    return tuple(names[each] for each in found if each in names) if found else None
