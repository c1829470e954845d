"""A canned OpenID provider over TLS: discovery, keys, token and userinfo, each answered at once and counted.

`python -m bench.identity_provider` reads one line of JSON (`certificate`: PEM file of key and chain, `key`: PEM of the
RSA key that signs ID tokens, `kid`, `encryption`: the public JWK, with `alg`, to which a client's ID tokens are encrypted,
`public_port`: where clients reach it, if not at its own port) and prints its port. There is no login: the nonce of the authorization request is the code. It checks nothing of its
clients, because the interop tests' providers do; but DPoP proofs must carry its nonce, as strict providers have it.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey
from jwt.algorithms import RSAAlgorithm

from bench.loopback import Handler, Request, Response, serve

SUBJECT = "248289761001-248289761001"
CLAIMS = {
    "sub": SUBJECT,
    "name": "Ana Pereira de Almeida",
    "given_name": "Ana",
    "family_name": "Pereira de Almeida",
    "email": "ana.pereira@bank.example",
    "email_verified": True,
    "phone_number": "+351 910 000 000",
    "phone_number_verified": True,
    "locale": "pt-PT",
}


class Provider:
    """The provider at one port."""

    def __init__(
        self,
        port: int,
        *,
        key: str,
        kid: str,
        encryption: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self.issuer = f"https://localhost:{port}"
        loaded = load_pem_private_key(key.encode(), None)
        assert isinstance(loaded, RSAPrivateKey)  # noqa: S101  the bench made it
        self.key: RSAPrivateKey = loaded  # as PEM it would be imported for every signature
        self.kid = kid
        self.encryption = encryption
        self.calls: Counter[str] = Counter()
        jwk = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.keys = {"keys": [{**jwk, "kid": kid, "use": "sig", "alg": "RS256"}]}
        self.metadata = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "pushed_authorization_request_endpoint": f"{self.issuer}/par",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == "/bench/calls":
            return Response(json.dumps(self.calls).encode())
        self.calls[request.path] += 1
        if _wants_nonce(request):
            return Response(json.dumps({"error": "use_dpop_nonce"}).encode(), 400, headers=_NONCE)
        status, headers = 200, {"cache-control": "no-store", "pragma": "no-cache"}  # RFC 6749 §5.1
        match request.path:
            case "/.well-known/openid-configuration":
                answer: Mapping[str, Any] = self.metadata
            case "/jwks":
                answer = self.keys
            case "/par":
                status, answer = 201, _pushed(_form(request))
            case "/token":
                answer = self._tokens(_form(request), bound="dpop" in request.headers)
            case "/userinfo":
                answer = CLAIMS
            case _:
                return Response(b"{}", 404)
        if "dpop" in request.headers:
            headers |= _NONCE
        return Response(json.dumps(answer).encode(), status, headers=headers)

    def _tokens(self, form: Mapping[str, str], *, bound: bool) -> Mapping[str, Any]:
        client_id = jwt.decode(form["client_assertion"], options={"verify_signature": False})["iss"]
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": client_id,
            "sub": SUBJECT,
            "iat": now,
            "exp": now + 300,
            "nonce": form["code"],
        }
        id_token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})
        if client_id in self.encryption:
            id_token = _encrypted(id_token, self.encryption[client_id])
        return {
            "access_token": "upstream-access-token",
            "token_type": "DPoP" if bound else "Bearer",
            "expires_in": 300,
            "id_token": id_token,
        }


_NONCE = {"dpop-nonce": "nonce-of-the-canned-provider"}


def _form(request: Request) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(request.body.decode()).items()}


def _pushed(form: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the answer to a pushed request, whose reference holds what the browser would have to bring back."""
    kept = urlencode({name: form[name] for name in ("state", "nonce")})
    return {"request_uri": f"urn:ietf:params:oauth:request_uri:bench?{kept}", "expires_in": 60}


def _wants_nonce(request: Request) -> bool:
    proof = request.headers.get("dpop")
    if proof is None:
        return False
    return jwt.decode(proof, options={"verify_signature": False}).get("nonce") != _NONCE["dpop-nonce"]


def _encrypted(token: str, jwk: Mapping[str, str]) -> str:
    key = (ECKey if jwk["kty"] == "EC" else RSAKey).import_key(dict(jwk))
    header = {"alg": jwk["alg"], "enc": "A256GCM", "kid": jwk["kid"], "cty": "JWT"}
    return jwe.encrypt_compact(header, token.encode(), key, algorithms=[jwk["alg"], "A256GCM"])


def _made(settings: dict[str, Any], port: int) -> Handler:
    return Provider(settings.pop("public_port", None) or port, **settings)


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(given.pop("certificate"))
    serve(partial(_made, given), tls=context)
