"""The UserInfo endpoint (OpenID Connect Core §5.3): claims about the very person of the ID token, plain or signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import HMAC_ALGORITHMS
from fedbridge.ports import OutboundResponse
from fedbridge.rp.context import Context
from fedbridge.rp.errors import upstream_error
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.jwt import Accepted, keys_for, verify_jwt
from fedbridge.rp.protected_resource import fetch_resource
from fedbridge.strict_json import InvalidJson, decode_object

MAX_BYTES = 64 * 1024

_BEARER_ERROR = re.compile(r'\berror="([^"]*)"')
_ENCRYPTION: Mapping[str, Literal["none", "required", "optional"]] = {
    "jws": "none",
    "jwe": "required",
    "jws_or_jwe": "optional",
}


def fetch_userinfo(
    context: Context, jwks: JwksSource, *, access_token: str, id_token: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the claims, none where the connection or the IdP has no userinfo; `id_token` are the verified claims.

    Plain JSON where a signed answer is configured is refused, and the other way round: who could take the signature off
    could change what stands under it. Nested tokens are opened. Raises UpstreamError (`userinfo_…`, `nested_token_…`, and
    what fetching, decrypting and verifying raises), ConfigurationError, KeyUnavailable and DeadlineExceeded.
    """
    policy, url = context.connection.userinfo, context.metadata.userinfo_endpoint
    claims: Mapping[str, Any] = {}
    if policy.method != "none" and url is not None:
        response = fetch_resource(
            context,
            "userinfo",
            url,
            access_token=access_token,
            accept="application/json" if policy.format == "json" else "application/jwt",
            max_bytes=MAX_BYTES,
            method=policy.method,
        )
        claims = _read(context, jwks, response, issuer=id_token["iss"])
        # Core §5.3.2: without this comparison another person's document could be swapped in. Nothing of it is kept.
        if claims.get("sub") != id_token["sub"]:
            raise UpstreamError("userinfo_subject_mismatch")
    if not policy.nested:
        return claims
    from fedbridge.rp.nested_token import open_nested_tokens  # noqa: PLC0415  hardly any IdP has them

    return open_nested_tokens(context, jwks, claims, subject=id_token["sub"])


def _read(
    context: Context, jwks: JwksSource, response: OutboundResponse, *, issuer: str
) -> Mapping[str, Any]:
    if response.status != 200:
        code = _BEARER_ERROR.search(response.headers.get("www-authenticate", ""))
        raise upstream_error("userinfo_refused", code[1] if code else None, status=response.status)
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/json", "application/jwt"}:
        raise UpstreamError("userinfo_content_type")
    if context.connection.userinfo.format == "json":
        return _plain(response.body, media_type)
    if media_type != "application/jwt":
        raise UpstreamError("userinfo_not_signed")
    return _signed(context, jwks, response.body, issuer)


def _plain(body: bytes, media_type: str) -> Mapping[str, Any]:
    if media_type == "application/jwt":
        raise UpstreamError("userinfo_signed_unexpected")
    try:
        return decode_object(body)
    except InvalidJson:
        raise UpstreamError("userinfo_malformed") from None


def _signed(context: Context, jwks: JwksSource, body: bytes, issuer: str) -> Mapping[str, Any]:
    """Verify a JWT, in a JWE or not, and whom it is from and for.

    Core §5.3.2 says SHOULD of `iss` and `aud`, which is not enough for us to miss them: without them another client's
    answer about the same person would do. `require_iss_and_aud: false` is for IdPs that leave them out; then TLS, the
    access token and `sub` tell what they would have told. An ID token is none, although its `sub` and parties are right.
    """
    from fedbridge.rp.claim_checks import check_lifetime, check_parties  # noqa: PLC0415  few IdPs sign userinfo

    connection, policy = context.connection, context.connection.userinfo
    algorithms = policy.algorithms or connection.id_token.algorithms
    accepted = Accepted(
        kind="userinfo",
        algorithms=algorithms,
        encryption=_ENCRYPTION[policy.format],
        symmetric=connection.id_token.symmetric and set(algorithms) <= set(HMAC_ALGORITHMS),
    )
    try:
        token = body.decode("ascii")
    except UnicodeDecodeError:
        raise UpstreamError("userinfo_malformed") from None
    claims = verify_jwt(context, token, accepted, keys_for(context, jwks, accepted)).claims
    check_parties(
        "userinfo",
        claims,
        issuer=issuer,
        audience=connection.client_id,
        required=policy.require_iss_and_aud,
    )
    check_lifetime("userinfo", claims, now=context.clock(), clock_skew=connection.id_token.clock_skew)
    if "nonce" in claims:
        raise UpstreamError("userinfo_is_id_token")
    return claims
