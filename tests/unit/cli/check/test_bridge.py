"""The bridge as its neighbours see it, when it is not well."""

import json

import pytest

from fedbridge.cli.check.bridge import bridge_findings
from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.saml import Saml
from fedbridge.ports import OutboundResponse

BASE = "https://bridge.example"
ISSUER = f"{BASE}/bank"
DISCOVERY, JWKS, CLIENT = (
    f"{ISSUER}/{path}"
    for path in (".well-known/openid-configuration", ".well-known/jwks.json", "client-jwks.json")
)


def answering(document, status=200):
    return OutboundResponse(status=status, headers={}, body=json.dumps(document).encode())


@pytest.fixture
def bridge(http):
    http.answer("GET", DISCOVERY, answering({"issuer": ISSUER}))
    http.answer("GET", JWKS, answering({"keys": [{"kid": "1"}]}))
    http.answer("GET", CLIENT, answering({"keys": []}))
    return http


def codes(context, **fields):
    return [each.code for each in bridge_findings(context(base_url=BASE, **fields))]


def test_a_bridge_that_is_well(bridge, context):
    assert codes(context) == []
    assert len(bridge.sent) == 3


def test_without_an_address_nobody_is_called(http, context):
    assert list(bridge_findings(context())) == []
    assert http.sent == []


def test_keys_of_id_tokens_that_cannot_be_used(bridge, context):
    bridge.answer("GET", JWKS, answering({"error": "server_error"}, 503))
    assert codes(context) == ["bridge_keys_missing"]
    bridge.answer("GET", JWKS, answering({"keys": []}))
    assert codes(context) == ["bridge_keys_missing"]


def test_another_issuer(bridge, context):
    bridge.answer("GET", DISCOVERY, answering({"issuer": "https://other.example/bank"}))
    assert codes(context) == ["bridge_issuer_mismatch"]


def test_no_json(bridge, context):
    bridge.answer("GET", DISCOVERY, OutboundResponse(status=200, headers={}, body=b"<html>"))
    bridge.answer("GET", CLIENT, OutboundResponse(status=200, headers={}, body=b"<html>"))
    assert codes(context) == ["bridge_discovery_missing", "client_jwks_unavailable"]


@pytest.mark.parametrize("failure", [UpstreamError("upstream_unreachable"), DeadlineExceeded()])
def test_nobody_there(bridge, context, failure):
    bridge.answer("GET", DISCOVERY, failure)
    assert codes(context) == ["bridge_unreachable"]


def test_relayed_tokens_have_no_discovery_of_the_bridge(bridge, context):
    bridge.answer("GET", DISCOVERY, answering({}, 404))
    assert codes(context, tokens="relay") == []


def test_metadata_of_ours_that_cannot_be_had(bridge, context):
    bridge.answer("GET", f"{ISSUER}/saml/metadata", answering({}, 503))
    assert codes(context, protocol="saml", saml=Saml()) == ["sp_metadata_unavailable"]
