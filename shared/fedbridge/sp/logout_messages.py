"""LogoutRequest and LogoutResponse as the bridge makes them (SAML core §3.7), always signed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from lxml import etree

from fedbridge.sp import names, times
from fedbridge.sp.names import SAML, SAMLP, q

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection

REQUEST_LIFETIME = 300
"""Seconds that the IdP may take a LogoutRequest of ours."""

_NAME_ID = {"Format": "format", "NameQualifier": "name_qualifier", "SPNameQualifier": "sp_name_qualifier"}

_STATUS = {
    "ended": (names.SUCCESS,),
    "unknown": (names.STATUS + "Requester", names.STATUS + "UnknownPrincipal"),
    "failed": (names.STATUS + "Responder",),
}


def remembered_of(name_id: etree._Element | None, session_index: str | None) -> dict[str, str]:
    """Return what a LogoutRequest will need of a sign-in; empty where the IdP named nobody."""
    if name_id is None or not name_id.text:
        return {}
    kept = {ours: value for theirs, ours in _NAME_ID.items() if (value := name_id.get(theirs)) is not None}
    return {"name_id": name_id.text, **kept} | ({"session_index": session_index} if session_index else {})


def logout_request(
    connection: Connection, remembered: Mapping[str, str], *, request_id: str, destination: str, now: float
) -> etree._Element:
    """Return the LogoutRequest for what `remembered_of` kept, unsigned."""
    root = _message(connection, "LogoutRequest", request_id, destination, now)
    root.set("NotOnOrAfter", times.to_text(now + REQUEST_LIFETIME))
    name_id = etree.SubElement(root, q(SAML, "NameID"))
    name_id.text = remembered["name_id"]
    for theirs, ours in _NAME_ID.items():
        if ours in remembered:
            name_id.set(theirs, remembered[ours])
    if "session_index" in remembered:
        etree.SubElement(root, q(SAMLP, "SessionIndex")).text = remembered["session_index"]
    return root


def logout_response(
    connection: Connection,
    outcome: Literal["ended", "unknown", "failed"],
    *,
    in_response_to: str,
    destination: str,
    now: float,
) -> etree._Element:
    """Return the LogoutResponse, unsigned."""
    root = _message(connection, "LogoutResponse", f"_{secrets.token_hex(20)}", destination, now)
    root.set("InResponseTo", in_response_to)
    parent = etree.SubElement(root, q(SAMLP, "Status"))
    for code in _STATUS[outcome]:
        parent = etree.SubElement(parent, q(SAMLP, "StatusCode"), Value=code)
    return root


def _message(
    connection: Connection, name: str, message_id: str, destination: str, now: float
) -> etree._Element:
    root = etree.Element(
        q(SAMLP, name),
        nsmap={"samlp": SAMLP, "saml": SAML},
        ID=message_id,
        Version="2.0",
        IssueInstant=times.to_text(now),
        Destination=destination,
    )
    etree.SubElement(root, q(SAML, "Issuer")).text = connection.client_id
    return root
