"""What a strict IdP checks in what it is sent: client authentication, request objects and proofs, to the byte."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from fedbridge.ports import OutboundRequest
from tests.presets.facts import KID, X5C, X5T, X5T_S256, Assertion, Facts
from tests.unit.rp.idp import NOW, SECRET, KeySigner, PrivateKey, form, private_key

NONCE = "the-servers-nonce"
JTI = re.compile(r"[A-Za-z0-9]{43}")


@dataclass
class Checks:
    """Checks by the facts; `signer` has the key of client assertions, `proofs` are the claims of the DPoP proofs seen."""

    facts: Facts
    client_id: str
    certificate: str
    proofs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def signer(self) -> KeySigner:
        assert self.facts.assertion is not None
        algorithm = self.facts.assertion.header["alg"]
        return KeySigner(private_key(algorithm, 7), algorithm)

    def opened(self, query: dict[str, str]) -> dict[str, Any]:
        """Return the parameters of an authorization request, out of its request object if it must have one."""
        if self.facts.request_object is None:
            return query
        token = query.pop("request")
        assert query.keys() == self.facts.request_object.beside
        header, claims = _claims(token, self.signer.key, self.signer.algorithm)
        assert header == self._header(self.facts.request_object.header)
        assert {name: claims[name] for name in query} == query
        lifetime = self.facts.request_object.lifetime
        assert JTI.fullmatch(claims.pop("jti"))
        assert {name: claims.pop(name) for name in ("iss", "aud", "iat", "nbf", "exp")} == {
            "iss": self.client_id,
            "aud": self.facts.request_object.aud,
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + lifetime,
        }
        return claims

    def has_nonce(self, request: OutboundRequest, *, access_token: str | None = None) -> bool:
        """Check a proof as RFC 9449 §4.3 has it; tell whether it holds the IdP's nonce."""
        assert self.facts.proof is not None
        compact = request.headers["dpop"]
        header = json.loads(base64.urlsafe_b64decode(compact.split(".")[0] + "=="))
        assert header.keys() == {"typ", "alg", "jwk"}
        assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
        assert header["jwk"].keys() == {"kty", "crv", "x", "y"}
        key = ECKey.import_key(header["jwk"])
        _, claims = _claims(compact, key, "ES256")
        self.proofs.append({**claims, "jkt": key.thumbprint()})
        assert JTI.fullmatch(claims.pop("jti"))
        nonce = claims.pop("nonce", None)
        expected: dict[str, Any] = {"htm": request.method, "htu": request.url, "iat": NOW}
        if self.facts.proof.lifetime is not None:
            expected["exp"] = NOW + self.facts.proof.lifetime
        if access_token is not None:
            digest = hashlib.sha256(access_token.encode()).digest()
            expected["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert claims == expected
        return bool(nonce == NONCE)

    def authenticated(self, request: OutboundRequest) -> dict[str, str]:
        """Check the client authentication; returns the form without it."""
        assert request.headers["user-agent"]  # GOV.UK answers 403 without.
        sent = form(request)
        if self.facts.method == "basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(SECRET)}"
            assert request.headers["authorization"] == "Basic " + base64.b64encode(pair.encode()).decode()
            return sent
        assert "authorization" not in request.headers
        # A pushed request holds the client id as a parameter, too.
        client_id = (
            sent["client_id"]
            if request.url == self.facts.at.get("pushed_authorization_request_endpoint")
            else sent.pop("client_id")
        )
        assert client_id == self.client_id
        if self.facts.method == "post":
            assert sent.pop("client_secret") == SECRET
        elif self.facts.method == "apple":
            self._check_assertion(sent.pop("client_secret"))
        else:
            assert (
                sent.pop("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            )
            self._check_assertion(sent.pop("client_assertion"))
        return sent

    def _check_assertion(self, compact: str) -> None:
        expected = self.facts.assertion
        assert expected is not None
        header, claims = _claims(compact, self.signer.key, self.signer.algorithm)
        assert header == self._header(expected.header)
        assert _check_times(claims, expected) == {
            "iss": expected.iss or self.client_id,
            "sub": self.client_id,
            "aud": expected.aud,
        }

    def _header(self, literal: Mapping[str, str]) -> dict[str, Any]:
        """Return a header as it must be, with what depends on the keys of this run."""
        found: dict[str, Any] = dict(literal)
        if found.get("kid") == KID:
            found["kid"] = self.signer.kid
        der = "".join(self.certificate.strip().splitlines()[1:-1])
        for name, literal_value, digest in (
            ("x5t#S256", X5T_S256, hashlib.sha256),
            ("x5t", X5T, hashlib.sha1),
        ):
            if found.get(name) == literal_value:
                found[name] = (
                    base64.urlsafe_b64encode(digest(base64.b64decode(der)).digest()).rstrip(b"=").decode()
                )
        if found.get("x5c") == X5C:
            found["x5c"] = [der]
        return found


class _Roomy(JWSRegistry):
    """Takes headers with a certificate in them."""

    max_header_length = 8 * 1024


def _claims(compact: str, key: PrivateKey, algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verify a JWT of the bridge's; returns header and claims."""
    read = jwt.decode(compact, key, registry=_Roomy(algorithms=[algorithm]))
    return read.header, dict(read.claims)


def _check_times(claims: dict[str, Any], expected: Assertion) -> dict[str, Any]:
    """Check `iat`, `exp`, `nbf` and `jti`; returns the other claims."""
    assert claims.pop("iat") == NOW
    assert claims.pop("exp") == NOW + expected.lifetime
    if expected.nbf:
        assert claims.pop("nbf") == NOW
    if expected.jti:
        assert JTI.fullmatch(claims.pop("jti"))
    return claims
