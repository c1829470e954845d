"""An Application Load Balancer's `authenticate-oidc` action as relying party, to what AWS documents of it.

    with LoadBalancer(AuthenticateOidc(issuer=…, …), domain="https://app.example.com") as alb:
        answer = alb.request("/reports")                       # 302 to the authorization endpoint
        answer = alb.request("/oauth2/idpresponse?code=…&state=…", cookies=answer.cookies)
        headers = alb.request("/reports", cookies=…).to_target  # x-amzn-oidc-…

Sources: ELB user guide, "Authenticate users using an Application Load Balancer"; API reference,
AuthenticateOidcActionConfig; "Troubleshoot your Application Load Balancers" (HTTP 401, 561, 463). Where they are silent it
takes the stricter way, and says so. How the client authenticates at the token endpoint is documented nowhere; both ways of
RFC 6749 §2.3.1 are here. No nonce is sent (https://github.com/malach-it/boruta_auth/issues/55), no PKCE.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey

from tests.counterparts.browser import loopback_transport

CALLBACK = "/oauth2/idpresponse"
LOGIN_SECONDS = 900.0
"""The client login timeout: 15 minutes, then HTTP 401."""
MOST_BYTES = 11 * 1024
"""User claims and access token together; above, HTTP 500 ("Authentication error")."""
MOST_PARAMETERS = 10


class ConfigurationRefusedError(Exception):
    """`elbv2` CreateRule refuses the action (InvalidLoadBalancerAction)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateOidc:
    """`AuthenticateOidcConfig` of the action. `authentication` is how the client authenticates."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    user_info_endpoint: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "openid"
    session_cookie_name: str = "AWSELBAuthSessionCookie"
    session_timeout: int = 604_800
    authentication_request_extra_params: Mapping[str, str] = field(default_factory=dict)
    on_unauthenticated_request: Literal["authenticate", "allow", "deny"] = "authenticate"
    authentication: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client gets, or, with `to_target`, the headers with which the request went on to the target."""

    status: int
    location: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    to_target: Mapping[str, str] | None = None
    reason: str = ""


class _AuthenticationFailedError(Exception):
    """Becomes a status; the text is for the test."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class LoadBalancer:
    """A load balancer with one rule: authenticate, then forward. `domain` is its DNS name or an alias."""

    def __init__(
        self,
        action: AuthenticateOidc,
        *,
        domain: str = "https://app.example.com",
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _check(action)
        self.action, self.domain, self.clock = action, domain, clock
        self.kid = "12345678-1234-1234-1234-123456789012"
        self._key = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
        self._seal = secrets.token_bytes(32)
        self._sessions: dict[str, dict[str, Any]] = {}
        self._states: dict[str, tuple[str, str, float]] = {}
        self._http = httpx.Client(transport=transport or loopback_transport(), trust_env=False, timeout=10)

    @property
    def redirect_uri(self) -> str:
        """What to register at the IdP."""
        return f"{self.domain}{CALLBACK}"

    @property
    def public_key(self) -> ECKey:
        """What is served at public-keys.auth.elb.{region}.amazonaws.com/{kid}."""
        return ECKey.import_key(self._key.as_dict(private=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def request(
        self, path: str, *, cookies: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request of a client, which may bring cookies and headers; those of the load balancer's own are taken off."""
        cookies = cookies or {}
        own = {
            name: value
            for name, value in (headers or {}).items()
            if not name.lower().startswith("x-amzn-oidc-")
        }
        try:
            if urlsplit(path).path == CALLBACK:
                return self._callback(dict(parse_qsl(urlsplit(path).query)), cookies)
            session = self._session(cookies)
            if session is not None:
                return Answer(status=200, to_target={**own, **self._identity(session)})
        except _AuthenticationFailedError as failed:
            return Answer(status=failed.status, reason=str(failed))
        if self.action.on_unauthenticated_request == "allow":
            return Answer(status=200, to_target=own)
        if self.action.on_unauthenticated_request == "deny":
            return Answer(status=401)
        return self._authenticate(path)

    def _authenticate(self, path: str) -> Answer:
        """302 to the authorization endpoint; the extra parameters are the action's, none is the client's."""
        state = base64.b64encode(
            secrets.token_bytes(96)
        ).decode()  # of the standard alphabet, as seen in public
        nonce = secrets.token_hex(16)
        self._states[state] = (path, nonce, self.clock() + LOGIN_SECONDS)
        query = {
            "client_id": self.action.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": self.action.scope,
            "state": state,
            **self.action.authentication_request_extra_params,
        }
        url = f"{self.action.authorization_endpoint}?{urlencode(query)}"
        return Answer(status=302, location=url, cookies={"AWSALBAuthNonce": nonce})

    def _callback(self, query: Mapping[str, str], cookies: Mapping[str, str]) -> Answer:
        path, nonce, deadline = self._states.pop(query.get("state", ""), ("", "", 0.0))
        # The cookie ties the callback to the browser that began; without it the load balancer answers 401.
        if not nonce or cookies.get("AWSALBAuthNonce") != nonce or self.clock() > deadline:
            raise _AuthenticationFailedError(401, "no login is under way in this browser")
        if "error" in query or "code" not in query:
            raise _AuthenticationFailedError(561, f"the IdP answered {query.get('error', 'no code')}")
        tokens = self._exchange(query["code"])
        claims = self._id_token(tokens.get("id_token"))
        user = self._user_info(tokens["access_token"], claims["sub"])
        if len(json.dumps(user)) + len(tokens["access_token"]) > MOST_BYTES:
            raise _AuthenticationFailedError(500, "claims and access token are above 11 KB")
        session = secrets.token_urlsafe(32)
        self._sessions[session] = {
            "claims": user,
            "access_token": tokens["access_token"],
            "expires_at": self.clock() + self.action.session_timeout,
        }
        return Answer(
            status=302,
            location=f"{self.domain}{path}",
            cookies={f"{self.action.session_cookie_name}-0": session},
        )

    def _exchange(self, code: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        credentials = (self.action.client_id, self.action.client_secret)
        if self.action.authentication == "client_secret_post":
            form |= dict(zip(("client_id", "client_secret"), credentials, strict=True))
            answer = self._http.post(self.action.token_endpoint, data=form)
        else:
            answer = self._http.post(self.action.token_endpoint, data=form, auth=credentials)
        tokens = _json(answer)
        if answer.status_code != 200:
            raise _AuthenticationFailedError(561, f"the token endpoint answered {answer.status_code}")
        if (
            not isinstance(tokens.get("access_token"), str)
            or str(tokens.get("token_type")).lower() != "bearer"
        ):
            raise _AuthenticationFailedError(561, "no bearer token")
        return tokens

    def _id_token(self, token: object) -> dict[str, Any]:
        """ "The load balancer validates the ID token". It has no address of keys: what is left are the claims
        (OpenID Connect Core §3.1.3.7, where TLS to the token endpoint stands in for the signature).
        """
        try:
            encoded = str(token).split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        except (IndexError, ValueError, binascii.Error) as error:
            raise _AuthenticationFailedError(561, "no ID token") from error
        if claims.get("iss") != self.action.issuer:
            raise _AuthenticationFailedError(561, f"the ID token is of {claims.get('iss')}")
        if claims.get("aud") not in (self.action.client_id, [self.action.client_id]):
            raise _AuthenticationFailedError(561, f"the ID token is for {claims.get('aud')}")
        if "nonce" in claims:  # as seen: an ID token with a nonce that nobody asked for is refused
            raise _AuthenticationFailedError(401, "the ID token has a nonce")
        now = self.clock()
        if not isinstance(claims.get("exp"), int) or claims["exp"] <= now or claims.get("iat", 0) > now + 60:
            raise _AuthenticationFailedError(561, "the ID token has expired")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise _AuthenticationFailedError(561, "the ID token has no subject")
        return dict(claims)

    def _user_info(self, access_token: str, subject: str) -> dict[str, Any]:
        answer = self._http.get(
            self.action.user_info_endpoint, headers={"Authorization": f"Bearer {access_token}"}
        )
        claims = _json(answer)
        if answer.status_code != 200 or claims.get("sub") != subject:
            raise _AuthenticationFailedError(561, f"the user info endpoint answered {answer.status_code}")
        return claims

    def _session(self, cookies: Mapping[str, str]) -> dict[str, Any] | None:
        session = self._sessions.get(cookies.get(f"{self.action.session_cookie_name}-0", ""))
        return session if session and session["expires_at"] > self.clock() else None

    def _identity(self, session: Mapping[str, Any]) -> dict[str, str]:
        """The headers for the target: the claims as a JWT whose segments are padded, which strict libraries refuse."""
        header = {
            "alg": "ES256",
            "kid": self.kid,
            "signer": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/x/1",
            "iss": self.action.issuer,
            "client": self.action.client_id,
            "exp": int(self.clock()) + 120,
        }
        token = jws.serialize_compact(
            header,
            json.dumps(session["claims"]),
            self._key,
            registry=jws.JWSRegistry(strict_check_header=False),
        )
        padded = ".".join(part + "=" * (-len(part) % 4) for part in token.split("."))
        return {
            "x-amzn-oidc-identity": session["claims"]["sub"],
            "x-amzn-oidc-accesstoken": session["access_token"],
            "x-amzn-oidc-data": padded,
        }


def _check(action: AuthenticateOidc) -> None:
    """Raise `ConfigurationRefusedError` for what the API refuses."""
    endpoints = (action.authorization_endpoint, action.token_endpoint, action.user_info_endpoint)
    for url in (action.issuer, *endpoints):
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1"}:
            raise ConfigurationRefusedError(f"{url} must be a full URL with https")
    if any(urlsplit(url).query for url in endpoints):
        raise ConfigurationRefusedError("an endpoint has a query")
    if not action.client_id or not action.client_secret:
        raise ConfigurationRefusedError("client id and client secret are needed")
    if len(action.authentication_request_extra_params) > MOST_PARAMETERS:
        raise ConfigurationRefusedError("at most ten extra parameters")
    if not 1 <= action.session_timeout <= 604_800:
        raise ConfigurationRefusedError("the session timeout is 1 to 604800 seconds")


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        parsed = answer.json()
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
