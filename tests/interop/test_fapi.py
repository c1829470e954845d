"""The FAPI 2.0 security profile whole: oidc-provider enforces it, by sender constraint of either kind, over TLS.

Pushed requests and nothing else, PKCE, assertions with PS256 or ES256 for the issuer alone, or mutual TLS; tokens bound by
DPoP with a nonce, or to the certificate; `iss` in every answer, ID tokens by PS256 and ES256.
"""

import base64
import secrets
from collections import Counter

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError
from tests.counterparts.oidc_provider import AssertionRules, OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import COLD, WARM, sign_in_at_pool, sign_in_twice, user_pool
from tests.support.tls_files import tls_files

pytestmark = pytest.mark.interop

PUSHED = "{scope: openid email groups, par: required}"
STRICT = AssertionRules(audience=["issuer"], max_lifetime=60)
CERTIFICATE = "mutual_tls: {certificate: $tls, key: $tls}"


def profile(name, *lines, alg=None, tls=None, bound="dpop", id_token="PS256", authorization=PUSHED, **client):
    """A client of the profile: tokens bound by `dpop` or `certificate`, requests pushed."""
    constraint = (
        "dpop_bound_access_tokens" if bound == "dpop" else "tls_client_certificate_bound_access_tokens"
    )
    signed = {} if alg is None else {"token_endpoint_auth_signing_alg": alg}
    subject = {"tls_client_auth_subject_dn": f"CN={name},O=fedbridge"} if client else {}
    return Declared(
        name=name,
        yaml="\n".join([*lines, f"id_token: {{algorithms: [{id_token}]}}"]),
        key=None if alg is None else "RSA" if alg[0] == "P" else "P-256",
        tls=tls,
        authorization=authorization,
        client={
            **signed,
            **client,
            "assertion": STRICT,
            "id_token_signed_response_alg": id_token,
            "metadata": {constraint: True, "require_pushed_authorization_requests": True, **subject},
        },
    )


def asserted(alg):
    return f"client_authentication: {{method: private_key_jwt, key: $key, algorithm: {alg}}}"


PROOF = "dpop: {at_authorization: proof}"
TLS_CLIENT = "client_authentication: {method: tls_client_auth}"
CONNECTIONS = {
    "ps256-dpop": profile("ps256-dpop", asserted("PS256"), PROOF, alg="PS256"),
    "es256-dpop": profile("es256-dpop", asserted("ES256"), PROOF, alg="ES256", id_token="ES256"),
    "es256-jkt": profile("es256-jkt", asserted("ES256"), "dpop: {}", alg="ES256"),
    "ps256-certificate": profile(
        "ps256-certificate", asserted("PS256"), CERTIFICATE, alg="PS256", tls="authority", bound="certificate"
    ),
    "mtls": profile(
        "mtls", TLS_CLIENT, CERTIFICATE,
        tls="authority", bound="certificate", token_endpoint_auth_method="tls_client_auth",
    ),
    "preset": profile(
        "preset", "preset: fapi2_generic", "client_authentication: {key: $key}", alg="PS256",
        authorization="{scope: openid email groups}",
    ),
    "preset-mtls": profile(
        "preset-mtls", "preset: fapi2_generic", "client_authentication: {key: $key}", "dpop: null", CERTIFICATE,
        alg="PS256", tls="authority", bound="certificate", authorization="{scope: openid email groups}",
    ),
    "mtls-dpop": profile(
        "mtls-dpop", TLS_CLIENT, CERTIFICATE, PROOF, tls="authority", token_endpoint_auth_method="tls_client_auth"
    ),
}  # fmt: skip
DPOP = {
    "ps256-dpop": "proof",
    "es256-dpop": "proof",
    "mtls-dpop": "proof",
    "es256-jkt": "dpop_jkt",
    "preset": "dpop_jkt",
}
"""How the codes of these are bound; the others have a certificate."""
ONCE = profile("once", asserted("ES256"), "dpop: {}", alg="ES256")
REFUSED = {
    "unpushed": profile(
        "unpushed",
        asserted("ES256"),
        "dpop: {}",
        alg="ES256",
        authorization="{scope: openid email, par: off}",
    ),
    "unbound": profile("unbound", asserted("ES256"), alg="ES256"),
    "rs256": profile("rs256", asserted("RS256"), PROOF, alg="PS256"),
    "other-audience": profile(
        "other-audience", asserted("ES256")[:-1] + ", audience: token_endpoint}", PROOF, alg="ES256"
    ),
}
WHY = {
    "unpushed": ("authorization_response_error", "invalid_request"),
    "unbound": ("authorization_code_refused", "invalid_grant"),
    "rs256": ("client_authentication_refused", "invalid_client"),
    "other-audience": ("client_authentication_refused", "invalid_client"),
}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    algorithms = ["PS256", "ES256"]
    settings = {
        "clientAuthMethods": ["private_key_jwt", "tls_client_auth"],
        "enabledJWA": {
            "clientAuthSigningAlgValues": algorithms,
            "dPoPSigningAlgValues": algorithms,
            "idTokenSigningAlgValues": algorithms,
        },
        "features": {
            "fapi": {"enabled": True, "profile": "2.0"},
            "pushedAuthorizationRequests": {"enabled": True, "requirePushedAuthorizationRequests": True},
            "dPoP": {
                "enabled": True,
                "requireNonce": True,
                "nonceSecret": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
            },
            "mTLS": {"enabled": True, "tlsClientAuth": True, "certificateBoundAccessTokens": True},
        },
    }
    with (
        OidcProvider(tls=tls_files(folder), oidc_provider=settings) as op,
        running_bridge(op, folder, [*CONNECTIONS.values(), ONCE, *REFUSED.values()]) as bridge,
    ):
        yield bridge


@pytest.fixture
def browser(bridge):
    with new_browser(authority=bridge.op.tls.authority) as browser:
        yield browser


@pytest.mark.parametrize("name", CONNECTIONS)
def test_the_security_profile(bridge, browser, openid_client, name):
    first, second = sign_in_twice(bridge, openid_client, browser, name)
    pushed = Counter(pushed_authorization_request=1)
    dpop = DPOP.get(name)
    # Whoever is asked first for a proof says which nonce; userinfo has its own.
    asked = {"proof": pushed, "dpop_jkt": Counter(token=1), None: Counter[str]()}
    nonces = asked[dpop] + (Counter(userinfo=1) if dpop else Counter())
    assert first.calls == COLD + pushed + nonces
    assert second.calls == WARM + pushed
    for passage in (first, second):
        assert set(passage.authorization.query) == {"client_id", "request_uri"}
        request = passage.all("pushed_authorization_request")[-1]
        assert request.form["code_challenge_method"] == "S256"
        for entry in [*passage.all("pushed_authorization_request"), *passage.all("token")]:
            if entry.assertion is not None:
                assert entry.assertion.claims["aud"] == bridge.op.issuer
                assert entry.assertion.claims["exp"] - entry.assertion.claims["iat"] <= 60
        bound = "DPoP " if dpop else "Bearer "
        assert passage.all("userinfo")[-1].headers["authorization"].startswith(bound)


def test_every_answer_says_whose_it_is(bridge, browser):
    with user_pool(bridge, "once") as pool:
        _, passage = sign_in_at_pool(bridge, pool, browser)
    back = [
        response.headers["location"]
        for response in passage.trip.responses
        if "/once/callback" in response.headers.get("location", "")
    ]
    assert len(back) == 1
    assert "iss=https%3A%2F%2F127.0.0.1" in back[0]


@pytest.mark.parametrize("name", REFUSED)
def test_the_idp_means_it(bridge, browser, caplog, name):
    with user_pool(bridge, name) as pool, pytest.raises(SignInError):
        sign_in_at_pool(bridge, pool, browser)
    (failed,) = [record for record in caplog.records if record.message == "sign_in_failed"]
    fields = vars(failed)["fields"]
    assert (fields["reason"], fields.get("upstream_code")) == WHY[name]
