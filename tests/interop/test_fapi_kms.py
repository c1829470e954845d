"""The FAPI 2.0 security profile with a key that never leaves KMS: assertions are signed there, proofs never are."""

import base64
import secrets
from collections import Counter

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.oidc_provider import AssertionRules, OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import WARM, sign_in_twice
from tests.support.kms import create_key, running_ministack
from tests.support.tls_files import tls_files

pytestmark = [pytest.mark.interop, pytest.mark.ministack]

SPECS = {"PS256": "RSA_2048", "ES256": "ECC_NIST_P256"}


def profile(alg, arn):
    """Bound by DPoP where the key is RSA, by a certificate where it is EC."""
    bound = (
        "dpop: {at_authorization: proof}" if alg == "PS256" else "mutual_tls: {certificate: $tls, key: $tls}"
    )
    constraint = (
        "dpop_bound_access_tokens" if alg == "PS256" else "tls_client_certificate_bound_access_tokens"
    )
    return Declared(
        name=f"kms-{alg.lower()}",
        yaml=f'client_authentication: {{method: private_key_jwt, key: "kms:{arn}", algorithm: {alg}}}\n{bound}\n'
        "id_token: {algorithms: [PS256]}",
        tls=None if alg == "PS256" else "authority",
        authorization="{scope: openid email groups, par: required}",
        client={
            "token_endpoint_auth_signing_alg": alg,
            "id_token_signed_response_alg": "PS256",
            "assertion": AssertionRules(audience=["issuer"], max_lifetime=60),
            "metadata": {constraint: True},
        },
    )


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    settings = {
        "enabledJWA": {
            "clientAuthSigningAlgValues": list(SPECS),
            "idTokenSigningAlgValues": ["PS256", "RS256"],
        },
        "features": {
            "fapi": {"enabled": True, "profile": "2.0"},
            "pushedAuthorizationRequests": {"enabled": True, "requirePushedAuthorizationRequests": True},
            "dPoP": {
                "enabled": True,
                "requireNonce": True,
                "nonceSecret": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
            },
            "mTLS": {"enabled": True, "certificateBoundAccessTokens": True},
        },
    }
    with (
        running_ministack() as account,
        OidcProvider(tls=tls_files(folder), oidc_provider=settings) as op,
    ):
        connections = [profile(alg, create_key(account, spec)) for alg, spec in SPECS.items()]
        with running_bridge(op, folder, connections) as bridge:
            yield bridge


@pytest.fixture
def browser(bridge):
    with new_browser(authority=bridge.op.tls.authority) as browser:
        yield browser


@pytest.mark.parametrize("alg", SPECS)
def test_assertions_are_signed_in_kms(bridge, browser, openid_client, alg):
    first, second = sign_in_twice(bridge, openid_client, browser, f"kms-{alg.lower()}")
    assert second.calls == WARM + Counter(pushed_authorization_request=1)
    for passage in (first, second):
        for entry in [*passage.all("pushed_authorization_request"), *passage.all("token")]:
            assert entry.assertion is not None
            assert entry.assertion.header["alg"] == alg
            assert (entry.dpop is not None) == (alg == "PS256")
