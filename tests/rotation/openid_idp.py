"""A strict OpenID provider that keeps its copy of the bridge's keys for a day, whatever it meets meanwhile."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from fedbridge.model.deadline import Deadline
from fedbridge.ports import OutboundRequest, OutboundResponse
from tests.counterparts.api_gateway_events import HttpResponse
from tests.rotation.bridge import Bridge
from tests.rotation.timeline import Kept
from tests.rotation.world import NAME
from tests.unit.rp.encryption import encrypt
from tests.unit.rp.idp import PrivateKey, private_key, public_jwk, sign

ISSUER = "https://idp.example"
CLIENT_ID = "bridge"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):
    """The OAuth error code that a request is answered with."""


@dataclass
class OpenidIdp:
    """An `HttpClient` behind which the provider answers, and its authorization endpoint for browsers.

    `bridge_keys` is its copy of `client-jwks.json`, None where it knows none. `client_secrets` are those that it takes
    now. With `encrypts` it encrypts ID tokens to the first key of its copy that is for that.
    """

    clock: Callable[[], float]
    bridge_keys: Kept[dict[str, Any]] | None = None
    client_secrets: set[str] = field(default_factory=set)
    encrypts: bool = False
    key: PrivateKey = field(default_factory=lambda: private_key("ES256"))
    refusals: list[str] = field(default_factory=list)
    kids: list[str] = field(default_factory=list)
    encrypted_to: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _jtis: set[str] = field(default_factory=set)

    def authorize(self, url: str) -> str:
        """Sign somebody in at once; return the query of the way back."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert asked["client_id"] == CLIENT_ID
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return urlencode({"code": code, "state": asked["state"], "iss": ISSUER})

    def send(self, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        deadline.remaining()
        answers: Mapping[str, Callable[[OutboundRequest], Any]] = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": lambda _: {"keys": [public_jwk(self.key)]},
            "/token": self._token,
            "/userinfo": lambda _: {"sub": "ana", "email": "ana@example.com"},
        }
        try:
            return _json(answers[request.url.removeprefix(ISSUER)](request))
        except Refused as refused:
            self.refusals.append(str(refused))
            return _json({"error": str(refused)}, 401 if str(refused) == "invalid_client" else 400)

    def _metadata(self, _: OutboundRequest) -> dict[str, Any]:
        endpoints = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        return {
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/jwks",
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            **{f"{name}_endpoint": f"{ISSUER}/{path}" for name, path in endpoints.items()},
        }

    def _token(self, request: OutboundRequest) -> dict[str, Any]:
        form = dict(parse_qsl((request.body or b"").decode(), strict_parsing=True))
        self._authenticate(form, request.headers.get("authorization"))
        asked = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asked is None or asked["code_challenge"] != challenge.decode().rstrip("="):
            raise Refused("invalid_grant")
        return {"access_token": "at", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

    def _authenticate(self, form: Mapping[str, str], authorization: str | None) -> None:
        """Take what the connection is registered with: an assertion by a key of the copy, or a live secret."""
        if self.bridge_keys is not None and self.client_secrets == set():
            self._check_assertion(form)
            return
        scheme, _, credentials = (authorization or " ").partition(" ")
        name, _, secret = base64.b64decode(credentials).decode().partition(":")
        if scheme != "Basic" or (name, unquote_plus(secret)) not in {
            (CLIENT_ID, live) for live in self.client_secrets
        }:
            raise Refused("invalid_client")

    def _check_assertion(self, form: Mapping[str, str]) -> None:
        assertion, now = form.get("client_assertion", ""), self.clock()
        kid = _header(assertion).get("kid")
        found = [jwk for jwk in self._copy() if jwk["kid"] == kid and jwk["use"] == "sig"]
        if form.get("client_assertion_type") != ASSERTION or len(found) != 1:
            raise Refused("invalid_client")
        try:
            claims = jwt.decode(assertion, ECKey.import_key(found[0]), algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            raise Refused("invalid_client") from None
        named = (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT_ID, CLIENT_ID, ISSUER)
        if not named or not claims["iat"] - 10 <= now < claims["exp"] or claims["jti"] in self._jtis:
            raise Refused("invalid_client")
        self._jtis.add(claims["jti"])
        self.kids.append(str(kid))

    def _id_token(self, nonce: str) -> str:
        now = int(self.clock())
        claims = {"iss": ISSUER, "sub": "ana", "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        signed = sign({"alg": "ES256", "kid": self.key.kid}, json.dumps(claims).encode(), self.key)
        if not self.encrypts:
            return signed
        target = next(jwk for jwk in self._copy() if jwk["use"] == "enc")
        self.encrypted_to.append(target["kid"])
        return encrypt(signed, ECKey.import_key(target), kid=target["kid"])

    def _copy(self) -> list[dict[str, Any]]:
        assert self.bridge_keys is not None
        keys: list[dict[str, Any]] = self.bridge_keys.get()["keys"]
        return keys


def _header(compact: str) -> dict[str, Any]:
    encoded = compact.partition(".")[0]
    try:
        header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except ValueError:
        raise Refused("invalid_client") from None
    return header


def _json(document: Any, status: int = 200) -> OutboundResponse:
    return OutboundResponse(
        status=status, headers={"content-type": "application/json"}, body=json.dumps(document).encode()
    )


@dataclass
class OpenidPage:
    """The IdP's page, for the browser."""

    idp: OpenidIdp

    def visit(self, answer: HttpResponse) -> Callable[[Bridge, str], HttpResponse]:
        """Sign somebody in."""
        query = self.idp.authorize(dict(answer.headers)["location"])
        return lambda bridge, cookie: bridge.get(f"/{NAME}/callback?{query}", cookie=cookie)
