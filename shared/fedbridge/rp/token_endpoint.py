"""The token endpoint (RFC 6749 §3.2): one way of posting an authenticated form and reading what comes back.

Every grant goes through `post_form`, and so does every other endpoint that the client authenticates to.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fedbridge.errors import UpstreamError
from fedbridge.ports import OutboundRequest, OutboundResponse
from fedbridge.rp.client_authentication import authenticate
from fedbridge.rp.context import Context
from fedbridge.rp.errors import is_outage, upstream_error
from fedbridge.strict_json import InvalidJson, decode_object

MAX_BYTES = 64 * 1024

_TOKEN = re.compile(r"[\x21-\x7e]+")
_REASONS = {
    "invalid_client": "client_authentication_refused",
    "invalid_grant": "authorization_code_refused",
    # GitHub's own words for these two.
    "incorrect_client_credentials": "client_authentication_refused",
    "bad_verification_code": "authorization_code_refused",
    "invalid_dpop_proof": "dpop_proof_refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """What the bridge reads of a successful token response (OpenID Connect Core §3.1.3.3)."""

    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)


def exchange_code(
    context: Context, *, code: str, callback_url: str, code_verifier: str | None
) -> TokenResponse:
    """Redeem the authorization code for an access token and an ID token.

    Raises what `redeem_code` raises, and UpstreamError `id_token_missing`.
    """
    answer, access_token = redeem_code(
        context, code=code, callback_url=callback_url, code_verifier=code_verifier
    )
    id_token = answer.get("id_token")
    if not isinstance(id_token, str) or not id_token:
        raise UpstreamError("id_token_missing")
    refresh_token = answer.get("refresh_token")
    return TokenResponse(
        access_token=access_token,
        id_token=id_token,
        refresh_token=refresh_token if isinstance(refresh_token, str) else None,
    )


def redeem_code(
    context: Context, *, code: str, callback_url: str, code_verifier: str | None
) -> tuple[dict[str, Any], str]:
    """Redeem the authorization code (RFC 6749 §4.1.3); return the answer, and its access token.

    Sent once: a code is spent by the first try. Raises what `post_form` raises, and UpstreamError:
    `token_type_unsupported`, `token_type_not_bound`, `access_token_missing`.
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback_url}
    if code_verifier is not None:
        form["code_verifier"] = code_verifier
    answer = post_form(context, "token", context.metadata.token_endpoint, form)
    _check_token_type(context, answer.get("token_type"))
    access_token = answer.get("access_token")
    if not isinstance(access_token, str) or not _TOKEN.fullmatch(access_token):
        raise UpstreamError("access_token_missing")
    return answer, access_token


def post_form(
    context: Context, endpoint: str, url: str, form: Mapping[str, str], *, success: Container[int] = (200,)
) -> dict[str, Any]:
    """Authenticate, post and return the JSON object of a status in `success`.

    Raises what `send_form` raises, and UpstreamError `{endpoint}_endpoint_answer_invalid`.
    """
    response = send_form(context, endpoint, url, form, success=success)
    try:
        return decode_object(response.body)
    except InvalidJson:
        raise UpstreamError(f"{endpoint}_endpoint_answer_invalid", upstream_status=response.status) from None


def send_form(
    context: Context, endpoint: str, url: str, form: Mapping[str, str], *, success: Container[int] = (200,)
) -> OutboundResponse:
    """Authenticate, post and return a response with a status in `success`; `endpoint` names the kind of endpoint in the log.

    With mutual TLS the alias of `{endpoint}_endpoint` is called in the place of `url`, where the metadata have one.

    Nothing is sent twice, but for two cases in which nothing was redeemed (RFC 6749 §5.2, RFC 9449 §8), so that the same
    form is worth a second try, authenticated anew: the IdP refuses the client (`invalid_client`) and the secret's store
    has another secret by now; or it wants a nonce in the DPoP proof.

    Raises UpstreamError (`client_authentication_refused`, `authorization_code_refused`, `dpop_…`,
    `{endpoint}_endpoint_refused`, `…_unavailable`, `…_redirected`, `upstream_…`),
    ConfigurationError, KeyUnavailable, DeadlineExceeded.
    """
    called = context.called(f"{endpoint}_endpoint", url)
    response, secret = _post(context, endpoint, called, form)
    if _refuses_client(error_code(response)) and _secret_was_rotated(context, secret):
        response, _ = _post(context, endpoint, called, form)
    code = error_code(response)
    if response.status not in success or code is not None:
        raise _refusal(endpoint, response.status, code)
    return response


def error_code(response: OutboundResponse) -> str | None:
    """Return the `error` of a response, whatever its status (GitHub sends errors with 200), None if it has none."""
    try:
        document = decode_object(response.body)
    except InvalidJson:
        return None
    error = document.get("error")
    return error if error is None or isinstance(error, str) else "malformed_error"


def _post(
    context: Context, endpoint: str, url: str, form: Mapping[str, str]
) -> tuple[OutboundResponse, str | None]:
    """Return the response, and the client secret that the request rested on."""
    secret = None

    def send(proof: str | None = None) -> OutboundResponse:
        nonlocal secret
        authenticated = authenticate(context, url, form)
        secret = authenticated.secret
        headers = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
            **authenticated.headers,
        }
        if proof is not None:
            headers["dpop"] = proof
        body = urlencode(authenticated.form).encode("ascii")
        request = OutboundRequest(method="POST", url=url, headers=headers, body=body, max_bytes=MAX_BYTES)
        return context.calls.send(context.connection, endpoint, request, context.deadline)

    if context.dpop is None:
        return send(), secret
    return context.dpop.send("POST", url, send, context.deadline), secret


def _check_token_type(context: Context, token_type: object) -> None:
    """Compare with what was asked for: a Bearer token in the place of a bound one would work for any thief."""
    expected = "bearer" if context.dpop is None else "dpop"
    if not isinstance(token_type, str) or token_type.lower() not in {"bearer", expected}:
        raise UpstreamError("token_type_unsupported")
    if token_type.lower() != expected:
        raise UpstreamError("token_type_not_bound")


def _refuses_client(code: str | None) -> bool:
    return _REASONS.get(code or "") == "client_authentication_refused"


def _secret_was_rotated(context: Context, used: str | None) -> bool:
    reference = context.connection.client_authentication.secret
    if used is None or reference is None:
        return False
    return context.secrets.get(reference, context.deadline, refresh=True) != used


def _refusal(endpoint: str, status: int, code: str | None) -> UpstreamError:
    if is_outage(status):
        reason = f"{endpoint}_endpoint_unavailable"
    elif 300 <= status < 400:
        reason = f"{endpoint}_endpoint_redirected"
    else:
        reason = _REASONS.get(code or "", f"{endpoint}_endpoint_refused")
    return upstream_error(reason, code, status=status)
