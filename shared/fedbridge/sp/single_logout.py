"""The single logout profile (SAML profiles §4.4) towards one IdP, both ways, by Redirect and by POST.

Whatever arrives is signed or refused, and a session is named by NameID and SessionIndex together: another person's, or
another connection's, is none that is known.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fedbridge.claims.subject import to_subject
from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.model.session import EndedSession, UpstreamSession
from fedbridge.sp import times
from fedbridge.sp.assertion import Attributes, subject_of
from fedbridge.sp.authn_request import send
from fedbridge.sp.checks import Expected, check_envelope, failure_of
from fedbridge.sp.errors import response_refused
from fedbridge.sp.logout_messages import logout_request, logout_response, remembered_of
from fedbridge.sp.names import DS, SAML, SAMLP, q
from fedbridge.sp.redirect import signed_message
from fedbridge.sp.response import Reception, name_id_of
from fedbridge.sp.signature import check_algorithms, signed_element, verify_enveloped
from fedbridge.sp.signing import published_certificate
from fedbridge.sp.structure import check_structure
from fedbridge.sp.xml import decode_message, parse, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml import etree

    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.saml import Saml
    from fedbridge.ports import Clock, DeliveredMessage, Keys, UpstreamRedirect
    from fedbridge.sp.idp import Binding
    from fedbridge.sp.idp_metadata import IdentityProviders

MAX_AGE = 300.0
"""Seconds that a LogoutRequest may have been on its way."""

MAX_TRIP = 600.0
"""Seconds that a person may take at the IdP until the LogoutResponse."""

MAX_SESSIONS = 32
"""SessionIndex elements of one request; each is looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlSingleLogout:
    """The `SingleLogout` port over SAML, any number of connections. `clock` is in seconds since the epoch."""

    providers: IdentityProviders
    keys: Keys
    clock: Clock = time.time

    def request(
        self, connection: Connection, *, state: str, remembered: Mapping[str, str], deadline: Deadline
    ) -> UpstreamRedirect | None:
        """Return the signed LogoutRequest, None where nothing was kept that could name the session.

        Its ID follows from `state`, so that the answer is known without anything being stored. Raises UpstreamError
        (`saml_logout_not_offered`, `saml_metadata_…`), KeyUnavailable, ConfigurationError, DeadlineExceeded.
        """
        saml = _saml(connection)
        if saml.logout is None or "name_id" not in remembered:
            return None
        endpoints = self.providers.get(connection, saml, deadline, endpoints_only=True).logout_endpoints
        binding = _binding(endpoints, saml.logout.binding)
        message = logout_request(
            connection,
            remembered,
            request_id=_request_id(state),
            destination=endpoints[binding],
            now=self.clock(),
        )
        return self._send(
            connection,
            message,
            binding=binding,
            destination=endpoints[binding],
            parameters=("SAMLRequest", state),
            deadline=deadline,
        )

    def ended(
        self, connection: Connection, message: DeliveredMessage, deadline: Deadline
    ) -> tuple[EndedSession, ...]:
        """Verify a LogoutRequest; return the sessions that it names, or whom, where it names none.

        Raises IssuerMismatch (`saml_…`), UpstreamError, KeyUnavailable, ConfigurationError, DeadlineExceeded.
        """
        saml, now = _saml(connection), self.clock()
        reception = self._reception(connection, message, None, now - MAX_AGE, deadline)
        root = _verified(reception, message, "SAMLRequest", "LogoutRequest")
        check_envelope(root, reception.expected)
        if root.get("NotOnOrAfter") is not None:
            times.check_not_on_or_after(root.get("NotOnOrAfter"), now, reception.expected.clock_skew)
        if saml.assertion.encryption == "none" and root.find(q(SAML, "EncryptedID")) is not None:
            raise response_refused("saml_encrypted")
        name_id = name_id_of(reception, root)
        if name_id is None or not text_of(name_id):
            raise response_refused("saml_name_id_malformed")
        indices = [text_of(each).strip() for each in root.iterchildren(q(SAMLP, "SessionIndex"))]
        if len(indices) > MAX_SESSIONS or not all(indices):
            raise response_refused("saml_structure_refused")
        request_id = root.get("ID", "")
        until = math.ceil(now + MAX_AGE + 2 * reception.expected.clock_skew) + 1
        subject = None if indices else _subject(connection, saml, name_id)
        return tuple(
            EndedSession(
                issuer=connection.issuer,
                subject=None,
                sid=_session_name(connection, saml, name_id, index),
                jti=request_id,
                until=until,
                known_subject=subject,
            )
            for index in indices or [""]
        )

    def answer(
        self,
        connection: Connection,
        message: DeliveredMessage,
        *,
        request_id: str,
        outcome: Literal["ended", "unknown", "failed"],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        """Return the signed LogoutResponse, by the binding of the request where the IdP takes answers so; raises as `request`."""
        saml = _saml(connection)
        endpoints = self.providers.get(
            connection, saml, deadline, endpoints_only=True
        ).logout_response_endpoints
        arrived: Binding = "post" if message.raw_query is None else "redirect"
        binding = _binding(endpoints, arrived if arrived in endpoints else None)
        response = logout_response(
            connection,
            outcome,
            in_response_to=request_id,
            destination=endpoints[binding],
            now=self.clock(),
        )
        return self._send(
            connection,
            response,
            binding=binding,
            destination=endpoints[binding],
            parameters=("SAMLResponse", message.parameters.get("RelayState")),
            deadline=deadline,
        )

    def check_response(self, connection: Connection, message: DeliveredMessage, deadline: Deadline) -> str:
        """Verify the LogoutResponse to the request of a `state`, which it brings back as RelayState; returns the state.

        A logout that other participants did not take part in is one all the same (PartialLogout). Raises IssuerMismatch,
        UpstreamError for any other Status, KeyUnavailable, ConfigurationError, DeadlineExceeded.
        """
        state = message.parameters.get("RelayState", "")
        asked_at = self.clock() - MAX_TRIP
        reception = self._reception(connection, message, _request_id(state), asked_at, deadline)
        root = _verified(reception, message, "SAMLResponse", "LogoutResponse")
        check_envelope(root, reception.expected)
        failure = failure_of(root)
        if failure is not None and getattr(failure, "upstream_code", None) != "PartialLogout":
            raise failure
        return state

    def _reception(
        self,
        connection: Connection,
        message: DeliveredMessage,
        request_id: str | None,
        after: float,
        deadline: Deadline,
    ) -> Reception:
        saml = _saml(connection)
        expected = Expected(
            idp_entity_id=connection.issuer,
            sp_entity_id=connection.client_id,
            acs_url=message.here,
            request_id=request_id,
            asked_at=after,
            now=self.clock(),
            clock_skew=saml.assertion.clock_skew,
        )
        provider = self.providers.get(connection, saml, deadline)
        return Reception(saml=saml, provider=provider, keys=self.keys, expected=expected, deadline=deadline)

    def _send(
        self,
        connection: Connection,
        message: etree._Element,
        *,
        binding: Binding,
        destination: str,
        parameters: tuple[str, str | None],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        """Sign the message; `parameters` are the name that it travels under, and the RelayState beside it."""
        saml = _saml(connection)
        key, algorithm = saml.signing_keys[0].key, saml.request.signature_algorithm
        signer = self.keys.signer(key, algorithm, deadline)
        return send(
            message,
            binding,
            destination,
            relay_state=parameters[1],
            signer=signer,
            certificate=published_certificate(connection, signer.kid),
            remembered={},
            deadline=deadline,
            parameter=parameters[0],
        )


def upstream_session(
    connection: Connection, name_id: etree._Element | None, assertion: etree._Element
) -> UpstreamSession | None:
    """Return what signing out will take of a sign-in; None where the connection keeps nothing, or the IdP named nobody."""
    saml = _saml(connection)
    if saml.logout is None or not connection.logout.sessions or name_id is None:
        return None
    statement = assertion.find(q(SAML, "AuthnStatement"))
    index = (None if statement is None else statement.get("SessionIndex")) or ""
    return UpstreamSession(
        issuer=connection.issuer,
        sid=_session_name(connection, saml, name_id, index),
        remembered=remembered_of(name_id, index),
    )


def _verified(
    reception: Reception, message: DeliveredMessage, parameter: str, element: str
) -> etree._Element:
    """Return the message, read from the bytes that its signature covers: the query's, or those of its own Signature."""
    accepted, certificates = reception.saml.assertion.algorithms, reception.certificates()
    tag = q(SAMLP, element)
    if message.raw_query is not None:
        signed = signed_message(message.raw_query, parameter, accepted=accepted, certificates=certificates)
        root = parse(signed.document)
        check_structure(root, expected=tag)
        if next(root.iter(q(DS, "Signature")), None) is not None:
            raise response_refused("saml_signature_refused")
        return root
    document = decode_message(message.parameters.get(parameter, ""))
    root = parse(document)
    check_structure(root, expected=tag)
    check_algorithms(root, accepted)
    verify_enveloped(root, certificates)
    return signed_element(document)


def _subject(connection: Connection, saml: Saml, name_id: etree._Element) -> str | None:
    """Return what Cognito gets as `sub` for this NameID, None where that does not follow from it."""
    if saml.assertion.subject_attribute is not None:
        return None
    parts = subject_of(name_id, Attributes(by_name={}, by_friendly_name={}), connection, saml)
    return to_subject(connection, connection.issuer, *(parts[:1] if connection.subject == "raw" else parts))


def _session_name(connection: Connection, saml: Saml, name_id: etree._Element, index: str) -> str:
    """Return what we call the IdP's session: a digest of whose it is and which, so that both must be right.

    Qualifiers that are left out are the IdP's and our own entityID (SAML core §8.3.7).
    """
    ours = saml.request.sp_name_qualifier or connection.client_id
    parts = (
        text_of(name_id),
        name_id.get("NameQualifier", connection.issuer),
        name_id.get("SPNameQualifier", ours),
        index,
    )
    framed = b"".join(len(each.encode()).to_bytes(8, "big") + each.encode() for each in parts)
    return hashlib.sha256(framed).hexdigest()


def _request_id(state: str) -> str:
    return f"_{hashlib.sha256(f'fedbridge/saml-logout/{state}'.encode(errors='replace')).hexdigest()}"


def _binding(endpoints: Mapping[Binding, str], wanted: Binding | None) -> Binding:
    for binding in (wanted,) if wanted is not None else ("redirect", "post"):
        if binding in endpoints:
            return binding
    raise UpstreamError("saml_logout_not_offered")


def _saml(connection: Connection) -> Saml:
    if connection.saml is None:
        raise ConfigurationError(f"connection {connection.name}: saml is missing")
    return connection.saml
