"""python3-saml in strict mode: schema, signatures, and its own reading of SAML's rules. Ours come after it."""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from onelogin.saml2.errors import OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from fedbridge.errors import IssuerMismatch
from fedbridge.sp.errors import response_refused

if TYPE_CHECKING:
    from lxml import etree

_Error = OneLogin_Saml2_ValidationError
_REASONS = {
    _Error.UNSUPPORTED_SAML_VERSION: "saml_version_refused",
    _Error.WRONG_INRESPONSETO: "saml_in_response_to_mismatch",
    _Error.ASSERTION_TOO_EARLY: "saml_not_yet_valid",
    _Error.ASSERTION_EXPIRED: "saml_expired",
    _Error.SESSION_EXPIRED: "saml_expired",
    _Error.WRONG_DESTINATION: "saml_destination_mismatch",
    _Error.EMPTY_DESTINATION: "saml_destination_mismatch",
    _Error.WRONG_AUDIENCE: "saml_audience_mismatch",
    _Error.WRONG_ISSUER: "saml_issuer_mismatch",
    _Error.ISSUER_MULTIPLE_IN_RESPONSE: "saml_issuer_mismatch",
    _Error.ISSUER_NOT_FOUND_IN_ASSERTION: "saml_issuer_mismatch",
    _Error.WRONG_SUBJECTCONFIRMATION: "saml_confirmation_refused",
    _Error.NO_SIGNED_ASSERTION: "saml_signature_missing",
    _Error.NO_SIGNED_MESSAGE: "saml_signature_missing",
    _Error.NO_SIGNATURE_FOUND: "saml_signature_missing",
    _Error.INVALID_SIGNATURE: "saml_signature_invalid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who speaks to whom; `certificates` are PEM. `signed` is what must carry a signature, as AssertionPolicy has it."""

    idp_entity_id: str
    certificates: tuple[str, ...]
    sp_entity_id: str
    acs_url: str
    signed: str


# python3-saml has no types.
class _Response(OneLogin_Saml2_Response):  # type: ignore[misc]
    """A Response whose assertion, where it was encrypted, is decrypted already: private keys never meet xmlsec."""

    def __init__(self, settings: Any, response: str, decrypted: etree._Element | None) -> None:
        self._decrypted = decrypted
        super().__init__(settings, response)

    def _decrypt_assertion(self, xml: Any) -> Any:  # noqa: ARG002  the base class hands over a copy of the document
        return self._decrypted


def validate(trust: Trust, document: bytes, decrypted: etree._Element | None, request_id: str | None) -> None:
    """Return if python3-saml accepts the Response; `decrypted` is its document with the plain assertion in place.

    Raises IssuerMismatch, with the reason of the gate that would say the same, or `saml_rejected`.
    """
    url = urlsplit(trust.acs_url)
    here: dict[str, Any] = {
        "http_host": url.netloc,
        "script_name": url.path,
        "https": "on" if url.scheme == "https" else "off",
        "get_data": {},
        "post_data": {},
    }
    rejection = _rejection(trust, document, decrypted, here, request_id)
    if rejection is not None:
        raise rejection


def _rejection(
    trust: Trust,
    document: bytes,
    decrypted: etree._Element | None,
    here: dict[str, Any],
    request_id: str | None,
) -> IssuerMismatch | None:
    # The library's messages quote the Response: none of them goes anywhere, not even as an exception's context.
    try:
        encoded = base64.b64encode(document).decode("ascii")
        _Response(_settings(trust), encoded, decrypted).is_valid(here, request_id, raise_exceptions=True)
    except OneLogin_Saml2_ValidationError as error:
        return response_refused(_REASONS.get(error.code, "saml_rejected"))
    except Exception:  # noqa: BLE001  the library raises bare Exception, as for times that it cannot read
        return response_refused("saml_rejected")
    return None


@functools.lru_cache(maxsize=256)
def _settings(trust: Trust) -> OneLogin_Saml2_Settings:
    return OneLogin_Saml2_Settings(
        {
            "strict": True,
            "debug": False,
            "sp": {
                "entityId": trust.sp_entity_id,
                "assertionConsumerService": {"url": trust.acs_url},
            },
            "idp": {
                "entityId": trust.idp_entity_id,
                "x509certMulti": {"signing": list(trust.certificates)},
            },
            "security": {
                "wantAssertionsSigned": trust.signed in {"assertion", "both"},
                "wantMessagesSigned": trust.signed in {"response", "both"},
                "wantNameId": False,
                "wantAttributeStatement": False,
                "requestedAuthnContext": False,
                "rejectDeprecatedAlgorithm": True,
                "allowRepeatAttributeName": True,  # Decided by our own reading, which knows the connection's rule.
                "allowSingleLabelDomains": True,
            },
        },
        sp_validation_only=True,
    )
