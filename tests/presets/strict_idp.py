"""An identity provider as its facts have it: it checks what it is sent to the byte, and answers with real tokens."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from joserfc.jws import JWSRegistry

from fedbridge.configuration.file import load
from fedbridge.configuration.presets import read_preset
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.ports import ClientCertificate, OutboundRequest, OutboundResponse, UpstreamRedirect
from fedbridge.rp.oidc import OidcUpstream
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.telemetry import RecordingTelemetry
from tests.presets.facts import (
    CLIENT,
    KEY,
    KID,
    RSA_ENCRYPTION,
    X5C,
    X5T,
    X5T_S256,
    Assertion,
    Facts,
)
from tests.support.presets import RELYING_PARTY, with_overlay
from tests.support.yaml_text import to_yaml
from tests.unit.rp.encryption import RSA, decryption_key, encrypt
from tests.unit.rp.idp import (
    NOW,
    REQUEST_URI,
    STATE,
    FakeClock,
    FakeKeys,
    FakeSecrets,
    KeyDecrypter,
    KeySigner,
    PrivateKey,
    form,
    native,
    private_key,
    public_jwk,
    pushed,
    sign,
)
from tests.unit.rp.idp import SECRET as CLIENT_SECRET

CALLBACK = "https://login.example.com/idp/callback"
NONCE = "the-servers-nonce"
JTI = re.compile(r"[A-Za-z0-9]{43}")


def connection_of(facts: Facts, folder: Path, variant: str | None = None) -> Connection:
    """Return the connection that `fedbridge connections` makes of what an operator writes.

    `variant` names a variant or an environment of the preset, whose keys are pasted over it.
    """
    body = {"preset": facts.preset, "client_id": CLIENT, **facts.own, "relying_parties": [RELYING_PARTY]}
    if variant is not None:
        preset = read_preset(facts.preset)
        overlays = (*preset.about.environments, *preset.about.variants)
        (overlay,) = [each for each in overlays if each.name == variant]
        body = with_overlay(preset, overlay, body)
    file = folder / "connections.yaml"
    file.write_text(to_yaml({"connections": {"idp": body}}), "utf-8")
    return load(file)["idp"]


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
    proofs: list[dict[str, Any]] = field(default_factory=list)
    nonce: str = ""

    def __post_init__(self) -> None:
        facts = self.facts
        self.algorithm = facts.algorithms[0]
        self.encryption = facts.encryption[0] if facts.encryption else None
        self.userinfo_format = facts.userinfo_format[0] if facts.userinfo_format else "json"
        self.id_token_claims: dict[str, Any] = dict(facts.id_token)
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
        if self.facts.assertion is not None:
            algorithm = self.facts.assertion.header["alg"]
            self.signer = KeySigner(private_key(algorithm, 7), algorithm)
            keys.signers[self.connection.client_authentication.key or KEY] = self.signer
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
            self.sent = self._opened(query)
        self.nonce = self.sent["nonce"]

    def _opened(self, query: dict[str, str]) -> dict[str, Any]:
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
            "iss": self.connection.client_id,
            "aud": self.facts.request_object.aud,
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + lifetime,
        }
        return claims

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
            if self._lacks_nonce(request):
                return _challenge(400)
        else:
            assert "dpop" not in request.headers
        self.sent = self._opened(self._authenticated(request))
        return pushed()

    def _token(self, request: OutboundRequest) -> OutboundResponse:
        if self.facts.proof is not None and self._lacks_nonce(request):
            return _challenge(400)
        verifier = {"code_verifier"} if self.facts.pkce else set()
        sent = self._authenticated(request)
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
        if self.facts.proof is not None and self._lacks_nonce(request, access_token="at-1"):
            return _challenge(401)
        if self.userinfo_format == "json":
            return json_answer(self.userinfo_claims)
        document = {
            "iss": self.facts.token_issuer or self.facts.issuer,
            "aud": self.connection.client_id,
            **self.userinfo_claims,
        }
        algorithm = (self.facts.userinfo_algorithms or self.facts.algorithms)[0]
        token = self._signed(document, algorithm)
        if self.userinfo_format == "jwe":
            token = self._encrypted(token, *self.userinfo_encryption)
        return OutboundResponse(status=200, headers={"content-type": "application/jwt"}, body=token.encode())

    def _lacks_nonce(self, request: OutboundRequest, *, access_token: str | None = None) -> bool:
        """Check a proof as RFC 9449 §4.3 has it; tell whether the IdP must ask for its nonce."""
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
        return bool(nonce != NONCE)

    def _authenticated(self, request: OutboundRequest) -> dict[str, str]:
        """Check the client authentication; returns the form without it."""
        assert request.headers["user-agent"]  # GOV.UK answers 403 without.
        assert (request.client_certificate is None) == (self.connection.mutual_tls is None)
        sent = form(request)
        if self.facts.method == "basic":
            pair = f"{quote_plus(self.connection.client_id)}:{quote_plus(CLIENT_SECRET)}"
            assert request.headers["authorization"] == "Basic " + base64.b64encode(pair.encode()).decode()
            return sent
        assert "authorization" not in request.headers
        # A pushed request holds the client id as a parameter, too.
        client_id = (
            sent["client_id"]
            if request.url == self.facts.at.get("pushed_authorization_request_endpoint")
            else sent.pop("client_id")
        )
        assert client_id == self.connection.client_id
        if self.facts.method == "post":
            assert sent.pop("client_secret") == CLIENT_SECRET
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
        assert check_times(claims, expected) == {
            "iss": expected.iss or self.connection.client_id,
            "sub": self.connection.client_id,
            "aud": expected.aud,
        }

    def _header(self, literal: Mapping[str, str]) -> dict[str, Any]:
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


class _Roomy(JWSRegistry):
    """Takes headers with a certificate in them."""

    max_header_length = 8 * 1024


def _claims(compact: str, key: PrivateKey, algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verify a JWT of the bridge's; returns header and claims."""
    read = jwt.decode(compact, key, registry=_Roomy(algorithms=[algorithm]))
    return read.header, dict(read.claims)


def certificate_of(key: PrivateKey) -> str:
    """Return a self-signed certificate of a key, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    start = dt.datetime.fromtimestamp(NOW, dt.UTC)
    builder = x509.CertificateBuilder(
        subject_name=name,
        issuer_name=name,
        public_key=native(key).public_key(),
        serial_number=1,
        not_valid_before=start,
        not_valid_after=start + dt.timedelta(days=365),
    )
    return builder.sign(native(key), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def check_times(claims: dict[str, Any], expected: Assertion) -> dict[str, Any]:
    """Check `iat`, `exp`, `nbf` and `jti`; returns the other claims."""
    assert claims.pop("iat") == NOW
    assert claims.pop("exp") == NOW + expected.lifetime
    if expected.nbf:
        assert claims.pop("nbf") == NOW
    if expected.jti:
        assert JTI.fullmatch(claims.pop("jti"))
    return claims


def _challenge(status: int) -> OutboundResponse:
    headers = {"dpop-nonce": NONCE}
    if status == 401:
        headers["www-authenticate"] = 'DPoP error="use_dpop_nonce"'
    return json_answer({"error": "use_dpop_nonce"}, status, headers)
