"""Sign-ins through oidc-provider over TLS, to which the bridge shows a client certificate (RFC 8705)."""

import base64
import hashlib
import json
import ssl
from collections import Counter
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError
from tests.counterparts.faults import Fault
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import COLD, WARM, sign_in_at_pool, sign_in_twice, user_pool
from tests.support.client_certificates import client_authority
from tests.support.keys import ec_key, private_pem
from tests.support.tls_files import tls_files

pytestmark = pytest.mark.interop

GRANT = {"grant_type", "code", "redirect_uri", "code_verifier"}
MUTUAL_TLS = "\nmutual_tls: {certificate: $tls, key: $tls}"
BOUND = {"tls_client_certificate_bound_access_tokens": True}
PUSHED = "{scope: openid email groups, par: required}"


def certified(
    name, tls="authority", *, method=None, more="", subject=None, authorization=None, registered=None
):
    """A connection whose client certificate is its credential, and binds its tokens."""
    ours = "tls_client_auth" if tls == "authority" else "self_signed_tls_client_auth"
    registered = registered or ours
    subject = {"tls_client_auth_subject_dn": f"CN={subject or name},O=fedbridge"}
    return Declared(
        name=name,
        yaml=f"client_authentication: {{method: {method or ours}}}{MUTUAL_TLS}{more}",
        tls=tls,
        client={
            "token_endpoint_auth_method": registered,
            "metadata": BOUND | (subject if registered == "tls_client_auth" else {}),
        },
        **({"authorization": authorization} if authorization else {}),
    )


def keyed(name, tls="authority", more=MUTUAL_TLS):
    """A connection that signs assertions, and whose tokens are bound to a certificate all the same."""
    return Declared(
        name=name,
        yaml=f"client_authentication: {{method: private_key_jwt, key: $key}}{more}",
        key="P-256",
        tls=tls,
        client={"token_endpoint_auth_signing_alg": "ES256", "metadata": BOUND},
    )


CONNECTIONS = [
    certified("ca"),
    certified("self-signed", "self_signed"),
    certified("stolen"),
    certified("pushed", authorization=PUSHED),
    certified("auto", method="auto"),
    keyed("assertion"),
    keyed("without-certificate", None, ""),
    certified("other-subject", subject="somebody-else"),
    certified("not-of-the-authority", "self_signed", method="tls_client_auth", registered="tls_client_auth"),
    certified("aliased", more="\nendpoint_hosts: ['localhost:$port']"),
    certified("aliased-elsewhere"),
]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    settings = {
        "clientAuthMethods": ["tls_client_auth", "self_signed_tls_client_auth", "private_key_jwt"],
        "enabledJWA": {"clientAuthSigningAlgValues": ["ES256"]},
        "features": {
            "mTLS": {
                "enabled": True,
                "tlsClientAuth": True,
                "selfSignedTlsClientAuth": True,
                "certificateBoundAccessTokens": True,
            },
            "pushedAuthorizationRequests": {"enabled": True},
        },
    }
    with (
        OidcProvider(tls=tls_files(folder), oidc_provider=settings) as op,
        running_bridge(op, folder, CONNECTIONS) as bridge,
    ):
        yield bridge


@pytest.fixture(autouse=True)
def mended(bridge):
    yield
    bridge.op.clear_faults()


@pytest.fixture
def browser(bridge):
    with new_browser(authority=bridge.op.tls.authority) as browser:
        yield browser


def certificate_of(bridge, name):
    pem = Path(bridge.file.parent / f"{name}.tls").read_bytes()
    return x509.load_pem_x509_certificate(pem)


def published(bridge, name):
    return httpx.get(f"{bridge.issuer(name)}/client-jwks.json", trust_env=False).json()["keys"]


@pytest.mark.parametrize("name", ["ca", "self-signed", "auto"])
def test_the_certificate_is_the_credential(bridge, browser, openid_client, name):
    first, second = sign_in_twice(bridge, openid_client, browser, name)
    assert (first.calls, second.calls) == (COLD, WARM)
    for passage in (first, second):
        token = passage.only("token")
        assert set(token.form) == GRANT | {"client_id"}
        assert "authorization" not in token.headers


def test_a_self_signed_certificate_is_published(bridge):
    (jwk,) = published(bridge, "self-signed")
    der = certificate_of(bridge, "self-signed").public_bytes(Encoding.DER)
    assert jwk["x5c"] == [base64.b64encode(der).decode()]
    assert jwk["x5t#S256"] == base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert published(bridge, "ca") == []


def test_pushed_requests_are_authenticated_likewise(bridge, browser, openid_client):
    for passage in sign_in_twice(bridge, openid_client, browser, "pushed"):
        pushed = passage.only("pushed_authorization_request")
        assert pushed.form["client_id"] == bridge.connections["pushed"].upstream_client_id
        assert "client_assertion" not in pushed.form


def test_tokens_of_an_asserted_client_are_bound_to_its_certificate(bridge, browser, openid_client):
    for passage in sign_in_twice(bridge, openid_client, browser, "assertion"):
        assert passage.only("token").assertion is not None
        assert passage.only("userinfo").status == 200
    assert len(published(bridge, "assertion")) == 1


def test_a_bound_token_is_worthless_with_another_certificate(bridge, browser, openid_client, tmp_path):
    """The IdP means it: what the bridge got opens userinfo by its certificate alone."""
    _, passage = sign_in_twice(bridge, openid_client, browser, "stolen")
    token = json.loads(passage.only("token").answer or "")["access_token"]
    thief = ec_key(number=980)
    (tmp_path / "thief.pem").write_text(client_authority().issue(thief, name="stolen") + private_pem(thief))
    trust = ssl.create_default_context(cafile=bridge.op.tls.authority)
    for certificate in (None, tmp_path / "thief.pem", bridge.file.parent / "stolen.tls"):
        if certificate is not None:
            trust.load_cert_chain(certificate)
        answer = httpx.get(
            bridge.op.endpoint("userinfo"),
            headers={"authorization": f"Bearer {token}"},
            verify=trust,
            trust_env=False,
        )
        assert answer.status_code == (200 if certificate == bridge.file.parent / "stolen.tls" else 401)


@pytest.mark.parametrize("name", ["without-certificate", "other-subject", "not-of-the-authority"])
def test_the_idp_means_it(bridge, browser, name):
    with user_pool(bridge, name) as pool, pytest.raises(SignInError, match="Bank Error"):
        sign_in_at_pool(bridge, pool, browser)


def aliases(bridge, host):
    origin = httpx.URL(bridge.op.issuer).copy_with(host=host)
    return Fault(
        members={
            "mtls_endpoint_aliases": {
                name: f"{origin}/{path}".replace("//" + path, "/" + path)
                for name, path in (("token_endpoint", "token"), ("userinfo_endpoint", "userinfo"))
            }
        }
    )


def test_aliases_for_mutual_tls_are_called(bridge, browser, openid_client):
    bridge.op.set_fault("discovery", aliases(bridge, "localhost"))
    for passage in sign_in_twice(bridge, openid_client, browser, "aliased"):
        assert {passage.only(route).headers["host"].partition(":")[0] for route in ("token", "userinfo")} == {
            "localhost"
        }


def test_aliases_on_other_hosts_are_refused(bridge, browser):
    bridge.op.set_fault("discovery", aliases(bridge, "localhost"))
    with user_pool(bridge, "aliased-elsewhere") as pool, pytest.raises(SignInError, match="server_error"):
        sign_in_at_pool(bridge, pool, browser)
    assert Counter(entry.route for entry in bridge.op.journal()) == Counter()
