"""A canned OpenID provider over TLS: discovery, keys, token and userinfo, each answered at once and counted.

`python -m bench.identity_provider` reads one line of JSON (`certificate`: PEM file of key and chain, `key`: PEM of the
RSA key that signs ID tokens, `kid`) and prints its port. There is no login: the nonce of the authorization request is
the code. It checks nothing of its clients, because the interop tests' providers do.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
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

    def __init__(self, port: int, *, key: str, kid: str) -> None:
        self.issuer = f"https://localhost:{port}"
        loaded = load_pem_private_key(key.encode(), None)
        assert isinstance(loaded, RSAPrivateKey)  # noqa: S101  the bench made it
        self.key: RSAPrivateKey = loaded  # as PEM it would be imported for every signature
        self.kid = kid
        self.calls: Counter[str] = Counter()
        jwk = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.keys = {"keys": [{**jwk, "kid": kid, "use": "sig", "alg": "RS256"}]}
        self.metadata = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == "/bench/calls":
            return Response(json.dumps(self.calls).encode())
        self.calls[request.path] += 1
        match request.path:
            case "/.well-known/openid-configuration":
                answer: Mapping[str, Any] = self.metadata
            case "/jwks":
                answer = self.keys
            case "/token":
                answer = self._tokens(
                    {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
                )
            case "/userinfo":
                answer = CLAIMS
            case _:
                return Response(b"{}", 404)
        headers = {"cache-control": "no-store", "pragma": "no-cache"}  # RFC 6749 §5.1
        return Response(json.dumps(answer).encode(), headers=headers)

    def _tokens(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        assertion = jwt.decode(form["client_assertion"], options={"verify_signature": False})
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": assertion["iss"],
            "sub": SUBJECT,
            "iat": now,
            "exp": now + 300,
            "nonce": form["code"],
        }
        id_token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})
        return {
            "access_token": "upstream-access-token",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": id_token,
        }


def _made(settings: Mapping[str, str], port: int) -> Handler:
    return Provider(port, key=settings["key"], kid=settings["kid"])


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(given.pop("certificate"))
    serve(partial(_made, given), tls=context)
