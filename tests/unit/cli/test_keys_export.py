"""`fedbridge keys export`: what IdPs take uploads of, from local keys and from keys that never leave KMS."""

import datetime as dt
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from fedbridge.cli import main
from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.certificates import certificate_pem, request_pem, subject_name
from fedbridge.keys.kms import KmsSigner
from fedbridge.model.deadline import Deadline
from tests.fakes.kms import FakeKms, client_error
from tests.support.keys import ec_key, jwk_text, private_pem, public_pem, rsa_key, thumbprint_of
from tests.support.kms import create_key, running_ministack
from tests.unit.configuration.files import changed, write

KEYS = {"RSA": rsa_key(), "P-256": ec_key(), "P-384": ec_key("P-384"), "P-521": ec_key("P-521")}


@pytest.fixture
def export(tmp_path, capsys):
    """Return what an export of a connection with these changes prints."""

    def export(*options, code=0, key=None, **changes):
        (tmp_path / "key").write_text(private_pem(key) if key is not None else private_pem(rsa_key()))
        body = changed(client_authentication__key=f"file:{tmp_path / 'key'}", **changes)
        file = write(tmp_path, {"acme": body})
        assert main(["keys", "export", "acme", "--local", "--file", str(file), *options]) == code
        printed = capsys.readouterr()
        assert "PRIVATE KEY" not in printed.out + printed.err
        return printed.err if code else printed.out

    return export


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_certificate_of_the_key_signed_by_itself(export, key):
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    text = export("--format", "certificate", "--subject", "CN=bridge,O=Acme AB,C=SE", "--days", "90", key=key)
    certificate = x509.load_pem_x509_certificate(text.encode())
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.rfc4514_string() == "CN=bridge,O=Acme AB,C=SE"
    assert certificate.not_valid_before_utc >= before
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == dt.timedelta(days=90)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_no_two_certificates_have_one_serial_number(export):
    serials = {
        x509.load_pem_x509_certificate(export("--format", "certificate").encode()).serial_number
        for _ in range(3)
    }
    assert len(serials) == 3
    assert all(serial.bit_length() > 64 for serial in serials)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_signing_request(export, key):
    request = x509.load_pem_x509_csr(export("--format", "csr", key=key).encode())
    assert request.public_key() == key.public_key()
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=fedbridge acme"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_public_key(export, key):
    assert export("--format", "pem", key=key) == public_pem(key)


def test_the_jwks_is_what_is_published(export, tmp_path):
    (tmp_path / "next").write_text(private_pem(ec_key("P-256", 1)))
    (tmp_path / "decryption").write_text(private_pem(rsa_key(2048, 1)))
    document = json.loads(
        export(
            client_authentication__next_key=f"file:{tmp_path / 'next'}",
            id_token={"encryption": "required"},
            token_decryption={"keys": [f"file:{tmp_path / 'decryption'}"]},
        )
    )
    assert [(jwk["kid"], jwk["use"]) for jwk in document["keys"]] == [
        (thumbprint_of(rsa_key()), "sig"),
        (thumbprint_of(ec_key("P-256", 1)), "sig"),
        (thumbprint_of(rsa_key(2048, 1)), "enc"),
    ]
    assert {name for jwk in document["keys"] for name in jwk}.isdisjoint({"d", "p", "q", "dp", "dq", "qi"})


def test_the_certificate_of_a_pss_connection_can_be_read_by_everybody(export):
    text = export("--format", "certificate", client_authentication__algorithm="PS256")
    certificate = x509.load_pem_x509_certificate(text.encode())
    assert isinstance(certificate.signature_algorithm_parameters, padding.PKCS1v15)


def test_a_key_that_allows_pss_alone_signs_by_it(tmp_path, capsys):
    (tmp_path / "jwk").write_text(jwk_text(rsa_key(), alg="PS384"))
    body = changed(client_authentication__key=f"file:{tmp_path / 'jwk'}")
    file = write(tmp_path, {"acme": body})
    assert main(["keys", "export", "acme", "--local", "--file", str(file), "--format", "certificate"]) == 0
    certificate = x509.load_pem_x509_certificate(capsys.readouterr().out.encode())
    assert isinstance(certificate.signature_algorithm_parameters, padding.PSS)
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA384)
    certificate.verify_directly_issued_by(certificate)


def test_each_key_by_its_name(export, tmp_path):
    for number, name in enumerate(("next", "request", "tls", "decryption"), start=1):
        (tmp_path / name).write_text(private_pem(ec_key("P-256", number)))
    changes = {
        "client_authentication__next_key": f"file:{tmp_path / 'next'}",
        "authorization": {"scope": "openid", "request_object": {"key": f"file:{tmp_path / 'request'}"}},
        "mutual_tls": {"certificate": "file:not-there-yet", "key": f"file:{tmp_path / 'tls'}"},
        "id_token": {"encryption": "required"},
        "token_decryption": {"keys": [f"file:{tmp_path / 'decryption'}"]},
    }
    for number, name in enumerate(("next_key", "request_object", "mutual_tls", "decryption"), start=1):
        expected = public_pem(ec_key("P-256", number))
        assert export("--format", "pem", "--key", name, **changes) == expected
    request = x509.load_pem_x509_csr(export("--format", "csr", "--key", "mutual_tls", **changes).encode())
    usage = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert "signs nothing" in export("--format", "certificate", "--key", "decryption", code=1, **changes)


def test_a_self_signed_tls_certificate_is_one_for_clients(export, tmp_path):
    (tmp_path / "tls").write_text(private_pem(ec_key("P-256", 3)))
    tls = {"certificate": "file:not-there-yet", "key": f"file:{tmp_path / 'tls'}"}
    text = export("--format", "certificate", "--key", "mutual_tls", mutual_tls=tls)
    certificate = x509.load_pem_x509_certificate(text.encode())
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert PolicyBuilder().store(Store([certificate])).build_client_verifier() is not None


def test_a_connection_that_is_not_registered_yet_has_keys(export):
    from tests.unit.configuration.files import REMOVED

    assert "BEGIN PUBLIC KEY" in export("--format", "pem", client_id=REMOVED)


@pytest.mark.parametrize(
    "options,said",
    [
        (["--key", "next_key", "--format", "pem"], "has no such key"),
        (["--key", "request_object", "--format", "csr"], "has no such key"),
        (["--format", "certificate", "--subject", "bridge"], "--subject"),
        (["--format", "certificate", "--subject", ""], None),
        (["--format", "certificate", "--days", "0"], "--days"),
        (["--format", "certificate", "--days", "4000"], "--days"),
    ],
)
def test_what_cannot_be_exported(export, options, said):
    if said is None:
        assert "BEGIN CERTIFICATE" in export(*options)
    else:
        assert said in export(*options, code=1)


def test_no_such_connection(tmp_path, capsys):
    file = write(tmp_path, {"acme": changed()})
    assert main(["keys", "export", "beta", "--file", str(file)]) == 1
    assert "has no connection beta; there are acme" in capsys.readouterr().err


def test_a_connection_without_keys(export):
    said = export(
        "--format", "jwks", code=1,
        client_authentication={"method": "client_secret_post", "secret": "file:secret"},
    )  # fmt: skip
    assert "has no keys to publish" in said


# --- KMS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def kms():
    return FakeKms()


def kms_signer(kms, key, algorithm=None):
    arn = kms.add(key)
    return KmsSigner.load(
        arn, algorithm, client=lambda: kms, deadline=Deadline.after(20), sleep=lambda _: None
    )


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_in_kms_signs_its_own_certificate_and_request(kms, key):
    signer, subject, deadline = kms_signer(kms, key), subject_name("CN=bridge"), Deadline.after(20)
    text = certificate_pem(signer, subject, lifetime=86_400, client_tls=False, deadline=deadline)
    certificate = x509.load_pem_x509_certificate(text.encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.public_key() == key.public_key()
    request = x509.load_pem_x509_csr(
        request_pem(signer, subject, client_tls=False, deadline=deadline).encode()
    )
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()


def test_an_outage_of_kms_is_told(kms):
    signer = kms_signer(kms, rsa_key())
    kms.faults = [client_error("DisabledException", "Sign")]
    with pytest.raises(KeyUnavailable) as caught:
        certificate_pem(
            signer, subject_name("CN=x"), lifetime=86_400, client_tls=False, deadline=Deadline.after(20)
        )
    assert caught.value.reason == "kms_key_disabled"


@pytest.mark.parametrize("text", ["", "bridge", "CN", "CN=a,NOPE=b", "=x"])
def test_what_is_no_distinguished_name(text):
    with pytest.raises(ConfigurationError):
        subject_name(text)


@pytest.mark.ministack
def test_a_certificate_by_the_kms_of_an_emulator(tmp_path, capsys):
    with running_ministack() as account:
        for spec in ("RSA_2048", "ECC_NIST_P256"):
            body = changed(client_authentication__key=f"kms:{create_key(account, spec)}")
            file = write(tmp_path, {"acme": body})
            assert main(["keys", "export", "acme", "--file", str(file), "--format", "certificate"]) == 0
            certificate = x509.load_pem_x509_certificate(capsys.readouterr().out.encode())
            certificate.verify_directly_issued_by(certificate)
            assert main(["keys", "export", "acme", "--file", str(file), "--format", "csr"]) == 0
            assert x509.load_pem_x509_csr(capsys.readouterr().out.encode()).is_signature_valid
            assert main(["keys", "export", "acme", "--file", str(file), "--format", "pem"]) == 0
            assert load_pem_public_key(capsys.readouterr().out.encode()) == certificate.public_key()
            assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey) == spec.startswith("ECC")
