"""An identity provider as its facts have it: it checks what it is sent to the byte, and answers with real tokens."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from joserfc.jwk import OctKey

from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.ports import ClientCertificate, OutboundRequest, OutboundResponse, UpstreamRedirect
from fedbridge.rp.oidc import OidcUpstream
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.telemetry import RecordingTelemetry
from tests.presets.checks import NONCE, Checks
from tests.presets.facts import (
    RSA_ENCRYPTION,
    Facts,
)
from tests.unit.rp.encryption import RSA, decryption_key, encrypt
from tests.unit.rp.idp import (
    NOW,
    REQUEST_URI,
    STATE,
    FakeClock,
    FakeKeys,
    FakeSecrets,
    KeyDecrypter,
    private_key,
    public_jwk,
    pushed,
    sign,
)
from tests.unit.rp.idp import SECRET as CLIENT_SECRET

CALLBACK = "https://login.example.com/idp/callback"


@dataclass
class StrictIdp:
    """The IdP, and the bridge's relying-party side. What it answers can be changed before `finish`.

    `sent` is the whole authorization request as the IdP reads it: from the URL, pushed, or out of the request object.
    """

    facts: Facts
    connection: Connection
    certificate: str = ""
    callback: str = CALLBACK
    http: FakeHttpClient = field(default_factory=FakeHttpClient)
    clock: FakeClock = field(default_factory=FakeClock)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    sent: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""

    def __post_init__(self) -> None:
        facts = self.facts
        self.checks = Checks(facts, self.connection.client_id, self.certificate)
        self.algorithm = facts.algorithms[0]
        self.encryption = facts.encryption[0] if facts.encryption else None
        self.userinfo_format = facts.userinfo_format[0] if facts.userinfo_format else "json"
        self.id_token_claims: dict[str, Any] = dict(facts.id_token)
        self.userinfo_algorithm = (facts.userinfo_algorithms or facts.algorithms)[0]
        self.userinfo_encryption = self.encryption or ("RSA-OAEP-256", "A256GCM")
        self.userinfo_claims: dict[str, Any] = {"sub": "person-1", **facts.userinfo}
        self.upstream = OidcUpstream(
            http=self.http,
            keys=self._keys(),
            secrets=self._secrets(),
            telemetry=self.telemetry,
            clock=self.clock,
        )
        self.serve()

    def _keys(self) -> FakeKeys:
        keys = FakeKeys()
        if (reference := self.connection.client_authentication.key) is not None:
            keys.signers[reference] = self.checks.signer
        if (tls := self.connection.mutual_tls) is not None:
            keys.certificates[tls.certificate] = ClientCertificate(chain="chain", private_key="key")
        policy = self.connection.token_decryption
        for reference in policy.keys if policy is not None else ():
            kind = "RSA" if reference == RSA_ENCRYPTION else "P-256"
            keys.decrypters[reference] = KeyDecrypter(decryption_key(kind))
        return keys

    def _secrets(self) -> FakeSecrets:
        authentication = self.connection.client_authentication
        values = {authentication.secret: CLIENT_SECRET, authentication.certificate: self.certificate}
        return FakeSecrets(values={name: value for name, value in values.items() if name is not None})

    def serve(self) -> None:
        """Publish metadata and keys, and answer at every endpoint."""
        facts = self.facts
        metadata = {
            "issuer": facts.discovered_issuer or facts.issuer,
            **facts.at,
            "token_endpoint_auth_methods_supported": [
                {"assertion": "private_key_jwt", "basic": "client_secret_basic"}.get(
                    facts.method, "client_secret_post"
                )
            ],
        }
        discovery = facts.issuer.removesuffix("/") + "/.well-known/openid-configuration"
        self.http.answer("GET", discovery, json_answer(metadata))
        keys = [public_jwk(private_key(algorithm)) for algorithm in ("RS256", "ES256")]
        self.http.answer("GET", facts.at["jwks_uri"], json_answer({"keys": keys}))
        self.http.answer("POST", facts.at["token_endpoint"], self._token)
        if facts.pushed:
            self.http.answer("POST", facts.at["pushed_authorization_request_endpoint"], self._par)
        if facts.userinfo_format:
            self.http.answer("GET", facts.at["userinfo_endpoint"], self._userinfo)

    # --- the front channel ------------------------------------------------------------------------------------------

    def begin(self, **parameters: str) -> UpstreamRedirect:
        """Send the browser here; reads the request as the facts say that it comes."""
        redirect = self.upstream.begin(
            self.connection,
            state=STATE,
            callback_url=self.callback,
            parameters=parameters,
            deadline=Deadline.after(20),
        )
        endpoint, _, query = redirect.url.partition("?")
        assert endpoint == self.facts.at["authorization_endpoint"]
        self.read(dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)))
        return redirect

    def read(self, query: dict[str, str]) -> None:
        """Take the authorization request from the browser's query."""
        if self.facts.pushed:
            assert query == {"client_id": self.connection.client_id, "request_uri": REQUEST_URI}
        else:
            self.sent = self.checks.opened(query)
        self.nonce = self.sent["nonce"]

    def check_request(self) -> UpstreamRedirect:
        """Begin, and compare the whole authorization request with the facts."""
        facts = self.facts
        redirect = self.begin()
        random = {"state", "nonce", *(("code_challenge",) if facts.pkce else ())}
        if facts.proof is not None and facts.proof.code_bound_by == "dpop_jkt":
            random.add("dpop_jkt")
        assert {name: value for name, value in self.sent.items() if name not in random} == {
            "client_id": self.connection.client_id,
            "response_type": "code",
            "redirect_uri": self.callback,
            **facts.request,
            **({"code_challenge_method": "S256"} if facts.pkce else {}),
        }
        assert random <= self.sent.keys()
        assert self.sent["state"] == STATE
        assert self.sent["nonce"] == redirect.remembered["nonce"]
        return redirect

    def finish(self, redirect: UpstreamRedirect) -> Identity:
        return self.upstream.finish(
            self.connection,
            remembered=redirect.remembered,
            callback_url=self.callback,
            response=Parameters({"code": "the-code", "state": STATE}),
            deadline=Deadline.after(20),
        )

    def sign_in(self, **parameters: str) -> Identity:
        return self.finish(self.begin(**parameters))

    # --- the back channel -------------------------------------------------------------------------------------------

    def _par(self, request: OutboundRequest) -> OutboundResponse:
        proof = self.facts.proof
        if proof is not None and proof.code_bound_by == "proof":
            if not self.checks.has_nonce(request):
                return _challenge(400)
        else:
            assert "dpop" not in request.headers
        self.sent = self.checks.opened(self._form(request))
        return pushed()

    def _token(self, request: OutboundRequest) -> OutboundResponse:
        if self.facts.proof is not None and not self.checks.has_nonce(request):
            return _challenge(400)
        verifier = {"code_verifier"} if self.facts.pkce else set()
        sent = self._form(request)
        assert sent.keys() == {"grant_type", "code", "redirect_uri", *verifier}
        assert (sent["grant_type"], sent["code"], sent["redirect_uri"]) == (
            "authorization_code",
            "the-code",
            self.callback,
        )
        if self.facts.pkce:
            digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.sent["code_challenge"]
        kind = "Bearer" if self.facts.proof is None else "DPoP"
        return json_answer({"access_token": "at-1", "token_type": kind, "id_token": self.id_token()})

    def _userinfo(self, request: OutboundRequest) -> OutboundResponse:
        scheme = "Bearer" if self.facts.proof is None else "DPoP"
        assert request.headers["authorization"] == f"{scheme} at-1"
        assert request.headers["user-agent"]
        if self.facts.proof is not None and not self.checks.has_nonce(request, access_token="at-1"):
            return _challenge(401)
        if self.userinfo_format == "json":
            return json_answer(self.userinfo_claims)
        document = {
            "iss": self.facts.token_issuer or self.facts.issuer,
            "aud": self.connection.client_id,
            **self.userinfo_claims,
        }
        token = self._signed(document, self.userinfo_algorithm)
        if self.userinfo_format == "jwe":
            token = self._encrypted(token, *self.userinfo_encryption)
        return OutboundResponse(status=200, headers={"content-type": "application/jwt"}, body=token.encode())

    def _form(self, request: OutboundRequest) -> dict[str, str]:
        assert (request.client_certificate is None) == (self.connection.mutual_tls is None)
        return self.checks.authenticated(request)

    # --- tokens -----------------------------------------------------------------------------------------------------

    def id_token(self) -> str:
        claims = {
            "iss": self.facts.token_issuer or self.facts.issuer,
            "sub": "person-1",
            "aud": self.connection.client_id,
            "iat": NOW,
            "exp": NOW + 60,
            "nonce": self.nonce,
            **self.id_token_claims,
        }
        token = self._signed(
            {name: value for name, value in claims.items() if value is not None}, self.algorithm
        )
        return self._encrypted(token, *self.encryption) if self.encryption else token

    def _signed(self, claims: Mapping[str, Any], algorithm: str) -> str:
        payload = json.dumps(claims).encode()
        if algorithm == "none":
            parts = (b'{"alg":"none"}', payload)
            return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
        if algorithm.startswith("HS"):
            return sign({"alg": algorithm}, payload, OctKey.import_key(CLIENT_SECRET))
        key = private_key("ES256" if algorithm.startswith("ES") else "RS256")
        return sign({"alg": algorithm, "kid": key.kid}, payload, key)

    def _encrypted(self, token: str, alg: str, enc: str) -> str:
        return encrypt(token, decryption_key("RSA" if alg in RSA else "P-256"), alg, enc)


def _challenge(status: int) -> OutboundResponse:
    headers = {"dpop-nonce": NONCE}
    if status == 401:
        headers["www-authenticate"] = 'DPoP error="use_dpop_nonce"'
    return json_answer({"error": "use_dpop_nonce"}, status, headers)
