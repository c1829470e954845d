"""Our own exact checks, on the envelope and on the element that was verified: byte for byte, and nothing left out.

What python3-saml checks only where it is present, or by prefix, is demanded here (SAML profiles §4.1.4.2, §4.1.4.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.errors import IssuerMismatch
from fedbridge.sp import names, times
from fedbridge.sp.errors import response_refused, status_error
from fedbridge.sp.names import SAML, SAMLP, q
from fedbridge.sp.xml import text_of

if TYPE_CHECKING:
    from lxml import etree


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What belongs to this very sign-in. Times in seconds since the epoch; `asked_at` is when the AuthnRequest was made.

    Without a `request_id` nobody asked, and the answer must not name a request either.
    """

    idp_entity_id: str
    sp_entity_id: str
    acs_url: str
    request_id: str | None
    asked_at: float
    now: float
    clock_skew: float


def check_envelope(root: etree._Element, expected: Expected) -> None:
    """Compare the Response itself: version, Issuer, Destination, InResponseTo, IssueInstant.

    Raises IssuerMismatch: `saml_version_refused`, `saml_issuer_mismatch`, `saml_destination_mismatch`,
    `saml_in_response_to_mismatch`, `saml_issue_instant_refused`, `saml_time_malformed`.
    """
    _check_version(root)
    _check_issuer(root, expected)
    if root.get("Destination") != expected.acs_url:
        raise response_refused("saml_destination_mismatch")
    if root.get("InResponseTo") != expected.request_id:
        raise response_refused("saml_in_response_to_mismatch")
    _check_issued(root, expected)


def check_answer(root: etree._Element, expected: Expected) -> None:
    """Compare what the IdP answers to the bridge itself; raises as `check_envelope` does.

    There is no Destination, and an Issuer only if the IdP likes (SAML core §3.2.2): TLS says who answers.
    """
    _check_version(root)
    if root.find(q(SAML, "Issuer")) is not None:
        _check_issuer(root, expected)
    if root.get("InResponseTo") != expected.request_id:
        raise response_refused("saml_in_response_to_mismatch")
    _check_issued(root, expected)


def failure_of(root: etree._Element) -> IssuerMismatch | Exception | None:
    """Return the error that the Status stands for, None for success (SAML core §3.2.2)."""
    code = root.find(f"{q(SAMLP, 'Status')}/{q(SAMLP, 'StatusCode')}")
    codes = []
    while code is not None:
        codes.append(code.get("Value", ""))
        code = code.find(q(SAMLP, "StatusCode"))
    if not codes or not all(codes):
        return response_refused("saml_status_malformed")
    return None if codes[0] == names.SUCCESS else status_error(tuple(codes))


def check_assertion(assertion: etree._Element, expected: Expected) -> None:
    """Compare the verified assertion: Issuer, times, audience, and the confirmation that it answers our request.

    Raises IssuerMismatch: those of `check_envelope`, `saml_conditions_missing`, `saml_audience_mismatch`,
    `saml_confirmation_refused`, `saml_recipient_mismatch`, `saml_expired`, `saml_not_yet_valid`,
    `saml_validity_too_long`.
    """
    _check_version(assertion)
    _check_issuer(assertion, expected)
    _check_issued(assertion, expected)
    _check_conditions(assertion, expected)
    _check_confirmation(assertion, expected)


def _check_version(element: etree._Element) -> None:
    if element.get("Version") != "2.0":
        raise response_refused("saml_version_refused")


def _check_issuer(element: etree._Element, expected: Expected) -> None:
    issuer = element.find(q(SAML, "Issuer"))
    if (
        issuer is None
        or text_of(issuer) != expected.idp_entity_id
        or issuer.get("Format", names.ENTITY_FORMAT) != names.ENTITY_FORMAT
        or set(issuer.attrib) - {"Format"}
    ):
        raise response_refused("saml_issuer_mismatch")


def _check_issued(element: etree._Element, expected: Expected) -> None:
    times.check_issued(
        element.get("IssueInstant"), after=expected.asked_at, now=expected.now, skew=expected.clock_skew
    )


def _check_conditions(assertion: etree._Element, expected: Expected) -> None:
    conditions = assertion.find(q(SAML, "Conditions"))
    if conditions is None:
        raise response_refused("saml_conditions_missing")
    times.check_not_before(conditions.get("NotBefore"), expected.now, expected.clock_skew)
    times.check_not_on_or_after(conditions.get("NotOnOrAfter"), expected.now, expected.clock_skew)
    restrictions = conditions.findall(q(SAML, "AudienceRestriction"))
    # Each restriction counts, within one any audience will do (SAML core §2.5.1.4).
    for restriction in restrictions:
        audiences = [text_of(audience) for audience in restriction]
        if expected.sp_entity_id not in audiences:
            raise response_refused("saml_audience_mismatch")
    if not restrictions:
        raise response_refused("saml_audience_mismatch")


def _check_confirmation(assertion: etree._Element, expected: Expected) -> None:
    """Return if one bearer confirmation holds; the first one's fault is told, where none does."""
    failure = response_refused("saml_confirmation_refused")
    found = False
    for confirmation in assertion.iter(q(SAML, "SubjectConfirmation")):
        data = confirmation.find(q(SAML, "SubjectConfirmationData"))
        if confirmation.get("Method") != names.BEARER or data is None:
            continue
        try:
            _check_confirmation_data(data, expected)
        except IssuerMismatch as error:
            failure, found = (failure, True) if found else (error, True)
        else:
            return
    raise failure


def _check_confirmation_data(data: etree._Element, expected: Expected) -> None:
    if data.get("InResponseTo") != expected.request_id:
        raise response_refused("saml_in_response_to_mismatch")
    if data.get("Recipient") != expected.acs_url:
        raise response_refused("saml_recipient_mismatch")
    times.check_not_before(data.get("NotBefore"), expected.now, expected.clock_skew)
    times.check_not_on_or_after(data.get("NotOnOrAfter"), expected.now, expected.clock_skew)
