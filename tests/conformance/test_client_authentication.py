"""Every client authentication method against a token endpoint that believes nothing (RFC 6749 §2.3, RFC 7523 §3).

The checker is another implementation: PyJWT and the standard library, nothing of fedbridge.
"""

import base64
import json
from dataclasses import replace
from urllib.parse import unquote_plus

import jwt
import pytest

from fedbridge.model.connection import SIGNATURE_ALGORITHMS
from fedbridge.model.policies import MutualTls
from fedbridge.ports import ClientCertificate
from tests.support.canaries import canary
from tests.unit.rp.idp import (
    CLIENT_ID,
    ISSUER,
    KEY_REFERENCE,
    NOW,
    SECRET,
    SECRET_REFERENCE,
    FakeIdp,
    KeySigner,
    connection,
    form,
    private_key,
    with_client_authentication,
)

TOKEN_ENDPOINT = f"{ISSUER}/token"
CERTIFICATE = ClientCertificate(
    chain="the chain", private_key=canary("the private key of the chain", "a private key")
)
MUTUAL_TLS = MutualTls(certificate="env:CERTIFICATE", key="env:TLS_KEY")
GRANT = {"grant_type", "code", "redirect_uri", "code_verifier"}
ASSERTION = {"client_id", "client_assertion_type", "client_assertion"}


class StrictTokenEndpoint:
    """Answers a sign-in, if the client is who it says by exactly one method."""

    def __init__(
        self,
        idp,
        method,
        *,
        client_id=CLIENT_ID,
        secret=SECRET,
        public_key=None,
        algorithm=None,
        audience=ISSUER,
    ):
        self.idp = idp
        self.check = getattr(self, method)
        self.client_id, self.secret = client_id, secret
        self.public_key, self.algorithm, self.audience = public_key, algorithm, audience
        self.seen: list[str] = []
        self.accepted = 0

    def __call__(self, request):
        assert request.method == "POST"
        assert request.url == TOKEN_ENDPOINT
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert request.headers["accept"] == "application/json"
        self.check(request, form(request))
        self.accepted += 1
        return self.idp.token_answer()

    def client_secret_basic(self, request, parameters):
        assert parameters.keys() == GRANT
        scheme, _, credentials = request.headers["authorization"].partition(" ")
        assert scheme == "Basic"
        user, _, password = base64.b64decode(credentials, validate=True).decode("ascii").partition(":")
        assert (unquote_plus(user, errors="strict"), unquote_plus(password, errors="strict")) == (
            self.client_id,
            self.secret,
        )

    def client_secret_post(self, request, parameters):
        assert "authorization" not in request.headers
        assert parameters.keys() == GRANT | {"client_id", "client_secret"}
        assert (parameters["client_id"], parameters["client_secret"]) == (self.client_id, self.secret)

    def client_secret_jwt(self, request, parameters):
        header = self._assertion(request, parameters, self.secret)
        assert header == {"alg": self.algorithm, "typ": "JWT"}

    def private_key_jwt(self, request, parameters):
        header = self._assertion(request, parameters, self.public_key.public_key)
        assert header == {"alg": self.algorithm, "typ": "JWT", "kid": self.public_key.thumbprint()}

    def apple_client_secret(self, request, parameters):
        """Apple's page on creating a client secret: these claims and no others, and no assertion beside it."""
        assert "authorization" not in request.headers
        assert parameters.keys() == GRANT | {"client_id", "client_secret"}
        assert parameters["client_id"] == self.client_id
        secret = parameters["client_secret"]
        assert jwt.get_unverified_header(secret) == {"alg": "ES256", "typ": "JWT", "kid": "ABC123DEFG"}
        claims = jwt.decode(
            secret,
            self.public_key.public_key,
            algorithms=["ES256"],
            audience=self.audience,
            issuer="DEF123GHIJ",
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims == {
            "iss": "DEF123GHIJ", "sub": self.client_id, "aud": self.audience, "iat": NOW, "exp": NOW + 300,
        }  # fmt: skip

    def tls_client_auth(self, request, parameters):
        """RFC 8705 §2: the client id says whose certificate the handshake shows, and nothing else is a credential."""
        assert "authorization" not in request.headers
        assert parameters.keys() == GRANT | {"client_id"}
        assert parameters["client_id"] == self.client_id
        assert request.client_certificate.chain == CERTIFICATE.chain
        assert request.client_certificate.connection == "acme"

    self_signed_tls_client_auth = tls_client_auth

    def _assertion(self, request, parameters, key):
        assert "authorization" not in request.headers
        assert parameters.keys() == GRANT | ASSERTION
        assert parameters["client_id"] == self.client_id
        assert parameters["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assertion = parameters["client_assertion"]
        claims = jwt.decode(
            assertion,
            key,
            algorithms=[self.algorithm],
            audience=self.audience,
            issuer=self.client_id,
            # The clock of these tests is not the machine's; times are compared below.
            options={
                "require": ["exp", "iat", "jti", "sub", "aud"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        assert claims["aud"] == self.audience
        assert claims["sub"] == self.client_id
        assert claims["iat"] == NOW
        assert claims["iat"] < claims["exp"] <= NOW + 60
        assert claims["jti"] not in self.seen
        assert len(claims["jti"]) * 5 >= 128
        self.seen.append(claims["jti"])
        return jwt.get_unverified_header(assertion)


def sign_in_twice(idp, at, endpoint):
    idp.answer_token(endpoint)
    idp.sign_in(at)
    idp.sign_in(at)
    assert endpoint.accepted == 2


@pytest.mark.parametrize("algorithm", SIGNATURE_ALGORITHMS)
def test_private_key_jwt(algorithm):
    idp, key = FakeIdp(), private_key(algorithm, 7)
    idp.keys.signers[KEY_REFERENCE] = KeySigner(key, algorithm)
    at = with_client_authentication(method="private_key_jwt", key=KEY_REFERENCE, algorithm=algorithm)
    sign_in_twice(idp, at, StrictTokenEndpoint(idp, "private_key_jwt", public_key=key, algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_client_secret_jwt(algorithm):
    idp = FakeIdp()
    at = with_client_authentication(method="client_secret_jwt", secret=SECRET_REFERENCE, algorithm=algorithm)
    sign_in_twice(idp, at, StrictTokenEndpoint(idp, "client_secret_jwt", algorithm=algorithm))


SECRETS = [SECRET, "a:b+c%d e&f=g", "pässwörd ☃", "%41", "~*-._", '"\\/', "+", "::"]
CLIENT_IDS = [CLIENT_ID, "https://bridge.example/metadata", "a:b", "ä b"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("client_id", CLIENT_IDS)
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_secrets(method, secret, client_id):
    """Case 86, the good half."""
    idp = FakeIdp(claims={"aud": client_id})
    idp.secrets.values[SECRET_REFERENCE] = secret
    at = with_client_authentication(
        replace(connection(), client_id=client_id), method=method, secret=SECRET_REFERENCE
    )
    sign_in_twice(idp, at, StrictTokenEndpoint(idp, method, client_id=client_id, secret=secret))


@pytest.mark.parametrize("audience", ["https://appleid.apple.com", ISSUER])
def test_apple_client_secret(audience):
    idp, key = FakeIdp(), private_key("ES256", 7)
    idp.keys.signers[KEY_REFERENCE] = KeySigner(key, "ES256")
    at = with_client_authentication(
        method="apple_client_secret",
        key=KEY_REFERENCE,
        kid="ABC123DEFG",
        assertion_issuer="DEF123GHIJ",
        lifetime=300,
        audience=audience,
    )
    sign_in_twice(idp, at, StrictTokenEndpoint(idp, "apple_client_secret", public_key=key, audience=audience))


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_mutual_tls(method):
    idp = FakeIdp()
    idp.keys.certificates[MUTUAL_TLS.certificate] = CERTIFICATE
    at = with_client_authentication(replace(connection(), mutual_tls=MUTUAL_TLS), method=method)
    sign_in_twice(idp, at, StrictTokenEndpoint(idp, method))


@pytest.mark.parametrize(
    "method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]
)
def test_every_method_goes_with_a_certificate(method):
    """RFC 8705 §4: tokens are bound to it, whoever the client is known by."""
    idp, key = FakeIdp(), private_key("ES256", 7)
    idp.keys.signers[KEY_REFERENCE] = KeySigner(key, "ES256")
    idp.keys.certificates[MUTUAL_TLS.certificate] = CERTIFICATE
    algorithm = {"private_key_jwt": "ES256", "client_secret_jwt": "HS256"}.get(method)
    at = with_client_authentication(
        replace(connection(), mutual_tls=MUTUAL_TLS),
        method=method,
        key=KEY_REFERENCE,
        secret=SECRET_REFERENCE,
    )
    sign_in_twice(idp, at, StrictTokenEndpoint(idp, method, public_key=key, algorithm=algorithm))
    expected = replace(CERTIFICATE, connection="acme")
    assert all(request.client_certificate == expected for request in idp.http.sent)


def test_raw_basic_is_for_idps_that_do_not_decode():
    idp = FakeIdp()
    idp.secrets.values[SECRET_REFERENCE] = "a:b+c%d e"
    idp.sign_in(
        with_client_authentication(
            method="client_secret_basic", secret=SECRET_REFERENCE, basic_encoding="raw"
        )
    )
    credentials = idp.http.calls(TOKEN_ENDPOINT)[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(credentials) == b"bridge:a:b+c%d e"


@pytest.mark.parametrize(
    "method",
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth"],
)
def test_the_credential_is_in_no_url_and_no_log(method):
    """Case 86: the secret is in no URL or log, and neither is an assertion or the key of a certificate."""
    idp = FakeIdp()
    idp.keys.certificates[MUTUAL_TLS.certificate] = CERTIFICATE
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 7), "ES256")
    redirect = idp.begin(
        at := with_client_authentication(
            replace(connection(), mutual_tls=MUTUAL_TLS),
            method=method,
            key=KEY_REFERENCE,
            secret=SECRET_REFERENCE,
        )
    )
    idp.finish(redirect, at)
    (request,) = idp.http.calls(TOKEN_ENDPOINT)
    credential = form(request).get("client_assertion", SECRET)
    said = [redirect.url, repr(redirect), repr(request), json.dumps(idp.telemetry.events)]
    said += [request.url for request in idp.http.sent]
    encoded = request.headers.get("authorization", SECRET).removeprefix("Basic ")
    secrets = (credential, SECRET, encoded, CERTIFICATE.private_key)
    assert not [text for text in said for secret in secrets if secret in text]
