"""Certificates of an IdP's metadata that are none."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from fedbridge.sp.idp import UnusableCertificateError, certificate_of
from tests.support.keys import ec_key

VERSION_3, VERSION_6 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"


def test_a_certificate_of_no_version_that_there_is_refuses_the_metadata():
    """The library's own exception (InvalidVersion) went through every handler, and through `fedbridge check`."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp")])
    began, ended = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2020, 2021))
    builder = x509.CertificateBuilder(name, name, ec_key().public_key(), 5, began, ended)
    der = builder.sign(ec_key(), SHA256()).public_bytes(Encoding.DER)
    assert certificate_of(der).not_after == ended.timestamp()
    with pytest.raises(UnusableCertificateError, match="is no X"):
        certificate_of(der.replace(VERSION_3, VERSION_6, 1))
