import base64
import datetime as dt
import hashlib

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from fedbridge.errors import ConfigurationError
from fedbridge.jws import b64url
from fedbridge.rp.client_assertion import sign_with_key, sign_with_secret
from tests.unit.rp.idp import CLIENT_ID, ISSUER, KEY_REFERENCE, NOW, SECRET, SECRET_REFERENCE, private_key
from tests.unit.rp.test_client_authentication import context

CERTIFICATE = "env:CERTIFICATE"
ENDPOINT = f"{ISSUER}/par"


def certificate(key, issuer_key=None):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=day,
        not_valid_after=day + dt.timedelta(days=365),
    )
    algorithm = None if isinstance(issuer_key or key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key or key, algorithm)


def pem(*certificates):
    return "".join(item.public_bytes(serialization.Encoding.PEM).decode() for item in certificates)


@pytest.fixture
def key():
    return private_key("ES256", 7).private_key


def sign(certificate_pem=None, **authentication):
    given = context(method="private_key_jwt", key=KEY_REFERENCE, **authentication)
    if certificate_pem is not None:
        given.secrets.values[CERTIFICATE] = certificate_pem
    return sign_with_key(given, ENDPOINT)


def claims(assertion):
    return jwt.decode(assertion, options={"verify_signature": False})


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("issuer", ISSUER),
        ("token_endpoint", f"{ISSUER}/t"),
        ("endpoint", ENDPOINT),
        ("https://idp.example/", "https://idp.example/"),
        ("urn:idp", "urn:idp"),
    ],
)
def test_the_audience_is_one_string(audience, expected):
    assert claims(sign(audience=audience))["aud"] == expected


@pytest.mark.parametrize("lifetime", [10, 60, 300])
def test_the_claims_are_those_of_rfc_7523(lifetime):
    found = claims(sign(lifetime=lifetime))
    assert found.pop("jti")
    assert found == {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": ISSUER, "iat": NOW, "exp": NOW + lifetime}
    assert claims(sign(not_before=True))["nbf"] == NOW


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({}, {"alg": "ES256", "typ": "JWT", "kid": private_key("ES256", 7).thumbprint()}),
        ({"kid": "omit"}, {"alg": "ES256", "typ": "JWT"}),
        ({"kid": "key-1"}, {"alg": "ES256", "typ": "JWT", "kid": "key-1"}),
        ({"kid": "omit", "typ": None}, {"alg": "ES256"}),
        (
            {"kid": "omit", "typ": "client-authentication+jwt"},
            {"alg": "ES256", "typ": "client-authentication+jwt"},
        ),
    ],
)
def test_the_header_is_what_the_connection_says(fields, header):
    assert jwt.get_unverified_header(sign(**fields)) == header


def test_an_assertion_by_secret_names_no_key_unless_told():
    def header(**fields):
        given = context(method="client_secret_jwt", secret=SECRET_REFERENCE, **fields)
        return jwt.get_unverified_header(sign_with_secret(given, ENDPOINT, SECRET))

    assert header() == {"alg": "HS256", "typ": "JWT"}
    assert header(kid="secret-1", typ=None) == {"alg": "HS256", "kid": "secret-1"}


def test_the_certificate_is_named_by_digest_and_chain(key):
    leaf, issuer = certificate(key), certificate(private_key("ES384", 7).private_key)
    header = jwt.get_unverified_header(
        sign(pem(leaf, issuer), certificate=CERTIFICATE, x5t=True, x5t_s256=True, x5c=True)
    )
    der = [item.public_bytes(serialization.Encoding.DER) for item in (leaf, issuer)]
    assert header["x5t"] == b64url(hashlib.sha1(der[0]).digest())
    assert header["x5t#S256"] == b64url(hashlib.sha256(der[0]).digest())
    assert [base64.b64decode(item, validate=True) for item in header["x5c"]] == der


@pytest.mark.parametrize("member", ["x5t", "x5t_s256", "x5c"])
def test_each_certificate_member_stands_alone(key, member):
    header = jwt.get_unverified_header(
        sign(pem(certificate(key)), certificate=CERTIFICATE, kid="omit", **{member: True})
    )
    assert header.keys() == {"alg", "typ", {"x5t_s256": "x5t#S256"}.get(member, member)}


@pytest.mark.parametrize(
    "habit",
    [
        lambda text: text.replace("\n", "\\n"),
        lambda text: text.replace("\n", "\\r\\n"),
        lambda text: text.replace("\n", " "),
        lambda text: f"subject=CN = Brücke\n{text}",
    ],
)
def test_what_was_published_is_read_however_a_console_wrote_it(key, habit):
    own = certificate(key)
    header = jwt.get_unverified_header(sign(habit(pem(own)), certificate=CERTIFICATE, x5c=True))
    (der,) = header["x5c"]
    assert base64.b64decode(der) == own.public_bytes(serialization.Encoding.DER)


def test_an_rsa_certificate_fits_an_rsa_key():
    rsa = private_key("RS256", 7)
    given = context(method="private_key_jwt", key=KEY_REFERENCE, certificate=CERTIFICATE, x5t_s256=True)
    given.keys.signers[KEY_REFERENCE] = type(given.keys.signers[KEY_REFERENCE])(rsa, "PS256")
    given.secrets.values[CERTIFICATE] = pem(certificate(rsa.private_key))
    assert jwt.get_unverified_header(sign_with_key(given, ENDPOINT))["x5t#S256"]


@pytest.mark.parametrize("first", ["another key", "the issuer"])
def test_a_certificate_of_another_key_is_refused(key, first):
    other = certificate(private_key("ES256", 8).private_key)
    chain = pem(other) if first == "another key" else pem(other, certificate(key))
    with pytest.raises(ConfigurationError) as failure:
        sign(chain, certificate=CERTIFICATE, x5c=True)
    assert failure.value.reason == "client_certificate_mismatch"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "é",
        pem(certificate(ed25519.Ed25519PrivateKey.generate())),
    ],
)
def test_a_certificate_that_is_none_is_refused(document):
    with pytest.raises(ConfigurationError) as failure:
        sign(document, certificate=CERTIFICATE, x5c=True)
    assert failure.value.reason == "client_certificate_invalid"


def test_a_certificate_member_without_certificate_is_refused():
    with pytest.raises(ConfigurationError, match="need a certificate"):
        sign(x5t=True)


def test_the_certificate_is_not_read_unless_wanted():
    sign(certificate="env:ABSENT")
