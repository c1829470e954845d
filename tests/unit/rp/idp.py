"""An IdP made of canned answers: keys, metadata, tokens that are right unless a test says what is wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import ClientAuthentication, Connection, IdTokenPolicy, RelyingParty
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.model.policies import MutualTls
from fedbridge.ports import ClientCertificate, OutboundRequest, OutboundResponse, UpstreamRedirect
from fedbridge.rp.calls import Calls
from fedbridge.rp.context import Context
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.oidc import OidcUpstream
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.canaries import canary, watch_private_jwk

NOW = 1_800_000_000
ISSUER = "https://idp.example"
CALLBACK = "https://bridge.example/acme/callback"
STATE = "S" * 43
CLIENT_ID = "bridge"
SECRET = canary(
    "a-client-secret-of-more-than-64-characters-so-that-HS512-takes-it-too", "upstream client secret"
)
SECRET_REFERENCE = "env:CLIENT_SECRET"
KEY_REFERENCE = "env:CLIENT_KEY"
POOL = RelyingParty(
    client_id="pool",
    secret_hashes=("sha256:" + "0" * 64,),
    redirect_uris=("https://pool.auth.example/oauth2/idpresponse",),
    restart_url="https://app.example/",
)

PrivateKey = RSAKey | ECKey
Key = TypeVar("Key", RSAKey, ECKey)
HASHES = {"256": "P-256", "384": "P-384", "512": "P-521"}


@cache
def private_key(algorithm: str, number: int = 0) -> PrivateKey:
    """Return a key for the algorithm, the same one for the same number (RSA keys take long to make)."""
    if algorithm[0] == "E":
        return _watched(ECKey.generate_key(HASHES[algorithm[2:]], auto_kid=True))
    return _rsa_key(number)


@cache
def _rsa_key(number: int) -> RSAKey:
    return _watched(RSAKey.generate_key(2048, auto_kid=True))


def _watched(key: Key) -> Key:
    watch_private_jwk(key.as_dict(private=True))
    return key


def native(key: Any) -> Any:
    """Return the private key of a joserfc key as cryptography has it."""
    return key.private_key


def public_jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """Return the public JWK; a member that is None is left out."""
    jwk = {**key.as_dict(private=False), "use": "sig", **members}
    return {name: value for name, value in jwk.items() if value is not None}


def sign(header: Mapping[str, Any], payload: bytes, key: PrivateKey | OctKey) -> str:
    """Return a compact JWS with any header; joserfc's own checks of it are off."""
    algorithm = header["alg"]
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact(dict(header), payload, key, registry=registry)


@dataclass
class KeySigner:
    """A `Signer` over a joserfc key: another implementation than the product's."""

    key: PrivateKey
    algorithm: str

    @property
    def kid(self) -> str:
        return self.key.thumbprint()

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        return public_jwk(self.key, kid=self.kid, alg=self.algorithm)

    def sign(self, signing_input: bytes, deadline: Deadline) -> bytes:
        return JWSRegistry.algorithms[self.algorithm].sign(signing_input, self.key)


_OAEP: dict[str, hashes.HashAlgorithm] = {"RSA-OAEP": hashes.SHA1(), "RSA-OAEP-256": hashes.SHA256()}


@dataclass
class KeyDecrypter:
    """A `Decrypter` over a joserfc key: another implementation than the product's. `used` counts its operations."""

    key: PrivateKey
    used: int = 0

    @property
    def kid(self) -> str:
        return self.key.thumbprint()

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        return public_jwk(self.key, kid=self.kid, use="enc")

    def unwrap(self, algorithm: str, encrypted_key: bytes, deadline: Deadline) -> bytes:
        self.used += 1
        digest = _OAEP[algorithm]
        plaintext: bytes = native(self.key).decrypt(
            encrypted_key, padding.OAEP(padding.MGF1(digest), digest, None)
        )
        return plaintext

    def agree(self, public_jwk: Mapping[str, Any], deadline: Deadline) -> bytes:
        self.used += 1
        assert isinstance(self.key, ECKey)
        return self.key.exchange_derive_key(ECKey.import_key(dict(public_jwk)))


@dataclass
class FakeKeys:
    """Signers, decrypters and client certificates by reference; `failure` is raised instead."""

    signers: dict[str, KeySigner] = field(default_factory=dict)
    decrypters: dict[str, KeyDecrypter] = field(default_factory=dict)
    certificates: dict[str, ClientCertificate] = field(default_factory=dict)
    failure: Exception | None = None

    def client_certificate(self, policy: MutualTls, deadline: Deadline) -> ClientCertificate:
        if self.failure is not None:
            raise self.failure
        return self.certificates[policy.certificate]

    def decrypter(self, reference: str, deadline: Deadline) -> KeyDecrypter:
        if self.failure is not None:
            raise self.failure
        return self.decrypters[reference]

    def signer(self, reference: str, algorithm: str | None, deadline: Deadline) -> KeySigner:
        if self.failure is not None:
            raise self.failure
        signer = self.signers[reference]
        if algorithm not in {None, signer.algorithm}:
            raise ConfigurationError(f"the key does not sign {algorithm}")
        return signer


@dataclass
class FakeSecrets:
    """Values by reference. `rotated` are what a refresh finds; `refreshed` counts."""

    values: dict[str, str] = field(default_factory=lambda: {SECRET_REFERENCE: SECRET})
    rotated: dict[str, str] = field(default_factory=dict)
    refreshed: int = 0

    def get(self, reference: str, deadline: Deadline, *, refresh: bool = False) -> str:
        if refresh:
            self.refreshed += 1
            self.values |= self.rotated
        return self.values[reference]


@dataclass
class FakeClock:
    """Seconds since the epoch; starts at NOW."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def connection(**fields: Any) -> Connection:
    """Return a connection with client_secret_basic, ES256 ID tokens and raw subjects."""
    defaults: dict[str, Any] = {
        "name": "acme",
        "version": "1",
        "issuer": ISSUER,
        "client_id": CLIENT_ID,
        "relying_parties": (POOL,),
        "client_authentication": ClientAuthentication(secret=SECRET_REFERENCE),
        "id_token": IdTokenPolicy(algorithms=("ES256",)),
        "subject": "raw",
    }
    return Connection(**defaults | fields)


@dataclass
class FakeIdp:
    """The IdP and the bridge's relying-party side that talks to it.

    `claims` and `header` change what `id_token` mints: None removes a member. `userinfo` None means no such endpoint.
    """

    issuer: str = ISSUER
    key: PrivateKey = field(default_factory=lambda: private_key("ES256"))
    algorithm: str = "ES256"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = field(
        default_factory=lambda: {"sub": "ana", "email": "ana@example.com"}
    )
    http: FakeHttpClient = field(default_factory=FakeHttpClient)
    clock: FakeClock = field(default_factory=FakeClock)
    keys: FakeKeys = field(default_factory=FakeKeys)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.upstream = self.new_upstream()
        self.nonce = self.state = ""
        self.serve_metadata()
        self.serve_keys(public_jwk(self.key))
        self.answer_token(lambda _: self.token_answer())
        if self.userinfo is not None:
            self.http.answer("GET", self.url("/userinfo"), lambda _: json_answer(self.userinfo))

    def new_upstream(self) -> OidcUpstream:
        """Return a relying-party side with empty caches."""
        return OidcUpstream(
            http=self.http,
            keys=self.keys,
            secrets=self.secrets,
            telemetry=self.telemetry,
            clock=self.clock,
            sleep=self.slept.append,
        )

    def context(self, at: Connection | None = None, **metadata: Any) -> Context:
        """Return what one request at the connection has; its metadata are made of `metadata`."""
        endpoints = {
            "authorization_endpoint": self.url("/authorize"),
            "token_endpoint": self.url("/token"),
            "jwks_uri": self.url("/jwks"),
        }
        return Context(
            connection=at or connection(issuer=self.issuer),
            metadata=ProviderMetadata(**{"issuer": self.issuer, **endpoints, **metadata}),
            deadline=Deadline.after(20),
            calls=Calls(self.http, self.telemetry, keys=self.keys, clock=self.clock, sleep=self.slept.append),
            keys=self.keys,
            secrets=self.secrets,
            clock=self.clock,
        )

    def jwks(self, context: Context) -> JwksSource:
        """Return the keys that the IdP serves, none of them cached."""
        return JwksSource(context.calls, self.telemetry, self.clock)

    def url(self, path: str) -> str:
        return self.issuer.removesuffix("/") + path

    @property
    def discovery_url(self) -> str:
        return self.url("/.well-known/openid-configuration")

    def document(self, **members: Any) -> dict[str, Any]:
        """Return the discovery document; a member that is None is left out."""
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": self.url("/authorize"),
            "token_endpoint": self.url("/token"),
            "jwks_uri": self.url("/jwks"),
            "userinfo_endpoint": self.url("/userinfo") if self.userinfo is not None else None,
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            **self.metadata,
            **members,
        }
        return {name: value for name, value in document.items() if value is not None}

    def serve_metadata(self, **members: Any) -> None:
        self.http.answer("GET", self.discovery_url, json_answer(self.document(**members)))

    def serve_keys(self, *jwks: Mapping[str, Any]) -> None:
        self.http.answer("GET", self.url("/jwks"), json_answer({"keys": jwks}))

    def serve_par(self, *answers: Any, required: bool = True) -> str:
        """Take pushed requests, with a 201 unless `answers` say otherwise; returns the endpoint."""
        url = self.url("/par")
        self.metadata |= {
            "pushed_authorization_request_endpoint": url,
            "require_pushed_authorization_requests": required,
        }
        self.serve_metadata()
        self.http.answer("POST", url, *(answers or (self.take_pushed,)))
        return url

    def take_pushed(self, request: OutboundRequest) -> OutboundResponse:
        """Read nonce and state, and answer with a reference."""
        sent = form(request)
        self.nonce, self.state = sent.get("nonce", ""), sent.get("state", "")
        return pushed()

    def response_claims(self, **claims: Any) -> dict[str, Any]:
        """Return a JWT-secured authorization response's claims, right but for `claims`: None removes a member."""
        good = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "exp": int(self.clock()) + 600,
            "state": STATE,
            "code": "the-code",
        }
        return {name: value for name, value in {**good, **claims}.items() if value is not None}

    def response_jwt(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return the response itself (JARM §2.1)."""
        members = {"alg": self.algorithm, "kid": self.key.kid, **(header or {})}
        members = {name: value for name, value in members.items() if value is not None}
        return sign(members, json.dumps(self.response_claims(**claims)).encode(), self.key)

    def pushed_form(self, at: Connection, *, state: str, callback_url: str) -> dict[str, str]:
        """Begin at a connection that pushes and has a key; returns what arrived at the endpoint."""
        url = self.serve_par()
        self.keys.signers[str(at.client_authentication.key)] = KeySigner(private_key("ES256", 7), "ES256")
        self.upstream.begin(
            at, state=state, callback_url=callback_url, parameters={}, deadline=Deadline.after(20)
        )
        (request,) = self.http.calls(url)
        return form(request)

    def answer_token(self, *answers: Any) -> None:
        self.http.answer("POST", self.url("/token"), *answers)

    def token_answer(self, **members: Any) -> OutboundResponse:
        document = {"access_token": "at", "token_type": "Bearer", "id_token": self.id_token(), **members}
        return json_answer({name: value for name, value in document.items() if value is not None})

    def id_token_claims(self) -> dict[str, Any]:
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "sub": "ana",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce,
            **self.claims,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def id_token(self) -> str:
        """Return an ID token that is right but for `claims` and `header`."""
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        return sign(header, json.dumps(self.id_token_claims()).encode(), self.key)

    def begin(self, at: Connection | None = None, **parameters: str) -> UpstreamRedirect:
        """Send the browser to the IdP, which reads the nonce as a real one does."""
        redirect = self.upstream.begin(
            at or connection(issuer=self.issuer),
            state=STATE,
            callback_url=CALLBACK,
            parameters=parameters,
            deadline=Deadline.after(20),
        )
        query = dict(parse_qsl(urlsplit(redirect.url).query))
        self.nonce = query.get("nonce") or redirect.remembered.get(
            "nonce", ""
        )  # it may have been pushed or signed
        return redirect

    def finish(self, redirect: UpstreamRedirect, at: Connection | None = None, **response: str) -> Identity:
        """Bring the browser back; without `response` with a code and the state."""
        return self.upstream.finish(
            at or connection(issuer=self.issuer),
            remembered=redirect.remembered,
            callback_url=CALLBACK,
            response=Parameters(response or {"code": "the-code", "state": STATE}),
            deadline=Deadline.after(20),
        )

    def sign_in(self, at: Connection | None = None, **parameters: str) -> Identity:
        """Go through a whole sign-in."""
        return self.finish(self.begin(at, **parameters), at)


REQUEST_URI = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"


def pushed(status: int = 201, **members: Any) -> OutboundResponse:
    """Return the answer to a pushed request (RFC 9126 §2.2); a member that is None is left out."""
    document = {"request_uri": REQUEST_URI, "expires_in": 60, **members}
    return json_answer({name: value for name, value in document.items() if value is not None}, status)


def form(request: OutboundRequest) -> dict[str, str]:
    """Return a request's form, every name once."""
    pairs = parse_qsl((request.body or b"").decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def with_client_authentication(at: Connection | None = None, **fields: Any) -> Connection:
    """Return the connection with another client authentication."""
    return replace(at or connection(), client_authentication=ClientAuthentication(**fields))
