"""JWT-secured authorization responses (JARM): the parameters come as claims of one signed, perhaps encrypted JWT.

The browser presents nothing but that JWT, so the sign-in that it belongs to is found by a claim that nobody has verified
yet. Finding it changes nothing: state and browser then prove themselves as with any response, and what the IdP signed is
verified before the code in it goes anywhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.model.http import Parameters
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.claim_checks import check_lifetime
from fedbridge.rp.context import Context, KeyContext
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.jwt import MAX_TOKEN, Accepted, verify_jwt
from fedbridge.rp.tenants import issuers
from fedbridge.strict_json import decode_object

KIND = "authorization_response"
PARAMETERS = ("code", "state", "error", "iss")
"""What is read of the claims as parameters."""


def claimed_state(context: KeyContext, response: str) -> str | None:
    """Return the `state` in a response that is not verified, None where none can be read.

    An encrypted one is opened with the connection's key, which configuration keeps out of KMS: anybody may send such
    responses, and none of them causes a call. Raises KeyUnavailable where the key cannot be had.
    """
    if response.count(".") == 4 and context.connection.authorization_response.encryption != "none":
        from fedbridge.rp.jwe import decrypt_compact  # noqa: PLC0415  few responses are encrypted

        try:
            response = decrypt_compact(context, response, kind=KIND)
        except UpstreamError:
            return None
    segments = response.split(".")
    if len(segments) != 3 or len(response) > MAX_TOKEN:
        return None
    try:
        state = decode_object(decode_base64url(segments[1])).get("state")
    except ValueError:
        return None
    return state if isinstance(state, str) else None


def open_response(
    context: Context, jwks: JwksSource, response: Parameters, remembered: Mapping[str, str]
) -> Parameters:
    """Return the parameters in a verified response; `state` must be the one that this sign-in began with.

    Processed as JARM §2.4 has it. Calls the IdP only for keys that are not cached. Raises UpstreamError
    (`authorization_response_unsigned` for plain parameters, what `verify_jwt` raises,
    `authorization_response_state_mismatch`, `…_audience_mismatch`, `…_time_malformed`, `…_expired`, `…_not_yet_valid`,
    `…_from_the_future`, `…_parameter_malformed`), IssuerMismatch (`…_iss_mismatch`), ConfigurationError, KeyUnavailable and
    DeadlineExceeded.
    """
    token = response.value("response")
    if token is None:
        raise UpstreamError("authorization_response_unsigned")
    policy = context.connection.authorization_response
    accepted = Accepted(
        kind=KIND,
        algorithms=policy.algorithms or context.connection.id_token.algorithms,
        encryption=policy.encryption,
    )
    claims = verify_jwt(context, token, accepted, jwks.of(context, KIND)).claims
    _check_state(claims, remembered.get("state", ""))
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in issuers(context.connection):
        raise IssuerMismatch("authorization_response_iss_mismatch")
    if claims.get("aud") not in (context.connection.client_id, [context.connection.client_id]):
        raise UpstreamError("authorization_response_audience_mismatch")
    check_lifetime(  # JARM §2.1 has `exp`; the rest holds where it is
        KIND,
        claims,
        now=context.clock(),
        clock_skew=context.connection.id_token.clock_skew,
        required=("exp",),
    )
    return _parameters(claims)


def _check_state(claims: Mapping[str, Any], state: str) -> None:
    received = claims.get("state")
    if not isinstance(received, str) or not hmac.compare_digest(received.encode(), state.encode()):
        raise UpstreamError("authorization_response_state_mismatch")


def _parameters(claims: Mapping[str, Any]) -> Parameters:
    parameters = Parameters({name: claims[name] for name in PARAMETERS if name in claims})
    if not all(isinstance(value, str) for value in parameters.values()):
        raise UpstreamError("authorization_response_parameter_malformed")
    return parameters
