"""The client certificate of mutual TLS: what enters, as what, and what IdPs are told of a self-signed one."""

import base64
import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.client_certificate import certificate_jwks
from fedbridge.keys.provider import CachedKeys
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import MutualTls
from fedbridge.net.client_tls import present
from tests.support.client_certificates import DAY, client_authority, on_an_unknown_curve, self_signed
from tests.support.keys import ec_key, jwk_text, private_pem, public_pem, rsa_key

POLICY = MutualTls(certificate="env:CERTIFICATE", key="env:KEY")
NOW = dt.datetime.now(dt.UTC)
KEY = ec_key(number=30)


class Values:
    """Secrets by reference."""

    def __init__(self, **values):
        self.values = values

    def get(self, reference, deadline, *, refresh=False):
        found = self.values[reference.removeprefix("env:").partition("#")[0]]
        if isinstance(found, Exception):
            raise found
        return found


def keys_of(values, **options):
    return CachedKeys(values, lambda service: pytest.fail(f"{service} is called"), **options)


def read(certificate, key, **options):
    values = Values(CERTIFICATE=certificate, KEY=key)
    return keys_of(values, **options).client_certificate(POLICY, Deadline.after(20))


def refused(certificate, key, **options):
    with pytest.raises(ConfigurationError) as caught:
        read(certificate, key, **options)
    error = caught.value
    assert error.__context__ is None or error.__suppress_context__
    assert "PRIVATE" not in str(error).replace("PRIVATE KEY", "")
    for text in (certificate, key):
        for line in text.splitlines()[1:-1]:
            assert line not in str(error)
    return error


@pytest.mark.parametrize("key", [KEY, ec_key("P-384"), ec_key("P-521"), rsa_key()])
def test_certificate_and_key_are_what_openssl_takes(key):
    found = read(self_signed(key), private_pem(key))
    present(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), found)
    assert x509.load_pem_x509_certificate(found.chain.encode()).public_key() == key.public_key()
    assert found.private_key == private_pem(key)
    assert found.private_key not in repr(found)


def test_a_key_may_be_a_jwk():
    assert read(self_signed(KEY), jwk_text(KEY)).private_key == private_pem(KEY)


def test_a_document_may_hold_both():
    pem = self_signed(KEY) + private_pem(KEY)
    found = read(pem, pem)
    assert (found.chain, found.private_key) == (self_signed_again(found.chain), private_pem(KEY))


def self_signed_again(chain):
    """The chain as it is written by somebody else."""
    return "".join(
        each.public_bytes(Encoding.PEM).decode() for each in x509.load_pem_x509_certificates(chain.encode())
    )


def test_consoles_line_ends_are_mended():
    broken = self_signed(KEY).replace("\n", "\\n")
    present(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), read(broken, private_pem(KEY).replace("\n", " ")))


def test_the_chain_keeps_its_order():
    authority = client_authority()
    chain = authority.issue(KEY, name="bank") + authority.certificate
    assert read(chain, private_pem(KEY)).chain == chain


def test_a_chain_begins_with_its_own_certificate():
    authority = client_authority()
    chain = authority.certificate + authority.issue(KEY, name="bank")
    assert refused(chain, private_pem(KEY)).reason == "client_certificate_mismatch"


def test_84_a_key_of_an_unknown_kind():
    error = refused(on_an_unknown_curve(self_signed(KEY)), private_pem(KEY))
    assert (error.reason, str(error)) == (
        "client_certificate_invalid",
        "env:CERTIFICATE: the certificate's key is of an unknown kind",
    )


@pytest.mark.parametrize("other", [ec_key(number=31), ec_key("P-384"), rsa_key()])
def test_84_the_certificate_of_another_key(other):
    error = refused(self_signed(other), private_pem(KEY))
    assert error.reason == "client_certificate_mismatch"
    assert "env:CERTIFICATE" in str(error)


@pytest.mark.parametrize("begins,ends", [(-3, -1), (1, 3)])
def test_a_certificate_that_is_not_valid_today(begins, ends):
    certificate = self_signed(KEY, begins=NOW + begins * DAY, ends=NOW + ends * DAY)
    error = refused(certificate, private_pem(KEY))
    assert error.reason == "client_certificate_expired"
    assert f"{NOW + begins * DAY:%Y-%m-%d} to {NOW + ends * DAY:%Y-%m-%d}" in str(error)
    at = (NOW + (begins + 1) * DAY).timestamp()
    assert read(certificate, private_pem(KEY), clock=lambda: at)


BROKEN = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "certificate",
    ["", "nothing", public_pem(KEY), BROKEN, "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"],
)
def test_139_what_is_no_certificate(certificate):
    assert refused(certificate or " ", private_pem(KEY))


def test_139_a_broken_certificate_is_told_from_a_broken_key():
    assert refused(BROKEN, private_pem(KEY)).reason == "client_certificate_invalid"


@pytest.mark.parametrize(
    "key",
    [
        "nothing",
        public_pem(KEY),
        private_pem(KEY, password="canary"),  # OpenSSL would ask a terminal
        private_pem(KEY) + private_pem(ec_key(number=31)),
    ],
)
def test_139_what_is_no_usable_key(key):
    assert refused(self_signed(KEY), key)


def test_139_weak_and_other_keys():
    k1 = ec.generate_private_key(ec.SECP256K1())
    for key in (k1, rsa.generate_private_key(public_exponent=65537, key_size=1024)):
        assert "env:KEY" in str(refused(self_signed(key), private_pem(key)))
    edwards = ed25519.Ed25519PrivateKey.generate()
    pem = edwards.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert "neither RSA nor EC" in str(refused(self_signed(KEY), pem))


def test_a_key_in_kms_is_refused_before_kms_is_asked():
    policy = MutualTls(certificate="env:CERTIFICATE", key="kms:arn:aws:kms:eu-west-1:111122223333:key/1")
    with pytest.raises(ConfigurationError, match="cannot be used for TLS"):
        keys_of(Values()).client_certificate(policy, Deadline.after(20))


def test_135_a_store_that_is_down_gives_no_certificate():
    outage = KeyUnavailable(reason="secret_timeout", transient=True)
    with pytest.raises(KeyUnavailable, match="secret_timeout"):
        keys_of(Values(CERTIFICATE=self_signed(KEY), KEY=outage)).client_certificate(
            POLICY, Deadline.after(20)
        )


def test_a_certificate_is_read_once_and_again_when_it_was_changed():
    values = Values(CERTIFICATE=self_signed(KEY), KEY=private_pem(KEY))
    keys = keys_of(values)
    first = keys.client_certificate(POLICY, Deadline.after(20))
    assert keys.client_certificate(POLICY, Deadline.after(20)) is first
    values.values["CERTIFICATE"] = self_signed(KEY)
    renewed = keys.client_certificate(POLICY, Deadline.after(20))
    assert renewed.chain != first.chain
    other = ec_key(number=31)
    values.values |= {"CERTIFICATE": self_signed(other), "KEY": private_pem(other)}
    assert keys.client_certificate(POLICY, Deadline.after(20)).private_key == private_pem(other)


def published(**values):
    policy = MutualTls(
        certificate="env:CERTIFICATE",
        key="env:KEY",
        next_certificate="env:NEXT" if "NEXT" in values else None,
    )
    secrets = Values(**values)
    return certificate_jwks(policy, keys=keys_of(secrets), secrets=secrets, deadline=Deadline.after(20))


def test_idps_know_a_self_signed_certificate_by_its_jwk():
    """RFC 8705 §2.2.2."""
    pem = self_signed(KEY)
    (jwk,) = published(CERTIFICATE=pem, KEY=private_pem(KEY))
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert jwk["x5c"] == [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
    digest = base64.urlsafe_b64encode(certificate.fingerprint(SHA256())).decode().rstrip("=")
    assert jwk["kid"] == jwk["x5t#S256"] == digest
    assert ECKey.import_key(dict(jwk)).thumbprint() == ECKey.import_key(KEY).thumbprint()
    assert "d" not in jwk


@pytest.mark.parametrize("other", [KEY, ec_key(number=31)])
def test_the_next_certificate_is_published_beside_it(other):
    """Renewed with the same key or with another one: no two JWKs share a `kid`."""
    first, second = published(CERTIFICATE=self_signed(KEY), KEY=private_pem(KEY), NEXT=self_signed(other))
    assert first["kid"] != second["kid"]
    assert first["x5c"] != second["x5c"]
