"""A Cognito user pool as a relying party, to the letter of what is known about the real one, and strict where it is.

It drives the bridge over HTTP, or in process through any httpx transport:

    with UserPool() as pool:
        pool.create_identity_provider(OidcIdentityProvider(name="Bank", client_id=…, client_secret=…, oidc_issuer=…))
        url = pool.authorize("Bank", state="app-state")         # where Cognito sends the browser
        app = pool.idpresponse(where_the_browser_came_back)     # raises SignInError with what the app is told
        user = pool.redeem(app.code)

Where AWS documents nothing, it takes the stricter way, and says so at the place. Sources: the Cognito developer guide
("Using OIDC identity providers", "OIDC user pool IdP authentication flow", "Mapping IdP attributes", "Federation
endpoint and IdP responses") and captured traffic.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.counterparts.browser import loopback_transport
from tests.counterparts.cognito_configuration import (
    Endpoints,
    InvalidParameterError,
    OidcIdentityProvider,
    check_configuration,
)
from tests.counterparts.cognito_rules import (
    AttributeRefusedError,
    StateFormat,
    form_body,
    level_of,
    mapped,
    new_state,
    username,
)
from tests.counterparts.id_token import IdTokenError, verify_id_token

FEDERATION_SECONDS = 300.0
"""How long a federated sign-in may take in the browser; Cognito cancels it after five minutes."""
BACK_CHANNEL_SECONDS = 5.0
"""How long one back-channel call may take. Undocumented; answers of some seconds have been seen to work."""


class CognitoPageError(Exception):
    """Cognito shows a page of its own, because it does not know the trip, or no longer."""


class SignInError(Exception):
    """The app is told of a failure, at `app_url`. The text is the `error_description`."""

    def __init__(self, description: str, *, redirect_uri: str, state: str | None) -> None:
        super().__init__(description)
        self.description = description
        query = {"error_description": description, "error": "invalid_request"}
        self.app_url = f"{redirect_uri}?{urlencode(query | ({'state': state} if state else {}))}"


class _Refused(Exception):
    """What went wrong, before it is known which app to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedUser:
    """A user of the pool. `claims` and `userinfo` are what the last sign-in brought; Cognito keeps neither.

    `level` is the pool's word for the `acr` that the IdP told, None without an `AcrMapping`.
    """

    username: str
    attributes: Mapping[str, str]
    claims: Mapping[str, Any]
    userinfo: Mapping[str, Any]
    level: str | None = None
    status: str = "EXTERNAL_PROVIDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRedirect:
    """Where Cognito sends the browser after a sign-in: to the app, with a code and the app's own state."""

    url: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trip:
    provider: OidcIdentityProvider
    redirect_uri: str
    state: str | None
    deadline: float


def _json_object(answer: httpx.Response) -> dict[str, Any] | None:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not re.fullmatch(r"application/([a-z-]+\+)?json", media_type):
        return None
    try:
        parsed = answer.json()
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


class UserPool:
    """A user pool with its domain. `required_attributes` must have a value after mapping, else sign-in fails.

    `calls` counts the back-channel requests by purpose: discovery, token, jwks, userinfo.
    """

    def __init__(
        self,
        *,
        transport: httpx.BaseTransport | None = None,
        domain: str = "https://acme.auth.eu-west-1.amazoncognito.com",
        required_attributes: Iterable[str] = (),
        case_sensitive: bool = False,
        state_format: StateFormat = "2025",
        clock: Callable[[], float] = time.time,
        back_channel_seconds: float = BACK_CHANNEL_SECONDS,
    ) -> None:
        self.domain = domain
        self.required_attributes = tuple(required_attributes)
        self.case_sensitive = case_sensitive
        self.state_format: StateFormat = state_format
        self.clock = clock
        self.providers: dict[str, OidcIdentityProvider] = {}
        self.users: dict[str, FederatedUser] = {}
        self.calls: dict[str, int] = {}
        self._timeout = httpx.Timeout(back_channel_seconds).as_dict()
        self._http = httpx.Client(transport=transport or loopback_transport(), trust_env=False)
        self._trips: dict[str, _Trip] = {}
        self._codes: dict[str, FederatedUser] = {}

    @property
    def redirect_uri(self) -> str:
        """What to register at the IdP."""
        return f"{self.domain}/oauth2/idpresponse"

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_identity_provider(self, provider: OidcIdentityProvider) -> None:
        """Check what the API checks, read discovery where it would be used. Raises `InvalidParameterError`."""
        check_configuration(provider)
        try:
            self._endpoints(provider)
        except _Refused as refused:
            raise InvalidParameterError("Unable to contact well-known endpoint") from refused
        self.providers[provider.name] = provider

    def authorize(
        self,
        provider: str,
        *,
        redirect_uri: str = "https://app.example/callback",
        state: str | None = "app-state",
        login_hint: str | None = None,
        prompt: str | None = None,
        level: str | None = None,
    ) -> str:
        """Where an app's `/oauth2/authorize?identity_provider=…` sends the browser: no nonce and no PKCE, ever.

        That the IdP's value for a level travels as `acr_values` is what step-up authentication suggests; AWS does not say.
        """
        configured = self.providers[provider]
        trip_state = new_state(self.state_format)
        deadline = self.clock() + FEDERATION_SECONDS
        self._trips[trip_state] = _Trip(
            provider=configured, redirect_uri=redirect_uri, state=state, deadline=deadline
        )
        query = {
            "client_id": configured.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": configured.authorize_scopes,
            "response_type": "code",
            "state": trip_state,
        }
        if login_hint:
            query["login_hint"] = login_hint
        if prompt and prompt != "none":
            query["prompt"] = prompt
        if level:
            query["acr_values"] = configured.acr_mapping[level]
        url = self._endpoints(configured).authorize_url
        return f"{url}{'&' if '?' in url else '?'}{form_body(query)}"

    def idpresponse(self, callback: str | httpx.Request) -> AppRedirect:
        """Finish a sign-in with the URL that the IdP sent the browser back to. Raises `SignInError` as the app sees it,
        or `CognitoPageError` where no app can be told.
        """
        url = callback if isinstance(callback, str) else str(callback.url)
        if not url.startswith(f"{self.redirect_uri}?"):
            raise CognitoPageError(f"{url} is not {self.redirect_uri}")
        query = {
            name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()
        }
        trip = self._trips.pop(query.get("state", ""), None)
        if trip is None or self.clock() > trip.deadline:
            raise CognitoPageError("Something went wrong")
        try:
            user = self._sign_in(trip.provider, query)
        except (_Refused, IdTokenError, AttributeRefusedError) as refused:
            raise SignInError(str(refused), redirect_uri=trip.redirect_uri, state=trip.state) from refused
        code = secrets.token_urlsafe(24)
        self._codes[code] = self.users[user.username] = user
        app_query = {"code": code} | ({"state": trip.state} if trip.state else {})
        return AppRedirect(url=f"{trip.redirect_uri}?{urlencode(app_query)}", code=code)

    def redeem(self, code: str) -> FederatedUser:
        """The app's `/oauth2/token`: whom a code stands for, once. Raises `KeyError`."""
        return self._codes.pop(code)

    def _sign_in(self, provider: OidcIdentityProvider, query: Mapping[str, str]) -> FederatedUser:
        if "error" in query:  # the exact text is not documented
            raise _Refused(_error_text(provider, query["error"], query.get("error_description", "")))
        if "code" not in query:
            raise _Refused(_error_text(provider, "error getting code"))
        endpoints = self._endpoints(provider)
        tokens = self._exchange(provider, endpoints, query["code"])
        claims = verify_id_token(
            tokens.get("id_token"),
            issuer=provider.oidc_issuer,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            jwks=lambda: self._jwks(provider, endpoints),
            now=self.clock,
        )
        userinfo = self._userinfo(provider, endpoints, tokens["access_token"])
        if userinfo.get("sub", claims.get("sub")) != claims.get("sub"):  # not documented
            raise _Refused("sub of userinfo is not that of the id_token")
        # On conflict the ID token wins.
        merged = {**userinfo, **claims, **{name: tokens[name] for name in ("id_token", "access_token")}}
        name = username(provider.name, claims.get("sub"), case_sensitive=self.case_sensitive)
        return FederatedUser(
            username=name,
            attributes=self._attributes(provider, name, merged),
            claims=claims,
            userinfo=userinfo,
            level=level_of(claims.get("acr"), provider.acr_mapping),
        )

    def _attributes(
        self, provider: OidcIdentityProvider, name: str, claims: Mapping[str, Any]
    ) -> dict[str, str]:
        """A claim that is gone leaves the old value, an empty one clears it."""
        old = self.users[name].attributes if name in self.users else {}
        attributes = {**old, **mapped(claims, provider.attribute_mapping)}
        attributes = {attribute: value for attribute, value in attributes.items() if value != ""}
        missing = [attribute for attribute in self.required_attributes if attribute not in attributes]
        if missing:
            raise _Refused(f"Invalid user attributes: {', '.join(missing)}. The attribute is required.")
        if "email" in attributes:
            attributes.setdefault("email_verified", "false")
        return attributes

    def _call(
        self, purpose: str, method: str, url: str, headers: Mapping[str, str], body: str = ""
    ) -> httpx.Response:
        """Exactly these headers and, from the transport, Host and Content-Length: no Accept, no cookies."""
        self.calls[purpose] = self.calls.get(purpose, 0) + 1
        common = {"User-Agent": "Amazon/Cognito", "Accept-Encoding": "gzip,deflate"}
        request = httpx.Request(
            method,
            url,
            headers={**headers, **common},
            content=body or None,
            extensions={"timeout": self._timeout},
        )
        return self._http.send(request)

    def _exchange(self, provider: OidcIdentityProvider, endpoints: Endpoints, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "client_id": provider.client_id,
            "redirect_uri": self.redirect_uri,
            "client_secret": provider.client_secret,
            "code": code,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
        try:
            answer = self._call("token", "POST", endpoints.token_url, headers, form_body(form))
        except httpx.TimeoutException as error:
            raise _Refused("Timeout occurred in calling IdP token endpoint") from error
        except httpx.TransportError as error:
            raise _Refused("Connection reset") from error
        tokens = _json_object(answer)
        if answer.status_code != 200 or tokens is None:
            raise _Refused(_answer_text(provider, answer, "error getting token"))
        is_bearer = str(tokens.get("token_type")).lower() == "bearer"
        if not is_bearer or not isinstance(tokens.get("access_token"), str):
            raise _Refused("invalid token_type in idp oauth response")
        return tokens

    def _jwks(self, provider: OidcIdentityProvider, endpoints: Endpoints) -> dict[str, Any]:
        try:
            answer = self._call("jwks", "GET", endpoints.jwks_uri, {})
        except httpx.TransportError as error:
            raise _Refused("Timeout in calling jwks uri") from error
        keys = _json_object(answer)
        if answer.status_code != 200 or keys is None:
            raise _Refused(_answer_text(provider, answer, "error getting jwks"))
        return keys

    def _userinfo(
        self, provider: OidcIdentityProvider, endpoints: Endpoints, access_token: str
    ) -> dict[str, Any]:
        """Userinfo is asked for even when the ID token has it all. That it fails does not stop the sign-in."""
        method = provider.attributes_request_method
        headers, body = {"Authorization": f"Bearer {access_token}"}, ""
        if method == "POST" and provider.post_token_in == "body":
            headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
            body = form_body({"access_token": access_token})
        try:
            answer = self._call("userinfo", method, endpoints.attributes_url, headers, body)
        except httpx.TransportError:
            return {}
        if answer.status_code != 200:
            return {}
        claims = _json_object(answer)
        if claims is None:  # signed, encrypted or no JSON at all
            raise _Refused("invalid token_type in idp oauth response")
        return claims

    def _endpoints(self, provider: OidcIdentityProvider) -> Endpoints:
        """The configured endpoints, or those of discovery, which is read anew and must be about the issuer."""
        if provider.endpoints:
            return provider.endpoints
        url = f"{provider.oidc_issuer}/.well-known/openid-configuration"
        try:
            answer = self._call("discovery", "GET", url, {})
        except httpx.TransportError as error:
            raise _Refused("Connection reset") from error
        metadata = _json_object(answer)
        if answer.status_code != 200 or metadata is None:
            raise _Refused(_answer_text(provider, answer, "error getting configuration"))
        needed = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        if metadata.get("issuer") != provider.oidc_issuer or not set(needed) <= set(metadata):
            raise _Refused(_error_text(provider, "bad configuration"))
        authorize, token, attributes, jwks = (metadata[name] for name in needed)
        return Endpoints(authorize_url=authorize, token_url=token, attributes_url=attributes, jwks_uri=jwks)


def _error_text(provider: OidcIdentityProvider, *parts: object) -> str:
    return " ".join([f"{provider.name} Error -", *(str(part) for part in parts if part != "")])


def _answer_text(provider: OidcIdentityProvider, answer: httpx.Response, otherwise: str) -> str:
    """What the app is told of a failed call: an OAuth error object is relayed, anything else is not."""
    body = _json_object(answer) or {}
    if not isinstance(body.get("error"), str):
        return _error_text(provider, answer.status_code, otherwise)
    return _error_text(provider, answer.status_code, body["error"], body.get("error_description") or "")
