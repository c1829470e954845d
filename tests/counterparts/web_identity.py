"""Those in AWS that take an ID token and nothing else: STS, identity pools, JWT authorizers, to what AWS documents of them.

None of them is a client of the IdP: they read its discovery document and keys, and judge the token. Sources: IAM user
guide, "Create an OpenID Connect (OIDC) identity provider in IAM" and "OIDC federation" (five minutes of grace);
STS API reference, AssumeRoleWithWebIdentity; Cognito developer guide, "Setting up an OIDC provider as an identity pool
IdP"; API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from tests.counterparts.browser import loopback_transport

GRACE = 300
"""Seconds that IAM, STS and identity pools allow after `exp` for clocks that differ."""
MOST_TOKEN_CHARACTERS = 20_000
MOST_KEYS = 100
CACHE_SECONDS = 7_200
"""API Gateway may keep a key for two hours."""
_RSA = ("RS256", "RS384", "RS512")
_EC = ("ES256", "ES384", "ES512")


class TokenRefusedError(Exception):
    """The service's error: `InvalidIdentityToken: …`, `ExpiredTokenException`, `NotAuthorizedException: …`, 401, 403."""


Transport = Callable[[], httpx.BaseTransport]


def _fetch(url: str, transport: Transport) -> dict[str, Any]:
    """Within five seconds, or "Couldn't retrieve verification key from your identity provider"."""
    try:
        with httpx.Client(transport=transport(), trust_env=False, timeout=5) as http:
            answer = http.get(url)
    except httpx.TransportError as error:
        raise TokenRefusedError("InvalidIdentityToken: Couldn't retrieve verification key") from error
    if answer.status_code != 200:
        raise TokenRefusedError("InvalidIdentityToken: Couldn't retrieve verification key")
    document: dict[str, Any] = answer.json()
    return document


def discover(issuer: str, transport: Transport = loopback_transport) -> dict[str, Any]:
    """The discovery document, of which IAM asks these members to be there. Raises `TokenRefusedError`."""
    document = _fetch(f"{issuer}/.well-known/openid-configuration", transport)
    for member in ("issuer", "jwks_uri", "claims_supported", "response_types_supported",
                   "subject_types_supported", "id_token_signing_alg_values_supported"):  # fmt: skip
        if not document.get(member):
            raise TokenRefusedError(f"the configuration document has no {member}")
    if document["issuer"] != issuer:
        raise TokenRefusedError("the configuration document is about another issuer")
    if not {"aud", "iat", "iss", "sub"} <= set(document["claims_supported"]):
        raise TokenRefusedError("claims_supported lacks a claim that policies are about")
    if "public" not in document["subject_types_supported"]:
        raise TokenRefusedError("subjects are not public")
    return document


def _verified(token: str, keys: Sequence[dict[str, Any]], algorithms: Sequence[str]) -> dict[str, Any]:
    try:
        header = jws.extract_compact(token.encode()).headers()
        found = [key for key in keys if key.get("kid") == header.get("kid")]
        if len(found) != 1 or header.get("alg") not in algorithms:
            raise TokenRefusedError(f"InvalidIdentityToken: no key for {header.get('alg')}")
        return dict(jwt.decode(token, jwk.import_key(found[0]), algorithms=[header["alg"]]).claims)
    except (JoseError, ValueError) as error:
        raise TokenRefusedError("InvalidIdentityToken: the signature is invalid") from error


def _audience(claims: dict[str, Any]) -> str:
    """`azp` where it is there, else `aud`, which must be one then."""
    if isinstance(claims.get("azp"), str):
        return str(claims["azp"])
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        (audience,) = audience
    if not isinstance(audience, str):
        raise TokenRefusedError("InvalidIdentityToken: aud is not one client id")
    return audience


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdConnectProvider:
    """What `iam` CreateOpenIDConnectProvider takes: https, a path perhaps, no query and no port (but on loopback)."""

    url: str
    client_ids: Sequence[str]
    clock: Callable[[], float] = time.time
    transport: Transport = field(default=loopback_transport, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        local = parts.hostname in {"localhost", "127.0.0.1"}
        if (parts.scheme != "https" or parts.port is not None) and not local:
            raise TokenRefusedError("ValidationError: the URL begins with https:// and has no port")
        if parts.query or self.url.endswith("/") or not 1 <= len(self.client_ids) <= 100:
            raise TokenRefusedError("ValidationError")

    @property
    def name(self) -> str:
        """The URL without its scheme: part of the ARN, of condition keys, and the key of an identity pool's logins."""
        return self.url.partition("://")[2]

    def arn(self, account: str) -> str:
        return f"arn:aws:iam::{account}:oidc-provider/{self.name}"

    def verify(self, token: str, *, algorithms: Sequence[str] = (*_RSA, *_EC)) -> dict[str, Any]:
        """The claims of the token, as STS judges it before it looks at any policy. Raises `TokenRefusedError`."""
        if not 4 <= len(token) <= MOST_TOKEN_CHARACTERS:
            raise TokenRefusedError("ValidationError: WebIdentityToken")
        document = discover(self.url, self.transport)
        keys = _fetch(document["jwks_uri"], self.transport)["keys"]
        for kind in ("RSA", "EC"):
            if len([key for key in keys if key.get("kty") == kind]) > MOST_KEYS:
                raise TokenRefusedError("InvalidIdentityToken: too many keys")
        claims = _verified(token, keys, algorithms)
        if claims.get("iss") != self.url:
            raise TokenRefusedError("InvalidIdentityToken: No OpenIDConnect provider found in your account")
        if _audience(claims) not in self.client_ids:
            raise TokenRefusedError("InvalidIdentityToken: Incorrect token audience")
        if not isinstance(claims.get("iat"), int):
            raise TokenRefusedError("InvalidIdentityToken: iat is missing")
        if not isinstance(claims.get("exp"), int) or claims["exp"] + GRACE <= self.clock():
            raise TokenRefusedError("ExpiredTokenException: Token expired")
        if not isinstance(claims.get("sub"), str) or not 6 <= len(claims["sub"]) <= 255:
            raise TokenRefusedError("InvalidIdentityToken: sub")  # of SubjectFromWebIdentityToken
        return claims

    def verify_for_identity_pool(self, login: str, token: str) -> dict[str, Any]:
        """The claims as an identity pool judges `Logins={login: token}`: RSA alone. Raises `TokenRefusedError`."""
        if login != self.name:
            raise TokenRefusedError(
                "NotAuthorizedException: Invalid login token. Issuer doesn't match providerName"
            )
        return self.verify(token, algorithms=_RSA)


@dataclass(slots=True, kw_only=True)
class JwtAuthorizer:
    """A JWT authorizer of an HTTP API with `issuer` and `audience`. It keeps keys for two hours, and does not look again."""

    issuer: str
    audience: Sequence[str]
    clock: Callable[[], float] = time.time
    transport: Transport = field(default=loopback_transport, repr=False)
    _keys: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _fetched_at: float = float("-inf")

    def authorize(self, authorization: str | None, scopes: Sequence[str] = ()) -> dict[str, Any]:
        """The claims, for `$context.authorizer.jwt.claims`; raises `TokenRefusedError` 401, or 403 without a scope."""
        token = (authorization or "").removeprefix("Bearer ")
        if token.count(".") != 2:
            raise TokenRefusedError("401")
        try:
            claims = _verified(token, self._current_keys(), _RSA)
        except TokenRefusedError as error:
            raise TokenRefusedError("401") from error
        now = self.clock()
        audience = claims.get("aud", claims.get("client_id"))
        audiences = audience if isinstance(audience, list) else [audience]
        in_time = claims.get("nbf", 0) <= now and claims.get("iat", 0) <= now
        is_ours = claims.get("iss") == self.issuer and set(audiences) & set(self.audience)
        if not (is_ours and in_time and isinstance(claims.get("exp"), int) and claims["exp"] > now):
            raise TokenRefusedError("401")
        if scopes and not set(scopes) & set(str(claims.get("scope", claims.get("scp", ""))).split(" ")):
            raise TokenRefusedError("403")
        return claims

    def _current_keys(self) -> list[dict[str, Any]]:
        if self.clock() - self._fetched_at >= CACHE_SECONDS:
            document = _fetch(f"{self.issuer}/.well-known/openid-configuration", self.transport)
            self._keys = _fetch(document["jwks_uri"], self.transport)["keys"]
            self._fetched_at = self.clock()
        return self._keys
