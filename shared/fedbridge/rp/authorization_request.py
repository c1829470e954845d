"""The authorization request that the bridge sends the browser to the IdP with (OpenID Connect Core §3.1.2.1).

Parameters, then perhaps a request object of them (RFC 9101), perhaps pushed (RFC 9126), then the URL.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fedbridge.errors import ConfigurationError, OAuthError, UpstreamError
from fedbridge.jws import b64url
from fedbridge.model.connection import AuthorizationRequestProfile, Connection
from fedbridge.model.policies import RequestObject
from fedbridge.ports import UpstreamRedirect
from fedbridge.rp.assurance import UncheckableParameter, narrow, requested_assurance
from fedbridge.rp.context import Context
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.random_values import random_value

OWN = frozenset(
    {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
        "code_challenge", "code_challenge_method", "response_mode", "request", "request_uri", "dpop_jkt",
    }
)  # fmt: skip
"""What only the bridge sets: neither `parameters` nor what Cognito sends may touch these."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def build_authorization_request(
    context: Context,
    jwks: JwksSource,
    *,
    state: str,
    callback_url: str,
    parameters: Mapping[str, str],
    dpop_jkt: str | None = None,
) -> UpstreamRedirect:
    """Return the URL, and what `finish` needs: `nonce`, `code_verifier` (with PKCE), and what the answer is held to.

    What the connection fixes goes before what Cognito sends in `parameters`; only `acr_values` and `max_age` may be
    narrowed by it. Nothing is sent to the IdP but a request that is pushed, and the question for a key to encrypt to.
    Raises OAuthError invalid_request, ConfigurationError (`authorization_query_too_long`, an OAuthError where the
    app's parameters are in it), KeyUnavailable, DeadlineExceeded, UpstreamError where the endpoint's own query
    holds a parameter of ours, and what making and pushing the request raises.
    """
    connection, profile = context.connection, context.connection.authorization
    passed = _passed_through(profile, parameters)
    request, remembered = _own_parameters(connection, state, callback_url, dpop_jkt)
    request |= _extra_parameters(connection, passed)
    _check_allowed(connection, request)
    remembered |= _assurance(connection, request, passed, context.clock())
    sent = request
    if profile.request_object is not None:
        sent = _as_request_object(context, jwks, profile.request_object, request)
    if _is_pushed(context):
        sent = _push(context, sent)
    url = _with_query(context.metadata.authorization_endpoint, sent)
    _check_length(connection, url, of_app=bool(passed) and "request_uri" not in sent)
    return UpstreamRedirect(url=url, remembered=remembered)


def _own_parameters(
    connection: Connection, state: str, callback_url: str, dpop_jkt: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what every request carries, with new random values, and what is remembered of it."""
    profile = connection.authorization
    remembered: dict[str, str] = {}
    request = {
        "response_type": "code",
        "client_id": connection.client_id,
        "redirect_uri": callback_url,
        "scope": profile.scope,
        "state": state,
    }
    if connection.protocol == "oidc":
        request["nonce"] = remembered["nonce"] = random_value()
    if dpop_jkt is not None:
        request["dpop_jkt"] = dpop_jkt
    if profile.response_mode is not None:
        request["response_mode"] = profile.response_mode
    if profile.signed_response:
        remembered["state"] = state
    if profile.pkce == "S256":
        remembered["code_verifier"] = random_value()
        request["code_challenge"] = code_challenge(remembered["code_verifier"])
        request["code_challenge_method"] = "S256"
    return request, remembered


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge (RFC 7636 §4.2)."""
    return b64url(hashlib.sha256(verifier.encode("ascii")).digest())


def _passed_through(profile: AuthorizationRequestProfile, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what travels on of what Cognito sent; the rest is dropped."""
    names = [name for name in profile.travelling if parameters.get(name) and name not in OWN]
    for name in names:
        if _CONTROL.search(parameters[name]):
            raise OAuthError("invalid_request", f"{name} is malformed", reason="parameter_malformed")
    return {name: parameters[name] for name in names}


def _extra_parameters(connection: Connection, passed: Mapping[str, str]) -> dict[str, str]:
    profile = connection.authorization
    reserved = OWN & profile.parameters.keys()
    if reserved:
        raise ConfigurationError(
            f"connection {connection.name}: authorization.parameters cannot set {', '.join(sorted(reserved))}"
        )
    fixed = dict(profile.parameters)
    if profile.acr_values:
        fixed["acr_values"] = " ".join(profile.acr_values)
    return {**passed, **fixed, **narrow(connection.assurance, fixed, passed)}


def _check_allowed(connection: Connection, request: Mapping[str, str]) -> None:
    """Refuse to send what the IdP would refuse; `request` and `request_uri` come later, and only carry what is here."""
    allowed = connection.authorization.allowed_parameters
    if allowed is None:
        return
    if missing := request.keys() - set(allowed):
        raise ConfigurationError(
            f"connection {connection.name}: authorization.allowed_parameters lacks {', '.join(sorted(missing))}"
        )


def _assurance(
    connection: Connection, request: Mapping[str, str], asked: Mapping[str, str], now: float
) -> dict[str, str]:
    try:
        return requested_assurance(connection.assurance, request, asked=asked, now=now)
    except UncheckableParameter as failure:
        name = str(failure)
    if name in connection.authorization.parameters:
        raise ConfigurationError(
            f"connection {connection.name}: authorization.parameters.{name} is malformed"
        )
    raise OAuthError("invalid_request", f"{name} is malformed", reason="parameter_malformed")


def _as_request_object(
    context: Context, jwks: JwksSource, policy: RequestObject, request: Mapping[str, str]
) -> dict[str, str]:
    """Return `client_id`, `request`, and what the IdP wants to see beside them (RFC 9101 §5)."""
    from fedbridge.rp.request_object import make_request_object  # noqa: PLC0415  few IdPs demand one

    echoed = {name: request[name] for name in ("client_id", *policy.echo) if name in request}
    return {**echoed, "request": make_request_object(context, jwks, policy, request)}


def _is_pushed(context: Context) -> bool:
    par = context.connection.authorization.par
    return par == "required" or (par == "auto" and context.metadata.require_pushed_authorization_requests)


def _push(context: Context, sent: Mapping[str, str]) -> dict[str, str]:
    """Push what would have been the query; a request object goes without echoes (RFC 9126 §3)."""
    from fedbridge.rp.pushed_authorization import push_request  # noqa: PLC0415  few IdPs demand it

    alone = {"client_id", "request"} if "request" in sent else sent.keys()
    request_uri = push_request(context, {name: value for name, value in sent.items() if name in alone})
    return {"client_id": context.connection.client_id, "request_uri": request_uri}


def _with_query(endpoint: str, request: Mapping[str, str]) -> str:
    """Append the request to the endpoint, whose own query is kept (RFC 6749 §3.1); nothing may stand there twice."""
    own_query = urlsplit(endpoint).query
    twice = request.keys() & {name for name, _ in parse_qsl(own_query, keep_blank_values=True)}
    if twice:
        raise UpstreamError(
            "authorization_endpoint_query_conflict",
            message=f"the authorization endpoint's own query holds {', '.join(sorted(twice))}",
        )
    separator = "&" if own_query else "" if endpoint.endswith("?") else "?"
    return f"{endpoint}{separator}{urlencode(request, quote_via=quote, safe='')}"


def _check_length(connection: Connection, url: str, *, of_app: bool) -> None:
    """Keep to the IdP's cap: GOV.UK's firewall, for one, stops longer queries without a word that anybody could read."""
    most = connection.authorization.max_query
    if most is None or len(urlsplit(url).query) <= most:
        return
    reason = "authorization_query_too_long"
    if of_app:
        raise OAuthError(
            "invalid_request", "the request is longer than the identity provider takes", reason=reason
        )
    raise ConfigurationError(
        f"connection {connection.name}: the query is longer than authorization.max_query", reason=reason
    )
