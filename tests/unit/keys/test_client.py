"""The public keys of a connection's client authentication."""

import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc.jwk import KeySet

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.client import client_jwks, request_object_jwks
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import ClientAuthentication
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import RequestObject
from tests.fakes.kms import FakeKms
from tests.fakes.telemetry import NullTelemetry
from tests.support.client_certificates import on_an_unknown_curve
from tests.support.keys import ec_key, private_pem, public_pem, rsa_key, thumbprint_of

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def certificate_of(key) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def published(kms):
    """Return the JWKs of the authentication with these members."""
    environ = {
        "RSA1": private_pem(rsa_key()),
        "RSA2": private_pem(rsa_key(2048, 1)),
        "EC1": private_pem(ec_key()),
        "EC2": private_pem(ec_key("P-384")),
        "CERT": certificate_of(rsa_key()) + certificate_of(rsa_key(2048, 1)),
        "EC_CERT": certificate_of(ec_key()),
        "UNKNOWN_CERT": on_an_unknown_curve(certificate_of(ec_key())),
        "PUBLIC": public_pem(rsa_key()),
        "BROKEN": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    }
    secrets = CachedSecrets(kms.clients, allow_local=True, telemetry=NullTelemetry(), environ=environ)
    keys = CachedKeys(secrets, kms.clients, sleep=lambda _: None)

    def published(**members):
        authentication = ClientAuthentication(**members)
        return client_jwks(authentication, keys=keys, secrets=secrets, deadline=Deadline.after(20))

    return published


def test_without_keys_there_are_none(published):
    assert published(method="client_secret_basic", secret="env:SECRET") == ()


def test_one_key(published):
    (jwk,) = published(key="env:RSA1")

    assert (jwk["kid"], jwk["alg"], jwk["use"]) == (thumbprint_of(rsa_key()), "RS256", "sig")
    assert set(jwk) == {"kty", "n", "e", "kid", "alg", "use"}


def test_the_active_the_next_and_the_retired(published):
    jwks = published(
        key="env:RSA1", next_key="env:RSA2", retired_keys=("env:EC1", "env:EC2"), algorithm="PS256"
    )

    assert [jwk["kid"] for jwk in jwks] == [
        thumbprint_of(key) for key in (rsa_key(), rsa_key(2048, 1), ec_key(), ec_key("P-384"))
    ]
    assert [jwk["alg"] for jwk in jwks] == ["PS256", "PS256", "ES256", "ES384"]
    assert len(KeySet.import_key_set({"keys": list(jwks)}).keys) == 4


def test_a_next_key_before_the_first_assertion(published):
    (jwk,) = published(secret="env:SECRET", next_key="env:EC1", algorithm="HS256")

    assert (jwk["kid"], jwk["alg"]) == (thumbprint_of(ec_key()), "ES256")


def test_a_key_in_kms(published, kms):
    arn = kms.add(ec_key())

    assert published(key=f"kms:{arn}", algorithm="ES256")[0]["kid"] == thumbprint_of(ec_key())


def test_the_kid_that_assertions_carry(published):
    jwks = published(key="env:RSA1", retired_keys=("env:RSA2",), kid="bridge-2026")

    assert [jwk["kid"] for jwk in jwks] == ["bridge-2026", thumbprint_of(rsa_key(2048, 1))]
    assert published(key="env:RSA1", kid="omit")[0]["kid"] == thumbprint_of(rsa_key())


def test_a_certificate(published):
    active, other = published(key="env:RSA1", next_key="env:RSA2", certificate="env:CERT")

    chain = [x509.load_der_x509_certificate(base64.b64decode(der)) for der in active["x5c"]]
    assert [certificate.public_key() for certificate in chain] == [
        rsa_key().public_key(),
        rsa_key(2048, 1).public_key(),
    ]
    assert "x5c" not in other


@pytest.mark.parametrize(
    "members,message",
    [
        ({"key": "env:RSA1", "certificate": "env:EC_CERT"}, "not of the connection's key"),
        ({"key": "env:RSA1", "certificate": "env:RSA2"}, "no PEM certificate"),
        ({"key": "env:RSA1", "certificate": "env:BROKEN"}, "not a certificate"),
        ({"key": "env:EC1", "certificate": "env:UNKNOWN_CERT"}, "with a key that can be used"),
        ({"key": "env:RSA1", "next_key": "env:RSA1"}, "twice"),
        ({"key": "env:RSA1", "retired_keys": ("env:RSA2", "env:RSA2")}, "twice"),
        (
            {"key": "env:RSA1", "retired_keys": ("env:RSA2",), "kid": thumbprint_of(rsa_key(2048, 1))},
            "has its kid",
        ),
        ({"key": "env:RSA1", "algorithm": "ES256"}, "does not go with this key"),
        ({"key": "env:EC1", "algorithm": "ES384"}, "does not go with this key"),
        ({"key": "env:PUBLIC"}, "no private key"),
        ({"key": "env:NONE"}, "not set"),
        ({"next_key": "env:NONE"}, "not set"),
    ],
)
def test_what_cannot_be_published(published, members, message):
    with pytest.raises(ConfigurationError, match=message):
        published(**members)


def test_a_key_that_cannot_be_had(published):
    with pytest.raises(KeyUnavailable, match="NotFound"):
        published(key="kms:arn:aws:kms:eu-west-1:111122223333:key/none")


@pytest.fixture
def published_with(published, kms):
    """Return the JWKs of request objects beside those of client assertions."""

    def published_with(policy, **members):
        signing = published(**members)
        secrets = CachedSecrets(
            kms.clients, allow_local=True, telemetry=NullTelemetry(), environ={
                "EC1": private_pem(ec_key()), "SAME": private_pem(rsa_key()), "RSA2": private_pem(rsa_key(2048, 1)),
            },
        )  # fmt: skip
        keys = CachedKeys(secrets, kms.clients, sleep=lambda _: None)
        return request_object_jwks(policy, signing=signing, keys=keys, deadline=Deadline.after(20))

    return published_with


def test_the_key_of_request_objects_is_published_beside_those_of_assertions(published_with):
    (jwk,) = published_with(RequestObject(key="env:RSA2", algorithm="PS256"), key="env:RSA1")
    assert (jwk["use"], jwk["alg"], jwk["kid"]) == ("sig", "PS256", thumbprint_of(rsa_key(2048, 1)))
    (jwk,) = published_with(RequestObject(key="env:EC1"))
    assert (jwk["use"], jwk["alg"]) == ("sig", "ES256")
    KeySet.import_key_set({"keys": [jwk]})
    assert "d" not in jwk


def test_a_request_object_that_is_signed_as_assertions_are_publishes_nothing_more(published_with):
    assert published_with(RequestObject(), key="env:RSA1") == ()


@pytest.mark.parametrize("kid", ["thumbprint", "bank-1"])
def test_the_key_of_assertions_behind_another_reference(published_with, kid):
    with pytest.raises(ConfigurationError, match="env:SAME: this key is published already"):
        published_with(RequestObject(key="env:SAME"), key="env:RSA1", kid=kid)


def test_a_key_of_request_objects_that_cannot_sign_so_is_found_when_it_is_published(published_with):
    with pytest.raises(ConfigurationError, match="PS256 does not go with this key"):
        published_with(RequestObject(key="env:EC1", algorithm="PS256"))
