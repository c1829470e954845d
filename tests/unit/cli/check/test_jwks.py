"""An IdP's keys that no IdP would publish by mistake."""

import base64
import datetime as dt
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey

from fedbridge.cli.check.discovery import Provider
from fedbridge.cli.check.jwks import jwks_findings
from fedbridge.model.connection import IdTokenPolicy
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import OutboundResponse
from tests.support.keys import ec_key

IDP = "https://bank.idp.example"
JWKS = f"{IDP}/jwks"
PROVIDER = Provider(
    metadata=ProviderMetadata(
        issuer=IDP, authorization_endpoint=f"{IDP}/authorize", token_endpoint=f"{IDP}/token", jwks_uri=JWKS
    ),
    document={},
)
VERSION_3, VERSION_6 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"


def certificate():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp")])
    builder = x509.CertificateBuilder(name, name, ec_key().public_key(), 5)
    began, ended = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2020, 2021))
    builder = builder.not_valid_before(began).not_valid_after(ended)
    return builder.sign(ec_key(), SHA256()).public_bytes(Encoding.DER)


@pytest.fixture
def codes(http, context):
    def found(**members):
        public = ECKey.import_key(ec_key().public_key()).as_dict(private=False)
        document = {"keys": [{**public, "kid": "1", **members}]}
        http.answer("GET", JWKS, OutboundResponse(status=200, headers={}, body=json.dumps(document).encode()))
        asking = context(id_token=IdTokenPolicy(algorithms=("ES256",)))
        return [each.code for each in jwks_findings(asking, PROVIDER)]

    return found


def test_a_certificate_of_no_version_that_there_is_stops_nothing(codes):
    """It ended the whole command (InvalidVersion)."""
    good = certificate()
    assert codes(x5c=[base64.b64encode(good).decode()]) == ["jwks_certificate_expired"]
    assert codes(x5c=[base64.b64encode(good.replace(VERSION_3, VERSION_6, 1)).decode()]) == []


@pytest.mark.parametrize("chain", ["text", [], [7], ["\u1234"], ["!!"], ["MAA="]])
def test_a_chain_that_is_none_stops_nothing(codes, chain):
    assert codes(x5c=chain) == []
