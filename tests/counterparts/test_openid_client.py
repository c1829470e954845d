"""openid-client signs in directly at oidc-provider, and refuses what a strict relying party must refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from joserfc import jwk

from tests.counterparts.browser import new_browser
from tests.counterparts.faults import ANSWERS, AuthorizationError, Fault, IdTokenTampering
from tests.counterparts.oidc_provider import (
    ALICE,
    Client,
    OidcProvider,
    sign_in,
)
from tests.counterparts.openid_client import OpenidClient, OpenidClientError, RelyingParty, SignedIn

pytestmark = pytest.mark.interop

CALLBACK = "http://localhost:9/oauth2/idpresponse"
SECRET = "a:b+c%d e&f" + "s" * 32
KEY = jwk.ECKey.generate_key("P-256", parameters={"kid": "k1", "use": "sig", "alg": "ES256"})
METHODS = ["client_secret_post", "client_secret_basic", "client_secret_jwt", "private_key_jwt"]


def registration(method: str) -> Client:
    return Client(
        client_id=method,
        redirect_uris=[CALLBACK],
        token_endpoint_auth_method=method,
        client_secret=None if method == "private_key_jwt" else SECRET,
        jwks={"keys": [KEY.as_dict(private=False)]},
        token_endpoint_auth_signing_alg={"private_key_jwt": "ES256", "client_secret_jwt": "HS256"}.get(
            method
        ),
    )


@pytest.fixture(scope="module")
def running_op() -> Iterator[OidcProvider]:
    clients = [registration(method) for method in METHODS]
    with OidcProvider(clients=clients, require_pkce=False, require_nonce=False) as op:
        yield op


@pytest.fixture
def op(running_op: OidcProvider) -> Iterator[OidcProvider]:
    running_op.clear_journal()
    yield running_op
    running_op.clear_faults()


@pytest.fixture(scope="module")
def client() -> Iterator[OpenidClient]:
    with OpenidClient() as client:
        yield client


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with new_browser() as browser:
        yield browser


def relying_party(op: OidcProvider, method: Any = "client_secret_post", **others: Any) -> RelyingParty:
    secret = None if method == "private_key_jwt" else SECRET
    private = KEY.as_dict(private=True) if method == "private_key_jwt" else None
    return RelyingParty(
        client_id=method,
        redirect_uri=CALLBACK,
        client_secret=secret,
        method=method,
        client_jwk=private,
        **({"issuer": op.issuer} | others),
    )


def run(client: OpenidClient, browser: httpx.Client, rp: RelyingParty, **parameters: str) -> SignedIn:
    request = client.authorization_url(rp, **parameters)
    return client.callback(rp, request, sign_in(browser, request.url))


@pytest.mark.parametrize("method", METHODS)
def test_signs_in_with_every_method(
    op: OidcProvider, client: OpenidClient, browser: httpx.Client, method: str
) -> None:
    signed_in = run(client, browser, relying_party(op, method, pkce=True, nonce=True))
    assert signed_in.claims["sub"] == ALICE.sub
    assert signed_in.userinfo["email"] == "alice@example.com"
    (token_request,) = op.journal("token")
    assert ("authorization" in token_request.headers) == (method == "client_secret_basic")
    assert ("client_secret" in token_request.form) == (method == "client_secret_post")
    assert (token_request.assertion is not None) == method.endswith("_jwt")


def test_signs_in_as_cognito_does_without_pkce_and_nonce(
    op: OidcProvider, client: OpenidClient, browser: httpx.Client
) -> None:
    rp = relying_party(op, state="x" * 1_250)
    assert "nonce" not in run(client, browser, rp).claims
    (authorization, *_) = op.journal("authorization")
    assert authorization.query["state"] == rp.state
    assert not {"nonce", "code_challenge"} & set(authorization.query)


def test_manual_endpoints_instead_of_discovery(
    op: OidcProvider, client: OpenidClient, browser: httpx.Client
) -> None:
    metadata = {
        "issuer": op.issuer,
        "authorization_endpoint": op.endpoint("authorize"),
        "token_endpoint": op.endpoint("token"),
        "userinfo_endpoint": op.endpoint("userinfo"),
        "jwks_uri": op.endpoint("jwks"),
    }
    run(client, browser, relying_party(op, issuer=None, server_metadata=metadata))
    assert (op.count("discovery"), op.count("jwks"), op.count("userinfo")) == (0, 1, 1)


def test_takes_a_form_post(op: OidcProvider, client: OpenidClient, browser: httpx.Client) -> None:
    assert run(client, browser, relying_party(op), response_mode="form_post").claims["sub"] == ALICE.sub


@pytest.mark.parametrize(
    "tampering",
    [
        IdTokenTampering(key="stranger"),
        IdTokenTampering(key="none"),
        IdTokenTampering(key="public-key-as-secret"),
        IdTokenTampering(claims={"iss": "https://elsewhere.example"}),
        IdTokenTampering(claims={"aud": "somebody"}),
        IdTokenTampering(claims={"exp": 1}),
        IdTokenTampering(claims={"nonce": "other"}),
        IdTokenTampering(claims={"sub": None}),
    ],
    ids=str,
)
def test_refuses_a_bad_id_token(
    op: OidcProvider, client: OpenidClient, browser: httpx.Client, tampering: IdTokenTampering
) -> None:
    op.set_fault("token", Fault(id_token=tampering))
    with pytest.raises(OpenidClientError):
        run(client, browser, relying_party(op, nonce=True))


def test_refuses_userinfo_of_somebody_else(
    op: OidcProvider, client: OpenidClient, browser: httpx.Client
) -> None:
    op.set_fault("userinfo", Fault(members={"sub": "somebody"}))
    with pytest.raises(OpenidClientError, match="sub"):
        run(client, browser, relying_party(op))


def test_refuses_a_foreign_state(op: OidcProvider, client: OpenidClient, browser: httpx.Client) -> None:
    rp = relying_party(op)
    request = client.authorization_url(rp)
    callback = sign_in(browser, request.url)
    with pytest.raises(OpenidClientError, match="state"):
        client.callback(rp, replace(request, state="other"), callback)
    assert op.count("token") == 0


def test_tells_the_errors_of_both_endpoints(
    op: OidcProvider, client: OpenidClient, browser: httpx.Client
) -> None:
    op.set_fault("authorization", Fault(error=AuthorizationError("access_denied", "not today"), times=1))
    with pytest.raises(OpenidClientError) as caught:
        run(client, browser, relying_party(op))
    assert (caught.value.error, caught.value.error_description) == ("access_denied", "not today")

    op.set_fault("token", Fault(answer=ANSWERS["rfc json"]))
    with pytest.raises(OpenidClientError) as caught:
        run(client, browser, relying_party(op))
    assert (caught.value.error, caught.value.status) == ("invalid_grant", 400)


def test_a_secret_of_the_wrong_kind_is_refused_by_the_provider(
    op: OidcProvider, client: OpenidClient, browser: httpx.Client
) -> None:
    rp = replace(relying_party(op, "client_secret_basic"), method="client_secret_post")
    with pytest.raises(OpenidClientError) as caught:
        run(client, browser, rp)
    assert caught.value.error == "invalid_client"
