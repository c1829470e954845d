"""Sign-ins through oidc-provider with tokens that are bound to a key of each sign-in, and nonces that it demands."""

import base64
import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from tests.counterparts.cognito import SignInError
from tests.counterparts.faults import Answer, Fault
from tests.counterparts.oidc_provider import Jwt, OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import COLD, WARM, sign_in_at_pool, sign_in_twice, user_pool

pytestmark = pytest.mark.interop

ALGORITHMS = ["ES256", "ES384", "ES512"]
PUSHED = "{scope: openid email groups, par: required}"


def bound(name, dpop, **others):
    return Declared(
        name=name,
        yaml=f"client_authentication: {{method: private_key_jwt, key: $key}}{dpop}",
        key="P-256",
        client={"token_endpoint_auth_signing_alg": "ES256", "metadata": {"dpop_bound_access_tokens": True}},
        **others,
    )


CONNECTIONS = [
    bound("jkt", "\ndpop: {}"),
    bound("jkt-pushed", "\ndpop: {at_authorization: dpop_jkt}", authorization=PUSHED),
    bound("proof", "\ndpop: {at_authorization: proof, lifetime: 120}", authorization=PUSHED),
    bound("unbound-code", "\ndpop: {at_authorization: none}"),
    *(bound(alg.lower(), f"\ndpop: {{algorithm: {alg}}}") for alg in ALGORITHMS),
    bound("post", "\ndpop: {}\nuserinfo: {method: POST}"),
    bound("without", ""),
    bound("downgraded", "\ndpop: {}"),
    bound("unhappy", "\ndpop: {}"),
]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    nonces = {"nonceSecret": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")}
    settings = {
        "enabledJWA": {"dPoPSigningAlgValues": ALGORITHMS, "clientAuthSigningAlgValues": ["ES256"]},
        "features": {
            "dPoP": {"enabled": True, "requireNonce": True, **nonces},
            "pushedAuthorizationRequests": {"enabled": True},
        },
    }
    with (
        OidcProvider(oidc_provider=settings) as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), CONNECTIONS) as bridge,
    ):
        yield bridge


@pytest.fixture(autouse=True)
def mended(bridge):
    yield
    bridge.op.clear_faults()


def claims_of(received: Jwt | None) -> Mapping[str, Any]:
    assert received is not None
    assert received.problem is None
    return received.claims


def thumbprint(jwk):
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).decode().rstrip("=")


def keys_of(passage):
    """The thumbprints of the keys that signed the proofs of a sign-in."""
    return {
        thumbprint(entry.dpop.header["jwk"])
        for route in ("pushed_authorization_request", "token", "userinfo")
        for entry in passage.all(route)
        if entry.dpop is not None
    }


def check_proofs(passage, alg="ES256", *, lifetime=None):
    proofs = [entry for entry in passage.upstream if entry.dpop is not None]
    for entry in proofs:
        header, claims = entry.dpop.header, entry.dpop.claims
        assert (header["typ"], header["alg"]) == ("dpop+jwt", alg)
        assert header["jwk"].keys() == {"kty", "crv", "x", "y"}
        assert claims["htm"] == entry.method
        assert claims["htu"].endswith(entry.path)
        assert claims.get("exp", 0) - claims["iat"] == lifetime if lifetime else "exp" not in claims
        assert ("ath" in claims) == (entry.route == "userinfo")
    assert len({entry.dpop.claims["jti"] for entry in proofs}) == len(proofs)


def test_a_nonce_is_asked_for_once_and_then_known(bridge, browser, openid_client):
    first, second = sign_in_twice(bridge, openid_client, browser, "jkt")
    # Authorization server and resource have nonces of their own (RFC 9449 §9), each asked for by a refusal.
    assert first.calls == COLD + Counter(token=1, userinfo=1)
    assert second.calls == WARM
    refused, redeemed = first.all("token")
    assert (refused.status, json.loads(refused.answer or "")["error"]) == (400, "use_dpop_nonce")
    assert "nonce" not in claims_of(refused.dpop)
    assert claims_of(redeemed.dpop)["nonce"] == refused.answer_headers["dpop-nonce"]
    assert refused.form["code"] == redeemed.form["code"]
    assert claims_of(refused.assertion)["jti"] != claims_of(redeemed.assertion)["jti"]
    for passage in (first, second):
        check_proofs(passage)
        assert keys_of(passage) == {passage.authorization.query["dpop_jkt"]}
        assert passage.all("userinfo")[-1].headers["authorization"].startswith("DPoP ")
    assert keys_of(first) != keys_of(second)


def test_the_key_is_pushed_as_a_parameter(bridge, browser, openid_client):
    first, second = sign_in_twice(bridge, openid_client, browser, "jkt-pushed")
    pushed = Counter(pushed_authorization_request=1)
    assert first.calls == COLD + pushed + Counter(token=1, userinfo=1)
    assert second.calls == WARM + pushed
    for passage in (first, second):
        request = passage.only("pushed_authorization_request")
        assert request.dpop is None
        assert keys_of(passage) == {request.form["dpop_jkt"]}
        assert "dpop_jkt" not in passage.authorization.query


def test_the_key_is_proven_when_the_request_is_pushed(bridge, browser, openid_client):
    first, second = sign_in_twice(bridge, openid_client, browser, "proof")
    pushed = Counter(pushed_authorization_request=1)
    # The nonce that was given for the pushed request does for the code.
    assert first.calls == COLD + pushed + pushed + Counter(userinfo=1)
    assert second.calls == WARM + pushed
    for passage in (first, second):
        check_proofs(passage, lifetime=120)
        assert len(keys_of(passage)) == 1
        assert "dpop_jkt" not in passage.all("pushed_authorization_request")[-1].form
    refused, taken = first.all("pushed_authorization_request")
    assert (refused.status, taken.status) == (400, 201)
    assert claims_of(refused.assertion)["jti"] != claims_of(taken.assertion)["jti"]


def test_a_code_need_not_be_bound(bridge, browser, openid_client):
    for passage in sign_in_twice(bridge, openid_client, browser, "unbound-code"):
        assert "dpop_jkt" not in passage.authorization.query
        assert len(keys_of(passage)) == 1


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_proofs_by_every_algorithm(bridge, browser, openid_client, alg):
    for passage in sign_in_twice(bridge, openid_client, browser, alg.lower()):
        check_proofs(passage, alg)


def test_userinfo_by_post(bridge, browser, openid_client):
    for passage in sign_in_twice(bridge, openid_client, browser, "post"):
        check_proofs(passage)
        assert {entry.method for entry in passage.all("userinfo")} == {"POST"}


def refused(bridge, browser, name, error="server_error"):
    with user_pool(bridge, name) as pool, pytest.raises(SignInError, match=error):
        sign_in_at_pool(bridge, pool, browser)


def test_the_idp_means_it(bridge, browser):
    """A client that is to be bound gets nothing without a proof; oidc-provider says `invalid_grant`."""
    refused(bridge, browser, "without", "temporarily_unavailable")


def test_a_token_that_is_not_bound_is_not_used(bridge, browser):
    bridge.op.set_fault("token", Fault(members={"token_type": "Bearer"}))
    refused(bridge, browser, "downgraded")


def test_an_idp_that_is_never_happy_is_asked_twice(bridge, browser):
    challenge = Answer(status=400, body='{"error":"use_dpop_nonce"}', headers={"dpop-nonce": "n"})
    bridge.op.set_fault("token", Fault(answer=challenge))
    refused(bridge, browser, "unhappy")
