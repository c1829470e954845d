"""The authorization request that the bridge sends the browser to the IdP with (OpenID Connect Core §3.1.2.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fedbridge.errors import ConfigurationError, OAuthError, UpstreamError
from fedbridge.jws import b64url
from fedbridge.model.connection import Connection
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import UpstreamRedirect
from fedbridge.rp.assurance import UncheckableParameter, narrow, requested_assurance
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
    connection: Connection,
    metadata: ProviderMetadata,
    *,
    state: str,
    callback_url: str,
    parameters: Mapping[str, str],
    now: float,
    dpop_jkt: str | None = None,
) -> UpstreamRedirect:
    """Return the URL, and what `finish` needs: `nonce`, `code_verifier` (with PKCE), and the assurance asked for.

    What the connection fixes goes before what Cognito sends in `parameters`; only `acr_values` and `max_age` may be
    narrowed by it. `now` is in seconds since the epoch. Raises OAuthError invalid_request, ConfigurationError, and
    UpstreamError where the endpoint's own query holds a parameter of ours.
    """
    nonce = random_value()
    remembered = {"nonce": nonce}
    request = {
        "response_type": "code",
        "client_id": connection.client_id,
        "redirect_uri": callback_url,
        "scope": connection.authorization.scope,
        "state": state,
        "nonce": nonce,
    }
    if dpop_jkt is not None:
        request["dpop_jkt"] = dpop_jkt
    if connection.authorization.response_mode is not None:
        request["response_mode"] = connection.authorization.response_mode
    if connection.authorization.pkce == "S256":
        remembered["code_verifier"] = random_value()
        request["code_challenge"] = code_challenge(remembered["code_verifier"])
        request["code_challenge_method"] = "S256"
    request |= _extra_parameters(connection, parameters)
    remembered |= _assurance(connection, request, parameters, now)
    url = _with_query(metadata.authorization_endpoint, request)
    return UpstreamRedirect(url=url, remembered=remembered)


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge (RFC 7636 §4.2)."""
    return b64url(hashlib.sha256(verifier.encode("ascii")).digest())


def _extra_parameters(connection: Connection, parameters: Mapping[str, str]) -> dict[str, str]:
    profile = connection.authorization
    reserved = OWN & profile.parameters.keys()
    if reserved:
        raise ConfigurationError(
            f"connection {connection.name}: authorization.parameters cannot set {', '.join(sorted(reserved))}"
        )
    fixed = dict(profile.parameters)
    if profile.acr_values:
        fixed["acr_values"] = " ".join(profile.acr_values)
    passed = {
        name: parameters[name] for name in profile.pass_through if parameters.get(name) and name not in OWN
    }
    for name, value in passed.items():
        if _CONTROL.search(value):
            raise OAuthError("invalid_request", f"{name} is malformed", reason="parameter_malformed")
    return passed | fixed | narrow(connection.assurance, fixed, passed)


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
